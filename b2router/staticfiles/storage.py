"""The storage that collectstatic uploads to: compares by content, and replaces without a gap."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.base import File
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from b2router import names, operations
from b2router.contents import rewindable
from b2router.errors import NotFound
from b2router.staticfiles.collection import Collection, is_same, sha1_of
from b2router.staticfiles.progress import Progress, Quiet
from b2router.storage import B2Storage

if TYPE_CHECKING:
    from b2router.b2.listing import ListedFile
    from b2router.b2.options import UploadOptions
    from b2router.config import BucketProfile

__all__ = ["LISTING_S", "THREADS", "B2StaticStorage"]

THREADS = 8
"""Uploads at the same time."""

LISTING_S = 60.0
"""How long a listing is believed outside of a collection, in seconds; what this storage writes is entered in it."""


_sha1: ContextVar[str | None] = ContextVar("b2router_static_sha1", default=None)


@deconstructible(path="b2router.staticfiles.B2StaticStorage")
class B2StaticStorage(B2Storage):
    """The static files of a site. Names are kept as they are, whatever the profile's `naming` says.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
        threads: how many files are uploaded at the same time.
    Source: Django documentation, "STORAGES" and "collectstatic".
    """

    def __init__(self, alias: str = "staticfiles", *, threads: int = THREADS) -> None:
        super().__init__(alias)
        self.threads = threads
        self._run: Collection | None = None
        self._listing: tuple[float, BucketProfile, dict[str, ListedFile]] | None = None

    @contextmanager
    def collecting(self, progress: Progress | None = None) -> Iterator[Collection]:
        """One run of collectstatic inside: one listing, uploads side by side. Within another it is a part of that.

        Args:
            progress: is told how it goes.
        Raises:
            BackendError: B2 refused or failed. What was uploaded stays, nothing is deleted.
        """
        if self._run is not None:
            yield self._run
            return
        self._writable()
        run = Collection(
            self._files(),
            describe=self._described,
            store=self._store,
            remove=super().delete,
            threads=self.threads,
            progress=progress or Quiet(),
        )
        self._run = run
        try:
            yield run
            run.finish()
        finally:
            self._run = self._listing = None
            run.close()

    def save(self, name: names.Name | None, content: Any, max_length: int | None = None) -> str:
        """Have this content in B2 under this name; nothing is uploaded when it is known to be there.

        Args, Returns, Raises: see `B2Storage.save`; in a collection, an upload that is still under way raises at its
            end.
        """
        self._writable()
        name = None if name is None else names.of_path(name)
        content = content if hasattr(content, "chunks") else File(content, name)
        kept_name = self.get_available_name(str(name if name is not None else content.name))
        return self._save(kept_name, content)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The same name: what is there becomes an older version."""
        self._key(name := name.replace("\\", "/"))
        return name

    def url(self, name: names.Name | None) -> str:
        """The address of a file; of a folder, whose name ends with "/" or is empty, what addresses in it begin with.

        Raises:
            InvalidName, NotServed: see `B2Storage.url`.
        """
        name = None if name is None else names.of_path(name)
        if name is not None and (not name or name.endswith("/")):
            return super().url(f"{name}x")[:-1]
        return super().url(name)

    def exists(self, name: names.Name) -> bool:
        """Whether there is a file or folder of this name, as of a listing that is at most a minute old.

        Raises:
            BackendError: B2 refused or failed: then nobody knows.
        """
        path = names.of_path(name).removesuffix("/")
        if path:
            self._key(path)
        if self._run is not None:
            return self._run.has(path)
        files = self._files()
        return path in files or any(other.startswith(f"{path}/" if path else "") for other in files)

    def delete(self, name: names.Name) -> None:
        """Make a file disappear, as the profile's `on_delete` says; in a collection: at its end, unless it is saved
        again.

        Raises:
            ReadOnly: the profile's files are not to be changed.
            BackendError: B2 refused or failed.
        """
        name = names.of_path(name)
        if self._run is not None:
            self._writable()
            self._key(name)
            self._run.doom(name)
            return
        super().delete(name)
        if (files := self._recent()) is not None:
            files.pop(name, None)

    def listdir(self, path: names.Name) -> tuple[list[str], list[str]]:
        """The folders and the files directly in a folder, as names."""
        return super().listdir(path) if self._run is None else self._run.listdir(names.of_path(path))

    def get_modified_time(self, name: names.Name) -> datetime:
        """What collectstatic compares with the time of a file's source, to see whether that was changed: when it was
        uploaded; but not before its source, where both have the same content, and long ago, where they have not.

        Raises:
            NotFound: there is no such file.
            BackendError: B2 refused or failed.
        """
        name = names.of_path(name)
        self._key(name)
        there = self._files().get(name) if self._run is None else self._run.files.get(name)
        if there is None:
            raise NotFound("B2 has no visible file under this name.")
        found, uploaded_at = finders.find(name), there.uploaded_at
        if isinstance(found, str):
            uploaded_at = self._compared(name, there, found)
        return uploaded_at if settings.USE_TZ else timezone.make_naive(uploaded_at, timezone.get_default_timezone())

    def _save(self, name: str, content: File[Any]) -> str:
        self._key(name)
        if self._run is not None:
            self._run.put(name, content)
            return name
        files = self._recent()
        if files is None:
            self._store(name, content, None)
            return name
        with rewindable(content) as readable:
            wanted = self._described(name, sha1_of(readable))
            there = files.get(name)
            if there is None or not is_same(there, wanted):
                self._store(name, readable, wanted.sha1)
                files[name] = wanted
        return name

    def _store(self, name: str, content: File[Any], sha1: str | None) -> None:
        token = _sha1.set(sha1)
        try:
            with operations.storage_call(self.profile.name, "save", name):
                super()._save(name, content)
        finally:
            _sha1.reset(token)

    def _options(
        self, name: str, declared_type: str | None = None, own: Mapping[str, str] | None = None
    ) -> UploadOptions:
        """With the SHA-1, which B2 cannot tell of a large file by itself, for the next listing."""
        return replace(super()._options(name, declared_type, own or {}), sha1=_sha1.get())

    def _described(self, name: str, sha1: str) -> ListedFile:
        """How B2 will list a file that is uploaded now."""
        from b2router.b2.listing import ListedFile

        return ListedFile(sha1, *self._stored_as(name), datetime.now(UTC))

    def _own_info(self, name: str, content: File[Any]) -> dict[str, str]:
        """None: a static file is told from the next by its content and headers, which a callable could change."""
        return {}

    def _files(self) -> dict[str, ListedFile]:
        """What B2 has, by name."""
        from b2router.b2.listing import list_all

        files = self._recent()
        if files is None:
            with operations.storage_call(self.profile.name, "listdir", ""):
                files = list_all(self._place(), self.profile.location)
            self._listing = time.monotonic(), self.profile, files
        return files

    def _recent(self) -> dict[str, ListedFile] | None:
        if (listing := self._listing) is None:
            return None
        listed_at, profile, files = listing
        return files if time.monotonic() - listed_at < LISTING_S and profile == self.profile else None

    def _compared(self, name: str, there: ListedFile, source: str) -> datetime:
        with open(source, "rb") as file:  # noqa: PTH123 - a path as Django's finders give it
            wanted = self._described(name, sha1_of(File(file)))
            changed_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, tz=UTC)
        if is_same(there, wanted):
            return max(there.uploaded_at, changed_at)
        return min(there.uploaded_at, changed_at - timedelta(days=1))
