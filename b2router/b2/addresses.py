"""Addresses that B2 gives out for uploads, and the kept connections to them; used by `sending`.

An address and its token take any number of uploads for a day, one at a time, so whoever sends takes one out and gives
it back after a success. After a failure it is dropped, because another one leads to another host of B2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3

from b2router.b2 import budget, faults, wire
from b2router.errors import UnexpectedAnswer

__all__ = ["Address", "Addresses", "Hosts"]

MAX_IDLE = 16
"""Addresses that are kept for a bucket; the one that was used last is taken first."""

MAX_BUCKETS = 64
"""Buckets for which addresses are kept."""

KEPT_HOSTS = 32
"""Hosts to which connections are kept: nearly every address has its own."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one upload at a time may go.

    Attributes:
        host: connections to it.
        path: of the address, a query included.
        token: goes into the header Authorization, as it is.
    """

    host: urllib3.HTTPConnectionPool = field(repr=False)
    path: str = field(repr=False)
    token: str = field(repr=False)


class Addresses:
    """The addresses of one bucket, or of one large file.

    Args:
        hosts: connections of the account.
        ask: asks B2 for a further address, through b2sdk.
    """

    def __init__(self, hosts: Hosts, ask: Callable[[], Mapping[str, Any]]) -> None:
        self._hosts = hosts
        self._ask = ask
        self._idle: list[Address] = []

    def take(self, limit: budget.UploadBudget) -> Address:
        """An address that nobody else uses; one call when none is idle.

        Raises:
            BackendError: B2 refused or failed.
        """
        try:
            return self._idle.pop()
        except IndexError:
            pass
        with budget.limited(limit.of_call(), is_own=True), faults.translated():
            answer = self._ask()
            upload_url, upload_token = answer["uploadUrl"], answer["authorizationToken"]
        return Address(*self._hosts.of(upload_url), upload_token)

    def give_back(self, address: Address) -> None:
        """An upload to it was answered: the next one may use it."""
        if len(self._idle) < MAX_IDLE:
            self._idle.append(address)


class Hosts:
    """What an account keeps for uploads in this process: connections, and the addresses of its buckets.

    Args:
        realm: whose hosts may be spoken to.
    """

    def __init__(self, realm: str) -> None:
        self._realm = realm
        self._lock = threading.Lock()
        self._buckets: dict[str, Addresses] = {}
        self._pools = wire.connections(realm, KEPT_HOSTS)

    def of_bucket(self, bucket_id: str, ask: Callable[[], Mapping[str, Any]]) -> Addresses:
        """The addresses of a bucket.

        Args:
            ask: asks B2 for a further one.
        """
        with self._lock:
            while len(self._buckets) >= MAX_BUCKETS and bucket_id not in self._buckets:
                del self._buckets[next(iter(self._buckets))]
            return self._buckets.setdefault(bucket_id, Addresses(self, ask))

    def of(self, url: str) -> tuple[urllib3.HTTPConnectionPool, str]:
        """Connections to the host of an address, and its path.

        Raises:
            UnexpectedAnswer: the host is not part of the realm.
        """
        wire.check_address(url, self._realm)
        try:
            host = self._pools.connection_from_url(url)
        except (urllib3.exceptions.HTTPError, ValueError):
            raise UnexpectedAnswer("B2 answered with an address that is none.") from None
        parts = urlsplit(url)
        return host, parts.path + (f"?{parts.query}" if parts.query else "")

    def close(self) -> None:
        """Close the kept connections and forget the addresses."""
        with self._lock:
            self._buckets.clear()
        self._pools.clear()
