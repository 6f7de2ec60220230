"""Who runs on which processors, as Linux lets a process decide for others of its user: sched_setaffinity(2)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.processes import BenchmarkError

PROC = Path("/proc")


def first_and_rest() -> tuple[set[int], set[int]]:
    """One processor, and all others that this process may use.

    Raises:
        BenchmarkError: there are no others.
    """
    first, *rest = sorted(os.sched_getaffinity(0))
    if not rest:
        raise BenchmarkError("This takes two processors.")
    return {first}, set(rest)


@contextmanager
def apart(servers: Iterable[int], others: Iterable[int]) -> Iterator[None]:
    """Inside, the processes of a server have the first processor for themselves, and others all the rest.

    Args:
        servers, others: their ids; processes that they start later go where they are.
    Raises:
        BenchmarkError: there is one processor only.
    """
    first, rest = first_and_rest()
    servers, others = list(servers), list(others)
    _bind(servers, first)
    _bind(others, rest)
    try:
        yield
    finally:
        _bind([*servers, *others], first | rest)


def _bind(pids: Iterable[int], processors: set[int]) -> None:
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            with suppress(ProcessLookupError):  # a thread that has ended
                os.sched_setaffinity(int(task.name), processors)
