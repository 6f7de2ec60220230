"""A stored file as a seekable stream of one version, read by ranges; made by files.

Opening asks B2 for the beginning. Reading on in order is one download to the end; reading elsewhere asks for what is
wanted there, or a small window, until it goes on in order there too. What came lately is kept, so that going back a
little asks for nothing.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from b2router import operations
from b2router.b2.download import BLOCK_BYTES, Download
from b2router.b2.place import Place, PlacedFile, PlacedVersion
from b2router.b2.sessions import of_this_process
from b2router.b2.stored import StoredFile
from b2router.errors import BackendError, RangeNotSatisfiable, UnexpectedAnswer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["FIRST_BYTES", "KEPT_BYTES", "WINDOW_BYTES", "RangedReader"]

logger = logging.getLogger("b2router.b2")

FIRST_BYTES = 64 * 1024
"""The beginning that is asked for when nothing is known about the file. Known to be small, it is asked for whole, up to
`BLOCK_BYTES`; known to be larger, it is the first `WINDOW_BYTES`."""

WINDOW_BYTES = 16 * 1024
"""The least that is asked for elsewhere; windows begin at multiples of it."""

KEPT_BYTES = 1024 * 1024
"""What is kept of what came lately."""


class RangedReader(io.RawIOBase):
    """A stored file as a seekable binary stream of one version: it is readable as it was, also when it is replaced.

    Who reads the whole file in order gets its last block only when its SHA-1 is right, where B2 knows it.

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
        self._place, self._key, self._process = place, key, os.getpid()
        self._position = 0
        self._kept: deque[tuple[int, memoryview]] = deque()
        self._kept_bytes = 0
        self._download: Download | None = None
        self._next = 0
        self._end = 0
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._hashed_bytes = 0
        self._operation: operations.Operation | None = None
        self.stored: StoredFile = self._begin(place.file(key) if version is None else place.version(key, version))
        self._file = place.version(key, self.stored.file_id, is_ours=True)
        self._operation = operations.held()

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
            raise OSError(errno.EINVAL, f"A file has no position {base + offset}.")  # as on the disk
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer with what there is next; 0 at the end of the file."""
        target = memoryview(buffer).cast("B")
        block = self._block(len(target))[: len(target)]
        target[: len(block)] = block
        self._handed_out(len(block))
        return len(block)

    def readall(self) -> bytes:
        """The rest of the file: one download, unless it is kept; in the memory that it takes, and not twice that."""
        rest = io.BytesIO()
        while block := self._block(self.stored.size_bytes - self._position):
            rest.write(block)
            self._handed_out(len(block))
        return rest.getvalue()

    def close(self) -> None:
        """Let the connection go."""
        if not self.closed:
            self._drop()
            self._kept.clear()
            if self._operation is not None:
                self._operation.drop()  # not `end`: a file that nobody closes is closed by the garbage collector
        super().close()

    def _handed_out(self, count: int) -> None:
        self._position += count
        if self._operation is not None:
            self._operation.handed_out(count)

    def _begin(self, file: PlacedFile | PlacedVersion) -> StoredFile:
        """Ask for the first bytes, so that a missing file is known when it is opened."""
        remembered = file.remembered
        if remembered is not None and not remembered.size_bytes:
            return file.look()  # an empty file has no range at all
        size = FIRST_BYTES
        if remembered is not None:
            size = BLOCK_BYTES if remembered.size_bytes <= BLOCK_BYTES else WINDOW_BYTES
        try:
            self._download = file.open((0, size - 1))
        except RangeNotSatisfiable:
            return file.look()
        self._end = self._download.size_bytes
        return self._download.stored

    def _block(self, wanted: int) -> memoryview:
        """The bytes from the position on, as many as are at hand; empty at the end of the file.

        Args:
            wanted: how many are going to be read here.
        """
        if self.closed:
            raise ValueError("The file is closed.")
        if wanted <= 0 or self._position >= self.stored.size_bytes:
            return memoryview(b"")
        if (block := self._kept_at_position()) is not None:
            return block
        self._leave_parent()
        try:
            with operations.within(self._operation):
                return self._pulled(wanted)
        except BackendError as error:
            if self._operation is not None:
                self._operation.failed(error)
                self._operation.status = type(error).__name__
            raise

    def _leave_parent(self) -> None:
        """After a fork the connections are the parent's: two processes that read one get pieces of what comes."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._drop()
        self._place = replace(self._place, session=of_this_process(self._place.session))
        self._file = self._place.version(self._key, self.stored.file_id, is_ours=True)

    def _kept_at_position(self) -> memoryview | None:
        for start, block in reversed(self._kept):
            if start <= self._position < start + len(block):
                return block[self._position - start :]
        return None

    def _pulled(self, wanted: int) -> memoryview:
        """Let B2 send until the bytes at the position are there; kept on the way."""
        for _ in range(2):
            if not self._next <= self._position < self._end or self._position - self._next > BLOCK_BYTES:
                self._ask(wanted)
            while self._download is not None and (block := next(self._download, b"")):
                self._keep(block)
                if (found := self._kept_at_position()) is not None:
                    return found
            self._drop()
        raise UnexpectedAnswer("B2 sent no bytes for a part of the file that should exist.")

    def _ask(self, wanted: int) -> None:
        """Begin a download at the position: to the end of the file when reading goes on where the last one ended."""
        goes_on = self._position == self._next == self._end
        self._let_go()
        size = self.stored.size_bytes
        first = self._position if goes_on else self._position - self._position % WINDOW_BYTES
        end = size if goes_on else min(size, max(first + WINDOW_BYTES, self._position + wanted))
        self._download = self._file.open((first, end - 1))
        self._next, self._end = first, end
        if (self._download.first, self._download.size_bytes) != (first, end - first):
            self._drop()
            raise UnexpectedAnswer("B2 was asked for a range and sent another.")

    def _keep(self, block: bytes) -> None:
        self._check(block)
        self._kept.append((self._next, memoryview(block)))
        self._next += len(block)
        self._kept_bytes += len(block)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft()[1])

    def _check(self, block: bytes) -> None:
        if self._next != self._hashed_bytes or self.stored.sha1 is None:
            return
        hashed = self._hash.copy()
        hashed.update(block)
        if self._next + len(block) == self.stored.size_bytes and hashed.hexdigest() != self.stored.sha1:
            logger.error("A file that B2 sent does not have its SHA-1; file id %s.", self.stored.file_id)
            raise UnexpectedAnswer("The bytes that came do not have the SHA-1 of the file.")
        self._hash, self._hashed_bytes = hashed, self._next + len(block)

    def _let_go(self) -> None:
        """Be done with the download. The rest of a short one is on its way, and leaves the connection fit for use."""
        if self._download is not None and self._end - self._next <= FIRST_BYTES:
            with suppress(BackendError):
                for block in self._download:
                    self._keep(block)
        self._drop()

    def _drop(self) -> None:
        if self._download is not None:
            self._download.close()
            self._download = None
            self._next = self._end = -1
