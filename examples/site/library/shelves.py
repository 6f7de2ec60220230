"""What the site says about each profile, and who may add to it; asked by the views and the seed.

Who may *read* is not repeated here: that is the profile's permission, and `reading` asks the router.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from .forms import (
    BrandAssetForm,
    CatalogueFileForm,
    ExportForm,
    InvoiceForm,
    LeafletForm,
    LedgerForm,
    MemberGuideForm,
    PrintForm,
    StaffReportForm,
    TalkForm,
    UploadForm,
)
from .models import (
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

Visitor = AbstractBaseUser | AnonymousUser


def is_member(visitor: Visitor) -> bool:
    return visitor.is_authenticated and visitor.is_active


def is_staff(visitor: Visitor) -> bool:
    return isinstance(visitor, User) and visitor.is_active and visitor.is_staff


@dataclass(frozen=True, slots=True)
class Shelf:
    """One profile as the library speaks of it."""

    heading: str
    blurb: str
    model: type[Document]
    form: type[UploadForm]
    may_upload: Callable[[Visitor], bool]
    uploaders: str
    readers: str = ""
    """In words, where the profile's permission is a predicate of the site's own."""

    @property
    def profile(self) -> str:
        return self.model.profile


SHELVES = {
    shelf.profile: shelf
    for shelf in (
        Shelf(
            "Leaflets",
            "Posters, opening hours and house rules for everybody who walks by.",
            Leaflet,
            LeafletForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Member guides",
            "Reading lists and how-tos for whoever holds a library card.",
            MemberGuide,
            MemberGuideForm,
            is_member,
            "members",
        ),
        Shelf(
            "Staff reports",
            "Desk rotas and loan figures that stay behind the counter.",
            StaffReport,
            StaffReportForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Recorded talks",
            "Evenings in the round room, to watch at home: nginx sends them, the site only says who may.",
            Talk,
            TalkForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Nightly exports",
            "Large tables for the office. The site signs an address, and B2 sends the file.",
            Export,
            ExportForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Old ledgers",
            "Books in a bucket from before B2 spoke S3: B2’s own download tokens open it.",
            Ledger,
            LedgerForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Open catalogue",
            "What the library has, for everybody and every program: B2’s plain address.",
            CatalogueFile,
            CatalogueFileForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Brand assets",
            "Pictures that the CDN hands out by itself; the site never sees the request.",
            BrandAsset,
            BrandAssetForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Large prints",
            "Pictures for members. The site signs an address, and the CDN lets no other pass.",
            Print,
            PrintForm,
            is_staff,
            "staff",
        ),
        Shelf(
            "Invoices",
            "Each one for a single reader. For everybody else it does not exist.",
            Invoice,
            InvoiceForm,
            is_staff,
            "staff",
            readers="whom it is for, and staff",
        ),
    )
}
