"""Range: which bytes of a file a client wants; pure. Asked by `response`.

One range is served; several, and whatever is not a range of bytes, are answered with the whole file, as RFC 9110
allows. A header is matched by one pattern of bounded numbers, so a hostile one costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from b2router.errors import RangeNotSatisfiable

__all__ = ["ByteRange", "Wanted", "parse"]

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a file: first and last byte, both inclusive, from 0."""

    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1

    def content_range(self, size_bytes: int) -> str:
        """The value of Content-Range, for a file of this size. Source: RFC 9110, 14.4."""
        return f"bytes {self.first}-{self.last}/{size_bytes}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Range header asks for, before the size of the file is known.

    Attributes:
        first: first byte, from 0; None for the last `suffix` bytes.
        last: last byte, inclusive; None for the end of the file.
        suffix: how many bytes from the end; None otherwise.
    """

    first: int | None
    last: int | None = None
    suffix: int | None = None

    @property
    def span(self) -> tuple[int | None, int | None]:
        """The same as first and last byte; for a suffix, as nothing and its length."""
        return (self.first, self.last) if self.first is not None else (None, self.suffix)

    def fits(self, size_bytes: int) -> bool:
        """Whether a file of this size has a byte of it, or is empty and its last bytes are asked for."""
        try:
            self.within(size_bytes)
        except RangeNotSatisfiable:
            return False
        return True

    def within(self, size_bytes: int) -> ByteRange | None:
        """The bytes that exist.

        Args:
            size_bytes: length of the file.
        Returns:
            None for the last bytes of an empty file, which is the whole file.
        Raises:
            RangeNotSatisfiable: no byte that was asked for exists.
        Source: RFC 9110, 14.1.2.
        """
        if self.first is None:
            if not self.suffix:
                raise RangeNotSatisfiable("The last 0 bytes of a file are none.")
            return ByteRange(max(0, size_bytes - self.suffix), size_bytes - 1) if size_bytes else None
        if self.first >= size_bytes:
            raise RangeNotSatisfiable("The range begins past the end of the file.")
        return ByteRange(self.first, size_bytes - 1 if self.last is None else min(self.last, size_bytes - 1))


def parse(header: str | None) -> Wanted | None:
    """Read a Range header.

    Args:
        header: the field value, such as "bytes=0-499"; None when there is none.
    Returns:
        None when the header is to be ignored: another unit, several ranges, last before first, or not a range at all.
    Source: RFC 9110, 14.1.1, 14.1.2 and 14.2.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return Wanted(None, suffix=int(last)) if last else None
    wanted = Wanted(int(first), int(last) if last else None)
    return None if wanted.last is not None and int(first) > wanted.last else wanted
