"""The demo's stand-in for a CDN checks signatures as Cloudflare does, and reads nothing but its buckets."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from b2router import get_storage
from b2router.emulator import Emulator
from tests.conftest import Configure

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"


@pytest.fixture
def cdn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The demo's module."""
    monkeypatch.syspath_prepend(str(SITE))
    yield __import__("cdn")
    sys.modules.pop("cdn", None)


EXAMPLE = "/media/a%20b%2B%C3%BC.jpg", "mysecrettoken", 1484063787
SIGNATURE = "rCgXtWTYfip3FlwTDkrhOquCyVCbZT/x5OHCNhCs3H4="
"""As in docs/set-up-delivery.md, made with openssl."""


def test_the_rule_takes_the_manuals_signature_while_it_holds(cdn: Any) -> None:
    path, secret, issued_at = EXAMPLE
    query = f"verify={issued_at}-{quote(SIGNATURE, safe='')}"
    at = {now: cdn.is_signed(path, query, secret, issued_at + now) for now in (-1, 0, 450, 451)}
    assert at == {-1: False, 0: True, 450: True, 451: False}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param(EXAMPLE[0] + ".bak", f"verify={EXAMPLE[2]}-{quote(SIGNATURE)}", id="another file"),
        pytest.param(EXAMPLE[0], f"verify={EXAMPLE[2] - 1}-{quote(SIGNATURE)}", id="another time"),
        pytest.param(EXAMPLE[0], f"verify={EXAMPLE[2]}-{quote(SIGNATURE)}&x=1", id="more behind it"),
        pytest.param(EXAMPLE[0], f"x=1&verify={EXAMPLE[2]}-{quote(SIGNATURE)}", id="more before it"),
        pytest.param(EXAMPLE[0], f"verify={EXAMPLE[2]}-{quote(SIGNATURE[:-2])}", id="no base64"),
        pytest.param(EXAMPLE[0], "", id="nothing"),
    ],
)
def test_the_rule_takes_nothing_else(cdn: Any, path: str, query: str) -> None:
    assert not cdn.is_signed(path, query, EXAMPLE[1], EXAMPLE[2])


@pytest.fixture
def edge(cdn: Any, emulator: Emulator, configure: Configure) -> Iterator[str]:
    """Where the CDN listens: an open zone, and a signed one."""
    for alias in ("public", "staff"):
        with get_storage(alias).open("a.txt", "wb") as file:
            file.write(f"of {alias}".encode())
    key = emulator.create_key(["listBuckets", "readFiles"])
    zones = {"open": cdn.Zone("acme-public"), "signed": cdn.Zone("acme-staff", "a secret of both")}
    with cdn.Cdn(emulator.url, *key, zones) as running:
        yield running.url


def ask(edge: str, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(edge).netloc, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_edge_hands_out_files_and_parts(edge: str, emulator: Emulator) -> None:
    emulator.reset_counts()
    assert ask(edge, "/open/a.txt") == (200, b"of public")
    assert ask(edge, "/open/a.txt", Range="bytes=3-5") == (206, b"pub")
    assert ask(edge, "/open/a.txt", "HEAD") == (200, b"")
    assert ask(edge, "/open/none.txt") == (404, b"")
    assert emulator.calls() == {"download": 3, "head": 1}


@pytest.mark.parametrize(
    "path", ["/signed/a.txt", "/a.txt", "/", "/open/", "/open/../acme-staff/a.txt", "/open/%2e%2e/acme-staff/a.txt"]
)
def test_the_edge_refuses_what_is_not_signed_or_not_its_own(edge: str, emulator: Emulator, path: str) -> None:
    emulator.reset_counts()
    assert ask(edge, path) == (403, b"")
    assert emulator.calls() == {}


def test_the_edge_logs_in_again_when_its_token_has_ended(edge: str, emulator: Emulator) -> None:
    emulator.expire_tokens()
    assert ask(edge, "/open/a.txt") == (200, b"of public")
