"""A B2 for the tests of a site: fixtures for pytest. Put `pytest_plugins = ["b2router.testing"]` into conftest.py.

Every test that asks for `b2` gets an empty B2 on loopback, with the buckets that the site's configuration declares, and
the configuration points to it until the test ends. Nothing leaves the machine, and nothing is mocked: what the site
does at B2 goes over sockets and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings

from b2router.b2.sessions import close_all
from b2router.config import Account, BackblazeConfig, BucketProfile, CacheAccountInfo, DirectDelivery
from b2router.emulator import Emulator
from b2router.router import current_router, reload

__all__ = ["AssertCalls", "assert_b2_calls", "b2", "pointed_at", "reload_config"]

AssertCalls = Callable[..., AbstractContextManager[None]]


_in_force: Emulator | None = None
"""The B2 that the configuration points to."""

_is_reloaded = False
"""Whether the test that runs has read the configuration again."""


@pytest.fixture(autouse=True)
def _b2router_as_it_was() -> Iterator[None]:
    """What a test has changed and read again is forgotten, once its other fixtures have taken their changes back."""
    global _is_reloaded
    yield
    if _is_reloaded:
        _is_reloaded = False
        reload()


@pytest.fixture
def b2() -> Iterator[Emulator]:
    """An empty B2 with the buckets of the configuration, in force for one test.

    Its methods are those of `b2router.emulator.Emulator`: `fail` makes operations go wrong, `calls` counts them,
    `log` lists them, `expire_tokens` ends the login.

    Raises:
        ConfigError: the site's configuration cannot be used.
    """
    global _in_force
    config = current_router().config
    buckets = {profile.bucket: _is_open(profile) for profile in config.profiles.values()}
    named = [f"{name}:public" if is_open else name for name, is_open in buckets.items()]
    with Emulator(buckets=named) as emulator, override_settings(BACKBLAZE_CONFIG=pointed_at(config, emulator)):
        _forget(config)
        _in_force = emulator
        try:
            yield emulator
        finally:
            _in_force = None
            _forget(config)


@pytest.fixture
def assert_b2_calls(b2: Emulator) -> AssertCalls:
    """A context manager that fails unless exactly these calls are made inside: `with assert_b2_calls(download=1):`.

    Operations carry the names of the native API; downloads are `download`, and `head` for HEAD. The login is not
    counted, because it depends on which test came first.
    """

    @contextmanager
    def calls_inside(**expected: int) -> Iterator[None]:
        before = b2.calls()
        yield
        made = {name: count - before.get(name, 0) for name, count in b2.calls().items()}
        made = {name: count for name, count in made.items() if count and name != "b2_authorize_account"}
        if made != expected:
            raise AssertionError(f"The calls on B2 were {made}, expected {expected}.")

    return calls_inside


def reload_config() -> None:
    """Read the configuration again, from all its layers. For tests that change environment variables or files; a change
    of Django's settings by `override_settings` is noticed without. The next test has the configuration as it was.

    Raises:
        RuntimeError: the test has asked for `b2` before, which has made of the configuration what is in force.
    """
    global _is_reloaded
    if _in_force is not None:
        raise RuntimeError(
            "The fixture 'b2' has read the configuration already. Call reload_config() first, and then ask for it by "
            "request.getfixturevalue('b2')."
        )
    _is_reloaded = True
    reload()


def pointed_at(config: BackblazeConfig, emulator: Emulator) -> BackblazeConfig:
    """The same configuration, with all its accounts at an emulator.

    Args:
        config: the site's.
        emulator: a running one. Each account gets a key of its own that may do everything.
    Returns:
        A configuration that is final: the environment is not read. Addresses of `direct` lead to the emulator, too.
    """
    values = {name: getattr(config, name) for name in config.model_fields_set}
    used = {profile.account for profile in config.profiles.values()} - {"default"}
    key_id, key = emulator.create_key()
    return BackblazeConfig.model_validate(
        values
        | {
            "application_key_id": key_id,
            "application_key": key,
            "realm": emulator.url,
            "accounts": {name: _account(emulator) for name in used},
            "profiles": {name: _profile(profile, emulator) for name, profile in config.profiles.items()},
        }
    )


def _account(emulator: Emulator) -> Account:
    key_id, key = emulator.create_key()
    return Account.model_validate({"application_key_id": key_id, "application_key": key, "realm": emulator.url})


def _profile(profile: BucketProfile, emulator: Emulator) -> BucketProfile:
    if not isinstance(profile.delivery, DirectDelivery):
        return profile
    return profile.model_copy(update={"delivery": profile.delivery.model_copy(update={"base_url": f"{emulator.url}/"})})


def _is_open(profile: BucketProfile) -> bool:
    return profile.is_public and profile.has_public_addresses


def _forget(config: BackblazeConfig) -> None:
    """What another test left behind: kept connections, logins, facts about files of the same name."""
    close_all()
    info = config.account_info
    aliases = {info.cache} if isinstance(info, CacheAccountInfo) else set()
    for alias in aliases | ({config.metadata_cache} if config.metadata_cache is not None else set()):
        cache: Any = caches[alias]
        if type(cache).__name__ == "LocMemCache":  # others outlive the tests, and hold nothing of this B2's account
            cache.clear()
