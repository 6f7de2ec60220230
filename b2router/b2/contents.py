"""Bytes that can be read again and again: what an upload, or a part of one, consists of; made by `sources`, sent by
`sending`."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

__all__ = ["BLOCK_BYTES", "Content", "InMemory", "OnDisk", "OwnError", "owned"]

BLOCK_BYTES = 256 * 1024
"""What is read at a time."""


class OwnError(BaseException):
    """Carries an exception of the site's own code, such as a source's, past everything that translates those of B2.

    Args:
        error: to be raised instead of this one.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@contextmanager
def owned() -> Iterator[None]:
    """Code of the site inside: what it raises is carried through as it is."""
    try:
        yield
    except Exception as error:
        raise OwnError(error) from None


class Content(ABC):
    """Bytes that can be read again and again, from any thread.

    Attributes:
        size_bytes: how many.
        sha1: of them, 40 hex digits; None while nobody has computed it.
    """

    size_bytes: int
    sha1: str | None = None

    @abstractmethod
    def blocks(self) -> Iterator[memoryview]:
        """The bytes from the beginning; each block is valid until the next is asked for.

        Raises:
            OwnError: they cannot be read, or are fewer than they were.
        """

    @abstractmethod
    def part(self, first: int, size_bytes: int) -> Content:
        """Some of the bytes, from the first on, which is counted from 0."""

    def hashed(self) -> str:
        """Their SHA-1, computed when nobody has.

        Raises:
            OwnError: see `blocks`.
        """
        if self.sha1 is None:
            digest = hashlib.sha1(usedforsecurity=False)
            for block in self.blocks():
                digest.update(block)
            self.sha1 = digest.hexdigest()
        return self.sha1

    def close(self) -> None:
        """Let go of what was opened for them."""
        return


class InMemory(Content):
    """Bytes that somebody holds anyway; never copied."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._content = memoryview(content)
        self.size_bytes = len(self._content)

    def blocks(self) -> Iterator[memoryview]:
        """See `Content`."""
        for first in range(0, self.size_bytes, BLOCK_BYTES):
            yield self._content[first : first + BLOCK_BYTES]

    def part(self, first: int, size_bytes: int) -> InMemory:
        """See `Content`."""
        return InMemory(self._content[first : first + size_bytes])


class OnDisk(Content):
    """A stretch of an open file, read by position, so that nobody's file pointer moves.

    Args:
        descriptor: of the file.
        first: where the stretch begins, from 0.
        size_bytes: its length.
        kept: closed with it.
    """

    def __init__(self, descriptor: int, first: int, size_bytes: int, kept: IO[bytes] | None = None) -> None:
        self._descriptor = descriptor
        self._first = first
        self.size_bytes = size_bytes
        self._kept = kept

    def blocks(self) -> Iterator[memoryview]:
        """See `Content`."""
        room, done = memoryview(bytearray(min(BLOCK_BYTES, self.size_bytes))), 0
        while done < self.size_bytes:
            with owned():
                count = os.preadv(self._descriptor, [room[: self.size_bytes - done]], self._first + done)
                if not count:
                    raise EOFError(
                        f"The file ended after {self._first + done} bytes, and had more when its upload began; "
                        "nothing was stored."
                    )
            yield room[:count]
            done += count

    def part(self, first: int, size_bytes: int) -> OnDisk:
        """See `Content`."""
        return OnDisk(self._descriptor, self._first + first, size_bytes)

    def close(self) -> None:
        """See `Content`."""
        if self._kept is not None:
            self._kept.close()
