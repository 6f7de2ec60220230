"""The Django storage of a profile; called by models, forms and the site's own code.

A storage holds its alias and nothing else: it can be built in migrations, checks and settings, is pickled and
deconstructed without secrets, and follows the configuration when that changes. Nothing goes online before a file is
touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from b2router import content_types, names, operations
from b2router.errors import InvalidName, NotFound, NotServed
from b2router.router import Target, current_router

if TYPE_CHECKING:
    from b2router.b2.place import Place
    from b2router.b2.stored import StoredFile
    from b2router.config import BackblazeConfig, BucketProfile
    from b2router.files import B2File

__all__ = ["B2Storage", "StorageRef", "django_storages", "get_storage", "storage_ref"]


@deconstructible(path="b2router.B2Storage")
class B2Storage(Storage):
    """The files of one profile, by Django's storage contract.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    Source: Django documentation, "File storage API".
    """

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias

    def __eq__(self, other: object) -> bool:
        return isinstance(other, B2Storage) and other.alias == self.alias

    def __hash__(self) -> int:
        return hash((B2Storage, self.alias))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alias!r})"

    @property
    def profile(self) -> BucketProfile:
        """The profile that the alias stands for, now.

        Raises:
            ConfigError: there is no such alias, or the configuration cannot be used.
        """
        return current_router().profile(self.alias)

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store a file, under another name when this one is taken. Source: Django documentation, "File storage API".

        Returns:
            The name that it got.
        Raises:
            InvalidName: no file can have this name.
            BackendError: B2 refused or failed; then nothing of it is visible.
        """
        with operations.storage_call(self.profile.name, "save", name) as operation:
            operation.name = super().save(name, content, max_length)
            return operation.name

    @operations.of_storage
    def delete(self, name: str) -> None:
        """Make a file disappear; B2 keeps its versions. Quiet when there is none.

        Raises:
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import objects

        key, place = self._key(name), self._place()
        objects.hide(place.session, place.bucket, key)
        place.metadata.deleted(key)

    @operations.of_storage
    def exists(self, name: str) -> bool:
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
    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The folders and the files directly in a folder, as names.

        Args:
            path: of the folder; empty for the profile's whole location.
        Raises:
            NotFound: nothing is in the folder; B2 has no empty ones, except that the location itself may be empty.
            BackendError: B2 refused or failed.
        """
        from b2router.b2 import objects

        folder = path.removesuffix("/")
        prefix = self._key(folder) + "/" if folder else self.profile.location
        place = self._place()
        folders, files = objects.list_folder(place.session, place.bucket, prefix)
        if folder and not folders and not files:
            raise NotFound("B2 has no file in this folder.")
        return folders, files

    @operations.of_storage
    def size(self, name: str) -> int:
        """Length of a file in bytes.

        Raises:
            NotFound: there is no such file.
            BackendError: B2 refused or failed.
        """
        return self._stat(name).size_bytes

    def url(self, name: str | None) -> str:
        """The address of a file, computed without asking B2: on the site's route, or at B2 or the CDN.

        Raises:
            InvalidName: no file can have this name.
            NotServed: the profile has neither a route nor a public address, or the site does not include
                `b2router.urls`.
        """
        from b2router.delivery.addresses import public_address

        if name is None:
            raise ValueError("There is no file, so there is no address.")
        profile = self.profile
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
            ValueError: the time is out of bounds.
        """
        from b2router import shares

        profile = self._unpublished()
        self._key(name)
        address = _on_route(profile, name)
        return f"{address}?{shares.PARAMETER}={shares.token(profile.name, name, expires_in, _saved_as(download_as))}"

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
            ValueError: the time is out of bounds.
            BackendError: there is no login, or the key cannot sign.
        """
        from b2router.delivery import redirect

        return redirect.given_out(self._unpublished(), name, expires_in, _saved_as(download_as))

    @operations.of_storage
    def get_created_time(self, name: str) -> datetime:
        """When the file was uploaded: aware in UTC when USE_TZ is on, else naive local time.

        Raises:
            NotFound: there is no such file.
            BackendError: B2 refused or failed.
        """
        uploaded_at = self._stat(name).uploaded_at
        return uploaded_at if settings.USE_TZ else timezone.make_naive(uploaded_at)

    get_modified_time = get_created_time  # a change is another upload

    def _open(self, name: str, mode: str = "rb") -> B2File:
        from b2router.b2 import budget
        from b2router.files import open_file

        def upload(spool: IO[bytes], size_bytes: int) -> None:
            self._upload(name, spool, size_bytes)

        place = self._place()
        verb = "open" if mode[:1] == "r" else "write"
        with (
            budget.limited(budget.of_storage_call(place.session.limits)),
            operations.storage_call(self.profile.name, verb, name, is_own=True),
        ):
            return open_file(
                place, self._key(name), name, mode, upload=upload, reopen=lambda mode: self._open(name, mode)
            )

    def _save(self, name: str, content: File[Any]) -> str:
        from b2router.files import upload_source

        self._key(name)  # a name that fails is refused before anything of the content is read
        self._upload(name, *upload_source(content), declared_type=getattr(content, "content_type", None))
        return name

    def _upload(
        self,
        name: str,
        source: IO[bytes],
        size_bytes: int | None,
        path: str | None = None,
        declared_type: str | None = None,
    ) -> None:
        from b2router.b2 import objects

        profile, key = self.profile, self._key(name)
        place = current_router().place(profile)
        stored = objects.upload(
            place.session,
            place.bucket,
            key,
            source,
            content_type=declared_type or content_types.of_name(name),
            file_info=profile.file_info,
            size_bytes=size_bytes,
            path=path,
        )
        operations.count_in(stored.size_bytes)
        place.metadata.saved(key, stored)

    def _place(self) -> Place:
        return current_router().place(self.profile)

    def _unpublished(self) -> BucketProfile:
        profile = self.profile
        if profile.has_public_addresses:
            raise NotServed(f"The files of '{profile.name}' are open to anyone: give out their url().")
        return profile

    def _key(self, name: str) -> str:
        return names.key(self.profile.location, name)

    def _stat(self, name: str) -> StoredFile:
        from b2router.b2 import budget

        key, place = self._key(name), self._place()
        with budget.limited(budget.of_storage_call(place.session.limits)):
            file = place.file(key)
            return file.remembered or file.look()


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


