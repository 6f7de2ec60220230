"""Bodies that come in chunks, each after its size in hex: of HTTP, and of AWS inside it; for `http1`, `s3_bodies`.

Source: RFC 9112, 7.1; AWS docs, "Signature calculations for the Authorization header: transferring payload in
multiple chunks". Both frame alike: size, CR LF, bytes, CR LF; a chunk of size 0, and then fields.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 256 * 1024
_MAX_LINE_BYTES = 16 * 1024
_MAX_FIELDS = 20
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(;[^\r\n]*)?\r\n")


class BadChunks(Exception):
    """Bytes that are not framed so."""


def contents(stream: io.BufferedReader, fields: dict[str, str]) -> Iterator[memoryview]:
    """Yield what the chunks hold, in blocks that are valid until the next step.

    Args:
        stream: stands before the first chunk; afterwards, behind the last field.
        fields: gets the fields that follow the chunks, names in lower case.
    Raises:
        BadChunks: the bytes are framed otherwise, or end too soon.
    """
    room = memoryview(bytearray(BLOCK_BYTES))
    while True:
        size = _SIZE.fullmatch(stream.readline(_MAX_LINE_BYTES))
        if size is None:
            raise BadChunks("A chunk begins with its size")
        left = int(size[1], 16)
        if not left:
            break
        while left:
            count = stream.readinto1(room[: min(left, BLOCK_BYTES)])
            if not count:
                raise BadChunks("The chunks end too soon")
            left -= count
            yield room[:count]
        if stream.readline(3) != b"\r\n":
            raise BadChunks("A chunk is longer than its size")
    for _ in range(_MAX_FIELDS):
        line = stream.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\r\n"):
            raise BadChunks("The fields after the chunks end too soon")
        if line == b"\r\n":
            return
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.strip().lower()] = value.strip()
    raise BadChunks("Too many fields follow the chunks")


class Joined(io.RawIOBase):
    """Blocks as one stream, so that lines can be read across them.

    Args:
        blocks: each is valid until the next is asked for.
    """

    def __init__(self, blocks: Iterator[memoryview]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See `io.RawIOBase`."""
        target = memoryview(buffer).cast("B")
        self._rest = self._rest or next(self._blocks, memoryview(b""))
        count = min(len(target), len(self._rest))
        target[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
