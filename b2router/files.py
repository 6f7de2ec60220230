"""The file object that a storage opens, and the bytes of one that it is given; called by storage.

Reading asks B2 for ranges as needed and keeps one block in memory. Writing goes to a spool, on disk beyond
`SPOOL_BYTES`, and is uploaded on close.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.files.base import File
from django.core.files.utils import FileProxyMixin

from b2router import operations
from b2router.b2.download import BLOCK_BYTES, Download
from b2router.b2.place import Place
from b2router.b2.stored import StoredFile
from b2router.errors import BackendError, NotFound, RangeNotSatisfiable, UnexpectedAnswer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    _File = File[Any]
else:
    _File = File

__all__ = ["B2File", "RangedReader", "open_file", "upload_source"]

logger = logging.getLogger("b2router.b2")

SPOOL_BYTES = 8 * 1024 * 1024
"""What a file being written holds in memory; more goes to a temporary file."""

ENCODING = "utf-8"


class RangedReader(io.RawIOBase):
    """A stored file as a seekable binary stream of one version.

    The first block is asked for at once, so that a missing file is known when it is opened; what follows is one
    download as long as reading goes on in order. A seek elsewhere begins another. Who reads the whole file in order
    gets its last block only when its SHA-1 is right, where B2 knows it.

    Args:
        place: where the file is.
        key: of the file.
        version: the file id of one of its versions; None for the newest.
    Raises:
        NotFound: no such file.
        BackendError: B2 refused or failed; also from every read.
    """

    def __init__(self, place: Place, key: str, version: str | None = None) -> None:
        super().__init__()
        self._file = place.file(key) if version is None else place.version(key, version)
        self._position = 0
        self._block = memoryview(b"")
        self._download: Download | None = None
        try:
            self._download = self._file.open((0, BLOCK_BYTES - 1))
            self.stored: StoredFile = self._download.stored
        except RangeNotSatisfiable:  # an empty file has no range at all
            self.stored = self._file.look()
        self._operation = operations.held()
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._hashed_bytes = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere; asks B2 for nothing before the next read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.stored.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"A file has no position {base + offset}.")
        if base + offset != self._position:
            self._position = base + offset
            self._drop()
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer with what there is next; 0 at the end of the file."""
        if self._position >= self.stored.size_bytes:
            return 0
        if not self._block:
            try:
                with operations.within(self._operation):
                    block = self._next_block()
                    self._check(block)
                    self._block = memoryview(block)
            except BackendError as error:
                if self._operation is not None:
                    self._operation.failed(error)
                    self._operation.status = type(error).__name__
                raise
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._block))
        target[:count] = self._block[:count]
        self._block = self._block[count:]
        self._position += count
        if self._operation is not None:
            self._operation.handed_out(count)
        return count

    def close(self) -> None:
        """Let the connection go."""
        self._drop()
        if self._operation is not None:
            self._operation.drop()  # not `end`: a file that nobody closes is closed by the garbage collector
        super().close()

    def _next_block(self) -> bytes:
        for _ in range(2):
            if self._download is not None:
                block = next(self._download, b"")
                if block:
                    return block
            self._drop()
            self._download = self._file.open((self._position, None))
            if self._download.first != self._position:
                self._drop()
                raise UnexpectedAnswer("B2 was asked for a range and sent another.")
            if self._download.stored.file_id != self.stored.file_id:
                self._drop()
                raise UnexpectedAnswer("The file was replaced while it was being read; open it again.")
        raise UnexpectedAnswer("B2 sent no bytes for a part of the file that should exist.")

    def _check(self, block: bytes) -> None:
        if self._hashed_bytes != self._position or self.stored.sha1 is None:
            return
        self._hash.update(block)
        self._hashed_bytes += len(block)
        if self._hashed_bytes == self.stored.size_bytes and self._hash.hexdigest() != self.stored.sha1:
            logger.error("A file that B2 sent does not have its SHA-1; file id %s.", self.stored.file_id)
            raise UnexpectedAnswer("The bytes that came do not have the SHA-1 of the file.")

    def _drop(self) -> None:
        self._block = memoryview(b"")
        if self._download is not None:
            self._download.close()
            self._download = None


Upload = Callable[[IO[bytes], int], None]
Reopen = Callable[[str], "B2File"]


