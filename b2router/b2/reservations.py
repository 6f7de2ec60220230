"""Who is about to save under a name: so that two who found it free do not both take it. Asked by storage.

B2 refuses no upload for a name that is taken: it adds a version, and the earlier file is covered. So a name is reserved
from the question whether it is free until the upload is done: among the processes of a host by a lock, among hosts in
the cache that they share.
"""

from __future__ import annotations

import os
import tempfile
import threading
from hashlib import blake2s
from pathlib import Path

from b2router.b2.shelves import CacheShelf, place

try:
    import fcntl

    HAS_LOCKS = True
except ModuleNotFoundError:  # Windows: names are reserved among threads, and in the cache
    HAS_LOCKS = False

__all__ = ["LIFE_S", "Reservations"]

LIFE_S = 3600
"""A process that dies keeps a name from others for so long, in seconds: they then choose another."""


class Reservations:
    """The names of one bucket that somebody is about to take.

    Args:
        owner: what tells this bucket from others: realm, account, bucket.
        shelf: the cache that hosts share; None for none.
    """

    def __init__(self, owner: tuple[str, ...], shelf: CacheShelf | None) -> None:
        self._owner = owner
        self._shelf = shelf

    def take(self, key: str) -> bool:
        """Reserve a name; False when somebody else has."""
        name = place("name", *self._owner, key)
        if not _host.take(name):
            return False
        if self._shelf is None or self._shelf.is_local or self._shelf.add(name, os.getpid(), LIFE_S):
            return True
        _host.give_back(name)
        return False

    def give_back(self, key: str) -> None:
        """The file is there, or will not be."""
        name = place("name", *self._owner, key)
        if self._shelf is not None and not self._shelf.is_local:
            self._shelf.delete(name)
        _host.give_back(name)


class _Host:
    """One lock for each name, among the processes of this user on this host; what it cannot do, it leaves out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._file: int | None = None

    def take(self, name: str) -> bool:
        with self._lock:
            if name in self._taken:
                return False
            if not self._try(name):
                return False
            self._taken.add(name)
            return True

    def give_back(self, name: str) -> None:
        with self._lock:
            self._taken.discard(name)
            if HAS_LOCKS and self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(name))

    def _try(self, name: str) -> bool:
        if not HAS_LOCKS:
            return True
        try:
            if self._file is None:
                path = Path(tempfile.gettempdir()) / f"b2router-{os.getuid()}.lock"
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:  # nowhere to write: threads and the cache have to do
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(name))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


def _offset(name: str) -> int:
    """Which byte of the file stands for a name; two names that share one only get a suffix too many."""
    return int.from_bytes(blake2s(name.encode(), digest_size=7).digest(), "big")


_host = _Host()


def _begin_anew_after_fork() -> None:
    """The parent's reservations are not the child's, and locks are not inherited."""
    global _host
    _host = _Host()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
