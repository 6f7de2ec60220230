"""Does one thing with the storage "public", in a process of its own, and prints what it took as JSON.

Started by `storages` as `python -m common.storing TASK FILE NAME`. A small file is saved before, so that no import, no
login and no first connection counts; the emulator begins to count after that.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import django
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile

BLOCK_BYTES = 64 * 1024
HEAD_BYTES = 100
OF_SELF = Path("/proc/self")
Found = dict[str, float]


def main() -> None:
    """Do what the arguments say."""
    task, file, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    django.setup()
    storage = storages["public"]
    storage.save("uploads/warm.bin", ContentFile(b"warm"))
    try:
        found = _save(storage, task, file) if task in _SOURCES else _TASKS[task](storage, name)
    except Exception as error:  # whatever a package raises
        found = {}
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    print(json.dumps(found))


def _save(storage: Storage, source: str, path: Path) -> Found:
    with _SOURCES[source](path) as content:
        return _measured(lambda: storage.save(f"uploads/{source}-{secrets.token_hex(8)}.bin", content))


def _read_chunks(storage: Storage, name: str) -> Found:
    """The whole file, as a view would pass it on."""
    return _read(storage, name, lambda file: file.chunks())


def _read_blocks(storage: Storage, name: str) -> Found:
    """As `shutil.copyfileobj` does."""
    return _read(storage, name, lambda file: iter(lambda: file.read(1024 * 1024), b""))


def _read_whole(storage: Storage, name: str) -> Found:
    return _read(storage, name, lambda file: [file.read()])


def _read(storage: Storage, name: str, blocks_of: Callable[[File[Any]], Iterable[bytes]]) -> Found:
    def read() -> None:
        with storage.open(name) as file:
            size_bytes = sum(len(block) for block in blocks_of(file))
        if size_bytes != int(os.environ["BENCH_LARGE_BYTES"]):
            raise OSError(f"The file was read as {size_bytes} bytes.")

    return _measured(read)


def _read_head(storage: Storage, name: str) -> Found:
    def read() -> None:
        with storage.open(name) as file:
            if len(file.read(HEAD_BYTES)) != HEAD_BYTES:
                raise OSError("The file is too short.")

    return _measured(read)


def _save_new(storage: Storage, name: str) -> Found:
    return _measured(lambda: storage.save(f"uploads/{secrets.token_hex(8)}.txt", ContentFile(b"new")))


def _ask_after_save(storage: Storage, name: str) -> Found:
    saved = storage.save(f"uploads/{secrets.token_hex(8)}.txt", ContentFile(b"new"))

    def ask() -> None:
        if not storage.exists(saved) or storage.size(saved) != 3 or not storage.url(saved):
            raise OSError("The file is not what it was saved as.")

    return _measured(ask)


def _measured(act: Callable[[], Any]) -> Found:
    """Seconds, seconds of CPU, and the peak of this process's memory above what it holds now."""
    reset = urllib.request.Request(f"{os.environ['BENCH_REALM']}/_emulator/reset", method="POST")
    urllib.request.urlopen(reset).close()
    (OF_SELF / "clear_refs").write_text("5")  # resets VmHWM: proc(5)
    held, used_s, started = _kib("VmRSS"), time.process_time(), time.perf_counter()
    act()
    seconds, used_s = time.perf_counter() - started, time.process_time() - used_s
    return {"seconds": seconds, "cpu_s": used_s, "growth_bytes": 1024 * max(0, _kib("VmHWM") - held)}


def _kib(name: str) -> int:
    lines = (OF_SELF / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


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
def _memory(path: Path) -> Iterator[File[Any]]:
    """As Django's upload handler leaves an upload that it keeps; its bytes are there before memory is measured."""
    held = io.BytesIO(path.read_bytes())
    yield InMemoryUploadedFile(held, "file", "x.bin", "application/octet-stream", len(held.getbuffer()), None)


@contextmanager
def _pipe(path: Path) -> Iterator[File[Any]]:
    """From another process, which has memory of its own."""
    reading, writing = os.pipe()
    pid = os.posix_spawn("/bin/cat", ["cat", str(path)], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with os.fdopen(reading, "rb") as source:
        yield File(source, name="x.bin")
    os.waitpid(pid, 0)


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
    "memory": _memory,
    "pipe": _pipe,
    "generator": _generator,
}
_TASKS: dict[str, Callable[[Storage, str], Found]] = {
    "read_chunks": _read_chunks,
    "read_blocks": _read_blocks,
    "read_whole": _read_whole,
    "read_head": _read_head,
    "save_new": _save_new,
    "ask_after_save": _ask_after_save,
}


if __name__ == "__main__":
    main()
