"""Who is about to save under a name: so that two who found it free do not both take it. Asked by storage.

B2 refuses no upload for a name that is taken: it adds a version, and the earlier file is covered. So a name is reserved
from the question whether it is free until the upload is done: among the processes of a host by a lock, among hosts in
the cache that they share.
"""

from __future__ import annotations

import os
import uuid

from b2router.b2 import host_locks
from b2router.b2.shelves import CacheShelf, place

__all__ = ["LIFE_S", "Reservations"]

LIFE_S = 3600
"""A process that dies keeps a name from others for so long, in seconds: they then choose another."""

_process = [uuid.uuid4().hex]
"""What this process writes into an entry, to know it again: a save may last longer than its reservation."""


def _begin_anew_after_fork() -> None:
    _process[0] = uuid.uuid4().hex


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)


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
        if not host_locks.take(name):
            return False
        if self._shelf is None or self._shelf.is_local or self._is_added(self._shelf, name):
            return True
        host_locks.give_back(name)
        return False

    def _is_added(self, shelf: CacheShelf, name: str) -> bool:
        """Some caches say no to everything while they are down: only a name that one of them holds is somebody's."""
        added = shelf.add(name, _process[0], LIFE_S, is_spared=False)
        return added or shelf.get(name, is_spared=False) is None

    def give_back(self, key: str) -> None:
        """The file is there, or will not be."""
        name = place("name", *self._owner, key)
        shelf = self._shelf
        # An entry of another host means that ours has ended meanwhile.
        if shelf is not None and not shelf.is_local and shelf.get(name, is_spared=False) == _process[0]:
            shelf.delete(name)
        host_locks.give_back(name)
