"""The Django storage of a profile; called by models, forms and the site's own code.

A storage holds its alias and nothing else: it can be built in migrations, checks and settings, is pickled and
deconstructed without secrets, and follows the configuration when that changes. Nothing goes online before a file is
touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import File
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from b2router import names, naming, operations
from b2router.errors import InvalidName, NotFound, NotServed
from b2router.router import Target
from b2router.versions import VersionedStorage

if TYPE_CHECKING:
    from b2router.b2.objects import Entry
    from b2router.config import BucketProfile
    from b2router.files import B2File

__all__ = ["B2Storage"]


@deconstructible(path="b2router.B2Storage")
class B2Storage(VersionedStorage):
    """The files of one profile, by Django's storage contract; and beyond it what the classes below it have.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    Source: Django documentation, "File storage API".
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, B2Storage) and other.alias == self.alias

    def __hash__(self) -> int:
        return hash((B2Storage, self.alias))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alias!r})"

    def save(self, name: names.Name | None, content: Any, max_length: int | None = None) -> str:
        """Store a file, under the name that the profile's `naming` gives it.

        Args:
            name: as the site wants it; None for the content's own.
            content: read from its beginning to its end.
            max_length: the most characters that the name may have; None for no bound.
        Returns:
            The name that it got.
        Raises:
            ReadOnly: the profile's files are not to be changed.
            InvalidName: no file can have this name.
            BackendError: B2 refused or failed; nothing is visible under the name then.
        """
        self._writable()
        name = None if name is None else names.of_path(name)
        if self.profile.naming == "content_hash":
            from b2router.contents import rewindable

            content = content if hasattr(content, "chunks") else File(content, name)
            with rewindable(content) as kept:
                wanted = str(name if name is not None else content.name)
                made = naming.by_content(wanted, naming.digest_of(kept.chunks()), max_length)
                return self._saved(made, kept, max_length)
        return self._saved(name, content, max_length)

    def _saved(self, name: str | None, content: Any, max_length: int | None) -> str:
        with operations.storage_call(self.profile.name, "save", name) as operation, self._reserving():
            operation.name = super().save(name, content, max_length)
            return operation.name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name that a new file gets, by the profile's `naming`; for "suffix" B2 is asked whether it is taken.

        Raises:
            SuspiciousFileOperation: no file can have this name, or none of so few characters.
            BackendError: B2 refused or failed.
        """
        if self.profile.naming == "uuid":
            name = naming.unique(str(name), max_length)
        return super().get_available_name(name, max_length)

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:
        """The next name to try; where names are used again, the same, which `max_length` may shorten."""
        if self.profile.naming == "overwrite":
            return f"{file_root}{file_ext}"
        return super().get_alternative_name(naming.root_with_room(file_root, file_ext), file_ext)

    def is_name_available(self, name: str, max_length: int | None = None) -> bool:
        """Whether a new file can have this name. During `save`, nobody else is told so before it is done.

        Raises:
            BackendError: B2 refused or failed: then nobody knows.
        """
        if max_length and len(name) > max_length:
            return False
        if self.profile.naming != "suffix":
            return True
        return self._is_reserved(name) and not self.exists(name)

    @operations.of_storage
    def delete(self, name: names.Name) -> None:
        """Make a file disappear: hidden or for good, as the profile's `on_delete` says. Quiet when there is none.

        Raises:
            ValueError: there is no name.
            ReadOnly: the profile's files are not to be changed.
            Locked: retention or a legal hold keeps a version that `on_delete` deletes for good.
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import objects, versions

        if not name:
            raise ValueError("The name must be given to delete().")
        self._writable()
        key, place = self._key(name), self._place()
        with place.metadata.changing(key):
            match self.profile.on_delete:
                case "hide":
                    objects.hide(place.session, place.bucket, key)
                    place.metadata.deleted(key)
                case "version":
                    versions.delete_newest(place, key)
                    place.metadata.changed(key)
                case "purge":
                    versions.purge(place, key)
                    place.metadata.deleted(key)

    @operations.of_storage
    def exists(self, name: names.Name) -> bool:
        """Whether B2 shows a file under this name.

        Raises:
            BackendError: B2 refused or failed: then nobody knows.
        """
        try:
            self._stat(name)
        except NotFound:
            return False
        return True

    @operations.of_storage
    def listdir(self, path: names.Name) -> tuple[list[str], list[str]]:
        """The folders and the files directly in a folder, as names.

        Args:
            path: of the folder; empty for the profile's whole location.
        Raises:
            NotFound: nothing is in the folder; B2 has no empty ones, except that the location itself may be empty.
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import objects

        prefix, place = self._prefix(path), self._place()
        folders, files = objects.list_folder(place.session, place.bucket, prefix)
        if not folders and not files:
            self._must_be_location(prefix)
        return folders, files

    def iterdir(self, path: names.Name = "") -> Iterator[Entry]:
        """What is directly in a folder, in B2's order, page by page: for folders that are too long for one list.

        Args:
            path: of the folder; empty for the profile's whole location.
        Yields:
            The folders and files, with what B2 tells about them in a list.
        Raises:
            NotFound, BackendError: as `listdir`, when the page is asked for; what was yielded before is right.
        """
        from b2router.b2 import objects

        prefix, place = self._prefix(path), self._place()
        is_empty = True
        pages = objects.pages_of_folder(place.session, place.bucket, prefix)
        while True:
            with operations.storage_call(self.profile.name, "iterdir", names.of_path(path)):
                page = next(pages, None)
                if page is None and is_empty:
                    self._must_be_location(prefix)
            if page is None:
                return
            is_empty = is_empty and not page
            yield from page

    def _prefix(self, path: names.Name) -> str:
        """What the keys of the files in a folder begin with."""
        folder = names.of_path(path).removesuffix("/")
        return self.profile.location if folder in ("", ".") else self._key(folder) + "/"

    def _must_be_location(self, prefix: str) -> None:
        if prefix != self.profile.location:
            raise NotFound("B2 has no file in this folder.")

    @operations.of_storage
    def size(self, name: names.Name) -> int:
        """Length of a file in bytes.

        Raises:
            NotFound: there is no such file.
            BackendError: B2 refused or failed.
        """
        return self._stat(name).size_bytes

    def url(self, name: names.Name | None) -> str:
        """The address of a file, computed without asking B2: on the site's route, or at B2 or the CDN.

        Raises:
            InvalidName: no file can have this name.
            NotServed: the profile has neither a route nor a public address, or the site does not include
                `b2router.urls`.
        """
        from b2router.delivery.addresses import public_address

        if name is None:
            raise ValueError("There is no file, so there is no address.")
        profile, name = self.profile, names.of_path(name)
        if (address := public_address(profile, name)) is not None:
            return address
        return _on_route(profile, name)

    def share_url(self, name: str, expires_in: int = 3600, download_as: str | None = None) -> str:
        """A link on the site's own route that opens this file for a while to whoever has it, without asking B2.

        It takes the place of the permission and of nothing else: a file that no row names, with `owner` declared, is
        not found by it either.

        Args:
            name: of the file; nobody looks whether it is there.
            expires_in: how long the link works, in seconds; at most a year.
            download_as: the name to save the file under, as a download whatever its type; None for its own.
        Raises:
            InvalidName: no file can have this name, or be saved under the other.
            NotServed: the profile has no route; or anyone may open its files by `url()`.
            ValueError: the time is no whole number, or out of bounds.
        """
        from b2router import shares

        profile = self._unpublished()
        self._key(name)
        address = _on_route(profile, name)
        token = shares.token(profile.name, name, _whole_seconds(expires_in), _saved_as(download_as))
        return f"{address}?{shares.PARAMETER}={token}"

    @operations.of_storage
    def signed_url(self, name: str, expires_in: int | None = None, download_as: str | None = None) -> str:
        """An address at B2 that opens this file for a while to whoever has it. Asks B2 for nothing but the login.

        Args:
            name: of the file; nobody looks whether it is there.
            expires_in: how long the address works at least, in seconds, at most a week; what the delivery says, or
                300. It works at most half as long again, so that a file keeps its address for a while.
            download_as: the name to save the file under, as a download whatever its type; None for its own.
        Raises:
            InvalidName: no file can have this name, or be saved under the other.
            NotServed: anyone may open the profile's files by `url()`; or they are signed by tokens that open more
                than one file.
            ValueError: the time is no whole number, or out of bounds.
            BackendError: there is no login, or the key cannot sign.
        """
        from b2router.delivery import redirect

        life_s = None if expires_in is None else _whole_seconds(expires_in)
        return redirect.given_out(self._unpublished(), name, life_s, _saved_as(download_as))

    @operations.of_storage
    def get_created_time(self, name: names.Name) -> datetime:
        """When the file was uploaded: aware in UTC when USE_TZ is on, else naive in the site's TIME_ZONE.

        Raises:
            NotFound: there is no such file.
            BackendError: B2 refused or failed.
        """
        uploaded_at = self._stat(name).uploaded_at
        return uploaded_at if settings.USE_TZ else timezone.make_naive(uploaded_at, timezone.get_default_timezone())

    get_modified_time = get_created_time  # a change is another upload

    def open(self, name: names.Name, mode: str = "rb", *, version: str | None = None) -> Any:
        """Open a file; nothing is uploaded before it is closed.

        Args:
            name: of the file.
            mode: "r", "w", "x" or "a", with "b" or "t".
            version: the id of one of `versions`, to read that instead of the newest.
        Raises:
            NotFound: there is no such file or version, when reading.
            FileExistsError: there is one, with "x".
            ReadOnly: the profile's files are not to be changed, when writing.
            ValueError: B2 has nothing like this mode.
            BackendError: B2 refused or failed.
        """
        name = names.of_path(name)
        return super().open(name, mode) if version is None else self._open(name, mode, version)

    def _open(self, name: str, mode: str = "rb", version: str | None = None) -> B2File:
        from b2router.b2 import budget
        from b2router.files import open_file

        if "r" not in mode:
            self._writable()

        def upload(spool: IO[bytes], size_bytes: int) -> None:
            self._upload(name, spool, size_bytes)

        place = self._place()
        verb = "open" if "r" in mode else "write"
        with (
            budget.limited(budget.of_storage_call(place.session.limits)),
            operations.storage_call(self.profile.name, verb, name, is_own=True),
        ):
            return open_file(
                place,
                self._key(name),
                name,
                mode,
                upload=upload,
                reopen=lambda mode: self._open(name, mode, version),
                version=version,
            )

    def _save(self, name: str, content: File[Any]) -> str:
        from b2router.contents import rewindable, upload_source

        self._key(name)  # a name that fails is refused before anything of the content is read
        declared_type = getattr(content, "content_type", None)
        if self.profile.file_info_from is None:
            self._upload(name, *upload_source(content), declared_type=declared_type)
            return name
        with rewindable(content) as readable:
            own = self._own_info(name, readable)
            self._upload(name, *upload_source(readable), declared_type=declared_type, own=own)
        return name

    def _upload(
        self,
        name: str,
        source: IO[bytes],
        size_bytes: int | None,
        path: str | None = None,
        declared_type: str | None = None,
        own: Mapping[str, str] | None = None,
    ) -> None:
        from b2router.b2 import objects

        key, place = self._key(name), self._place()
        if own is None and self.profile.file_info_from is not None:
            own = self._own_info(name, File(source, name))
            source.seek(0)
        options = self._options(name, declared_type, own or {})
        with place.metadata.changing(key), self._saying(None):
            stored = objects.upload(
                place.session,
                place.bucket,
                key,
                source,
                options,
                size_bytes=size_bytes,
                path=path,
                how=self.profile.upload,
            )
        operations.count_in(stored.size_bytes)
        place.metadata.saved(key, stored)

    def _other(self, alias: str) -> B2Storage:
        return B2Storage(alias)

    def _unpublished(self) -> BucketProfile:
        profile = self.profile
        if profile.has_public_addresses:
            raise NotServed(f"The files of '{profile.name}' are open to anyone: give out their url().")
        return profile


def _on_route(profile: BucketProfile, name: str) -> str:
    if profile.route is None:
        raise NotServed(
            f"The profile '{profile.name}' declares no route, so its files have no address. Give it a route and "
            "a permission, or read its files with open()."
        )
    try:
        return reverse("b2router:file", args=[Target(profile.name, name)])
    except NoReverseMatch as error:
        raise NotServed(
            "The site does not serve files of b2router: add path('', include('b2router.urls')) to its URLconf."
        ) from error


def _whole_seconds(expires_in: int) -> int:
    if isinstance(expires_in, bool) or not isinstance(expires_in, int):
        raise ValueError(f"Found {expires_in!r}, expected an expiry in whole seconds, such as 3600.")
    return expires_in


def _saved_as(name: str | None) -> str | None:
    if name is not None and "/" in names.check(name):
        raise InvalidName("The name to save a file under cannot have a '/'.")
    return name
