"""What all processes did each day, by profile: each adds up its own operations and leaves the sums in Django's cache;
connected by `apps`, read by `manage.py b2router stats`.

A process has one entry for each day, a slot that it claimed by `add`, and writes its whole sums there. So no two
processes ever change one entry, whatever the cache, and what a cache forgets comes back with the next write. Days are
UTC's, as B2's are.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.core.cache import BaseCache, caches
from django.db import connections

from b2router.b2.shelves import CacheShelf, place
from b2router.records import Record, emit_dropped
from b2router.router import current_router
from b2router.tally import Tally

__all__ = ["FLUSH_AFTER_S", "KEPT_DAYS", "begin_anew", "count", "flush", "is_counting", "is_shared", "read", "today"]

logger = logging.getLogger("b2router.operations")

FLUSH_AFTER_S = 5.0
"""How long what a process has counted may be missing in the cache."""

PAUSE_S = 60.0
"""After a cache could not be written, for so long nobody tries it again."""

KEPT_DAYS = 35
"""For how many days the sums are kept."""

_SLOTS_AT_ONCE = 64
_MAX_SLOTS = 4096

_Days = dict[str, dict[str, Tally]]


class _Process:
    """What this process has counted, and where it leaves it."""

    def __init__(self) -> None:
        self.name = uuid4().hex
        self.lock = threading.Lock()
        self.flushing = threading.Lock()
        self.days: _Days = {}
        self.slots: dict[str, int] = {}
        self.timer: threading.Timer | None = None
        self.is_untold = False
        self.paused_until = 0.0


_process = _Process()


def begin_anew() -> None:
    """Forget what was counted and not left in the cache yet: a forked process counts its own."""
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=begin_anew)


def count(record: Record, **_: Any) -> None:
    """Count an operation: a receiver of `operation_finished`. Asks no cache; a thread of its own does so later."""
    if _alias() is None:
        return
    process = _process
    with process.lock:
        process.days.setdefault(today(), {}).setdefault(record.profile, Tally()).add(record)
        process.is_untold = True
        if process.timer is None:
            process.timer = threading.Timer(FLUSH_AFTER_S, _flush_in_thread)
            process.timer.daemon = True
            try:
                process.timer.start()
            except RuntimeError:  # no more threads, as at the end of the process: `atexit` is near
                process.timer = None


def flush() -> None:
    """Leave in the cache what was counted. Raises nothing: a cache that is away costs its figures, no more."""
    process, alias = _process, _alias()
    with process.lock:
        process.timer = None
        process.is_untold = False
        is_due = bool(process.days) and time.monotonic() >= process.paused_until
    if alias is None or not is_due or not process.flushing.acquire(blocking=False):
        return
    try:
        with process.lock:
            told = {
                day: {name: tally.as_plain() for name, tally in tallies.items()}
                for day, tallies in process.days.items()
            }
        for day, tallies in told.items():
            _leave(process, caches[alias], day, {"by": process.name, "tallies": tallies})
        with process.lock:
            for day in told.keys() - {today()}:
                del process.days[day]
    except Exception as error:  # of whatever stands behind the cache; its text may hold a password of its address
        process.paused_until = time.monotonic() + PAUSE_S
        _report(alias, type(error).__name__, int(time.monotonic() / 3600))
    finally:
        process.flushing.release()


def read(day: str) -> tuple[dict[str, Tally], int]:
    """What a day came to.

    Args:
        day: as "2026-01-31".
    Returns:
        The sums by profile, and of how many processes they are. Raises what the cache raises when it is away.
    """
    total: dict[str, Tally] = {}
    processes = 0
    alias = _alias()
    if alias is None:
        return total, processes
    for first in range(0, _MAX_SLOTS, _SLOTS_AT_ONCE):
        found = caches[alias].get_many(_keys(day, first))
        for entry in found.values():
            try:
                tallies = {str(name): Tally.from_plain(plain) for name, plain in entry["tallies"].items()}
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # somebody else wrote it
            processes += 1
            for name, tally in tallies.items():
                total.setdefault(name, Tally()).merge(tally)
        if not found:
            break
    return total, processes


def is_counting() -> bool:
    """Whether there is a cache for the figures."""
    return _alias() is not None


def is_shared() -> bool:
    """Whether processes see each other's figures: not with a cache that each has for itself."""
    alias = _alias()
    return alias is not None and not CacheShelf(alias).is_local


def today() -> str:
    """The day in UTC, as "2026-01-31"."""
    return datetime.now(UTC).date().isoformat()


def _alias() -> str | None:
    return current_router().config.metadata_cache


def _leave(process: _Process, cache: BaseCache, day: str, entry: Mapping[str, Any]) -> None:
    life_s = KEPT_DAYS * 86_400 - (datetime.now(UTC).date() - date.fromisoformat(day)).days * 86_400
    slot = process.slots.get(day)
    if slot is not None:
        held = cache.get(_key(day, slot))
        if isinstance(held, dict) and held.get("by") == process.name:
            cache.set(_key(day, slot), entry, life_s)
            return
    process.slots.pop(day, None)  # the cache forgot it, and another process may have come
    for first in range(0, _MAX_SLOTS, _SLOTS_AT_ONCE):
        taken = cache.get_many(_keys(day, first))
        for number, key in enumerate(_keys(day, first), first):
            if key not in taken and cache.add(key, entry, life_s):
                process.slots[day] = number
                return
    raise RuntimeError("all slots are taken")


def _key(day: str, slot: int) -> str:
    return place("tally", day, str(slot))


def _keys(day: str, first: int) -> list[str]:
    return [_key(day, slot) for slot in range(first, first + _SLOTS_AT_ONCE)]


def _flush_in_thread() -> None:
    try:
        flush()
    except Exception as error:  # the configuration was changed to one that cannot be used
        _report("default", type(error).__name__, int(time.monotonic() / 3600))
    finally:
        caches.close_all()  # what was opened for this thread, as a cache in the database opens a connection, too
        connections.close_all()


@lru_cache(maxsize=64)  # once an hour
def _report(alias: str, error: str, hour: int) -> None:
    logger.warning("The figures of operations could not be left in the cache '%s' (%s).", alias, error)


@atexit.register
def _flush_at_exit() -> None:
    emit_dropped()
    if _process.is_untold:
        _flush_in_thread()
