"""The bytes of a file that is to be stored, whatever kind of file object holds them; asked by storage."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.utils import FileProxyMixin

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ENCODING", "SPOOL_BYTES", "rewindable", "upload_source"]

SPOOL_BYTES = 8 * 1024 * 1024
"""What a spool holds in memory; more goes to a temporary file."""

ENCODING = "utf-8"
"""Of text, in both directions."""


@contextmanager
def rewindable(content: File[Any]) -> Iterator[File[Any]]:
    """The same content, from its beginning as often as it takes: spooled when it can be read only once."""
    if content.seekable() and not _makes_chunks(content):
        yield content
        return
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        source, _, _ = upload_source(content)
        while block := source.read(SPOOL_BYTES // 8):
            spool.write(block)
        spool.seek(0)
        spooled: File[Any] = File(cast("IO[bytes]", spool), content.name)
        spooled.content_type = getattr(content, "content_type", None)  # type: ignore[attr-defined]
        yield spooled


def upload_source(content: File[Any]) -> tuple[IO[bytes], int | None, str | None]:
    """The bytes of a file that is to be stored, from its beginning.

    Returns:
        A binary stream, its size in bytes if known, and the path of the same bytes on the local disk if there is one.
    """
    if hasattr(content, "temporary_file_path"):
        path = content.temporary_file_path()
        return cast("IO[bytes]", content), Path(path).stat().st_size, path
    if _makes_chunks(content):
        return cast("IO[bytes]", io.BufferedReader(_Chunks(content.chunks()))), None, None
    if content.seekable():
        content.seek(0)
    if isinstance(content.read(0), str):
        return cast("IO[bytes]", _Encoded(content)), None, None
    reads_as_wrapped = getattr(type(content), "read", None) is FileProxyMixin.read  # else the class changes the bytes
    stream = cast("IO[bytes]", content.file if reads_as_wrapped else content)
    try:
        return stream, content.size, None
    except (AttributeError, OSError):
        return stream, None, None


_READABLE = {kind.chunks for kind in (File, UploadedFile, InMemoryUploadedFile, ContentFile)}


def _makes_chunks(content: File[Any]) -> bool:
    """Whether a file says itself what is stored, as Django's contract lets it: its `chunks` are not what it reads."""
    return getattr(content.chunks, "__func__", None) not in _READABLE


class _Chunks(io.RawIOBase):
    """Chunks as a stream of bytes; text as UTF-8.

    Args:
        chunks: as `File.chunks` gives them.
    """

    def __init__(self, chunks: Iterable[bytes | str]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk.encode(ENCODING) if isinstance(chunk, str) else chunk)
        count = min(len(target), len(self._rest))
        target[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


class _Encoded(io.RawIOBase):
    """Text as UTF-8 bytes."""

    def __init__(self, content: File[str]) -> None:
        super().__init__()
        self._content = content
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = self._content.read(len(target)).encode(ENCODING)
        count = min(len(target), len(self._rest))
        target[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
