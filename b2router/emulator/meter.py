"""Counts and the log of calls; fed by `exchange`, read by the Python API and by `control`."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LOG_LENGTH = 20_000
MAX_TAGS = 500


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One answered call."""

    time: float  # seconds since 1970, when the request head was complete
    operation: str
    price_class: str  # "A", "B", "C", or "" for what B2 does not charge
    method: str
    path: str
    status: int  # 0 when the connection was ended without an answer
    bytes_in: int  # of bodies
    bytes_out: int  # of bodies
    fault: str | None
    client: str
    headers: dict[str, str]  # those of interest: range, user-agent, x-bz-test-mode


@dataclass(slots=True)
class Tally:
    """Sums over calls."""

    calls: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        return {
            "calls": dict(self.calls),
            "classes": dict(self.classes),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


class Meter:
    """All sums and the last calls; bounded, so that a long run does not grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Tally()
        self._by_client: dict[str, Tally] = {}
        self._log: deque[CallRecord] = deque(maxlen=LOG_LENGTH)
        self.watcher: Callable[[CallRecord], None] | None = None  # sees every call as it is logged

    def count(self, operation: str, price_class: str, client: str, charged: int = 1) -> None:
        """Count a call when it arrives."""
        with self._lock:
            for tally in (self._total, self._of(client)):
                tally.calls[operation] += 1
                if price_class:
                    tally.classes[price_class] += charged

    def record(self, record: CallRecord) -> None:
        """Append a call to the log and its bytes to the sums."""
        with self._lock:
            self._log.append(record)
            for tally in (self._total, self._of(record.client)):
                tally.bytes_in += record.bytes_in
                tally.bytes_out += record.bytes_out
        if self.watcher is not None:
            self.watcher(record)

    def amend(self, record: CallRecord, sent: CallRecord) -> None:
        """Put what was really sent in the place of what was about to be sent."""
        with self._lock:
            for index in range(len(self._log) - 1, -1, -1):
                if self._log[index] is record:
                    self._log[index] = sent
                    break
            for tally in (self._total, self._of(record.client)):
                tally.bytes_out += sent.bytes_out - record.bytes_out

    def total(self) -> Tally:
        """Return a copy of the sums over all clients."""
        with self._lock:
            return _copy(self._total)

    def by_client(self) -> dict[str, Tally]:
        """Return a copy of the sums of each client tag."""
        with self._lock:
            return {client: _copy(tally) for client, tally in self._by_client.items()}

    def log(self) -> list[CallRecord]:
        """Return the last calls, oldest first."""
        with self._lock:
            return list(self._log)

    def reset(self) -> None:
        """Forget sums and log."""
        with self._lock:
            self._total = Tally()
            self._by_client.clear()
            self._log.clear()

    def _of(self, client: str) -> Tally:
        if client not in self._by_client and len(self._by_client) >= MAX_TAGS:
            client = "others"
        return self._by_client.setdefault(client, Tally())


def _copy(tally: Tally) -> Tally:
    return Tally(Counter(tally.calls), Counter(tally.classes), tally.bytes_in, tally.bytes_out)
