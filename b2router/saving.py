"""What is said about a file, when it is saved and later: by the profile, its rules, the site's callable and the caller;
the base of `B2Storage`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from django.core.files.storage import Storage

from b2router import content_types, names, operations
from b2router.errors import ReadOnly
from b2router.router import current_router

if TYPE_CHECKING:
    from django.core.files.base import File

    from b2router.b2.options import UploadOptions
    from b2router.b2.place import Place
    from b2router.config import BucketProfile, CachePolicy
    from b2router.storing import StoredAs

__all__ = ["SavingStorage"]

_said: ContextVar[StoredAs | None] = ContextVar("b2router_said", default=None)
_NOTHING: Mapping[str, str] = {}


class SavingStorage(Storage):
    """The files of one profile, and what is stored with each.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    """

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias

    @property
    def profile(self) -> BucketProfile:
        """The profile that the alias stands for, now.

        Raises:
            ConfigError: there is no such alias, or the configuration cannot be used.
        """
        return current_router().profile(self.alias)

    def save_with(
        self,
        name: str | None,
        content: Any,
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_language: str | None = None,
        expires: datetime | None = None,
        file_info: Mapping[str, str] | None = None,
        max_length: int | None = None,
    ) -> str:
        """Store a file as `save` does, and say more about it than the profile does.

        Args:
            name, content, max_length: see `save`.
            content_type: the media type.
            cache_control, content_disposition, content_language: headers of answers that B2 gives by itself; the
                site's own are made anew.
            expires: another one; aware.
            file_info: further keys and values that B2 keeps.
        Returns:
            The name that it got.
        Raises:
            ValueError: B2 does not take this; nothing was asked of it.
            ReadOnly, InvalidName, BackendError: see `save`.
        """
        from b2router.storing import StoredAs

        said = StoredAs(
            content_type=content_type,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_language=content_language,
            expires=expires,
            file_info=dict(file_info or {}),
        )
        with self._saying(said):
            return self.save(name, content, max_length)

    @contextmanager
    def _saying(self, said: StoredAs | None) -> Iterator[None]:
        """What is stored inside is stored with this; None where code of the site runs, which may store other files."""
        token = _said.set(said)
        try:
            yield
        finally:
            _said.reset(token)

    @operations.of_storage
    def set_retention(
        self,
        name: str,
        until: datetime | None,
        *,
        mode: Literal["governance", "compliance"] = "governance",
        version: str | None = None,
        bypass_governance: bool = False,
    ) -> None:
        """Say until when a file cannot be deleted, by anyone. Hiding it stays possible. The bucket needs file lock.

        Args:
            name: of the file.
            until: aware; None lifts a retention, which takes `bypass_governance` as long as it lasts.
            mode: "governance", which a key with that right may lift, or "compliance", which nobody can.
            version: the id of one of `versions`; None for the newest.
            bypass_governance: use that right, to shorten or lift.
        Raises:
            NotFound: there is no such file or version.
            ReadOnly: the profile's files are not to be changed.
            ValueError: the time is a naive one, or there is no such mode.
            Locked: it cannot be shortened or lifted, or not without `bypass_governance`.
            BackendError: B2 refused or failed; as the key lacks a right, or the bucket has no file lock.
        """
        from b2router.b2 import versions
        from b2router.b2.options import Retention

        self._writable()
        retention = None if until is None else Retention(mode, until)
        place, key = self._place(), self._key(name)
        versions.retain(place, key, self._version_of(key, version), retention, bypass=bypass_governance)

    @operations.of_storage
    def set_legal_hold(self, name: str, on: bool, *, version: str | None = None) -> None:
        """Keep a file from being deleted until somebody says otherwise. The bucket needs file lock.

        Args:
            name: of the file.
            on: whether it is held.
            version: the id of one of `versions`; None for the newest.
        Raises:
            NotFound, ReadOnly, BackendError: see `set_retention`.
        """
        from b2router.b2 import versions

        self._writable()
        place, key = self._place(), self._key(name)
        versions.hold(place, key, self._version_of(key, version), is_held=on)

    def _version_of(self, key: str, version: str | None) -> str:
        """The id of the newest version, or of one that is of this file: B2 looks at nothing but the id."""
        place = self._place()
        file = place.file(key) if version is None else place.version(key, version)
        return file.look().file_id

    def _writable(self) -> None:
        if self.profile.read_only:
            raise ReadOnly(
                f"The profile '{self.profile.name}' is declared read_only: the site does not change its files."
            )

    def _place(self) -> Place:
        return current_router().place(self.profile)

    def _key(self, name: names.Name) -> str:
        return names.key(self.profile.location, name)

    def _own_info(self, name: str, content: File[Any]) -> dict[str, str]:
        """What the site's callable says about this content, which is at its beginning after that."""
        from b2router.provided import info_of

        content.seek(0)
        with self._saying(None):
            info = info_of(self.profile, name, content)
        content.seek(0)
        return info

    def _options(self, name: str, declared_type: str | None, own: Mapping[str, str] = _NOTHING) -> UploadOptions:
        """What B2 stores beside the bytes of a new file of this name.

        Args:
            declared_type: by the uploader.
            own: file information for this content.
        """
        from b2router.b2.options import Retention, UploadOptions

        profile, place = self.profile, self._place()
        content_type, info = self._stored_as(name, declared_type, own)
        until = None
        if profile.retention is not None:
            until = Retention(profile.retention.mode, datetime.now(UTC) + timedelta(days=profile.retention.days))
        secret = place.secret(self._key(name))
        is_by_b2 = profile.encryption is not None and secret is None
        return UploadOptions(
            content_type,
            info,
            encryption="SSE-B2" if is_by_b2 else secret,
            retention=until,
            legal_hold=profile.legal_hold or None,
        )

    def _stored_as(
        self, name: str, declared_type: str | None = None, own: Mapping[str, str] = _NOTHING
    ) -> tuple[str, dict[str, str]]:
        """The type and the file information of a new file; of the narrowest who says something."""
        from b2router import caching, storing

        profile, info = self.profile, {}
        said, ruled = _said.get() or storing.StoredAs(), storing.rule(self.profile.stored_as, name)
        # Browsers and edges that fetch without the site are told by B2 how long to keep a file.
        is_open = profile.is_public and profile.delivery.mode in ("cdn", "direct")
        if is_open and (policy := self._cache_policy(name)) is not None:
            info["b2-cache-control"] = caching.header(policy, is_public=True)
        info |= {**profile.file_info, **ruled.info(), **own, **said.info()}
        return said.content_type or ruled.content_type or declared_type or content_types.of_name(name), info

    def _cache_policy(self, name: str) -> CachePolicy | None:
        """What the profile says about this name; None when it says nothing."""
        from b2router import caching

        profile = self.profile
        if (rule := caching.rule(profile.cache, name)) is not None:
            return rule
        return caching.policy((), name, profile.max_age_s) if profile.max_age_s else None
