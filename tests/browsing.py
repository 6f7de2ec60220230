"""How the tests of the example site use a browser: who signs in, and what counts as a fault of a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

PASSWORDS = {"anonymous": "", "alice": "wonderland", "sam": "bluebird"}
PROFILES = (
    "public", "logged_in", "staff", "talks", "exports", "ledgers", "catalogue", "cdn", "prints", "invoices",
)  # fmt: skip
HOME = re.compile(r"^http://[^/]+/$")
MISSING = "/nowhere/"


def is_fault(line: ConsoleMessage) -> bool:
    """An error on the console, unless it is about the page that is meant to be missing."""
    return line.type == "error" and not line.location["url"].endswith(MISSING)


def sign_in(page: Page, visitor: str) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill(visitor)
    page.get_by_label("Password").fill(PASSWORDS[visitor])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(HOME)
