"""What the headers of a download say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2router.b2.stored import StoredFile, from_headers
from b2router.errors import UnexpectedAnswer

HEADERS = {
    "Content-Length": "10",
    "Content-Type": "text/plain",
    "X-Bz-File-Id": "4_z1",
    "X-Bz-File-Name": "a",
    "X-Bz-Content-Sha1": "0" * 40,
    "X-Bz-Upload-Timestamp": "1500000000123",
    "X-Bz-Info-Origin": "a%20b+c",
    "Content-Encoding": "gzip",
}


def test_the_headers_are_the_metadata() -> None:
    assert from_headers("loc/a", {**HEADERS, "X-Bz-File-Name": "loc%2Fa"}) == StoredFile(
        key="loc/a",
        file_id="4_z1",
        size_bytes=10,
        content_type="text/plain",
        sha1="0" * 40,
        uploaded_at=datetime(2017, 7, 14, 2, 40, 0, 123000, tzinfo=UTC),
        content_encoding="gzip",
        info={"origin": "a b c"},
    )


def test_a_part_tells_the_size_of_the_whole() -> None:
    assert from_headers("a", {**HEADERS, "Content-Range": "bytes 0-9/5000"}).size_bytes == 5000


@pytest.mark.parametrize("sha1", ["none", "unverified:" + "0" * 40, "", "X" * 40])
def test_a_hash_that_b2_does_not_vouch_for_is_none(sha1: str) -> None:
    assert from_headers("a", {**HEADERS, "X-Bz-Content-Sha1": sha1}).sha1 is None


@pytest.mark.parametrize(
    "broken",
    [
        {"X-Bz-File-Id": None},
        {"X-Bz-File-Name": "b"},
        {"X-Bz-Upload-Timestamp": None},
        {"Content-Length": None},
        {"Content-Length": "ten"},
        {"Content-Range": "bytes 0-9/*"},
        {"X-Bz-Upload-Timestamp": "9" * 30},
    ],
)
def test_headers_that_b2_would_not_send_are_no_file(broken: dict[str, str | None]) -> None:
    headers = {name: value for name, value in {**HEADERS, **broken}.items() if value is not None}
    with pytest.raises(UnexpectedAnswer):
        from_headers("a", headers)
