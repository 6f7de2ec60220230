"""Fixtures of the tests that drive the example site: the demo, and a real Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from tests.browsing import is_fault, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"
START_TIMEOUT_S = 90


@dataclass(frozen=True)
class Demo:
    """The running demo: addresses of the site and of its B2."""

    url: str
    b2_url: str

    def forget_calls(self) -> None:
        urlopen(Request(f"{self.b2_url}/_emulator/reset", method="POST")).close()

    def calls(self, path: str) -> list[dict[str, Any]]:
        """What B2 was asked about a file: the records of its log, oldest first."""
        with urlopen(f"{self.b2_url}/_emulator/log") as answer:
            return [record for record in json.load(answer) if record["path"].endswith(path)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo as `demo.py` starts it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [sys.executable, str(SITE / "demo.py"), "--data-dir", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    killer = threading.Timer(START_TIMEOUT_S, process.kill)
    killer.start()
    try:
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("Open "):
                break
        else:
            pytest.fail(f"the demo did not start:\n{seen}")
        killer.cancel()
        addresses = [re.search(rf"{words} +(http://\S+)", seen) for words in ("Open", "B2 emulator")]
        yield Demo(*(found[1] for found in addresses if found))
    finally:
        killer.cancel()
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def site(demo: Demo) -> str:
    """The address of the demo."""
    return demo.url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium found; Debian, Ubuntu: apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in() -> dict[str, Any]:
    """What a browser keeps of somebody who has signed in: passwords are slow to check, and that is how it should be."""
    return {}


@pytest.fixture
def visit(chromium: Browser, site: str, signed_in: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """Opens the site as somebody: `visit("alice", width=320)`. A script error on any page fails the test, unless it is
    what the test is about: `may_err=True`."""
    contexts, errors = [], []

    def open_page(visitor: str, *, width: int = 1280, may_err: bool = False, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=site, viewport={"width": width, "height": 800}, storage_state=signed_in.get(visitor), **options
        )
        contexts.append(context)
        page = context.new_page()
        if not may_err:
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if is_fault(line) else None)
        if visitor in signed_in:
            page.goto("/")
        elif visitor != "anonymous":
            sign_in(page, visitor)
            signed_in[visitor] = context.storage_state()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
