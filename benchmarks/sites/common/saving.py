"""Saves a local file with the storage "public", from the kind of source asked for, and tells how long it took."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import storages
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest, JsonResponse

BLOCK_BYTES = 64 * 1024


def save(request: HttpRequest, source: str) -> JsonResponse:
    """Answer with the seconds that `save()` took; none when the package cannot save such a source."""
    with _SOURCES[source](Path(request.GET["path"])) as content:
        started = time.perf_counter()
        try:
            storages["public"].save(f"uploads/{source}-{secrets.token_hex(8)}.bin", content)
        except Exception:  # whatever a package raises
            return JsonResponse({"seconds": None})
        return JsonResponse({"seconds": time.perf_counter() - started})


@contextmanager
def _temporary(path: Path) -> Iterator[File[Any]]:
    """As Django's upload handler leaves a large upload."""
    size = path.stat().st_size
    with TemporaryUploadedFile("x.bin", "application/octet-stream", size, None) as content, path.open("rb") as file:
        shutil.copyfileobj(file, content.file, 1024 * 1024)
        content.seek(0)
        yield content


@contextmanager
def _plain(path: Path) -> Iterator[File[Any]]:
    with path.open("rb") as file:
        yield File(file, name="x.bin")


@contextmanager
def _pipe(path: Path) -> Iterator[File[Any]]:
    reading, writing = os.pipe()

    def write() -> None:
        with path.open("rb") as file, os.fdopen(writing, "wb") as end:
            try:
                shutil.copyfileobj(file, end, BLOCK_BYTES)
            except BrokenPipeError:
                return

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as source:
        yield File(source, name="x.bin")
    writer.join()


@contextmanager
def _generator(path: Path) -> Iterator[File[Any]]:
    with path.open("rb") as file:
        yield File(_Generated(iter(lambda: file.read(BLOCK_BYTES), b"")), name="x.bin")  # type: ignore[arg-type]


class _Generated(io.RawIOBase):
    """Blocks as they come, read once."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not len(buffer):
            return 0
        self._rest = self._rest or next(self._blocks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


_SOURCES: dict[str, Callable[[Path], AbstractContextManager[File[Any]]]] = {
    "temporary": _temporary,
    "plain": _plain,
    "pipe": _pipe,
    "generator": _generator,
}
