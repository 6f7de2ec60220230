"""Places that several processes can reach, for what one of them learned: used by `account_info` and `metadata`.

Everything kept here can be asked of B2 again. So a place that is down, slow, wiped or full of rubbish costs time and
nothing else: each failure is a miss, and after one, reads leave the place alone for a while.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from hashlib import blake2s
from typing import Any, TypeVar

from django.core.cache import BaseCache, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

__all__ = ["CacheShelf", "Shelf", "SqliteShelf", "place"]

logger = logging.getLogger("b2router.b2")

PAUSE_S = 10.0
"""After a failure, reads leave the place alone for so long."""

SLOW_S = 1.0
"""An answer that takes longer counts as a failure."""

VERSION = 1
"""Of what is written; another version reads other entries."""

Value = TypeVar("Value")


@lru_cache(maxsize=1024)
def place(kind: str, *parts: str) -> str:
    """The name of an entry: a hash, because file names are long, and Memcached takes few characters.

    Args:
        kind: of what is kept, such as "file".
        parts: what tells this entry from others of its kind.
    """
    text = json.dumps([VERSION, kind, *parts])
    return f"b2router:{VERSION}:{kind}:{blake2s(text.encode(), digest_size=20).hexdigest()}"


class Shelf(ABC):
    """A place for values under keys. None of its methods raises.

    Args:
        name: what to call it in the log.
    """

    def __init__(self, name: str) -> None:
        self._health = _health.setdefault(name, _Health(name))

    def get(self, key: str, *, is_spared: bool = True) -> Any:
        """What is kept under a key; None when there is nothing, or the place fails.

        Args:
            key: of the entry.
            is_spared: whether the place is left alone for a while after a failure.
        """
        return self._health.ask(lambda: self._get(key), otherwise=None, is_read=is_spared)

    def set(self, key: str, value: Any, ttl_s: float) -> None:
        """Keep a value for so many seconds."""
        self._health.ask(lambda: self._set(key, value, int(ttl_s)), otherwise=None)

    def add(self, key: str, value: Any, ttl_s: float, *, is_spared: bool = True) -> bool:
        """Keep a value unless one is kept already; True when it was, and when the place fails: then nobody else can
        have kept one.

        Args:
            key, value, ttl_s: see `set`.
            is_spared: see `get`.
        """
        return self._health.ask(lambda: self._add(key, value, int(ttl_s)), otherwise=True, is_read=is_spared)

    def delete(self, key: str) -> None:
        """Keep it no longer."""
        self._health.ask(lambda: self._delete(key), otherwise=None)

    @property
    def is_local(self) -> bool:
        """Whether the place is this process's own, so that others never hear of what is written."""
        return False

    @abstractmethod
    def _get(self, key: str) -> Any: ...

    @abstractmethod
    def _set(self, key: str, value: Any, ttl_s: int) -> None: ...

    @abstractmethod
    def _add(self, key: str, value: Any, ttl_s: int) -> bool: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...


class _Health:
    """Whether a place answers; one for all that use it in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._failed_at = -PAUSE_S
        self._told_at = -60.0

    def ask(self, work: Callable[[], Value], otherwise: Value, *, is_read: bool = False) -> Value:
        """What the work gives, or the other value when it fails; reads are spared after a failure."""
        began = time.monotonic()
        if is_read and began - self._failed_at < PAUSE_S:
            return otherwise
        try:
            answer = work()
        except Exception as error:  # every cache backend has exceptions of its own
            self._failed(f"failed: {type(error).__name__}")  # no more of it: its text may hold a password
            return otherwise
        if time.monotonic() - began > SLOW_S:
            self._failed("answers slowly")
        return answer

    def _failed(self, what: str) -> None:
        self._failed_at = time.monotonic()
        if self._failed_at - self._told_at >= 60:
            self._told_at = self._failed_at
            logger.warning("%s %s; going on without it, at the price of more calls on B2.", self.name, what)


_health: dict[str, _Health] = {}


class CacheShelf(Shelf):
    """One of Django's caches.

    It is looked up for every use: Django keeps a connection for each thread, and some clients mix up their answers
    when threads share one. Nothing but entries of our own is ever removed.

    Args:
        alias: its name in CACHES.
    """

    def __init__(self, alias: str) -> None:
        super().__init__(f"The cache '{alias}'")
        self._alias = alias

    @property
    def is_local(self) -> bool:
        """Whether the cache is this process's own: local memory, or none at all."""
        return self._health.ask(lambda: isinstance(self._cache, (LocMemCache, DummyCache)), otherwise=True)

    @property
    def _cache(self) -> BaseCache:
        return caches[self._alias]

    def _get(self, key: str) -> Any:
        return self._cache.get(key)

    def _set(self, key: str, value: Any, ttl_s: int) -> None:
        self._cache.set(key, value, ttl_s)

    def _add(self, key: str, value: Any, ttl_s: int) -> bool:
        return bool(self._cache.add(key, value, ttl_s))

    def _delete(self, key: str) -> None:
        self._cache.delete(key)


class SqliteShelf(Shelf):
    """A file on this host, readable for this user alone. Values are what JSON can hold.

    Args:
        path: of the file; its folder has to be there.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"The file {path}")
        self._path = path

    def _get(self, key: str) -> Any:
        with self._open() as database:
            found = database.execute(
                "SELECT value FROM entries WHERE key = ? AND ends_at > ?", (key, time.time())
            ).fetchone()
        return json.loads(found[0]) if found else None

    def _set(self, key: str, value: Any, ttl_s: int) -> None:
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (key, json.dumps(value), time.time() + ttl_s)
            )

    def _add(self, key: str, value: Any, ttl_s: int) -> bool:
        now = time.time()
        with self._open() as database:
            made = database.execute(
                "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET value = excluded.value, ends_at = excluded.ends_at WHERE entries.ends_at <= ?",
                (key, json.dumps(value), now + ttl_s, now),
            )
            return made.rowcount == 1

    def _delete(self, key: str) -> None:
        with self._open() as database:
            database.execute("DELETE FROM entries WHERE key = ? OR ends_at <= ?", (key, time.time()))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # sqlite itself would let others read it
        with closing(sqlite3.connect(self._path, timeout=SLOW_S, isolation_level=None)) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, ends_at REAL NOT NULL)"
            )
            yield database