class B2File(_File):
    """What `storage.open` returns: Django's `File` over a reader or a spool; a spool is uploaded on close.

    Args:
        file: the stream that this wraps.
        name: the file's name in its storage.
        mode: as given to open.
        reopen: opens the same file of the storage again.
        stored: what B2 said about a file that is read.
        upload: called once, with the complete content, when a written file is closed.
    """

    def __init__(
        self,
        file: Any,
        name: str,
        mode: str,
        reopen: Reopen,
        *,
        stored: StoredFile | None = None,
        upload: Upload | None = None,
    ) -> None:
        super().__init__(file, name)
        self.file: Any = file
        self.mode = mode
        self._reopen = reopen
        self._stored = stored
        self._upload = upload
        self._operation = operations.held()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Close; what was written is dropped when the block failed, because half a file is none."""
        if kind is not None:
            self._upload = None
        self.close()

    def open(self, mode: str | None = None, *args: Any, **options: Any) -> B2File:
        """Go to the beginning; a closed file is opened anew, from its storage.

        Args:
            mode: to open anew in; None for the same.
        """
        if not self.closed:
            self.seek(0)
            return self
        again = self._reopen(mode or self.mode)
        self.file, self.mode, self._stored, self._upload = again.file, again.mode, again._stored, again._upload
        self._operation = again._operation
        return self

    @property
    def size(self) -> int:
        """Length in bytes: of the stored file, or of what was written so far."""
        if self._stored is not None:
            return self._stored.size_bytes
        position = self.file.tell()
        end = int(self.file.seek(0, os.SEEK_END))
        self.file.seek(position)
        return end

    def close(self) -> None:
        """Upload what was written, if the file is open for writing, and close. A second close does nothing.

        Raises:
            BackendError: B2 refused or failed; then nothing of it is visible.
        """
        if self.closed:
            return
        with operations.ending(self._operation):
            try:
                if self._upload is not None:
                    self.file.flush()
                    spool: IO[bytes] = getattr(self.file, "buffer", self.file)
                    size_bytes = spool.seek(0, os.SEEK_END)
                    spool.seek(0)
                    self._upload(spool, size_bytes)
            finally:
                self._upload = None
                self.file.close()


def open_file(
    place: Place, key: str, name: str, mode: str, *, upload: Upload, reopen: Reopen, version: str | None = None
) -> B2File:
    """Open a stored file.

    Args:
        place: where the file is.
        key: of the file in the bucket.
        name: the file's name in its storage.
        mode: "r", "w", "x" or "a", with "b" or "t"; text is UTF-8, with universal newlines.
        upload: stores what was written.
        reopen: opens the same file again.
        version: the file id of the version to read; None for the newest.
    Raises:
        NotFound: no such file, when reading.
        FileExistsError: there is one, with "x".
        ValueError: another mode; B2 cannot change a file in place, so "+" is none, nor write an older version.
    """
    kind, flags = mode[:1], mode[1:]
    if kind not in ("r", "w", "x", "a") or flags not in ("", "b", "t"):
        raise ValueError(
            f"A file in B2 cannot be opened with mode {mode!r}: expected r, w, x or a, with b or t. B2 stores whole "
            "files; to change one, read it and write it again."
        )
    is_text = flags != "b"
    if kind == "r":
        reader = RangedReader(place, key, version)
        buffered = io.BufferedReader(reader)
        return B2File(_text(buffered) if is_text else buffered, name, mode, reopen, stored=reader.stored)
    if version is not None:
        raise ValueError(f"A version of a file can only be read, not opened with mode {mode!r}.")
    if kind == "x" and _exists(place, key):
        raise FileExistsError(f"The file to be created by mode {mode!r} exists already.")
    spool = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - closed with the file
    if kind == "a":
        _copy_existing(place, key, spool)
    return B2File(_text(spool) if is_text else spool, name, mode, reopen, upload=upload)


@contextmanager
def rewindable(content: File[Any]) -> Iterator[File[Any]]:
    """The same content, from its beginning as often as it takes: spooled when it can be read only once."""
    if content.seekable():
        yield content
        return
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        while block := content.read(SPOOL_BYTES // 8):
            spool.write(block.encode(ENCODING) if isinstance(block, str) else block)
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


def _text(binary: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(binary, encoding=ENCODING)


def _exists(place: Place, key: str) -> bool:
    try:
        place.file(key).look()
    except NotFound:
        return False
    return True


def _copy_existing(place: Place, key: str, spool: IO[bytes]) -> None:
    try:
        download = place.file(key).open()
    except NotFound:
        return
    try:
        for block in download:
            operations.count_out(spool.write(block))
    finally:
        download.close()
