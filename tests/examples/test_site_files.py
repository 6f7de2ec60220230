"""The example site's files in a real Chromium: films by ranges, documents, scripts that do not run, every delivery."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests.browsing import PASSWORDS, PROFILES
from tests.examples.film import stretched

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.examples.conftest import Demo

CLIP = Path(__file__).resolve().parents[2] / "examples/site/library/media/river-walk.mp4"
Visit = Callable[..., "Page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning"),  # pytest-base-url, if it is installed
]


def upload(page: Page, profile: str, name: str, content: bytes, content_type: str, title: str) -> str:
    """Send the profile's form as its page has it; gives the address that the page then shows."""
    page.goto(f"/profiles/{profile}/")
    fields: dict[str, Any] = {
        "csrfmiddlewaretoken": page.locator(".upload [name=csrfmiddlewaretoken]").get_attribute("value"),
        "title": title,
        "pdf" if profile == "invoices" else "file": {"name": name, "mimeType": content_type, "buffer": content},
    }
    if profile == "invoices":
        fields["owner"] = page.locator("select[name=owner] option", has_text="alice").get_attribute("value")
    answer = page.request.post(f"/profiles/{profile}/", multipart=fields, max_redirects=0)
    assert answer.status == 302, answer.text()
    page.goto(f"/profiles/{profile}/")
    return page.get_by_role("link", name=title).get_attribute("href") or ""


@pytest.mark.parametrize("profile", ["public", "talks", "exports", "prints"])
def test_a_film_plays_by_ranges(visit: Visit, demo: Demo, profile: str) -> None:
    """By the site, by nginx, from B2 and from the CDN: moving on to the end asks for what lies there, and B2 sends it
    alone. What Chromium has in its cache by then it asks for again with a condition: 304."""
    film = stretched(CLIP.read_bytes(), gap_bytes=165_000)
    name = f"long-{profile}.mp4"
    upload(visit("sam"), profile, name, film, "video/mp4", f"A long walk, {profile}")
    page = visit("sam")  # with an empty cache
    demo.forget_calls()
    page.goto(f"/profiles/{profile}/")
    video = page.get_by_label(f"A long walk, {profile}")
    assert video.evaluate(PLAYED, 0) == [320, 180, 12]
    assert video.evaluate(PLAYED, 11) == [320, 180, 12]
    calls = [record for record in demo.calls(name) if record["method"] == "GET"]
    assert {record["status"] for record in calls} <= {200, 206, 304}
    needed_at = len(film) * 11 // 12
    jumps = [jump for record in calls if (jump := range_of(record, len(film))) is not None]
    reached = [(first, last, sent) for first, last, sent in jumps if 0 < first <= needed_at <= last]
    assert reached != [], calls
    assert all(sent <= last + 1 - first for first, last, sent in reached)


