"""Which profile an alias or a URL belongs to; asked by storage, views and checks, does no I/O.

`current_router` is the one in force. It is built on first use, because building it loads pydantic and the whole
configuration, and rebuilt when a setting that it came from changes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed

from b2router.errors import ConfigError, Problem

if TYPE_CHECKING:
    from b2router.b2.place import Place
    from b2router.b2.session import Session
    from b2router.config import BackblazeConfig, BucketProfile
    from b2router.origins import Value

__all__ = ["Router", "Target", "current_router", "current_values", "reload"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL of the proxy view means: a profile and, not yet checked, a file name."""

    profile: str
    name: str


class Router:
    """The total mapping alias → profile and URL prefix → profile of one configuration.

    Args:
        config: a validated configuration.
    Raises:
        ConfigError: files of one profile are reachable through a looser one. Nothing is routed then: not every way to
            start a site runs the system checks, and a leak must not depend on how it was started.
    """

    def __init__(self, config: BackblazeConfig) -> None:
        from b2router.leaks import isolation_problems

        if problems := isolation_problems(config):
            raise ConfigError(*problems)
        self.config = config
        self.profiles: Mapping[str, BucketProfile] = MappingProxyType(dict(config.profiles))
        self.aliases: Mapping[str, str] = MappingProxyType({name: name for name in config.profiles} | config.storages)
        self._accounts = {profile.account: config.account(profile.account) for profile in config.profiles.values()}
        self._places: dict[str, tuple[object, BucketProfile, Place]] = {}
        self._routes = tuple((profile.route, name) for name, profile in config.profiles.items() if profile.route)

    def profile(self, alias: str) -> BucketProfile:
        """The profile that an alias stands for.

        Raises:
            ConfigError: there is no such alias; the text lists those that exist.
        """
        try:
            return self.profiles[self.aliases[alias]]
        except KeyError:
            near = get_close_matches(alias, self.aliases, n=1)
            raise ConfigError(
                Problem(
                    "unknown_alias",
                    f"storage alias '{alias}'",
                    f"there is no such alias; the aliases are {', '.join(sorted(self.aliases))}.",
                    f"Did you mean '{near[0]}'?" if near else "Add it to BACKBLAZE_CONFIG['storages'].",
                )
            ) from None

    def place(self, profile: BucketProfile) -> Place:
        """Where the files of a profile are. Nothing goes online.

        Raises:
            ConfigError: the profile's account has no application key.
        """
        from b2router.b2.sessions import era  # loads b2sdk, hence with the first file

        kept = self._places.get(profile.name)
        if kept is not None and kept[0] is era() and kept[1] is profile:
            return kept[2]
        now, made = era(), self._new_place(profile)
        self._places[profile.name] = now, profile, made
        return made

    def _new_place(self, profile: BucketProfile) -> Place:
        from b2router import provided
        from b2router.b2.metadata import Metadata
        from b2router.b2.place import Place

        session = self.session(profile)
        metadata = Metadata(
            session, profile.bucket, self.config.metadata_cache, profile.metadata_ttl_s, profile.missing_ttl_s
        )
        return Place(session, profile.bucket, metadata, provided.secrets_of(profile))

    def session(self, profile: BucketProfile) -> Session:
        """The connection that reaches a profile's bucket, in this process.

        Raises:
            ConfigError: the profile's account has no application key.
        """
        from b2router.b2.sessions import for_account

        config = self.config
        return for_account(self._accounts[profile.account], profile.account, config.account_info, config.limits)

    def match(self, path: str) -> Target | None:
        """What a path below the include stands for; None when no route begins it. Routes never overlap."""
        for route, name in self._routes:
            if path.startswith(route) and len(path) > len(route):
                return Target(name, path[len(route) :])
        return None

    def path(self, target: Target) -> str:
        """The path below the include at which the site serves a file: the inverse of `match`.

        Raises:
            KeyError: there is no such profile, or it has no route.
        """
        route = self.profiles[target.profile].route
        if route is None:
            raise KeyError(target.profile)
        return route + target.name


_lock = threading.Lock()
_router: Router | None = None


def _begin_anew_after_fork() -> None:
    """Another thread may have held the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


def current_router() -> Router:
    """The router in force, built from all layers of the configuration on first use.

    Raises:
        ConfigError: the configuration cannot be used; the text names every problem, its layer and the fix.
    """
    global _router
    if (router := _router) is not None:
        return router
    with _lock:
        if _router is None:
            try:
                _router = _load()
            except ConfigError as error:
                raise ConfigError(*error.problems) from None  # error pages show locals, and those below hold the keys
        return _router


def current_values() -> list[Value]:
    """Every value of the configuration in force, and where it was written: all layers are read once more.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from django.conf import settings as django_settings

    from b2router import settings

    return settings.values(django_settings, current_router().config)


def _load() -> Router:
    from django.conf import settings as django_settings

    from b2router import settings

    config = settings.load(django_settings)
    try:
        return Router(config)
    except ConfigError as error:
        raise ConfigError(
            *(replace(problem, layer=settings.place_of(django_settings, problem.where)) for problem in error.problems)
        ) from None


def reload() -> None:
    """Forget the configuration, so that the next use reads all layers again: for tests that change the environment."""
    global _router
    with _lock:
        _router = None


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting.startswith("BACKBLAZE_"):
        reload()


setting_changed.connect(_on_setting_changed, dispatch_uid="b2router.router")
