#!/usr/bin/env python3
"""Take pictures of the example site with a Chromium of this machine.

    python examples/site/screenshot.py docs/images/site.png    the picture in the README: the home page as alice sees it
    python examples/site/screenshot.py --gallery FOLDER        every page and visitor, wide and narrow, light and dark

Needs `pip install playwright` and Debian's chromium-headless-shell (or chromium); nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import front
from demo import Demo
from library.people import PEOPLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = (1280, 860), (360, 740)
PASSWORDS = {person.username: person.password for person in PEOPLE}


def chromium() -> str:
    for name in ("chromium-headless-shell", "chromium", "google-chrome"):
        if found := shutil.which(name):
            return found
    sys.exit("No Chromium found. Debian, Ubuntu: apt-get install chromium-headless-shell")


def page_as(browser: Browser, site: str, visitor: str, size: tuple[int, int], scheme: str) -> Page:
    """A page in a fresh session, signed in unless the visitor is anonymous."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        base_url=site,
        device_scale_factor=1,
    )
    if visitor in PASSWORDS:
        page.goto("/login/")
        page.get_by_label("Username").fill(visitor)
        page.get_by_label("Password").fill(PASSWORDS[visitor])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
    return page


def capture(page: Page, address: str, path: Path) -> None:
    page.goto(address, wait_until="networkidle")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    print(f"  {path}", flush=True)


def gallery(browser: Browser, site: str, folder: Path) -> None:
    addresses = {
        "home": "/",
        "access": "/access/",
        "login": "/login/?next=/b2l/",
        "missing": "/nowhere/",
        "invoices": "/profiles/invoices/",
        "public": "/profiles/public/",
    }
    for visitor in ("anonymous", *PASSWORDS):
        for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
            for scheme in ("light", "dark"):
                page = page_as(browser, site, visitor, size, scheme)
                for name, address in addresses.items():
                    if name == "login" and visitor != "anonymous":
                        continue
                    capture(page, address, folder / f"{name}-{visitor}-{width}-{scheme}.png")
                page.close()


def main(arguments: list[str]) -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", help="where the picture goes")
    parser.add_argument("--gallery", type=Path, metavar="FOLDER", help="take them all")
    parser.add_argument("--url", help="a site that runs already; without it one is started for the pictures")
    options = parser.parse_args(arguments)
    if options.path is None and options.gallery is None:
        parser.error("say where the picture goes")
    if options.url:
        return take(options.url, options.path, options.gallery)
    with (
        tempfile.TemporaryDirectory(prefix="b2router-picture-") as folder,
        Demo(Path(folder), 0, nginx=front.nginx()) as demo,
    ):
        return take(demo.url, options.path, options.gallery)


def take(site: str, path: Path | None, folder: Path | None) -> int:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        if path is not None:
            capture(page_as(browser, site, "alice", WIDE, "light"), "/", path)
        if folder is not None:
            gallery(browser, site, folder)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
