"""Range by RFC 9110 section 14, edges first, with werkzeug's parser as a second opinion."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from b2router.delivery import ranges
from b2router.delivery.ranges import ByteRange, Wanted
from b2router.errors import RangeNotSatisfiable


def resolved(header: str, size_bytes: int = 10) -> ByteRange | None:
    wanted = ranges.parse(header)
    return wanted.within(size_bytes) if wanted else None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("bytes=0-0", ByteRange(0, 0), id="first byte alone, 14.1.2"),
        pytest.param("bytes=9-9", ByteRange(9, 9), id="last byte alone"),
        pytest.param("bytes=-1", ByteRange(9, 9), id="last byte as a suffix, 14.1.2"),
        pytest.param("bytes=-20", ByteRange(0, 9), id="suffix longer than the file, 14.1.2"),
        pytest.param("bytes=0-", ByteRange(0, 9), id="open end"),
        pytest.param("bytes=9-", ByteRange(9, 9), id="open end at the last byte"),
        pytest.param("bytes=5-400", ByteRange(5, 9), id="clamped to the end, 14.1.2"),
        pytest.param("bytes=0-9", ByteRange(0, 9), id="exactly the file"),
        pytest.param("BYTES=0-1", ByteRange(0, 1), id="unit in capitals, 14.1"),
        pytest.param("bytes= 0-1 ", ByteRange(0, 1), id="white space"),
        pytest.param("items=0-1", None, id="unknown unit is ignored, 14.2"),
        pytest.param("bytes=5-4", None, id="last before first is invalid, 14.1.1"),
        pytest.param("bytes=-", None, id="nothing at all"),
        pytest.param("bytes=", None, id="no range"),
        pytest.param("bytes=0-1,3-4", None, id="several ranges: the whole file, 14.2"),
        pytest.param("bytes=0-1,", None, id="trailing comma"),
        pytest.param("bytes=a-b", None, id="letters"),
        pytest.param("bytes=+1-2", None, id="signs"),
        pytest.param("bytes=1.0-2", None, id="decimals"),
        pytest.param("bytes=٣-٤", None, id="digits of another script"),
        pytest.param("bytes=0x1-0x2", None, id="hexadecimal"),
        pytest.param("bytes 0-1", None, id="no equals sign"),
        pytest.param("bytes=0-" + "9" * 5000, None, id="a number too long to be one"),
    ],
)
def test_range_of_a_ten_byte_file(header: str, expected: ByteRange | None) -> None:
    assert resolved(header) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-10", "bytes=999-", "bytes=-0", "bytes=10-5000"])
def test_a_range_without_a_byte_is_not_satisfiable(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolved(header)


def test_an_empty_file_has_no_ranges() -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolved("bytes=0-", size_bytes=0)
    assert resolved("bytes=-5", size_bytes=0) is None


def test_no_header_is_no_range() -> None:
    assert ranges.parse(None) is None
    assert ranges.parse("") is None


def test_the_answer_names_the_range() -> None:
    """RFC 9110, 14.4."""
    assert ByteRange(0, 0).content_range(10) == "bytes 0-0/10"
    assert ByteRange(2, 5).size_bytes == 4


def test_a_hostile_header_costs_nothing() -> None:
    began = time.perf_counter()
    for header in ("bytes=" + "0-0," * 20_000, "bytes=" + " " * 60_000, "bytes=" + "9" * 60_000 + "-", "b" * 60_000):
        ranges.parse(header)
    assert time.perf_counter() - began < 5  # what grows with the square would take minutes


@settings(deadline=None)
@given(
    first=st.one_of(st.none(), st.integers(0, 30)),
    last=st.one_of(st.none(), st.integers(0, 30)),
    size=st.integers(1, 25),
)
def test_werkzeug_agrees(first: int | None, last: int | None, size: int) -> None:
    """An independent reader of the same RFC, but for suffixes longer than the file, which it refuses."""
    assume(first is not None or last is None or last <= size)
    http = pytest.importorskip("werkzeug.http")
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    theirs = http.parse_range_header(header)
    bounds = theirs.range_for_length(size) if theirs is not None else None
    try:
        ours = resolved(header, size)
    except RangeNotSatisfiable:
        assert bounds is None
        return
    assert (ours and (ours.first, ours.last + 1)) == bounds


def test_what_is_wanted_can_be_told_before_the_size_is_known() -> None:
    assert ranges.parse("bytes=5-") == Wanted(5)
    assert ranges.parse("bytes=5-9") == Wanted(5, 9)
    assert ranges.parse("bytes=-9") == Wanted(None, suffix=9)
