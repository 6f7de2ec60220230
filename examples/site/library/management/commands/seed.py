"""`manage.py seed`: the two logins and a few small files for each profile; safe to run again."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand

from library import samples
from library.models import (
    BrandAsset,
    CatalogueFile,
    Document,
    Export,
    Invoice,
    Leaflet,
    Ledger,
    MemberGuide,
    Print,
    StaffReport,
    Talk,
)
from library.people import PEOPLE


class Command(BaseCommand):
    help = "Creates the logins alice and sam and uploads a few small files to every profile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="name no file, only the sum")

    def handle(self, *args: Any, **options: Any) -> None:
        people = {person.username: self._login(person.username) for person in PEOPLE}
        uploaded = 0
        for document, file_name, content in _documents(people["alice"], people["sam"]):
            known = type(document)._default_manager.filter(title=document.title).first()
            if known and known.stored.storage.exists(known.stored.name or ""):
                continue
            document = known or document
            setattr(document, document.file_field, ContentFile(content, name=file_name))
            document.save()
            uploaded += 1
            if not options["quiet"]:
                self.stdout.write(f"  {document.profile:<10} {document.stored.name} ({len(content)} bytes)")
        self.stdout.write(f"  {uploaded} files uploaded" if uploaded else "  all files are there")

    def _login(self, username: str) -> User:
        person = next(person for person in PEOPLE if person.username == username)
        user, is_new = User.objects.get_or_create(username=username)
        if is_new:
            user.first_name = username.capitalize()
            user.is_staff = user.is_superuser = person.is_staff
            user.set_password(person.password)
            user.save()
        return user


def _documents(alice: User, sam: User) -> Iterator[tuple[Document, str, bytes]]:
    """Every seeded row with the name and the bytes of its file, oldest first."""
    yield (
        Leaflet(title="Floor plan with a script in it", uploaded_by=sam),
        "floor-plan.html",
        samples.page_with_script("Acme Library, ground floor"),
    )
    yield (
        Leaflet(title="Shelf map with a script in it", uploaded_by=sam),
        "shelf-map.svg",
        samples.drawing_with_script("Acme Library, shelves"),
    )
    yield (
        Leaflet(title="Opening hours", uploaded_by=sam),
        "opening-hours.txt",
        samples.text(
            "Acme Library",
            "Monday to Friday   9:00 – 19:00\nSaturday          10:00 – 16:00\nSunday            closed",
            "The book drop beside the door is open at all hours.",
        ),
    )
    yield Leaflet(title="Summer reading poster", uploaded_by=sam), "summer-reading.png", samples.sunset()
    yield (
        MemberGuide(title="How to borrow", uploaded_by=sam),
        "how-to-borrow.txt",
        samples.text(
            "How to borrow",
            "1. Bring your card, or its picture on your telephone.\n"
            "2. Take up to twelve items for four weeks.\n"
            "3. Renew at the desk or on the site, unless somebody waits for the item.",
        ),
    )
    yield (
        MemberGuide(title="Reading group, autumn list", uploaded_by=alice),
        "reading-group-autumn.pdf",
        samples.pdf(
            "Reading group, autumn list",
            [
                ("The House by the Weir", "3 September"),
                ("Letters from the Ferry", "1 October"),
                ("A Map of Small Rivers", "5 November"),
            ],
            "We meet at 18:30 in the round room. Tea is ready.",
        ),
    )
    yield (
        StaffReport(title="Desk rota", uploaded_by=sam),
        "desk-rota.txt",
        samples.text(
            "Desk rota, week 36",
            "Mon  Sam, Ines\nTue  Ines, Jo\nWed  Sam, Jo\nThu  Sam, Ines\nFri  Jo, Ines\nSat  Sam",
        ),
    )
    yield (
        StaffReport(title="Loans, third quarter", uploaded_by=sam),
        "loans-q3.csv",
        samples.text("month,loans,returns,new members\nJuly,2114,1987,41\nAugust,2390,2201,57\nSeptember,2655,2540,63"),
    )
    yield Talk(title="A walk along the river", uploaded_by=sam), "river-walk.mp4", samples.film()
    yield (
        Export(title="Loans by night", uploaded_by=sam),
        "loans.csv",
        samples.text("night,loans,returns\n1 September,91,77\n2 September,104,98\n3 September,86,101"),
    )
    yield (
        Ledger(title="Ledger of 1911", uploaded_by=sam),
        "ledger-1911.pdf",
        samples.pdf("Ledger of 1911", [("Coal", "4.10"), ("Lamp oil", "1.25"), ("Bookbinder", "9.00")], "Copied."),
    )
    yield (
        CatalogueFile(title="Catalogue, new arrivals", uploaded_by=sam),
        "new-arrivals.txt",
        samples.text("New arrivals", "The House by the Weir\nLetters from the Ferry\nA Map of Small Rivers"),
    )
    yield Print(title="Summer reading, large", uploaded_by=sam), "summer-reading-large.png", samples.sunset(640, 400)
    yield BrandAsset(title="Bookmark", uploaded_by=sam), "bookmark.png", samples.bookmark()
    yield BrandAsset(title="Wrapping paper", uploaded_by=sam), "wrapping-paper.png", samples.tiles()
    for number, owner, work, price in (
        ("A-1001", alice, "Binding, one thesis", "EUR 24.00"),
        ("A-1002", sam, "Print of one map, A2", "EUR 11.50"),
    ):
        yield (
            Invoice(title=f"Invoice {number} for {owner.first_name}", owner=owner, uploaded_by=sam),
            f"{number}.pdf",
            samples.pdf(
                f"Invoice {number}",
                [("For", owner.first_name), (work, price), ("To be paid", price)],
                "Acme Library, 1 River Street. Thank you.",
            ),
        )
