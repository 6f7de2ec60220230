"""What callables of the site give about its files: keys of encrypted ones, information to store; asked by router and
storage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from b2router import storing
from b2router.errors import ConfigError, Problem

if TYPE_CHECKING:
    from b2router.b2.options import CustomerKey
    from b2router.config import BucketProfile

__all__ = ["Secrets", "callable_at", "info_of", "paths", "secrets_of"]

logger = logging.getLogger("b2router")

Secrets = Callable[[str], "CustomerKey | None"]
"""The key of a file, by its key in the bucket; None where B2 has no need of one."""


def paths(profile: BucketProfile) -> Iterator[tuple[str, str]]:
    """Every place of a profile that names a callable of this kind, and the callable's path."""
    if isinstance(profile.encryption, storing.CustomerEncryption):
        yield f"profiles.{profile.name}.encryption.key", profile.encryption.key
    if profile.file_info_from is not None:
        yield f"profiles.{profile.name}.file_info_from", profile.file_info_from


def callable_at(where: str, path: str) -> Callable[..., Any]:
    """The callable at a dotted path.

    Args:
        where: the configuration names it.
        path: of it.
    Raises:
        ConfigError: there is none.
    """
    try:
        found = import_string(path)
    except Exception as error:
        raise _wrong(where, path, f"cannot be used: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise _wrong(where, path, f"is no callable but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def secrets_of(profile: BucketProfile) -> Secrets | None:
    """How to come by the keys of a profile's files; None when B2 keeps the keys, or needs none."""
    encryption = profile.encryption
    if not isinstance(encryption, storing.CustomerEncryption):
        return None
    where, path = f"profiles.{profile.name}.encryption.key", encryption.key

    def secret_of(key: str) -> CustomerKey:
        from b2router.b2.options import CustomerKey

        provider = callable_at(where, path)
        try:
            secret_key = provider(profile.name, key.removeprefix(profile.location))
        except Exception as error:  # its frames may hold keys, and error pages show those
            logger.exception("The callable '%s' failed.", path)
            raise _wrong(where, path, f"failed: {type(error).__name__}") from None
        if not isinstance(secret_key, bytes) or len(secret_key) != 32:
            length = f" of {len(secret_key)}" if isinstance(secret_key, bytes) else ""
            kind = type(secret_key).__name__
            del secret_key  # error pages show what is in a frame
            raise _wrong(where, path, f"gave {kind}{length}; expected bytes, 32 of them")
        return CustomerKey(secret_key)

    return secret_of


def info_of(profile: BucketProfile, name: str, content: Any) -> dict[str, str]:
    """What the site's callable says about an upload; nothing, when there is none.

    Args:
        profile: whose file it is.
        name: of the file.
        content: which the callable may read, and has to leave open.
    Raises:
        ConfigError: there is no such callable.
        ValueError: B2 does not take what it gave.
        Exception: what it raised.
    """
    if profile.file_info_from is None:
        return {}
    given = callable_at(f"profiles.{profile.name}.file_info_from", profile.file_info_from)(name, content)
    try:
        return storing.checked(given)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"'{profile.file_info_from}' gave file information that B2 does not take: {error}.") from None


def _wrong(where: str, path: str, what: str) -> ConfigError:
    hint = "Name a callable by the path it is imported from."
    return ConfigError(Problem("callable", where, f"the callable '{path}' {what}.", hint))
