"""Where processes share the login at B2; part of the configuration, carried out by `b2.account_info`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from b2router.values import Model, Truth

__all__ = ["AccountInfo", "CacheAccountInfo", "MemoryAccountInfo", "SqliteAccountInfo"]


def _text(path: Any) -> Any:
    """A path as text: settings have it as `BASE_DIR / "b2-login.sqlite3"`."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


class CacheAccountInfo(Model):
    """One of Django's caches: all processes and hosts that use it share one login for the life of its token."""

    kind: Literal["cache"] = "cache"
    """The login is shared through a cache of Django."""
    cache: str = Field(default="default", min_length=1)
    """Its name in CACHES."""
    encrypt: Truth = False
    """Whether the token is encrypted in the cache, by a key made from SECRET_KEY; needs b2router[encrypt]."""


class SqliteAccountInfo(Model):
    """A file: the processes of one host share one login."""

    kind: Literal["sqlite"]
    """The login is shared through an SQLite file."""
    path: Annotated[str, BeforeValidator(_text)] = Field(min_length=1)
    """The file's path; it is made when missing, for this user alone."""
    encrypt: Truth = False
    """Whether the token is encrypted in the file, by a key made from SECRET_KEY; needs b2router[encrypt]."""


class MemoryAccountInfo(Model):
    """Nowhere: every process logs in for itself."""

    kind: Literal["memory"]
    """The login is kept by the process that made it."""


def _kind(value: Any) -> Any:
    return {"kind": "cache", **value} if isinstance(value, Mapping) and "kind" not in value else value


AccountInfo = Annotated[
    CacheAccountInfo | SqliteAccountInfo | MemoryAccountInfo, Field(discriminator="kind"), BeforeValidator(_kind)
]
