"""What B2 can do beyond Django's storage contract: versions, restoring, purging, copies that B2 makes; the part of
`B2Storage` below the contract.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.core.files.base import File

from b2router import names, operations
from b2router.saving import SavingStorage

if TYPE_CHECKING:
    from b2router.b2.reservations import Reservations
    from b2router.b2.stored import StoredFile
    from b2router.b2.versions import FileVersion
    from b2router.storing import StoredAs

__all__ = ["VersionedStorage"]


_reserved: ContextVar[list[tuple[Reservations, str]] | None] = ContextVar("b2router_reserved", default=None)


class VersionedStorage(SavingStorage):
    """The files of one profile and their versions.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    """

    @operations.of_storage
    def versions(self, name: str) -> list[FileVersion]:
        """All versions of a file and the markers that hide them, the newest first; empty when there are none.

        Raises:
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import versions

        return versions.list_versions(self._place(), self._key(name))

    @operations.of_storage
    def restore(self, name: str, version: str | None = None) -> None:
        """Bring a deleted file back; or make an older version the file again, by a copy of it.

        Args:
            name: of the file.
            version: the id of one of `versions`; None for the newest.
        Raises:
            NotFound: there is no such version.
            ReadOnly: the profile's files are not to be changed.
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import versions

        self._writable()
        place, key = self._place(), self._key(name)
        if version is not None and place.secret_of is not None:  # B2 copies such a file with the keys of both only
            this: Any = self  # the class above has more of `open`
            said = self._as_stored(place.version(key, version).look())
            with this.open(name, version=version) as file, self._saying(said):
                this._save(name, file)
            return
        with place.metadata.changing(key):
            if version is None:
                versions.restore(place, key)
                place.metadata.changed(key)
                return
            found = place.version(key, version).look()
            made = versions.copy_to(place, found, place, key, self._options(name, found.content_type))
            place.metadata.saved(key, made)

    @operations.of_storage
    def purge(self, name: str, *, keep_newest: bool = False) -> int:
        """Delete all versions of a file for good.

        Args:
            name: of the file.
            keep_newest: leave the file as it is, and delete what is below.
        Returns:
            How many versions and markers were deleted.
        Raises:
            ReadOnly: the profile's files are not to be changed.
            Locked: retention or a legal hold keeps a version; older ones may be gone then.
            BackendError: B2 refused or failed; some versions may be gone then.
        """
        from b2router.b2 import versions

        self._writable()
        place, key = self._place(), self._key(name)
        with place.metadata.changing(key):
            count = versions.purge(place, key, keep_newest=keep_newest)
            if not keep_newest:
                place.metadata.deleted(key)
        return count

    @operations.of_storage
    def copy(self, name: str, new_name: str, *, to: str | None = None) -> str:
        """Copy a file, with its type and information. Within one account B2 does it, and no byte passes the site.

        Args:
            name: of the file.
            new_name: of the copy; the naming of its profile applies.
            to: the alias of another storage, where the copy goes; None for this one.
        Returns:
            The name that the copy got.
        Raises:
            NotFound: there is no such file.
            ReadOnly: the files of the profile that gets the copy are not to be changed.
            InvalidName: no file can have this name.
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import versions

        target = self._other(to) if to is not None else self
        target._writable()
        place, there = self._place(), target._place()
        found = self._now(name)  # what is remembered could be an older version than the one that `move` deletes
        is_one_account = place.session is there.session
        is_by_site = not is_one_account or not (place.secret_of is None and there.secret_of is None)
        if is_by_site or target.profile.naming == "content_hash":
            with self.open(name) as file, self._saying(self._as_stored(found)):
                return target.save(new_name, File(file))
        with target._reserving():
            made_name = target.get_available_name(new_name)
            key = target._key(made_name)
            options = target._options(made_name, found.content_type)
            with there.metadata.changing(key):
                there.metadata.saved(key, versions.copy_to(place, found, there, key, options))
        return made_name

    @operations.of_storage
    def move(self, name: str, new_name: str, *, to: str | None = None) -> str:
        """Copy a file, then delete it here, as the profile's `on_delete` says. If that fails, both are there.

        A file that gets the place it has, as under `overwrite`, stays there with one version more.

        Args, Returns, Raises: see `copy`; `ReadOnly` also when the files of this profile are not to be changed, and
        `Locked` when this one is not to be deleted.
        """
        self._writable()
        made_name = self.copy(name, new_name, to=to)
        target = self._other(to) if to is not None else self
        if (target._place().metadata.owner, target._key(made_name)) != (self._place().metadata.owner, self._key(name)):
            self.delete(name)  # else the copy has its place already
        return made_name

    def _as_stored(self, version: StoredFile) -> StoredAs:
        """Type and information of a version, for a copy by the site; unchecked, because B2 took them once."""
        from b2router.b2 import versions
        from b2router.storing import StoredAs

        info = versions.info_of(self._place(), version)
        return StoredAs.model_construct(content_type=version.content_type, file_info=info)

    @abstractmethod
    def _other(self, alias: str) -> VersionedStorage:
        """The storage of another alias; a plain one, as a subclass may have a constructor of its own."""

    @contextmanager
    def _reserving(self) -> Iterator[None]:
        """Names that are found free inside stay reserved until the end. To give them back takes no login: there may be
        none any more."""
        reserved: list[tuple[Reservations, str]] = []
        token = _reserved.set(reserved)
        try:
            yield
        finally:
            _reserved.reset(token)
            for held, key in reserved:
                held.give_back(key)

    def _is_reserved(self, name: str) -> bool:
        """Reserve a name for the save that goes on; False when another one has it. Outside of a save, nothing is."""
        reserved = _reserved.get()
        if reserved is None:
            return True
        key, held = self._key(name), self._place().reservations
        if not held.take(key):
            return False
        reserved.append((held, key))
        return True

    def _stat(self, name: names.Name) -> StoredFile:
        from b2router.b2 import budget

        key, place = self._key(name), self._place()
        with budget.limited(budget.of_storage_call(place.session.limits)):
            file = place.file(key)
            return file.remembered or file.look()

    def _now(self, name: str) -> StoredFile:
        """What B2 says, whatever is remembered; one call."""
        from b2router.b2 import budget

        key, place = self._key(name), self._place()
        with budget.limited(budget.of_storage_call(place.session.limits)):
            return place.file(key).look()
