"""Static files under names that hold a hash of their content, and the manifest that knows them all: Django's own
`ManifestFilesMixin`, fed from the local disk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.base import File
from django.utils.deconstruct import deconstructible

from b2router import names, operations
from b2router.errors import NotFound
from b2router.staticfiles.collection import Content, kept
from b2router.staticfiles.storage import THREADS, B2StaticStorage

if TYPE_CHECKING:
    from b2router.caching import CachePolicy

__all__ = ["B2ManifestStaticStorage"]

_lock = threading.Lock()


def _begin_anew_after_fork() -> None:
    """Another thread may have held the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


@deconstructible(path="b2router.staticfiles.B2ManifestStaticStorage")
class B2ManifestStaticStorage(ManifestFilesMixin, B2StaticStorage):  # type: ignore[misc]
    """The static files of a site, with a hash of the content in their names.

    Sources are read from the local disk, never from B2. Files are uploaded under their final names only, and the
    manifest last, when all that it names is there. Running processes read it once, when they need the first address.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
        threads: how many files are uploaded at the same time.
        manifest_storage: where the manifest is; None for beside the files.
    Source: Django documentation, "ManifestStaticFilesStorage".
    """

    def __init__(self, alias: str = "staticfiles", *, threads: int = THREADS, manifest_storage: Any = None) -> None:
        self._manifest: tuple[dict[str, str], str] | None = None
        self._is_built = False
        self._sources: Mapping[str, tuple[Any, str]] | None = None
        self._earlier: dict[str, str] | None = None
        self._made: dict[str, Content] = {}
        super().__init__(alias, threads=threads, manifest_storage=manifest_storage)
        self._manifest = None
        self._is_built = True  # Django's constructor wants the manifest at once; ours asks B2 for nothing

    @property
    def hashed_files(self) -> dict[str, str]:
        """Name → name with hash, from the manifest; read on first use, and kept.

        Raises:
            BackendError: B2 refused or failed; the next use tries again.
            ValueError: what B2 has is no manifest.
        """
        return self._loaded()[0]

    @hashed_files.setter
    def hashed_files(self, value: dict[str, str]) -> None:
        self._manifest = value, "" if self._manifest is None else self._manifest[1]

    @property
    def manifest_hash(self) -> str:
        """A hash of the manifest, which changes when any file does; empty when there is no manifest."""
        return self._loaded()[1]

    @manifest_hash.setter
    def manifest_hash(self, value: str) -> None:
        self._manifest = self._loaded()[0], value

    def load_manifest(self) -> tuple[dict[str, str], str]:  # type: ignore[override]
        """The manifest and its hash, as they are now; empty when there is none."""
        return super().load_manifest() if self._is_built else ({}, "")  # type: ignore[return-value]

    def read_manifest(self) -> str | None:  # type: ignore[override]
        """The manifest's text, by one call; None when there is none."""
        if self.manifest_storage is not self:
            return super().read_manifest()
        with operations.storage_call(self.profile.name, "open", self.manifest_name):
            try:
                download = self._place().file(self._key(self.manifest_name)).open()
            except NotFound:
                return None
            try:
                return b"".join(download).decode()
            finally:
                download.close()

    def post_process(  # type: ignore[override]
        self, paths: Mapping[str, tuple[Any, str]], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Make the names with hashes and the manifest, and upload what B2 has not.

        Args:
            paths: name → source, a storage and the name there; read from their storages, never from B2.
            dry_run: do nothing.
            options: for later versions of Django.
        Returns:
            Name, name with hash, and whether there was something to do, or what went wrong; in Django's order.
        Raises:
            BackendError: B2 refused or failed; the manifest is as it was.
        """
        if dry_run:
            return
        with self.collecting():
            self._sources = {self.clean_name(name): source for name, source in paths.items()}
            try:
                yield from super().post_process(paths, dry_run=dry_run, **options)
            finally:
                self._sources, self._earlier, self._made = None, None, {}

    def save_manifest(self) -> None:
        """Upload what was made, and then the manifest, as one new version of it.

        Raises:
            BackendError: B2 refused or failed; the manifest is as it was.
        """
        with self.collecting() as run:
            made, sources = self._made, self._sources or {}
            self._sources, self._made = None, {}
            self.hashed_files = dict(sorted(self.hashed_files.items()))
            if not self.keep_intermediate_files:
                final = set(self.hashed_files.values())
                made = {name: content for name, content in made.items() if name in final}
            for content_of, name in self.hashed_files.items():
                if name not in made and content_of in sources:  # as it is; perhaps with other headers than last time
                    made[name] = _opening(*sources[content_of])
            for name, content in made.items():
                with content() as file:
                    run.put(name, file)
            run.wait()
            super().save_manifest()
            run.wait()

    def hashed_name(self, name: str, content: File[Any] | None = None, filename: str | None = None) -> str:
        """The name with the hash of the content. During `post_process` that is the content of the source; a file that
        is no source this time keeps the name that the last manifest has for it, as long as B2 has the file; one that
        was none the last time either, that of what B2 has of it.

        Raises:
            ValueError: there is no such file.
        """
        if content is not None or self._sources is None:
            return str(super().hashed_name(name, content, filename))
        wanted = urlsplit(unquote(filename or name)).path.strip()
        if (source := self._sources.get(wanted)) is not None:
            storage, path = source
            with storage.open(path) as local:
                return str(super().hashed_name(name, local, filename))
        if any(other.startswith(f"{wanted}/") for other in self._sources):
            return name
        if self._earlier is None:
            is_there = self.manifest_storage is not self or super().exists(self.manifest_name)
            self._earlier = self.load_manifest()[0] if is_there else {}
        earlier = self._earlier.get(self.hash_key(wanted))
        if earlier is not None and super().exists(earlier):  # left out this time, but collected before
            return urlsplit(name)._replace(path=earlier).geturl()
        if super().exists(wanted):  # left out the last time, too
            with self.open(wanted) as stored:
                hashed = str(super().hashed_name(name, stored, filename))
            if super().exists(urlsplit(hashed).path):
                return hashed
        raise ValueError(f"The file '{wanted}' could not be found with {self!r}.")

    def exists(self, name: names.Name) -> bool:
        """Whether there is a file or folder of this name; during `post_process`, what was made counts too."""
        return names.of_path(name) in self._made or super().exists(name)

    def delete(self, name: names.Name) -> None:
        """Make a file disappear; during `post_process`: what was made, because what B2 has may still be in use."""
        if self._sources is None:
            super().delete(name)
        else:
            self._made.pop(names.of_path(name), None)

    def _save(self, name: str, content: File[Any]) -> str:
        if self._sources is None:
            return super()._save(name, content)
        self._key(name)
        again = kept(content)
        if again is None:  # a large file that is not on the disk
            return super()._save(name, content)
        self._made[name] = again
        return name

    def _cache_policy(self, name: str) -> CachePolicy | None:
        from b2router import caching

        if caching.is_hashed(name) and caching.rule(self.profile.cache, name) is None:
            return caching.CachePolicy(immutable=True)
        return super()._cache_policy(name)

    def _loaded(self) -> tuple[dict[str, str], str]:
        if (manifest := self._manifest) is None:
            with _lock:
                manifest = self._manifest
                if manifest is None:
                    manifest = self._manifest = self.load_manifest()
        return manifest


def _opening(storage: Any, path: str) -> Content:
    return lambda: storage.open(path)
