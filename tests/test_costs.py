"""What each kind of request costs at B2: the table in docs/costs.md, row by row, from the emulator's log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.emulator import Emulator
from tests.conftest import Configure

SIZE = 100_000
PAGE = Path(__file__).parents[1] / "docs" / "costs.md"

REQUESTS: dict[str, dict[str, Any]] = {
    "GET": {},
    "GET of a byte range": {"Range": "bytes=1000-1999"},
    "GET of the last bytes": {"Range": "bytes=-100"},
    "GET of several ranges": {"Range": "bytes=0-1,5-6"},
    "GET of a range, `If-Range` holds": {"Range": "bytes=0-99", "If-Range": "current"},
    "GET of a range, `If-Range` does not hold": {"Range": "bytes=0-99", "If-Range": '"other"'},
    "GET of a range past the end": {"Range": f"bytes={SIZE}-"},
    "GET, `If-None-Match` holds the ETag": {"If-None-Match": "current"},
    "GET, `If-None-Match` holds another": {"If-None-Match": '"other"'},
    "GET, `If-Modified-Since`": {"If-Modified-Since": "current"},
    "GET, `If-Match` holds the ETag": {"If-Match": "current"},
    "GET, `If-Match` holds another": {"If-Match": '"other"'},
    "HEAD": {"method": "HEAD"},
    "HEAD, `If-None-Match` holds the ETag": {"method": "HEAD", "If-None-Match": "current"},
    "GET of a file that is missing": {"path": "/b2/missing"},
    "HEAD of a file that is missing": {"path": "/b2/missing", "method": "HEAD"},
    "GET by somebody who may not": {"path": "/b2s/a.bin"},
    "GET of a name that no file can have": {"path": "/b2/a//b"},
    "POST": {"method": "POST"},
    "OPTIONS": {"method": "OPTIONS"},
    "GET, `redirect` by `s3`": {"path": "/b2l/a.bin"},
    "GET, `accel`": {"path": "/accel/a.bin"},
}

_ROW = re.compile(r"\| ([^|]+) \| (\d{3}) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def rows() -> dict[str, tuple[str, ...]]:
    """The table: request → status, calls when nothing is remembered, when the file is, bytes from B2."""
    text = PAGE.read_text().partition("### What a request costs")[2].partition("\n## ")[0]
    return {found[1].strip(): tuple(part.strip() for part in found.groups()[1:]) for found in _ROW.finditer(text)}


@pytest.fixture
def site(configure: Configure, emulator: Emulator, settings: Any) -> Emulator:
    """Every kind of delivery, each with the same file; the key is one that B2's S3 API takes."""
    configure(
        logged_in={"delivery": {"mode": "redirect"}, "permission": "public"},
        accel={"bucket": "acme-shared", "route": "accel/", "permission": "public", "delivery": {"mode": "accel"}},
    )
    key_id, key = emulator.create_key(["readFiles", "writeFiles", "listBuckets", "listFiles"])
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    for alias in ("public", "staff"):
        get_storage(alias).save("a.bin", ContentFile(bytes(SIZE)))
    return emulator


def ask(
    emulator: Emulator, client: Client, path: str = "/b2/a.bin", method: str = "GET", **headers: str
) -> tuple[Any, ...]:
    emulator.reset_counts()
    answer = client.generic(method, path, headers={"Accept": "*/*", **headers})
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    downloaded = sum(call.bytes_out for call in emulator.log() if call.operation == "download" and call.status < 300)
    calls = ", ".join(f"{count} {call}" for call, count in sorted(emulator.calls().items()))
    return str(answer.status_code), calls or "–", downloaded


@pytest.mark.django_db
@pytest.mark.parametrize("request_kind", list(REQUESTS))
def test_a_request_costs_what_the_table_says(request_kind: str, site: Emulator, client: Client) -> None:
    wanted = dict(REQUESTS[request_kind])
    shown = client.head("/b2/a.bin")
    for header, field in (("If-None-Match", "ETag"), ("If-Match", "ETag"), ("If-Range", "ETag")):
        if wanted.get(header) == "current":
            wanted[header] = shown[field]
    if wanted.get("If-Modified-Since") == "current":
        wanted["If-Modified-Since"] = shown["Last-Modified"]
    cache.clear()
    get_storage("public").exists("warm")  # the login is made
    status, cold, downloaded = ask(site, client, **wanted)
    client.head("/b2/a.bin")
    again, warm, _ = ask(site, client, **wanted)
    assert again == status
    assert rows()[request_kind] == (status, cold, warm, f"{downloaded:,}" if downloaded else "–")


def test_the_table_has_no_other_rows() -> None:
    assert list(rows()) == list(REQUESTS)


@pytest.mark.django_db
def test_staff_pay_what_anybody_pays(site: Emulator, client: Client) -> None:
    client.force_login(User.objects.create_user("sam", is_staff=True))
    assert ask(site, client, "/b2s/a.bin") == ("200", "1 download", SIZE)
