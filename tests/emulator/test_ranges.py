"""Ranges as the real service answers them (Backblaze docs of b2_download_file_by_id)."""

from __future__ import annotations

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire


@pytest.fixture
def digits(em: Emulator, wire: Wire) -> Wire:
    wire.upload(wire.bucket_id("acme-public"), "digits", b"0123456789")
    wire.upload(wire.bucket_id("acme-public"), "empty", b"")
    return wire


@pytest.mark.parametrize(
    ("header", "content_range", "body"),
    [
        pytest.param("bytes=0-0", "bytes 0-0/10", b"0", id="first byte alone"),
        pytest.param("bytes=5-8", "bytes 5-8/10", b"5678", id="inside"),
        pytest.param("bytes=6-400", "bytes 6-9/10", b"6789", id="end is clamped"),
        pytest.param("bytes=4-", "bytes 4-9/10", b"456789", id="open end"),
        pytest.param("bytes=-3", "bytes 7-9/10", b"789", id="suffix"),
    ],
)
def test_part_of_a_file_is_206(digits: Wire, header: str, content_range: str, body: bytes) -> None:
    """Documented: 206 with Content-Range."""
    reply = digits.get("acme-public", "digits", Range=header)
    assert (reply.status, reply.headers["content-range"], reply.body) == (206, content_range, body)
    assert reply.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "header",
    ["bytes=0-", "bytes=0-9", "bytes=0-99", "bytes=-50", "bytes=5-2", "items=0-1", "bytes=a-b", "bytes=0-1,3-4"],
)
def test_range_over_everything_or_unreadable_is_200(digits: Wire, header: str) -> None:
    """Documented: the whole file without Content-Range; a view in front cannot rely on 206."""
    reply = digits.get("acme-public", "digits", Range=header)
    assert (reply.status, reply.body, reply.headers.get("content-range")) == (200, b"0123456789", None)


@pytest.mark.parametrize(
    ("name", "header"),
    [("digits", "bytes=10-"), ("digits", "bytes=99-100"), ("digits", "bytes=-0"), ("empty", "bytes=0-")],
)
def test_range_past_the_end_is_416(digits: Wire, name: str, header: str) -> None:
    """Documented; for empty files seen in Backblaze/B2_Command_Line_Tool#590."""
    assert digits.get("acme-public", name, Range=header).error == (416, "range_not_satisfiable")
