"""When to leave B2 alone: after repeated failures, when a cap is used up, and when too much was tried again; one for
each account in a process, asked by `session`.

Without it an outage would multiply the traffic, and keep every worker busy with waiting.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from dataclasses import dataclass
from typing import Literal

from b2router.config import Limits
from b2router.errors import BackendError, CapExceeded, Unavailable

__all__ = ["Circuit", "Kind", "RetryQuota"]

logger = logging.getLogger("b2router.b2")

Kind = Literal["login", "download", "upload", "list"]
"""Calls that fail together: other hosts, or other caps, stand behind each kind."""


TRIAL_S = 5.0
"""A call that tries whether B2 is back has so long at least, in seconds, before another may try too: a large upload
takes hours, and a thread that was killed never tells."""


class RetryQuota:
    """How often a process may still try again, whichever call it is for; calls that succeed give a part back.

    Args:
        size: how many further tries, to begin with and at most.
    """

    COST = 10
    """A further try costs so much; a call that succeeds gives one back."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size * self.COST
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a further try, if one is left."""
        with self._lock:
            if self._left < self.COST:
                return False
            self._left -= self.COST
            return True

    @property
    def is_empty(self) -> bool:
        """Whether none is left."""
        return self._left < self.COST

    def give_back(self) -> None:
        """A call succeeded."""
        if self._left < self._size:
            with self._lock:
                self._left = min(self._size, self._left + 1)


@dataclass
class _State:
    failures: int = 0
    error: tuple[type[BackendError], str] | None = None  # no exception: its frames would be kept with it
    closes_at: float = 0.0
    is_tried: bool = False

    @property
    def is_open(self) -> bool:
        return self.error is not None


class Circuit:
    """Refuses calls of a kind for a while after they failed, and then lets one through to see.

    Args:
        limits: how many failures, and how long.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self.quota = RetryQuota(limits.retry_quota)

    def enter(self, kind: Kind) -> None:
        """A call begins; whoever enters has to tell how it ended.

        Raises:
            Unavailable, CapExceeded: calls of this kind are to be left alone for now.
        """
        state = self._states.get(kind)
        if state is None or not state.is_open:
            return
        with self._lock:
            if state.error is None:  # it has closed meanwhile
                return
            (kind_, text), left_s = state.error, state.closes_at - time.monotonic()
            if left_s <= 0:
                state.is_tried, state.closes_at = True, time.monotonic() + max(TRIAL_S, self._limits.circuit_pause_s)
                return
        raise kind_(text, retry_after_s=None if kind_ is CapExceeded else max(1, math.ceil(left_s)))

    def succeeded(self, kind: Kind) -> None:
        """The call was answered, if only by a refusal of this one."""
        self.quota.give_back()
        state = self._states.get(kind)
        if state is None or not (state.failures or state.error):
            return
        with self._lock:
            was_open, self._states[kind] = state.error is not None, _State()
        if was_open:
            logger.warning("B2 answers again; calls of the kind '%s' go on.", kind)

    def failed(self, kind: Kind, error: BackendError) -> None:
        """The call failed, further tries included.

        Args:
            error: how; one that says nothing about other calls counts as an answer.
        """
        if not isinstance(error, (Unavailable, CapExceeded)):
            self.succeeded(kind)
            return
        with self._lock:
            state = self._states.setdefault(kind, _State())
            state.failures += 1
            is_cap = isinstance(error, CapExceeded)
            opens = state.is_tried or is_cap or state.failures >= self._limits.circuit_failures
            pause_s = self._limits.cap_pause_s if is_cap else self._limits.circuit_pause_s
            if not opens or not pause_s:
                state.is_tried, state.closes_at = False, 0.0
                return
            was_open, state.is_tried = state.error is not None, False
            state.error = type(error), str(error)
            state.closes_at = time.monotonic() + pause_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads processes
        if not was_open:
            logger.error("Calls on B2 of the kind '%s' are left alone for %.0f s: %s", kind, pause_s, error)

    def left(self, kind: Kind) -> None:
        """The call ended in a way that says nothing about B2."""
        if (state := self._states.get(kind)) is not None and state.is_tried:
            state.is_tried, state.closes_at = False, 0.0

    def state(self) -> dict[str, str]:
        """Which kinds of calls are left alone, and why: for those who watch the site."""
        return {kind: state.error[1] for kind, state in list(self._states.items()) if state.error is not None}