def _saved_as(name: str | None) -> str | None:
    if name is not None and "/" in names.check(name):
        raise InvalidName("The name to save a file under cannot have a '/'.")
    return name


class StorageRef:
    """A storage by its alias, for `FileField(storage=...)`: migrations hold the alias and nothing else.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def __call__(self) -> B2Storage:
        """The storage itself: how Django's FileField asks for it."""
        return B2Storage(self.alias)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageRef) and other.alias == self.alias

    def __hash__(self) -> int:
        return hash((StorageRef, self.alias))

    def __repr__(self) -> str:
        return f"storage_ref({self.alias!r})"

    def deconstruct(self) -> tuple[str, list[str], dict[str, Any]]:
        """How a migration writes it."""
        return "b2router.storage_ref", [self.alias], {}


def storage_ref(alias: str) -> StorageRef:
    """The storage of an alias, for a model field: `FileField(storage=b2router.storage_ref("staff"))`."""
    return StorageRef(alias)


def get_storage(alias: str) -> B2Storage:
    """The storage of an alias, for code. Nothing is read or asked before it is used.

    Args:
        alias: of the configuration's `storages`, or a profile's name; an unknown one raises `ConfigError` on first use.
    """
    return B2Storage(alias)


def django_storages(config: Mapping[str, Any] | BackblazeConfig) -> dict[str, dict[str, Any]]:
    """Django's `STORAGES` with an entry for every alias, beside Django's own defaults.

    Args:
        config: the same dict, or `BackblazeConfig`, that the setting `BACKBLAZE_CONFIG` gets. It is not validated
            here: `manage.py check` does that, with every other layer.
    Returns:
        A new dict: "default" and "staticfiles" as Django has them, unless an alias of that name is declared.
    """
    declared = []
    for part in ("profiles", "storages"):
        aliases = config.get(part) if isinstance(config, Mapping) else getattr(config, part, None)
        declared += [str(alias) for alias in aliases] if isinstance(aliases, Mapping) else []
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    } | {alias: {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": alias}} for alias in declared}
