"""What takes the place of `FileSystemStorage` in suites that were written for it: a folder is a location in B2.

These suites also look at the disk, to see what was stored, and remove their folders: `look_into_b2` makes that mean the
files in B2.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from django.utils.deconstruct import deconstructible

from b2router import B2Storage
from b2router.config import BucketProfile


@deconstructible(path="tests.suites.stand_in.FolderInB2")
class FolderInB2(B2Storage):
    """The profile "suite", once more for every folder: what would lie on the disk lies in B2 below the same path.

    Args:
        location: a folder of the local disk, as these suites make with `tempfile.mkdtemp`.
        base_url: not used: addresses are those of the profile.
        allow_overwrite: whether a name that is taken is used again.
        options: what else `FileSystemStorage` takes, about permission bits.
    """

    OS_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # read by a subclass that one suite makes

    def __init__(
        self, location: Any = None, base_url: str | None = None, *, allow_overwrite: bool = False, **options: Any
    ) -> None:
        super().__init__("suite")
        self.location = str(location or PurePath(tempfile.gettempdir(), "media"))
        self._naming = "overwrite" if allow_overwrite else "suffix"
        _folders[self.location] = self

    @property
    def profile(self) -> BucketProfile:
        location = f"{self.location.strip('/')}/"
        return super().profile.model_copy(update={"location": location, "naming": self._naming})

    @property
    def base_url(self) -> str:
        """Where addresses begin."""
        return super().url("x").removesuffix("x")

    def path(self, name: str) -> str:
        """Where these suites look for the file; B2 has no paths, and `B2Storage` raises."""
        return str(PurePath(self.location, name))

    def url(self, name: Any) -> str:
        return self.base_url if name == "" else super().url(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FolderInB2) and other.location == self.location

    def __hash__(self) -> int:
        return hash((FolderInB2, self.location))


_folders: dict[str, FolderInB2] = {}


def look_into_b2() -> None:
    """Let `os.path.exists` and `isfile`, `os.listdir`, `os.remove` and `shutil.rmtree` see the files that lie in B2."""
    exists, isfile, list_disk, remove, rmtree = os.path.exists, os.path.isfile, os.listdir, os.remove, shutil.rmtree

    def exists_anywhere(path: Any) -> bool:
        return exists(path) or isfile_anywhere(path) or any(_in_folder(*place) for place in _places(path))

    def isfile_anywhere(path: Any) -> bool:
        return isfile(path) or any(name != "." and storage.exists(name) for storage, name in _places(path))

    def list_anywhere(path: Any = ".") -> list[str]:
        found = {name for place in _places(path) for name in _in_folder(*place)}
        return [*found, *list_disk(path)] if exists(path) or not found else [*found]

    def remove_anywhere(path: Any) -> None:
        for storage, name in _places(path):
            if not exists(path) and storage.exists(name):
                return storage.delete(name)
        return remove(path)

    def empty_anywhere(path: Any, *args: Any, **options: Any) -> None:
        for location, storage in _folders.items():
            if PurePath(location).is_relative_to(path):
                _empty(storage, "")
        if exists(path):
            rmtree(path, *args, **options)

    os.path.exists, os.path.isfile, os.listdir = exists_anywhere, isfile_anywhere, list_anywhere  # type: ignore[assignment]
    os.remove, shutil.rmtree = remove_anywhere, empty_anywhere  # type: ignore[assignment]


def _places(path: Any) -> Iterator[tuple[FolderInB2, str]]:
    """What a path of the disk may mean in B2."""
    if isinstance(path, str | os.PathLike):
        for location, storage in list(_folders.items()):
            if PurePath(path).is_relative_to(location):
                yield storage, PurePath(path).relative_to(location).as_posix()


def _in_folder(storage: FolderInB2, name: str) -> list[str]:
    try:
        folders, files = storage.listdir(name)
    except FileNotFoundError:
        return []
    return [*folders, *files]


def _empty(storage: FolderInB2, folder: str) -> None:
    folders, files = storage.listdir(folder)
    for name in files:
        storage.delete(f"{folder}{name}")
    for name in folders:
        _empty(storage, f"{folder}{name}/")
