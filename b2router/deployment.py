"""What a deployment gets wrong that a development machine forgives: caches that are not shared, keys that may do too
much, addresses that live too long. Asked by `checks`; pure, but for Django's settings.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import caches
from django.db import connections, router
from django.utils.module_loading import import_string

from b2router.errors import Problem

if TYPE_CHECKING:
    from b2router.config import BackblazeConfig, BucketProfile

__all__ = ["LONG_S", "deployment_problems", "sharing_problems"]

LONG_S = 24 * 3600
"""A signed address that lives longer has most likely left the hands that it was made for."""

_LOCAL = {"LocMemCache", "DummyCache"}
_SITE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"


def sharing_problems(config: BackblazeConfig) -> Iterator[Problem]:
    """What processes share has to be there: caches, the folder of a file, the package that encrypts."""
    from b2router.config import MemoryAccountInfo, SqliteAccountInfo

    info = config.account_info
    for where, alias in _caches(config):
        if alias not in settings.CACHES:
            yield Problem(
                "unknown_cache",
                where,
                f"found '{alias}', but CACHES has only {', '.join(sorted(settings.CACHES))}.",
                "Name one of these, or add it to CACHES.",
            )
    if not isinstance(info, MemoryAccountInfo) and info.encrypt and not importlib.util.find_spec("cryptography"):
        yield Problem(
            "encrypt",
            "account_info.encrypt",
            "found true, but the package cryptography is not installed.",
            "Install b2router[encrypt], or leave the key out.",
        )
    if isinstance(info, SqliteAccountInfo) and not Path(info.path).parent.is_dir():
        yield Problem(
            "sqlite",
            "account_info.path",
            f"found '{info.path}', but its folder does not exist, so every process logs in for itself.",
            "Make the folder, writable for the user that runs the site and for nobody else.",
        )


def deployment_problems(config: BackblazeConfig) -> Iterator[Problem]:
    """What is worth a warning before a site goes live."""
    yield from _local_caches(config)
    yield from _joins_transactions(config)
    yield from _waits_without_end(config)
    for profile in config.profiles.values():
        yield from _addresses(profile)
    yield from _wide_keys(config)
    yield from _middleware(config)


def _caches(config: BackblazeConfig) -> Iterator[tuple[str, str]]:
    """Every place of the configuration that names a cache."""
    from b2router.config import CacheAccountInfo

    if isinstance(config.account_info, CacheAccountInfo):
        yield "account_info.cache", config.account_info.cache
    if config.metadata_cache is not None:
        yield "metadata_cache", config.metadata_cache


def _local_caches(config: BackblazeConfig) -> Iterator[Problem]:
    for where, alias in _caches(config):
        if _is_local(alias):
            what = "every process logs in at B2 for itself"
            if where == "metadata_cache":
                what = "processes do not hear of what the others save and delete, and forget after ten seconds"
            yield Problem(
                "local_cache",
                where,
                f"the cache '{alias}' is each process's own: {what}.",
                "Back it by Redis, Memcached, a database or files, or name another cache. A site of one process may "
                "silence this.",
            )


def _joins_transactions(config: BackblazeConfig) -> Iterator[Problem]:
    """A cache in the database, written through the connection of a request that is one transaction."""
    for where, alias in _caches(config):
        if alias not in settings.CACHES or "DatabaseCache" not in _kinds(alias):
            continue
        database = router.db_for_write(caches[alias].cache_model_class)  # type: ignore[attr-defined]
        if connections.settings[database].get("ATOMIC_REQUESTS"):
            yield Problem(
                "cache_in_transaction",
                where,
                f"the cache '{alias}' is in the database '{database}', whose requests are transactions: others wait "
                "for what one has written, and a rollback takes back what is known about files, not their deletion.",
                "Give the cache a connection of its own: a second entry of DATABASES, and a router that names it.",
            )


def _waits_without_end(config: BackblazeConfig) -> Iterator[Problem]:
    """A cache whose client has no timeout: nothing that this package does can end such a wait."""
    for where, alias in _caches(config):
        if alias in settings.CACHES and (option := _missing_timeout(alias)):
            yield Problem(
                "cache_without_timeout",
                where,
                f"the cache '{alias}' waits for its server without end: when that hangs, so does every request, "
                "whatever `limits` say.",
                f'Give it a second or two: CACHES[\'{alias}\']["OPTIONS"] = {{"{option}": 2}}.',
            )


def _missing_timeout(alias: str) -> str | None:
    """The option that would end the wait for a server of Memcached or Redis; None when there is an end."""
    declared = settings.CACHES[alias]
    given = {str(name).lower() for name in declared.get("OPTIONS", {})}
    kinds = _kinds(alias)
    if "PyMemcacheCache" in kinds:
        return None if "timeout" in given else "timeout"
    if "RedisCache" not in kinds or "socket_timeout" in given or "socket_timeout=" in str(declared.get("LOCATION")):
        return None
    try:
        connection = import_string("redis.connection.AbstractConnection")  # the site's own, which may not be installed
    except ImportError:
        return None
    usual = inspect.signature(connection.__init__).parameters["socket_timeout"].default
    return "socket_timeout" if usual is None else None  # redis-py 8 has one of its own


def _is_local(alias: str) -> bool:
    return bool(_kinds(alias) & _LOCAL)


def _kinds(alias: str) -> set[str]:
    """The names of the classes that a cache is; none when it cannot be told: `sharing_problems`, or Django, says so."""
    try:
        backend = import_string(settings.CACHES[alias]["BACKEND"])
    except (KeyError, ImportError):
        return set()
    return {kind.__name__ for kind in getattr(backend, "__mro__", ())}


def _addresses(profile: BucketProfile) -> Iterator[Problem]:
    where = f"profiles.{profile.name}.delivery"
    delivery = profile.delivery
    base_url = getattr(delivery, "base_url", "")
    if urlsplit(base_url).scheme == "http":
        yield Problem(
            "plain_http",
            f"{where}.base_url",
            f"found '{base_url}': without TLS, whoever sits in between reads and changes the files.",
            "Use the https address.",
        )
    signing = getattr(delivery, "signing", None) or delivery
    expires_in_s = getattr(signing, "expires_in_s", 0)
    if expires_in_s > LONG_S and not profile.is_public:
        place = "signing.expires_in_s" if signing is not delivery else "expires_in_s"
        yield Problem(
            "long_expiry",
            f"{where}.{place}",
            f"found {expires_in_s} seconds: for so long, whoever gets hold of an address reads the file, whatever "
            "becomes of the permission.",
            "Use minutes: the site signs a new address for each visit.",
        )


def _wide_keys(config: BackblazeConfig) -> Iterator[Problem]:
    """The master key's id is the account's, of twelve hexadecimal digits; that of an application key is longer."""
    for name in sorted({profile.account for profile in config.profiles.values()}):
        account = config.account(name)
        if account is not None and re.fullmatch(r"[0-9a-f]{12}", account.application_key_id):
            yield Problem(
                "wide_key",
                "application_key_id" if name == "default" else f"accounts.{name}.application_key_id",
                "this looks like the master key, which may do everything in the account, make further keys included.",
                "Make an application key with listBuckets, listFiles, readFiles, shareFiles, writeFiles and "
                "deleteFiles for the buckets of the profiles.",
            )


def _middleware(config: BackblazeConfig) -> Iterator[Problem]:
    kept = [profile.name for profile in config.profiles.values() if profile.is_public and profile.route]
    sessions = any(name.endswith("SessionMiddleware") for name in settings.MIDDLEWARE)
    if kept and sessions and settings.SESSION_SAVE_EVERY_REQUEST:
        yield Problem(
            "session_cookie",
            "SESSION_SAVE_EVERY_REQUEST",
            f"it puts a cookie on every answer to somebody signed in, so no cache may keep the public files of "
            f"{', '.join(kept)} for them.",
            "Turn it off, or deliver these files by cdn or direct.",
        )
    if kept and _SITE_CACHE in settings.MIDDLEWARE:
        yield Problem(
            "site_cache",
            "MIDDLEWARE",
            f"'{_SITE_CACHE}' keeps small public files of {', '.join(kept)} in the site's cache, where they outlive "
            "their deletion by up to CACHE_MIDDLEWARE_SECONDS.",
            "Cache views one by one instead, or set max_age_s of these profiles to what you can bear.",
        )
