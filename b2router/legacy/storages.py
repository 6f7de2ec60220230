"""`BackblazeB2Storage`, `PublicStorage`, `LoggedInStorage` and `StaffStorage`, as sites that come from
django-backblaze-b2 know them; used by their models and settings.

Each is the storage of the profile that the class stands for, with what its constructor's options change in it. As with
every storage, nothing is read or asked before the first use, so an option that cannot be is told then, unless the
constructors of django-backblaze-b2 refused it themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import quote
from weakref import WeakKeyDictionary

from django.utils.deconstruct import deconstructible
from django.views.decorators.debug import sensitive_variables

from b2router import names, seed, seed_options
from b2router.errors import ConfigError, NotFound, Problem
from b2router.leaks import isolation_problems
from b2router.router import Router, current_router
from b2router.storage import B2Storage

if TYPE_CHECKING:
    from b2router.config import BucketProfile
    from b2router.seed_options import Said

__all__ = [
    "B2FileInformationNotAvailableException",
    "BackblazeB2Storage",
    "LoggedInStorage",
    "PublicStorage",
    "StaffStorage",
]

logger = logging.getLogger("b2router")

_KEYS = ("application_key_id", "application_key")
_OF_SITES = ("audiences", "accept_shared_buckets")
_changed: WeakKeyDictionary[Router, dict[tuple[str, str], BucketProfile]] = WeakKeyDictionary()


class B2FileInformationNotAvailableException(NotFound):
    """Nothing is known about the time of a file: there is none."""


@deconstructible(path="b2router.legacy.BackblazeB2Storage")
class BackblazeB2Storage(B2Storage):
    """The files of the profile "default".

    Args:
        options: what django-backblaze-b2 takes, as keywords or as one dict `opts`. They count for this storage alone,
            over what the site's configuration says.
    Raises:
        ConfigError: there is no such option, or the class does not take it.
    """

    _ALIAS = seed.BASE
    _REFUSED: tuple[str, ...] = ()
    _constructor_args: tuple[tuple[Any, ...], dict[str, Any]]

    @sensitive_variables("given", "options", "opts")
    def __init__(self, **options: Any) -> None:
        super().__init__(self._ALIAS)
        opts = options.pop("opts", None) or {}
        if options and opts:
            self._refuse("Can only specify opts or keyword args, not both!")
        given = opts or options
        named = {seed_options.snake(key): key for key in given}
        if unknown := [key for name, key in named.items() if not seed_options.is_option(name) or name in _OF_SITES]:
            self._refuse(f"Unrecognized options: {unknown}.")
        if refused := [key for name, key in named.items() if name in self._REFUSED]:
            self._refuse(f"{refused} cannot be given here: the view would look for the files somewhere else.")
        self._names_account = any(name in named for name in (*_KEYS, "realm"))
        self._given = _without_keys(given)
        args, keywords = self._constructor_args  # what migrations and pickles hold; a subclass may have its own
        self._constructor_args = (args, _without_keys(keywords))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (other.alias, other._given) == (self.alias, self._given)

    def __hash__(self) -> int:
        return hash((type(self), self.alias))

    @property
    def profile(self) -> BucketProfile:
        """The profile of the class, with what the constructor's options change.

        Raises:
            ConfigError: there is no such profile; or an option says what cannot be.
        """
        router = current_router()
        profile = router.profile(self.alias)
        if not self._given and not self._names_account:
            return profile
        made = _changed.setdefault(router, {})
        key = (f"{self.alias} {self._names_account}", repr(sorted(self._given.items())))
        if key not in made:
            made[key] = self._change(router, profile)
        return made[key]

    def url(self, name: names.Name | None) -> str:
        """The address of a file; see `_get_file_url`, which subclasses override.

        Raises:
            ValueError: there is no name.
        """
        if not name:
            raise ValueError("Name must be defined: there is no file, so there is no address.")
        return self._get_file_url(names.of_path(name))

    def _get_file_url(self, name: str) -> str:
        """The address that `url` gives: of the profile, or else the one at B2, which opens files of public buckets."""
        profile = self.profile
        if profile.route is None and not profile.has_public_addresses:
            return self.get_backblaze_url(name)
        return super().url(name)

    def get_backblaze_url(self, filename: str) -> str:
        """The address of a file at B2 itself, which opens it when the bucket is public. Asks B2 for the login at most.

        Args:
            filename: of the file; nobody looks whether it is there.
        Raises:
            InvalidName: no file can have this name.
            BackendError: B2 refused the key, or could not be reached.
        """
        key, profile = self._key(filename), self.profile
        host = self._place().session.login().download_url
        return f"{host.rstrip('/')}/file/{profile.bucket}/{quote(key, safe='/')}"

    def path(self, name: names.Name) -> str:
        """The name itself, as there is no path."""
        return names.of_path(name)

    def size(self, name: names.Name) -> int:
        """Length of a file in bytes; 0 when there is none.

        Raises:
            BackendError: B2 refused or failed.
        """
        try:
            return super().size(name)
        except NotFound:
            return 0

    def get_created_time(self, name: names.Name) -> datetime:
        """When the file was uploaded: see `B2Storage`.

        Raises:
            B2FileInformationNotAvailableException: there is no such file.
            BackendError: B2 refused or failed.
        """
        try:
            return super().get_created_time(name)
        except NotFound as error:
            raise B2FileInformationNotAvailableException(str(error)) from None

    get_modified_time = get_created_time

    def _refuse(self, message: str) -> Never:
        name = type(self).__name__
        raise ConfigError(Problem("invalid", f"{name}()", message, f"Change it where {name} is called."))

    def _change(self, router: Router, profile: BucketProfile) -> BucketProfile:
        """The profile as this storage has it: valid, and as private as all others."""
        from pydantic import ValidationError

        said = seed_options.read(self._given, f"{type(self).__name__} options ")
        if problems := [*said.problems, *self._problems(said, profile)]:
            raise ConfigError(*problems)
        if "non_existent_bucket_details" in said.values:
            logger.warning("%s() is told of a bucket to be made; b2router makes none.", type(self).__name__)
        values = {key: getattr(profile, key) for key in profile.model_fields_set}
        values |= {key: value for key, (value, _) in seed.profile_values(said).items()}
        values["file_info"] = {**profile.file_info, **values.get("file_info", {})}
        values["bucket"] = self._bucket(said, profile)
        values["delivery"] = seed.delivery_of(said) or profile.delivery
        try:
            changed = type(profile).model_validate(values).named(profile.name)
        except ValidationError as error:
            texts = {".".join(map(str, e["loc"])): e["msg"] for e in error.errors(include_input=False)}
            self._refuse("; ".join(f"{where}: {text}" for where, text in texts.items()) + ".")
        if (changed.bucket, changed.delivery) != (profile.bucket, profile.delivery):
            self._must_not_leak(router, changed)
        return changed

    def _bucket(self, said: Said, profile: BucketProfile) -> str:
        return str(said.values.get("bucket") or profile.bucket)

    def _problems(self, said: Said, profile: BucketProfile) -> Iterator[Problem]:
        if self._names_account:
            yield Problem(
                "account",
                f"{type(self).__name__}()",
                "a key or a realm cannot be given here, where migrations and logs would get hold of it.",
                "Declare it in 'accounts', and a profile with that account; use get_storage() of the profile.",
            )
        if "cdn_config" in said.paths and not isinstance(self, PublicStorage):
            yield Problem(
                "public_delivery",
                f"{type(self).__name__}()",
                "'cdn_config' is for PublicStorage: the CDN would open the files to anyone.",
                "Take it out.",
            )

    def _must_not_leak(self, router: Router, profile: BucketProfile) -> None:
        """The proof that the configuration has passed, with this storage as one profile more."""
        name = f"{type(self).__name__}()"
        readers = () if profile.permission is not None else tuple(router.profiles)
        this = profile.model_copy(update={"route": None, "readable_through": readers}).named(name)
        config = router.config.model_copy(update={"profiles": {**router.config.profiles, name: this}})
        if problems := isolation_problems(config):
            raise ConfigError(*problems)


def _without_keys(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without keys, also in the one dict that holds them all."""
    kept = {key: value for key, value in options.items() if seed_options.snake(key) not in _KEYS}
    if isinstance(opts := kept.get("opts", ()), Mapping):
        kept["opts"] = _without_keys(opts)
    return {key: value for key, value in kept.items() if key != "opts" or value}


