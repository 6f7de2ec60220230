"""The file object that a storage opens; called by storage.

Reading is `reading`'s. Writing goes to a spool, on disk beyond `SPOOL_BYTES`, and is uploaded on close.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

from django.core.files.base import File

from b2router import operations
from b2router.b2.place import Place
from b2router.b2.stored import StoredFile
from b2router.contents import ENCODING, SPOOL_BYTES
from b2router.errors import NotFound
from b2router.reading import RangedReader

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    _File = File[Any]
else:
    _File = File

__all__ = ["B2File", "Spool", "open_file"]

Upload = Callable[[IO[bytes], int], None]
Reopen = Callable[[str], "B2File"]


class Spool(io.RawIOBase):
    """What is written to a file before it is uploaded: write-only, as a file of the disk is in these modes.

    Args:
        appends: write at the end, wherever one has gone.

    Attributes:
        content: the bytes.
        is_changed: whether they are other than what is in B2.
    """

    def __init__(self, *, appends: bool = False) -> None:
        super().__init__()
        self.content = cast("IO[bytes]", SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115 - closed with this
        self.is_changed = True
        self._appends = appends

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take bytes."""
        self.is_changed = True
        if self._appends:
            self.content.seek(0, os.SEEK_END)
        return self.content.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._end()}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, f"A file has no position {base + offset}.")
        return self.content.seek(base + offset)

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self.content.tell()

    def truncate(self, size: int | None = None) -> int:
        """Shorten what was written so far; or lengthen it, by zeros."""
        size = self.tell() if size is None else size
        if size < 0:
            raise OSError(errno.EINVAL, f"A file has no size {size}.")
        self.is_changed = True
        self.content.truncate(size)
        if self._end() < size:
            position = self.tell()
            self.content.seek(size - 1)
            self.content.write(b"\0")
            self.content.seek(position)
        return size

    def _end(self) -> int:
        position = self.content.tell()
        end = self.content.seek(0, os.SEEK_END)
        self.content.seek(position)
        return end

    def close(self) -> None:
        """Drop it."""
        self.content.close()
        super().close()


class B2File(_File):
    """What `storage.open` returns: Django's `File` over a reader or a spool; a spool is uploaded on close.

    Args:
        file: the stream that this wraps.
        name: the file's name in its storage.
        mode: as given to open.
        reopen: opens the same file of the storage again.
        stored: what B2 said about a file that is read.
        spool: what is below the stream of a file that is written.
        upload: called once, with the complete content, when a written file is closed; unless that is in B2 already.
    """

    def __init__(
        self,
        file: Any,
        name: str,
        mode: str,
        reopen: Reopen,
        *,
        stored: StoredFile | None = None,
        spool: Spool | None = None,
        upload: Upload | None = None,
    ) -> None:
        super().__init__(file, name)
        self.file: Any = file
        self.mode = mode
        self._reopen = reopen
        self._stored = stored
        self._spool = spool
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
        self._spool = again._spool
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
                if self._upload is not None and self._spool is not None:
                    self.file.flush()
                    content = self._spool.content
                    size_bytes = content.seek(0, os.SEEK_END)
                    content.seek(0)
                    if self._spool.is_changed:
                        self._upload(content, size_bytes)
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
    kind, flags = ("".join(char for char in mode if (char in "rwxa") is is_kind) for is_kind in (True, False))
    if len(kind) != 1 or flags not in ("", "b", "t"):
        raise ValueError(
            f"A file in B2 cannot be opened with mode {mode!r}: expected r, w, x or a, with b or t. B2 stores whole "
            "files; to change one, read it and write it again."
        )
    is_text = flags != "b"
    if kind == "r":
        reader = RangedReader(place, key, version)
        readable = io.BufferedReader(reader)
        return B2File(_text(readable) if is_text else readable, name, mode, reopen, stored=reader.stored)
    if version is not None:
        raise ValueError(f"A version of a file can only be read, not opened with mode {mode!r}.")
    if kind == "x" and _exists(place, key):
        raise FileExistsError(f"The file to be created by mode {mode!r} exists already.")
    spool = Spool(appends=kind == "a")
    if kind == "a":
        spool.is_changed = not _copy_existing(place, key, spool.content)
    writable = io.BufferedWriter(spool)
    return B2File(_text(writable) if is_text else writable, name, mode, reopen, spool=spool, upload=upload)


def _text(binary: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(binary, encoding=ENCODING)


def _exists(place: Place, key: str) -> bool:
    try:
        place.file(key).look()
    except NotFound:
        return False
    return True


def _copy_existing(place: Place, key: str, spool: IO[bytes]) -> bool:
    """Fill a spool with the file, if there is one."""
    try:
        download = place.file(key).open()
    except NotFound:
        return False
    try:
        for block in download:
            operations.count_out(spool.write(block))
    finally:
        download.close()
    return True
