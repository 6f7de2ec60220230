"""Fault switches: what goes wrong, how often, and proof that it did; set by tests, met by `exchange`."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from b2router.emulator.answers import Refusal

MET_LENGTH = 10_000

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "access_denied",
    404: "not_found",
    408: "request_timeout",
    409: "conflict",
    416: "range_not_satisfiable",
    429: "too_many_requests",
    500: "internal_error",
    503: "service_unavailable",
}
STATUSES = {code: status for status, code in CODES.items()} | {
    "bad_auth_token": 401,
    "expired_auth_token": 401,
    "missing_auth_token": 401,
    "cap_exceeded": 403,
    "download_cap_exceeded": 403,
    "storage_cap_exceeded": 403,
    "transaction_cap_exceeded": 403,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with one call of an operation ("*" is any operation).

    Positions count bytes of the answer's body; in operations that send a content (b2_upload_file,
    b2_upload_part, s3_put) they count bytes of the request's body.
    """

    operation: str
    status: int | None = None  # answer with this status instead
    code: str | None = None  # B2's error code; a usual one for the status when left out
    message: str | None = None
    retry_after: int | str | None = None  # seconds, or an HTTP date
    delay_s: float = 0.0  # wait before the operation
    stall_at: int | None = None  # then nothing moves until the client gives up
    cut_at: int | None = None  # the connection ends here, by FIN or, with reset, by RST
    reset: bool = False  # alone: RST instead of an answer
    truncate_at: int | None = None  # a shorter body, announced as if it were whole
    corrupt: bool = False  # one bit of the content is flipped on the way
    wrong_sha1: bool = False  # the SHA-1 header of a download is another; an upload is refused for its SHA-1
    drop_answer: bool = False  # the operation is done, and the connection ends without an answer
    after_commit: bool = False  # the operation is done, and answered with `status`

    @property
    def refusal(self) -> Refusal | None:
        """The error answer that this fault asks for, if any."""
        said = (self.status, self.code, self.message, self.retry_after)
        if not self.after_commit and all(value is None for value in said):
            return None
        usual = 500 if self.retry_after is None else 503
        status = self.status if self.status is not None else STATUSES.get(self.code or "", usual)
        code = self.code if self.code is not None else CODES.get(status, "internal_error")
        message = self.message if self.message is not None else f"fault injected: {code}"
        return Refusal(status, code, message, retry_after_s=self.retry_after)

    def describe(self) -> str:
        """Return what was set, such as "status=503 retry_after=1"."""
        parts = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "operation" and value != item.default:
                parts.append(item.name if value is True else f"{item.name}={value}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class MetFault:
    """Proof that a fault was met."""

    time: float  # seconds since 1970
    operation: str
    fault: str


class FaultBook:
    """Faults waiting for each operation, consumed in the order in which they were set."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._waiting: dict[str, deque[Fault]] = {}
        self._met: deque[MetFault] = deque(maxlen=MET_LENGTH)

    def add(self, fault: Fault, times: int = 1) -> None:
        """Queue a fault for the next `times` calls of its operation."""
        if all(getattr(fault, item.name) == item.default for item in fields(fault)[1:]):
            raise ValueError(f"The fault for {fault.operation} does nothing; give a status, a cut, a delay, …")
        if times < 1:
            raise ValueError(f"times is {times}; a fault is queued at least once")
        with self._lock:
            self._waiting.setdefault(fault.operation, deque()).extend([fault] * times)

    def take(self, operation: str) -> Fault | None:
        """Return the fault that this call meets, and remember that it was met."""
        if not self._waiting:  # the usual case, without the lock
            return None
        with self._lock:
            for name in (operation, "*"):
                queue = self._waiting.get(name)
                if queue:
                    fault = queue.popleft()
                    if not queue:
                        del self._waiting[name]
                    self._met.append(MetFault(self._clock(), operation, fault.describe()))
                    return fault
        return None

    def clear(self) -> None:
        """Drop the faults that wait and forget those that were met."""
        with self._lock:
            self._waiting.clear()
            self._met.clear()

    def met(self) -> list[MetFault]:
        """Return the faults that were met, oldest first."""
        with self._lock:
            return list(self._met)

    def waiting(self) -> list[dict[str, Any]]:
        """Return the faults that nobody has met yet, grouped."""
        with self._lock:
            counts = Counter(fault for queue in self._waiting.values() for fault in queue)
        return [{"operation": f.operation, "fault": f.describe(), "times": n} for f, n in counts.items()]