class _ServedStorage(BackblazeB2Storage):
    """A class whose files a view serves, from the bucket that the configuration names."""

    _REFUSED = ("bucket", *_KEYS, "realm")

    def _bucket(self, said: Said, profile: BucketProfile) -> str:
        return str(said.values.get(f"specific_bucket_names.{self._ALIAS}") or profile.bucket)

    def _problems(self, said: Said, profile: BucketProfile) -> Iterator[Problem]:
        yield from super()._problems(said, profile)
        is_served = profile.route is not None and not profile.has_public_addresses and seed.delivery_of(said) is None
        if is_served and self._bucket(said, profile) != profile.bucket:
            yield Problem(
                "invalid",
                f"{type(self).__name__}()",
                f"'specific_bucket_names' names another bucket than the profile '{profile.name}', where the view looks "
                "for the files.",
                "Name it in the configuration.",
            )


@deconstructible(path="b2router.legacy.PublicStorage")
class PublicStorage(_ServedStorage):
    """The files of the profile "public", which anyone may read: see `BackblazeB2Storage`. Takes no bucket, key or
    realm, but `cdn_config`.
    """

    _ALIAS = "public"


@deconstructible(path="b2router.legacy.LoggedInStorage")
class LoggedInStorage(_ServedStorage):
    """The files of the profile "logged_in": see `BackblazeB2Storage`. Takes no bucket, key or realm."""

    _ALIAS = "logged_in"


@deconstructible(path="b2router.legacy.StaffStorage")
class StaffStorage(_ServedStorage):
    """The files of the profile "staff": see `BackblazeB2Storage`. Takes no bucket, key or realm."""

    _ALIAS = "staff"


for _name in __all__:
    globals()[_name].__module__ = "b2router.legacy"  # where migrations find a class that is given uncalled
