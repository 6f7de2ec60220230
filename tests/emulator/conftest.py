"""Emulators and clients for the tests of the emulator; no Django."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from b2sdk.v3 import B2Api, Bucket, InMemoryAccountInfo

from b2router.emulator import Emulator
from tests.emulator.process import Process
from tests.emulator.wire import Wire

_sdks: list[B2Api] = []


@pytest.fixture(autouse=True)
def _closed_clients() -> Iterator[None]:
    """Close all clients and processes, for unclosed sockets are errors here."""
    yield
    while Wire.opened:
        Wire.opened.pop().close()
    while Process.started:
        Process.started.pop().kill()
    while _sdks:
        _sdks.pop().session.raw_api.b2_http.session.close()


@pytest.fixture
def em() -> Iterator[Emulator]:
    """A fresh emulator with one public and one private bucket."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def wire(em: Emulator) -> Wire:
    """A raw HTTP client with the master key."""
    return Wire(em.url, em.key_id, em.key)


@pytest.fixture
def api(em: Emulator) -> B2Api:
    """Backblaze's own SDK on the emulator."""
    return sdk(em)


@pytest.fixture
def bucket(api: B2Api) -> Bucket:
    """The private bucket, by the SDK."""
    return api.get_bucket_by_name("acme-staff")


def sdk(em: Emulator, key_id: str | None = None, key: str | None = None) -> B2Api:
    """Return an SDK that is authorized with the master key or another."""
    api = B2Api(InMemoryAccountInfo())
    _sdks.append(api)
    api.authorize_account(key_id or em.key_id, key or em.key, em.url)
    return api
