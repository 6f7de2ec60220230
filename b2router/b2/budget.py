"""How long one call on B2 may take, retries and pauses included; opened by `download` and `session`.

b2sdk retries on its own, up to 20 times and with pauses of a minute, which would pin a web worker. Its HTTP session
is ours, so every try passes here first and is refused once the budget is used up.
"""

from __future__ import annotations

import random
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from b2router.b2.circuit import RetryQuota
from b2router.config import Limits

__all__ = [
    "Budget",
    "UploadBudget",
    "current",
    "limited",
    "of_listing",
    "of_request",
    "of_storage_call",
    "of_upload",
]


@dataclass
class Budget:
    """Time and tries that are left; the defaults are those of an answer to a visitor.

    Attributes:
        seconds: until the deadline, a login at B2 included; for a download, until its first byte.
        tries: for each call on B2.
        max_pause_s: the longest pause between two tries; when B2 asks for a longer one, the call ends instead.
        connect_timeout_s: for the TCP and TLS handshake of one try.
        read_timeout_s: for one block of a body, not for the whole.
        quota: of further tries, which all calls of a process share; None for no bound.
        has_renewed: whether there was another login since the call last got on; a second one would help no more.
    """

    seconds: float = 10.0
    tries: int = 3
    max_pause_s: float = 2.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    quota: RetryQuota | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds
        self._made = 0
        self.has_renewed = False

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def begin(self) -> None:
        """Another call on B2 begins: it has all its tries."""
        self._made = 0
        self.has_renewed = False

    def take_try(self) -> bool:
        """Count one try of the call; False when no try or no time is left for it."""
        self._made += 1
        return self._made <= self.tries and self.left_s > 0 and (self._made == 1 or self._may_try_again())

    @property
    def is_retry(self) -> bool:
        """Whether the try that was taken last repeats one that failed."""
        return self._made > 1

    def succeeded(self) -> None:
        """A try was answered."""

    def failed(self) -> None:
        """A try was refused, or not answered."""

    def has_room(self, wait_s: float | None = None) -> bool:
        """Whether another try may follow, after a wait.

        Args:
            wait_s: in seconds; None for the pause that b2sdk makes by itself.
        """
        if self._made >= self.tries or (self.quota is not None and self.quota.is_empty):
            return False
        if wait_s is None:
            return 1.5 ** (self._made - 1) < self.left_s
        return wait_s <= self.max_pause_s and wait_s < self.left_s

    def _may_try_again(self) -> bool:
        return self.quota is None or self.quota.take()

    def pause(self, retry_after_s: float | None) -> bool:
        """Wait before another try, if there is room for one.

        Args:
            retry_after_s: what B2 asked for, in seconds; None for a jittered pause that doubles with every try.
        Returns:
            False when the budget has no room: give up and pass the wait on.
        """
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads the tries of many workers, hides nothing
        wait = min(0.25 * 2**self._made, self.max_pause_s) * jitter if retry_after_s is None else retry_after_s
        if self._made >= self.tries or wait > self.max_pause_s or wait >= self.left_s:
            return False
        if self.quota is not None and self.quota.is_empty:
            return False
        time.sleep(wait)
        return True


class UploadBudget(Budget):
    """What an upload may take: as long as it gets on. Tries and seconds are those without any success; each part of a
    large file has its own."""

    def take_try(self) -> bool:
        """Whether there were not too many failures since the last success."""
        return self._made < self.tries and self.left_s > 0 and (not self._made or self._may_try_again())

    @property
    def is_retry(self) -> bool:
        """Whether there was a failure since the last success."""
        return self._made > 0

    def succeeded(self) -> None:
        """It gets on: everything begins anew."""
        self._made = 0
        self.has_renewed = False
        self.deadline = time.monotonic() + self.seconds

    def failed(self) -> None:
        """One failure more."""
        self._made += 1

    def moved(self) -> None:
        """Bytes left for B2: it has all its time again, and no further try."""
        self.deadline = time.monotonic() + self.seconds

    def of_call(self) -> Budget:
        """What a call may take that is made on the way, such as one for an address: it is no success of the upload."""
        limits = self.tries, self.max_pause_s, self.connect_timeout_s, self.read_timeout_s
        return Budget(self.left_s, *limits, quota=self.quota)


def of_request(limits: Limits) -> Budget:
    """What an answer to a visitor may take."""
    return Budget(
        limits.request_s,
        limits.request_tries,
        limits.request_pause_s,
        limits.connect_timeout_s,
        limits.read_timeout_s,
    )


def of_upload(limits: Limits) -> UploadBudget:
    """What an upload of the site's own code may take without getting on."""
    return UploadBudget(*_of_storage(limits, limits.storage_s))


def of_storage_call(limits: Limits) -> Budget:
    """What a call of the site's own code may take: nobody waits for its first byte."""
    return Budget(*_of_storage(limits, limits.storage_s))


def of_listing(limits: Limits) -> Budget:
    """What a whole listing may take; each page has all its tries."""
    return Budget(*_of_storage(limits, limits.listing_s))


def _of_storage(limits: Limits, seconds: float) -> tuple[float, int, float, float, float]:
    return seconds, limits.storage_tries, limits.storage_pause_s, limits.connect_timeout_s, limits.read_timeout_s


_budget: ContextVar[Budget | None] = ContextVar("b2router_budget", default=None)


def current() -> Budget | None:
    """The budget of the request that this code runs for, if it has one."""
    return _budget.get()


class limited:
    """Everything inside shares one budget.

    Args:
        budget: the one to use when there is no outer one in force; None for that of an answer to a visitor.
        is_own: use it in any case.
    """

    __slots__ = ("_budget", "_is_own", "_token")

    def __init__(self, budget: Budget | None = None, *, is_own: bool = False) -> None:
        self._budget = budget
        self._is_own = is_own

    def __enter__(self) -> Budget:
        chosen = (None if self._is_own else _budget.get()) or self._budget or Budget()
        self._token = _budget.set(chosen)
        return chosen

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._token)