def range_of(record: dict[str, Any], size: int) -> tuple[int, int, int] | None:
    """First and last byte that B2 was asked for and gave, and how many it sent so far."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", record["headers"].get("range", ""))
    if found is None or record["status"] != 206:
        return None
    return int(found[1]), int(found[2] or size - 1), record["bytes_out"]


PLAYED = """(video, second) => new Promise((resolve, reject) => {
    video.onerror = () => reject(new Error(video.error.message));
    video.ontimeupdate = () => {
        if (video.seeking || video.currentTime <= second) return;
        video.pause();
        resolve([video.videoWidth, video.videoHeight, Math.round(video.duration)]);
    };
    video.currentTime = second;
    video.play().catch(reject);
})"""


def test_a_pdf_is_meant_to_be_shown(visit: Visit) -> None:
    """This Chromium may have no viewer for PDF, and then keeps the file: what can be told is what it was told."""
    page = visit("alice")
    page.goto("/profiles/logged_in/")
    address = page.get_by_role("link", name="Reading group, autumn list").get_attribute("href") or ""
    answer = page.request.get(address)
    assert answer.body().startswith(b"%PDF-1.4")
    fields = ("content-type", "content-disposition", "content-security-policy")
    told = {field: answer.headers.get(field) for field in fields}
    assert told == {
        "content-type": "application/pdf",
        "content-disposition": 'inline; filename="reading-group-autumn.pdf"',
        "content-security-policy": "frame-ancestors 'self'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    if page.evaluate("navigator.pdfViewerEnabled"):
        shown = page.goto(address)
        assert shown is not None
        assert (shown.status, urlsplit(page.url).path) == (200, address)


ACTIVE = {
    "page.html": ("text/html", b"<!doctype html><title>quiet</title><script>%s</script>"),
    "drawing.svg": (
        "image/svg+xml",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='7'><title>quiet</title><script>%s</script></svg>",
    ),
    "notes.txt": ("text/html", b"<title>quiet</title><script>%s</script>"),
    "paper.xhtml": (
        "application/xhtml+xml",
        b"<html xmlns='http://www.w3.org/1999/xhtml'><head><title>quiet</title><script>%s</script></head></html>",
    ),
}
SCRIPT = b"document.title = 'it ran'; new Image().src = '/canary/' + location.host;"


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("profile", ["public", "talks", "exports", "ledgers"])
def test_a_script_in_an_uploaded_file_does_not_run(visit: Visit, site: str, profile: str, name: str) -> None:
    """By its address, in a frame, as an object and as a picture. Each file would say so by a title and a request."""
    content_type, template = ACTIVE[name]
    page = visit("sam")
    requests: list[str] = []
    page.context.on("request", lambda request: requests.append(request.url))
    address = upload(page, profile, f"{profile}-{name}", template % SCRIPT, content_type, f"Active {profile} {name}")

    assert opened(page, address) != "it ran"
    page.goto("/access/")
    for tag, field in (("iframe", "src"), ("embed", "src"), ("object", "data"), ("img", "src")):
        page.evaluate(EMBED, [tag, field, address])
    page.wait_for_timeout(500)
    assert [title for frame in page.frames if (title := frame.title()) == "it ran"] == []
    assert any(unquote(url).endswith(address) or urlsplit(url).path == urlsplit(address).path for url in requests)
    assert [url for url in requests if "/canary/" in url] == []


EMBED = """([tag, field, address]) => new Promise(resolve => {
    const element = document.createElement(tag);
    element.onload = element.onerror = () => resolve();
    setTimeout(resolve, 1000);
    element[field] = address;
    document.body.append(element);
})"""


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        *[("public", name) for name in ("page.html", "drawing.svg", "paper.xhtml")],
        *[("talks", name) for name in ("page.html", "drawing.svg")],
    ],
)
def test_a_script_would_not_run_even_if_the_file_were_shown(visit: Visit, site: str, profile: str, name: str) -> None:
    """The second lock: without the disposition, which turns it into a download, the sandbox keeps it from running."""
    content_type, template = ACTIVE[name]
    page = visit("sam", may_err=True)
    console: list[str] = []
    page.on("console", lambda line: console.append(line.text))
    address = upload(page, profile, f"shown-{name}", template % SCRIPT, content_type, f"Shown {profile} {name}")

    def without(*dropped: str) -> Callable[[Route], None]:
        def handle(route: Route) -> None:
            answer = route.fetch()
            kept = {field: value for field, value in answer.headers.items() if field not in dropped}
            route.fulfill(status=answer.status, headers=kept, body=answer.body())

        return handle

    page.route(urljoin(site, address), without("content-disposition"))
    assert opened(page, address) == "quiet"
    assert [line for line in console if "the document's frame is sandboxed" in line] != []
    page.unroute(urljoin(site, address))
    page.route(urljoin(site, address), without("content-disposition", "content-security-policy"))
    assert opened(page, address) == "it ran"  # so the script was able to


def opened(page: Page, address: str) -> str:
    """Open an address as one that is typed in; the title of what is then seen. A download leaves an empty page."""
    from playwright.sync_api import Error

    page.goto("about:blank")
    try:
        page.goto(address)
    except Error as error:
        assert "Download is starting" in str(error) or "ERR_ABORTED" in str(error)
    page.wait_for_timeout(200)
    return str(page.title())


READERS = {
    "public": ("anonymous", "alice", "sam"),
    "logged_in": ("alice", "sam"),
    "staff": ("sam",),
    "talks": ("alice", "sam"),
    "exports": ("sam",),
    "ledgers": ("sam",),
    "catalogue": ("anonymous", "alice", "sam"),
    "cdn": ("anonymous", "alice", "sam"),
    "prints": ("alice", "sam"),
    "invoices": ("alice", "sam"),
}
COMES_FROM = {"exports": "B2", "ledgers": "B2", "catalogue": "B2", "cdn": "CDN", "prints": "CDN"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_file_of_every_delivery_is_a_click_away_for_whom_it_is(visit: Visit, demo: Demo, profile: str) -> None:
    """Through the page's link where there is one; by the address where there is none."""
    sam = visit("sam")
    text = f"A note in {profile}, for whom it may concern."
    address = upload(sam, profile, f"note-{profile}.txt", text.encode(), "text/plain", f"Note {profile}")
    seen = {}
    for visitor in PASSWORDS:
        page = sam if visitor == "sam" else visit(visitor)
        page.goto(f"/profiles/{profile}/")
        link = page.get_by_role("link", name=f"Note {profile}")
        if link.count():
            link.click()
            page.wait_for_load_state()
            host = urlsplit(page.url).netloc
            hosts = {urlsplit(demo.url).netloc: "site", urlsplit(demo.b2_url).netloc: "B2"}
            seen[visitor] = (hosts.get(host, "CDN"), page.locator("body").inner_text().strip())
        else:
            answer = page.request.get(address, headers={"Accept": "text/html"})
            assert text not in answer.text()
            seen[visitor] = ("login" if urlsplit(answer.url).path == "/login/" else answer.status, "")
    read = (COMES_FROM.get(profile, "site"), text)
    turned_away = {
        "anonymous": 404 if profile == "invoices" else "login",
        "alice": 404 if profile == "invoices" else 403,
    }
    assert seen == {
        visitor: read if visitor in READERS[profile] else (turned_away[visitor], "") for visitor in PASSWORDS
    }
