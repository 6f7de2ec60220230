"""Contents on disk, addressed by their SHA-256; written by uploads, read by `sending`.

A path is never made from a name of a client. A blob is first written under `incoming/` and renamed when its
owner is committed, so that a killed process leaves at worst a file that the next start removes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from b2router.emulator.answers import Slice
from b2router.emulator.database import Database
from b2router.emulator.http1 import BLOCK_BYTES


class Incoming:
    """A content on its way in: written and hashed block by block."""

    def __init__(self, path: Path, *, with_md5: bool) -> None:
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def write(self, block: memoryview | bytes) -> None:
        """Append a block."""
        self._sha1.update(block)
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)
        self.size += len(block)
        left = memoryview(block)
        while left:
            left = left[os.write(self._descriptor, left) :]

    @property
    def sha1(self) -> str:
        """SHA-1 of what was written so far, in hex."""
        return self._sha1.hexdigest()

    @property
    def md5(self) -> str | None:
        """MD5 of what was written so far, in hex; None when it was not asked for."""
        return None if self._md5 is None else self._md5.hexdigest()

    @property
    def address(self) -> str:
        """Where the content will be kept."""
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Close the file and drop it unless it was kept."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Blobs:
    """The folder of contents and how often each is used."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._database = database
        self._kept = folder / "blobs"
        self._incoming = folder / "incoming"
        self._kept.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def incoming(self, *, with_md5: bool = False) -> Incoming:
        """Begin a new content."""
        return Incoming(self._incoming / secrets.token_hex(16), with_md5=with_md5)

    def keep(self, content: Incoming) -> tuple[Slice, ...]:
        """Move a complete content to its address; call inside the transaction that uses it."""
        if content.size == 0:
            return ()
        path = self._path(content.address)
        known = self._database.one("SELECT 1 FROM blobs WHERE address = ?", content.address)
        if known is None:
            path.parent.mkdir(exist_ok=True)
            content.path.replace(path)
        return (Slice(content.address, 0, content.size),)

    def use(self, slices: Sequence[Slice]) -> None:
        """Count one more use of each blob; inside a transaction."""
        for address, count in Counter(part.address for part in slices).items():
            self._database.execute(
                "INSERT INTO blobs VALUES (?, ?) ON CONFLICT (address) DO UPDATE SET uses = uses + excluded.uses",
                address,
                count,
            )

    def release(self, slices: Sequence[Slice]) -> None:
        """Count one use less of each blob; the unused are removed after the commit."""
        for address, count in Counter(part.address for part in slices).items():
            self._database.execute("UPDATE blobs SET uses = uses - ? WHERE address = ?", count, address)
            if self._database.execute("DELETE FROM blobs WHERE address = ? AND uses <= 0", address):
                self._database.after_commit(partial(self._remove_unused, address))

    def open(self, address: str) -> int:
        """Open a blob for reading and return its descriptor.

        Raises:
            FileNotFoundError: its last user was deleted meanwhile.
        """
        return os.open(self._path(address), os.O_RDONLY)

    def blocks(self, slices: Sequence[Slice]) -> Iterator[bytes]:
        """Yield the bytes of slices in blocks, for hashing."""
        for part in slices:
            descriptor = self.open(part.address)
            try:
                offset, end = part.offset, part.offset + part.length
                while offset < end:
                    block = os.pread(descriptor, min(BLOCK_BYTES, end - offset), offset)
                    if not block:
                        raise OSError(f"blob {part.address} is shorter than recorded")
                    offset += len(block)
                    yield block
            finally:
                os.close(descriptor)

    def sweep(self) -> None:
        """Remove what a killed process left: half-written contents and blobs that nobody uses."""
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)
        used = {row["address"] for row in self._database.all("SELECT address FROM blobs")}
        for folder in self._kept.iterdir():
            for path in folder.iterdir():
                if path.name not in used:
                    path.unlink(missing_ok=True)

    def _remove_unused(self, address: str) -> None:
        if self._database.one("SELECT 1 FROM blobs WHERE address = ?", address) is None:  # not used anew meanwhile
            self._path(address).unlink(missing_ok=True)

    def _path(self, address: str) -> Path:
        return self._kept / address[:2] / address


def cut(slices: Sequence[Slice], first: int, last: int) -> tuple[Slice, ...]:
    """Return the slices that hold the bytes first to last, both inclusive, of a content."""
    result, position = [], 0
    for part in slices:
        start, end = max(first, position), min(last + 1, position + part.length)
        if start < end:
            result.append(Slice(part.address, part.offset + start - position, end - start))
        position += part.length
    return tuple(result)
