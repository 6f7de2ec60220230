"""One run of collectstatic: what B2 has, from one listing; what is uploaded, side by side; and what is deleted, last.

Opened by `B2StaticStorage.collecting`. Nothing that visitors use is missing meanwhile: a file is replaced by its new
version, and what is to go away goes when all the rest is there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile, File

from b2router.contents import rewindable
from b2router.staticfiles.progress import Progress

if TYPE_CHECKING:
    from b2router.b2.listing import ListedFile

__all__ = ["Collection", "Content", "kept", "sha1_of"]

MEMORY_BYTES = 8 * 1024 * 1024
"""What can be read only once waits for its turn in memory up to this size; more is uploaded at once."""

Content = Callable[[], "File[Any]"]
"""Opens the same content anew, each time from its beginning."""


class Collection:
    """What one run knows and does. Used by one thread; uploads run in others.

    Args:
        files: what B2 has, by name; what is uploaded is added.
        describe: what a file of this name and SHA-1 will be.
        store: uploads a file, of which the SHA-1 is known.
        remove: deletes a file.
        threads: how many uploads run at the same time.
        progress: is told how it goes.
    """

    def __init__(
        self,
        files: dict[str, ListedFile],
        *,
        describe: Callable[[str, str], ListedFile],
        store: Callable[[str, File[Any], str | None], None],
        remove: Callable[[str], None],
        threads: int,
        progress: Progress,
    ) -> None:
        self.files = files
        self._describe = describe
        self._store = store
        self._remove = remove
        self._threads = threads
        self._progress = progress
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="b2router-static")
        self._under_way: set[Future[None]] = set()
        self._doomed: set[str] = set()
        self._put: set[str] = set()
        progress.found(len(files))

    def has(self, name: str) -> bool:
        """Whether there is a file or folder of this name, as the run will leave it so far."""
        if name in self.files:
            return name not in self._doomed
        folder = f"{name}/" if name else ""
        return any(other.startswith(folder) and other not in self._doomed for other in self.files)

    def put(self, name: str, content: File[Any]) -> None:
        """Have a file in B2: at once, if it is there already; else by an upload that may still be under way.

        Raises:
            BackendError: an earlier upload failed.
        """
        with rewindable(content) as readable:
            wanted = self._describe(name, sha1_of(readable))
            there = self.files.get(name)
            self._doomed.discard(name)
            if there is not None and is_same(there, wanted):
                return
            if name in self._put:  # an older content may be under way, and the last that arrives is the file
                self.wait()
            self._put.add(name)
            self.files[name] = wanted
            self._progress.wanted()
            if (again := kept(readable)) is None:
                self._store(name, readable, wanted.sha1)
                self._progress.uploaded(readable.size)
            else:
                self._make_room()
                self._under_way.add(self._executor.submit(copy_context().run, self._upload, name, again, wanted.sha1))

    def doom(self, name: str) -> None:
        """Have a file deleted at the end, unless it is put there again."""
        if name in self.files:
            self._doomed.add(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The folders and the files directly in a folder, as names."""
        folder = f"{path.removesuffix('/')}/" if path else ""
        below = [name[len(folder) :] for name in self.files if name.startswith(folder) and name not in self._doomed]
        folders = {name.partition("/")[0] for name in below if "/" in name}
        return sorted(folders), sorted(name for name in below if "/" not in name)

    def wait(self) -> None:
        """Until everything that was put is in B2.

        Raises:
            BackendError: an upload failed.
        """
        while self._under_way:
            self._wait_for_one()

    def finish(self) -> None:
        """Wait for the uploads, then delete.

        Raises:
            BackendError: an upload failed, and nothing is deleted; or deleting did.
        """
        self.wait()
        for name in sorted(self._doomed):
            self._make_room()
            self._under_way.add(self._executor.submit(copy_context().run, self._remove, name))
        self.wait()

    def close(self) -> None:
        """Begin nothing more, and let what is under way end."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._progress.close()

    def _make_room(self) -> None:
        while len(self._under_way) >= 2 * self._threads:
            self._wait_for_one()

    def _wait_for_one(self) -> None:
        ended, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in ended:
            future.result()

    def _upload(self, name: str, content: Content, sha1: str | None) -> None:
        with content() as file:
            self._store(name, file, sha1)
            self._progress.uploaded(file.size)


def is_same(there: ListedFile, wanted: ListedFile) -> bool:
    """Whether B2 has the content, and answers with the headers that it would get now."""
    return (there.sha1, there.content_type, _headers(there)) == (wanted.sha1, wanted.content_type, _headers(wanted))


def kept(content: File[Any]) -> Content | None:
    """A way to open the same content when its file is closed: from the disk, or from memory; None when it is too large
    for that."""
    path = getattr(content, "name", None)
    if isinstance(path, str) and Path(path).is_absolute() and _is_open_at(content, path):
        return lambda: File(open(path, "rb"), path)  # noqa: PTH123 - closed by whoever asked
    content.seek(0)
    beginning = content.read(MEMORY_BYTES + 1)
    if len(beginning) > MEMORY_BYTES:
        content.seek(0)
        return None
    return lambda: ContentFile(beginning)


def sha1_of(content: File[Any]) -> str:
    """The SHA-1 of a content, 40 hex digits; of text, that of its UTF-8."""
    found = hashlib.sha1(usedforsecurity=False)
    for block in content.chunks():
        found.update(block.encode() if isinstance(block, str) else block)
    return found.hexdigest()


def _headers(file: ListedFile) -> dict[str, str]:
    return {name: text for name, text in file.info.items() if name.startswith("b2-")}


def _is_open_at(content: File[Any], path: str) -> bool:
    """Whether the bytes are those of the file at this path."""
    try:
        return os.path.samestat(os.fstat(content.fileno()), Path(path).stat())
    except (AttributeError, OSError, ValueError):
        return False
