"""The demo's walk without a person: sign in, upload, and read as three visitors; called by `demo.py --check`.

It speaks HTTP like a browser, with cookies and forms, and knows nothing of the site but its pages. What comes out is
compared with what the settings declare.
"""

from __future__ import annotations

import http.client
import mimetypes
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import urlencode, urljoin, urlsplit

from library.people import PEOPLE


class Meter(Protocol):
    """The emulator's counter of calls."""

    def calls(self) -> dict[str, int]: ...

    def reset_counts(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def outcome(self) -> str:
        """Status and words, such as "200 read"."""
        if self.status == 302:
            leads_to_login = urlsplit(self.headers.get("Location", "")).path == "/login/"
            return "302 to login" if leads_to_login else "302 elsewhere"
        words = {200: "read", 206: "part", 403: "refused", 404: "hidden", 405: "refused"}
        return f"{self.status} {words.get(self.status, 'unexpected')}"


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser: keeps cookies, follows no redirect by itself."""

    name: str
    site: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request. An address that is not the site's (the CDN's) is asked without the site's cookies."""
        parts = urlsplit(urljoin(self.site, address))
        is_site = parts.netloc == urlsplit(self.site).netloc
        sent = {"Accept": "text/html,*/*;q=0.8", **(headers or {})}
        if is_site and self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        if is_site:
            for header in answer.headers.get_all("Set-Cookie", []):
                self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(header).items()})
        return answer

    def get(self, address: str) -> Answer:
        return self.ask("GET", address)

    def read(self, address: str) -> Answer:
        """Get a file as a browser does: where the site sends the visitor on to B2 or the CDN, from there."""
        answer = self.get(address)
        onward = answer.headers.get("Location", "")
        return self.get(onward) if urlsplit(onward).netloc not in ("", urlsplit(self.site).netloc) else answer

    def sign_in(self, password: str) -> Answer:
        token = self._form_token("/login/")
        form = urlencode({"csrfmiddlewaretoken": token, "username": self.name, "password": password})
        return self.ask("POST", "/login/", form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})

    def upload(self, profile: str, fields: dict[str, str], name: str, content: bytes) -> Answer:
        """Send the upload form of a profile's page, whether or not the page offers it."""
        page = f"/profiles/{profile}/"
        boundary = secrets.token_hex(16)
        values = {"csrfmiddlewaretoken": self._form_token("/login/" if not self.is_known else page), **fields}
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in values.items()
        ]
        file_field = "pdf" if profile == "invoices" else "file"
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{file_field}"; filename="{name}"\r\n'
            f"Content-Type: {mimetypes.guess_type(name)[0]}\r\n\r\n".encode()
        )
        body = b"".join([*parts, content, f"\r\n--{boundary}--\r\n".encode()])
        return self.ask("POST", page, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def link(self, page: str, words: str) -> str:
        """The address behind a link's words on a page."""
        found = re.search(rf'<a href="([^"]+)">{re.escape(words)}</a>', self.get(page).text)
        if found is None:
            raise Failure(f"{self.name} sees no link “{words}” on {page}")
        return unescape(found[1])

    @property
    def is_known(self) -> bool:
        return "sessionid" in self.cookies

    def _form_token(self, page: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(page).text)
        if found is None:
            raise Failure(f"{self.name} finds no form on {page}")
        return found[1]


class Failure(Exception):
    """The walk cannot go on: a page lacks what it should have."""


@dataclass(frozen=True, slots=True)
class Row:
    """One uploaded file and what each visitor should get."""

    profile: str
    delivery: str
    note: str
    address: str
    content: bytes
    expected: tuple[str, str, str]

    @property
    def reads(self) -> int:
        return sum(cell.startswith("200") for cell in self.expected)


CALLS = {
    "streamed by the site": "download",
    "streamed by nginx": "s3_get",
    "redirect to B2, signed here": "s3_get",
    "redirect to B2, with its download token": "download",
    "redirect to the CDN, signed here": "download",
    "straight from B2": "download",
    "straight from the CDN": "download",
}
"""How each delivery is described on the profile's page, and the call to B2 that every read is, whoever makes it."""


class Report:
    """Prints each finding as it comes, and remembers whether all were as they should be."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def line(self, what: str, got: object, expected: object) -> None:
        ok = got == expected
        seen = got if not isinstance(got, bool) else "yes" if got else "no"
        print(f"  {'ok ' if ok else 'NOT'} {what:<62} {seen}{'' if ok else f'   expected {expected}'}", flush=True)
        if not ok:
            self.wrong.append(what)


def check(site: str, b2: Meter) -> int:
    """Walk through the site and say what was seen.

    Returns:
        The exit status: 0 when everything was as declared, 1 when not.
    """
    report = Report()
    try:
        _walk(site, b2, report)
    except (Failure, OSError, http.client.HTTPException) as error:
        report.line("the walk", f"stopped: {error}", "reached its end")
    if report.wrong:
        print(f"\n{len(report.wrong)} not as declared: {'; '.join(report.wrong)}", flush=True)
        return 1
    print("\nEverything is as declared.", flush=True)
    return 0


def _walk(site: str, b2: Meter, report: Report) -> None:
    visitors = [Visitor("anonymous", site), *(Visitor(person.username, site) for person in PEOPLE)]
    anonymous, alice, sam = visitors

    print("\nSigning in through the form", flush=True)
    for visitor, person in zip(visitors[1:], PEOPLE, strict=True):
        visitor.sign_in(person.password)
        report.line(f"{visitor.name} has a session", visitor.is_known, True)

    print("\nUploading through the forms", flush=True)
    rows = _upload(anonymous, alice, sam, report)

    print("\nWho reads what", flush=True)
    b2.reset_counts()
    _read(rows, visitors, report)
    reading = b2.calls()
    wanted = Counter({"b2_get_download_authorization": sum("token" in row.delivery for row in rows)})
    for row in rows:
        wanted[CALLS[row.delivery]] += row.reads

    print("\nHow it is read", flush=True)
    _look_closer(rows, anonymous, alice, sam, b2, report)

    print("\nCalls to B2 while the table was read", flush=True)
    made, due = (", ".join(f"{count} {call}" for call, count in sorted(each.items())) for each in (reading, wanted))
    read = sum(row.reads for row in rows)
    report.line(f"one for each of the {read} files, and a token", made, due)


def _upload(anonymous: Visitor, alice: Visitor, sam: Visitor, report: Report) -> list[Row]:
    read, login, refused, hidden = "200 read", "302 to login", "403 refused", "404 hidden"
    stamp = secrets.token_hex(3)
    wanted: tuple[tuple[str, str, Visitor, dict[str, str], str, tuple[str, str, str]], ...] = (
        ("public", "", sam, {}, "notice.txt", (read, read, read)),
        ("logged_in", "", alice, {}, "tips.txt", (login, read, read)),
        ("staff", "", sam, {}, "rota.txt", (login, refused, read)),
        ("talks", "", sam, {}, "talk.txt", (login, read, read)),
        ("exports", "", sam, {}, "export.txt", (login, refused, read)),
        ("ledgers", "", sam, {}, "ledger.txt", (login, refused, read)),
        ("catalogue", "", sam, {}, "catalogue.txt", (read, read, read)),
        ("cdn", "", sam, {}, "badge.txt", (read, read, read)),
        ("prints", "", sam, {}, "print.txt", (login, read, read)),
        ("invoices", "for alice", sam, {"owner": "alice"}, "alice.pdf", (hidden, read, read)),
        ("invoices", "for sam", sam, {"owner": "sam"}, "sam.pdf", (hidden, hidden, read)),
    )
    rows = []
    for profile, note, uploader, fields, name, expected in wanted:
        content = f"{profile} {note} {stamp}\n".encode() * 100
        title = f"Check {stamp} {profile} {note}".strip()
        if "owner" in fields:
            page = sam.get(f"/profiles/{profile}/").text
            option = re.search(rf'<option value="(\d+)">{fields["owner"]}</option>', page)
            fields = {"owner": option[1] if option else ""}
        answer = uploader.upload(profile, {"title": title, **fields}, f"{stamp}-{name}", content)
        report.line(f"{uploader.name} uploads to {profile} {note}".rstrip(), answer.status, 302)
        address = uploader.link(f"/profiles/{profile}/", title)
        rows.append(Row(profile, _delivery(sam, profile), note, address, content, expected))
    for visitor, profile, outcome in ((anonymous, "public", login), (alice, "staff", refused)):
        answer = visitor.upload(profile, {"title": "no"}, "no.txt", b"no")
        report.line(f"{visitor.name} uploads to {profile}", answer.outcome, outcome)
    return rows


def _delivery(visitor: Visitor, profile: str) -> str:
    """How the profile's page says that its files travel."""
    page = visitor.get(f"/profiles/{profile}/").text
    found = re.search(r"<dt>Delivery</dt><dd><code>\w+</code> ([^<]+?)\s*<", page)
    if found is None or found[1] not in CALLS:
        raise Failure(f"the page of {profile} does not say how its files are delivered")
    return found[1]


def _read(rows: list[Row], visitors: list[Visitor], report: Report) -> None:
    head = ["profile", "delivery", "file", *(visitor.name for visitor in visitors), "as declared"]
    table, wrong = [head], []
    for row in rows:
        cells = []
        for visitor, expected in zip(visitors, row.expected, strict=True):
            answer = visitor.read(row.address)
            cell = answer.outcome
            if answer.status == 200 and answer.body != row.content:
                cell = "200 other bytes"
            if cell != expected:
                wrong.append(f"{row.profile} {row.note}, {visitor.name}: {cell} instead of {expected}")
            cells.append(cell)
        verdict = "yes" if tuple(cells) == row.expected else f"NO: {' | '.join(row.expected)}"
        table.append([row.profile, row.delivery, row.note or "any", *cells, verdict])
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    for index, line in enumerate(table):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if index == 0:
            print("  " + "  ".join("-" * width for width in widths))
    report.wrong.extend(wrong)


def _look_closer(rows: list[Row], anonymous: Visitor, alice: Visitor, sam: Visitor, b2: Meter, report: Report) -> None:
    by_name = {f"{row.profile} {row.note}".strip(): row for row in rows}
    public, members, staff, cdn = (by_name[name] for name in ("public", "logged_in", "staff", "cdn"))
    alices, sams = by_name["invoices for alice"], by_name["invoices for sam"]

    b2.reset_counts()
    for visitor, row in ((anonymous, members), (anonymous, staff), (alice, staff), (anonymous, sams), (alice, sams)):
        visitor.get(row.address)
    report.line("calls to B2 for five visitors who are turned away", sum(b2.calls().values()), 0)
    b2.reset_counts()
    for visitor in (anonymous, alice, sam):
        visitor.get("/")
        visitor.get("/access/")
    report.line("calls to B2 for six pages full of names, sizes and addresses", sum(b2.calls().values()), 0)
    b2.reset_counts()
    sam.get(staff.address)
    report.line("calls to B2 for one file", sum(b2.calls().values()), 1)

    head = sam.ask("HEAD", staff.address)
    told = f"{head.headers['Content-Length']} told, {len(head.body)} sent"
    report.line("bytes of a HEAD answer", told, f"{len(staff.content)} told, 0 sent")
    report.line("POST to a file", sam.ask("POST", staff.address, b"").status, 405)
    missing = staff.address.rpartition("/")[0] + "/no-such-file.txt"
    report.line("a file that is not there, for sam", sam.get(missing).status, 404)
    report.line("a file that is not there, for alice, who may not know", alice.get(missing).outcome, "403 refused")
    report.line("another bucket through dot segments", sam.get("/b2/%2e%2e/acme-staff/x").status, 404)
    is_past = urlsplit(cdn.address).netloc not in ("", urlsplit(sam.site).netloc)
    report.line("the CDN’s address leads past the site", is_past, True)

    public_headers = sam.get(public.address).headers
    is_shared = public_headers["Set-Cookie"] is None and public_headers["Vary"] is None
    report.line("a public file is one for all: no cookie, no Vary", is_shared, True)
    private = sam.get(staff.address).headers.get("Cache-Control", "")
    report.line("no shared cache keeps a staff file", "private" in private or "no-store" in private, True)
    for kind, title in (("HTML", "Floor plan with a script in it"), ("SVG", "Shelf map with a script in it")):
        plan = anonymous.get(anonymous.link("/profiles/public/", title)).headers
        way = plan.get("Content-Disposition", "").split(";")[0]
        report.line(f"an {kind} file is downloaded, not run", way, "attachment")
        locked = "sandbox" in plan.get("Content-Security-Policy", "")
        report.line(f"an {kind} file could not act as the site", locked, True)
        report.line(f"no content type is guessed for an {kind} file", plan.get("X-Content-Type-Options"), "nosniff")
    film = alice.link("/profiles/talks/", "A walk along the river")
    part = alice.ask("GET", film, headers={"Range": "bytes=4-7"})
    report.line("bytes 4 to 7 of a film", f"{part.status} {part.text}", "206 ftyp")
    export = sam.get(by_name["exports"].address)
    report.line("a signed address is for one visitor", export.headers.get("Cache-Control"), "private, no-store")
    signed = sam.get(by_name["prints"].address).headers["Location"]
    report.line("the CDN takes the site’s signature", anonymous.get(signed).status, 200)
    report.line("the CDN takes no other file for it", anonymous.get(signed.replace("print.txt", "x.txt")).status, 403)
    report.line("the CDN takes no address without one", anonymous.get(signed.partition("?")[0]).status, 403)
    if anonymous.ask("HEAD", public.address).headers.get("Accept-Ranges") == "bytes":
        part = anonymous.ask("GET", public.address, headers={"Range": "bytes=3-9"})
        report.line("bytes 3 to 9 alone", f"{part.status} {part.text}", f"206 {public.content[3:10].decode()}")
    invoice = alice.get(alices.address).headers.get_content_type()
    report.line("alice’s invoice is a PDF", invoice, "application/pdf")
    for address in ("/", "/access/", "/login/", *(f"/profiles/{row.profile}/" for row in rows[:-1])):
        statuses = [visitor.get(address).status for visitor in (anonymous, alice, sam)]
        expected = [200, 302, 302] if address == "/login/" else [200, 200, 200]
        report.line(f"page {address}", statuses, expected)
    lost = anonymous.get("/nowhere/")
    report.line("a page that is not there", lost.status, 404)
    report.line("it is the site’s own page", "There is nothing here" in lost.text, True)
    report.line("the admin, for sam", sam.get("/admin/library/invoice/").status, 200)
