"""Where the bytes of an upload come from: disk, memory, or a stream that is spooled part by part; opened by `uploads`.

Whatever the source, no more of it is in memory than a block for each part under way. What can be read again at any
place is sent from there; everything else goes through temporary files, because a try that failed has to be repeated.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

from django.conf import settings

from b2router.b2.contents import BLOCK_BYTES, Content, InMemory, OnDisk, owned

__all__ = ["Source", "Stream", "opened"]

MEMORY_BYTES = 1024 * 1024
"""What a spool holds in memory; more goes to a temporary file."""


_Spool: TypeAlias = "tempfile.SpooledTemporaryFile[bytes]"


class Source(Protocol):
    """Where the bytes of an upload come from: any binary file object."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes, empty at the end."""


class Stream:
    """A source that is read once, in order, by one thread.

    Args:
        source: read from where it stands to its end.
    """

    def __init__(self, source: IO[bytes] | Source) -> None:
        self._source = source
        self._ahead = b""

    @property
    def is_over(self) -> bool:
        """Whether everything was taken; may read a block to find out.

        Raises:
            OwnError: the source failed.
        """
        self._ahead = self._ahead or self._read(BLOCK_BYTES)
        return not self._ahead

    def take(self, size_bytes: int) -> Content:
        """The next so many bytes, or fewer at the end; the caller closes them.

        Raises:
            OwnError: the source failed, or the disk is full.
        """
        left = size_bytes
        with owned():
            spool = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=_folder())  # noqa: SIM115 - closed with the content
        try:
            while left and (block := self._read(min(left, BLOCK_BYTES))):
                with owned():
                    spool.write(block)
                left -= len(block)
            with owned():
                return _of_spool(spool, size_bytes - left, kept=spool)
        except BaseException:
            spool.close()
            raise

    def _read(self, size: int) -> bytes:
        """At most so many bytes, whatever the source thinks of the number."""
        with owned():
            block = self._ahead or self._source.read(size)
            if block is None:  # it is in non-blocking mode: taken for the end, this would store half a file
                raise BlockingIOError("The source has no bytes yet; only one that waits for them can be stored.")
        self._ahead = block[size:]
        return block[:size]


@contextmanager
def opened(source: IO[bytes] | Source, path: str | None = None) -> Iterator[Content | Stream]:
    """The bytes of a source, in the way that costs least.

    Args:
        source: read from where it stands to its end, unless there is a path.
        path: the same bytes as a file on the local disk.
    """
    if path is not None:
        with Path(path).open("rb") as file:
            yield OnDisk(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        return
    yield _readable_again(source) or Stream(source)


def _readable_again(source: Any) -> Content | None:
    """The bytes themselves, if the source is of a kind that is known to give nothing else: a subclass may decrypt what
    it reads, and a gzip file has the descriptor of the packed one."""
    if type(source) is tempfile._TemporaryFileWrapper:
        source = source.file
    if type(source) is io.BytesIO:
        return InMemory(memoryview(source.getvalue())[source.tell() :])  # no copy: BytesIO copies when next written to
    if type(source) is tempfile.SpooledTemporaryFile:
        first = source.tell()
        size_bytes = source.seek(0, os.SEEK_END)
        source.seek(first)
        return _of_spool(source, size_bytes, first)  # its owner closes it
    raw = source.raw if type(source) in (io.BufferedReader, io.BufferedRandom) else source
    if type(raw) is io.FileIO and stat.S_ISREG((facts := os.fstat(source.fileno())).st_mode):
        first = source.tell()
        return OnDisk(source.fileno(), first, max(0, facts.st_size - first))
    return None


def _of_spool(spool: _Spool, size_bytes: int, first: int = 0, *, kept: _Spool | None = None) -> Content:
    if size_bytes <= MEMORY_BYTES:
        spool.seek(first)
        content = InMemory(spool.read())
        if kept is not None:
            kept.close()
        return content
    descriptor = spool.fileno()  # moves what was in memory to disk
    spool.flush()
    return OnDisk(descriptor, first, size_bytes - first, kept=kept)


def _folder() -> str | None:
    """Where Django puts uploads: chosen for its room, when it is chosen at all."""
    folder = getattr(settings, "FILE_UPLOAD_TEMP_DIR", None) if settings.configured else None
    return None if folder is None else str(folder)
