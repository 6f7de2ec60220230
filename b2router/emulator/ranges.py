"""The Range header as B2 reads it, which is not quite as RFC 9110 says; pure; asked by downloads and copies.

Source: Backblaze docs of b2_download_file_by_id: a range over the whole file is answered 200 without
Content-Range, an unreadable one is ignored, one past the end and any of an empty file is 416.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from b2router.emulator.answers import Refusal

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """First and last byte, both inclusive."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


def not_satisfiable() -> Refusal:
    """Refuse a range that holds no byte of the file."""
    return Refusal(416, "range_not_satisfiable", "The Range in the request is outside the size of the file.")


def parse(header: str | None, size: int) -> ByteRange | None:
    """Return the part to send; None for the whole file.

    Args:
        header: the field value, such as "bytes=0-499".
        size: of the file in bytes.
    Raises:
        Refusal: 416.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header is not None and len(header) < 200 else None
    if match is None or match[0] == "bytes=-":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        if length == 0:
            raise not_satisfiable()
        first, last = size - length, size - 1
    else:
        first = int(match[1])
        last = int(match[2]) if match[2] else max(first, size - 1)
        if last < first:
            return None
        if first >= size:
            raise not_satisfiable()
        last = min(last, size - 1)
    return None if (first, last) == (0, size - 1) else ByteRange(first, last)
