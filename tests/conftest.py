"""Fixtures of all tests: a B2 on loopback, and a configuration that uses it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from b2router.records import emit_dropped

BUCKETS = ("acme-public:public", "acme-members", "acme-staff", "acme-shared")

PROFILES: dict[str, dict[str, Any]] = {
    "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
    "logged_in": {"bucket": "acme-members", "route": "b2l/", "permission": "authenticated"},
    "staff": {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"},
}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A fresh B2 on loopback, with a bucket for every audience."""
    with Emulator(buckets=BUCKETS) as running:
        yield running
        forget()


def forget() -> None:
    """Make this process one that has just started, with nothing in its cache."""
    close_all()
    cache.clear()


def tell_all() -> None:
    """Let whoever listens hear of every file that an earlier test has not closed, so that no later test does."""
    gc.collect()
    emit_dropped()


Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Any, emulator: Emulator) -> Configure:
    """Put a configuration on the emulator in force; `configure(staff={"on_denied": "404"})` changes a profile."""

    def apply(*, storages: dict[str, str] | None = None, **changes: dict[str, Any] | None) -> None:
        names = {**PROFILES, **changes}
        profiles = {
            name: {**PROFILES.get(name, {}), **(changes.get(name) or {})}
            for name in names
            if name not in changes or changes[name] is not None
        }
        settings.BACKBLAZE_CONFIG = {
            "application_key_id": emulator.key_id,
            "application_key": emulator.key,
            "realm": emulator.url,
            "profiles": profiles,
            "storages": storages or {},
        }

    apply()
    return apply
