"""Locks by name among the processes of one user on one host: whose turn it is to log in, and who is about to save
under a name. Asked by `account_info` and `reservations`.

They hold where a cache cannot decide, because each process has its own, or because two can add the same entry to it.
Nobody waits for one: either it is had at once, or another process has it.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from hashlib import blake2s
from pathlib import Path

try:
    import fcntl

    HAS_LOCKS = True
except ModuleNotFoundError:  # Windows: only the threads of a process are kept apart
    HAS_LOCKS = False

__all__ = ["give_back", "take"]


def take(name: str) -> bool:
    """Take the lock of this name; False when somebody else has it."""
    return _host.take(name)


def give_back(name: str) -> None:
    """Let others take it. What a process had when it ends is given back too."""
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
                self._file = _opened(Path(tempfile.gettempdir()) / f"b2router-{os.getuid()}.lock")
        except OSError:  # nowhere to write: threads and the cache have to do
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(name))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


def _opened(path: Path) -> int:
    """The file of the locks, in a folder where anybody may have made it first: who can open it can keep locks.

    Raises:
        OSError: it cannot be opened, or is not this user's alone.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    found = os.fstat(file)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(file)
        raise PermissionError(f"{path} is not this user's alone.")
    return file


def _offset(name: str) -> int:
    """Which byte of the file stands for a name; two names that share one only get a suffix too many."""
    return int.from_bytes(blake2s(name.encode(), digest_size=7).digest(), "big")


_host = _Host()


def _begin_anew_after_fork() -> None:
    """What the parent has taken is not the child's."""
    global _host
    _host = _Host()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
