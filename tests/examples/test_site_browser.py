"""The example site in a real Chromium: every page, as everybody, with keyboard, small screen and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest

from tests.browsing import HOME, MISSING, PASSWORDS, PROFILES

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ["/", "/access/", *(f"/profiles/{name}/" for name in PROFILES)]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning"),  # pytest-base-url, if it is installed
]


@pytest.mark.parametrize("visitor", PASSWORDS)
def test_no_page_has_a_dead_link(visit: Callable[..., Page], site: str, visitor: str) -> None:
    """Whatever a page offers to somebody, that somebody can open: pages, files, pictures and style sheets."""
    page = visit(visitor)
    waiting, seen, dead = ["/"], set(), []
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = page.request.get(urljoin(site, address))
        if answer.status >= 400:
            dead.append(f"{answer.status} {address}")
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        is_ours = urlsplit(answer.url).netloc == urlsplit(site).netloc
        is_shown = "attachment" not in answer.headers.get("content-disposition", "")
        if not (is_page and is_ours and is_shown) or address.startswith("/admin/r/"):
            continue
        page.goto(address)
        found = page.eval_on_selector_all(
            # The admin's links that begin with "?" or "#" sort and filter the page that is being looked at.
            "a[href]:not([href^='?'], [href^='#']), link[href], img[src]",
            "all => all.map(one => one.href || one.src)",
        )
        waiting += [one.removeprefix(site) for one in found]
    assert dead == []
    assert set(PAGES) <= seen
    files = {address for address in seen if re.search(r"^(?!.*/static/).*\.(txt|png|pdf|html|svg|csv|mp4)$", address)}
    assert {"anonymous": 7, "alice": 12, "sam": 17}[visitor] == len(files)


@pytest.mark.parametrize("visitor", PASSWORDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen_needs_no_sideways_scrolling(visit: Callable[..., Page], visitor: str, scheme: str) -> None:
    """WCAG 2.2, 1.4.10 Reflow: 320 CSS pixels."""
    page = visit(visitor, width=320, color_scheme=scheme)
    too_wide = []
    for address in [*PAGES, MISSING, *(["/login/"] if visitor == "anonymous" else [])]:
        page.goto(address)
        for summary in page.locator("summary").all():
            summary.click()
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            too_wide.append(address)
    assert too_wide == []


@pytest.mark.parametrize("visitor", PASSWORDS)
def test_every_page_is_well_formed_for_a_screen_reader(visit: Callable[..., Page], visitor: str) -> None:
    page = visit(visitor)
    faults = {}
    for address in [*PAGES, *(["/login/"] if visitor == "anonymous" else [])]:
        page.goto(address)
        if found := page.evaluate(FAULTS):
            faults[address] = found
    assert faults == {}


FAULTS = """() => {
    const faults = [];
    const all = selector => [...document.querySelectorAll(selector)];
    const ids = all("[id]").map(one => one.id);
    if (new Set(ids).size !== ids.length) faults.push("an id twice");
    if (all("h1").length !== 1) faults.push("not one h1");
    if (!document.documentElement.lang) faults.push("no language");
    if (all("main").length !== 1) faults.push("not one main");
    for (const img of all("img")) if (!img.hasAttribute("alt")) faults.push("img without alt");
    for (const field of all("input:not([type=hidden]), select"))
        if (!field.labels.length) faults.push("no label: " + field.name);
    for (const one of all("[aria-labelledby], [aria-describedby]"))
        for (const name of ["aria-labelledby", "aria-describedby"])
            for (const id of (one.getAttribute(name) || "").split(/\\s+/).filter(Boolean))
                if (!document.getElementById(id)) faults.push(name + " to nothing: " + id);
    for (const link of all("a[href], button, summary"))
        if (!link.textContent.trim()) faults.push("nothing to read out: " + link.outerHTML);
    return faults;
}"""


def test_the_keyboard_alone_signs_in(visit: Callable[..., Page]) -> None:
    """Skip link first, focus always visible, and Tab gets from the top of the home page into the login form."""
    page = visit("anonymous")
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    for _ in range(10):
        page.keyboard.press("Tab")
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2")
        if page.evaluate("document.activeElement.textContent.trim()") == "Sign in":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/login/")
    assert page.evaluate("document.activeElement.name") == "username"
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS["alice"])
    page.keyboard.press("Enter")
    page.wait_for_url(HOME)
    assert page.get_by_role("heading", name="You are alice, a member").is_visible()


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_sam_uploads_and_everybody_reads(visit: Callable[..., Page], tmp_path: Path, javascript: bool) -> None:
    title = f"Notice {'with' if javascript else 'without'} script"
    paper = tmp_path / f"notice-{javascript}.txt"
    paper.write_text("Thursday: open late – with a café.", encoding="utf-8")
    page = visit("sam", java_script_enabled=javascript)
    page.goto("/")
    card = page.get_by_role("article", name="Leaflets")
    card.locator("summary").click()
    card.get_by_label("Title").fill(title)
    card.get_by_label("File", exact=True).set_input_files(paper)
    card.get_by_role("button", name="Upload to acme-public").click()
    page.wait_for_url("**/profiles/public/")
    assert page.get_by_role("status").inner_text() == f"“{title}” is in the bucket."
    address = page.get_by_role("link", name=title).get_attribute("href")

    stranger = visit("anonymous")
    stranger.goto("/")
    assert stranger.get_by_role("link", name=title).get_attribute("href") == address
    stranger.goto(address or "")
    assert stranger.locator("body").inner_text().strip() == "Thursday: open late – with a café."


def test_an_upload_that_is_too_large_or_empty_is_explained(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("alice")
    for size_bytes, words in ((0, "The submitted file is empty."), (10 * 2**20 + 1, "up to 10 MB can be kept here")):
        paper = tmp_path / f"{size_bytes}.txt"
        paper.write_bytes(b"x" * size_bytes)
        page.goto("/profiles/logged_in/")
        page.get_by_label("File", exact=True).set_input_files(paper)
        # The answer has status 422, which Chromium mentions on its console: asked for by a request instead.
        answer = page.request.post(
            "/profiles/logged_in/",
            multipart={
                "csrfmiddlewaretoken": page.locator(".upload [name=csrfmiddlewaretoken]").get_attribute("value") or "",
                "title": "",
                "file": {"name": paper.name, "mimeType": "text/plain", "buffer": paper.read_bytes()},
            },
        )
        assert answer.status == 422
        assert words in answer.text()
        assert 'aria-invalid="true"' in answer.text()


def test_active_content_is_downloaded_and_never_runs(visit: Callable[..., Page]) -> None:
    """The seeded HTML file holds a script that would run as the site."""
    page = visit("anonymous")
    page.goto("/profiles/public/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Floor plan with a script in it").click()
    assert download.value.suggested_filename == "floor-plan.html"
    assert urlsplit(page.url).path == "/profiles/public/"


def test_the_login_page_leads_back_to_the_file_that_was_asked_for(visit: Callable[..., Page]) -> None:
    address = visit("alice").request.get("/profiles/logged_in/").text()
    found = re.search(r'href="(/b2l/[^"]+how-to-borrow[^"]*)"', address)
    assert found is not None
    page = visit("anonymous")
    page.goto(found[1])
    assert urlsplit(page.url).path == "/login/"
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORDS["alice"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{found[1]}")
    assert "Bring your card" in page.locator("body").inner_text()


@pytest.mark.parametrize(
    ("visitor", "profile", "status", "words"),
    [
        pytest.param("alice", "staff", 403, "This is not for you", id="a member at a staff file"),
        pytest.param("alice", "invoices", 404, "There is nothing here", id="a member at somebody else's invoice"),
        pytest.param("anonymous", "invoices", 404, "There is nothing here", id="a stranger at an invoice"),
    ],
)
def test_who_is_turned_away_gets_a_page_with_a_way_on(
    visit: Callable[..., Page], visitor: str, profile: str, status: int, words: str
) -> None:
    """The pages are the site's own, and say the same whether or not the file exists where that is hidden."""
    pages = visit("sam").request.get(f"/profiles/{profile}/").text()
    mine = re.search(r'href="(/(?:b2s|invoices)/[^"]+(?:desk-rota|A-1002)[^"]*)"', pages)
    assert mine is not None
    request = visit(visitor).request
    answer = request.get(mine[1], headers={"Accept": "text/html"})
    assert (answer.status, words in answer.text()) == (status, True)
    assert "no-store" in answer.headers["cache-control"]
    nothing = request.get(mine[1] + "-there-is-no-such-file", headers={"Accept": "text/html"})
    assert (nothing.status, without_token(nothing.text())) == (status, without_token(answer.text()))


def without_token(page: str) -> str:
    """A page without the mark of its sign-out form, which is another each time."""
    return re.sub(r'(name="csrfmiddlewaretoken" value=)"\w+"', r"\1", page)


def test_sam_may_use_the_admin(visit: Callable[..., Page]) -> None:
    page = visit("sam")
    page.goto("/admin/")
    page.get_by_role("link", name="Invoices").first.click()
    page.get_by_role("link", name="Invoice A-1001 for Alice").click()
    href = page.locator(".file-upload a").get_attribute("href") or ""
    assert href.startswith("/invoices/")
    assert page.request.get(href).headers["content-type"] == "application/pdf"
