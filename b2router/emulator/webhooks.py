"""Delivers event notifications to loopback addresses, signed; fed by the operations that change files.

Source: Backblaze docs, "Event notifications": the signature is HMAC-SHA256 of the body in
X-Bz-Event-Notification-Signature, written "v1=" and 64 hex digits.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ATTEMPTS = 3
TIMEOUT_S = 5.0
STOP_S = 1.0  # a delivery under way is left to itself, in a daemon thread
MAX_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one notification."""

    url: str
    event_type: str
    status: int | None  # None: no answer, or not a loopback address
    attempts: int


@dataclass(frozen=True, slots=True)
class _Event:
    url: str
    headers: dict[str, str]
    event_type: str
    body: bytes


class Webhooks:
    """A queue and the thread that empties it; the thread starts with the first event."""

    def __init__(self) -> None:
        self._queue: queue.Queue[_Event | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_WAITING)

    def send(self, url: str, secret: str | None, custom_headers: dict[str, str], event: dict[str, Any]) -> None:
        """Queue one event; dropped when a thousand wait already."""
        body = json.dumps({"events": [event]}, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "B2/EventNotifications"} | custom_headers
        if secret:
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Bz-Event-Notification-Signature"] = f"v1={digest}"
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="b2-emulator-webhooks", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(_Event(url, headers, event["eventType"], body))
        except queue.Full:
            self.deliveries.append(Delivery(url, event["eventType"], None, 0))

    def stop(self) -> None:
        """End the thread; what still waits is dropped."""
        self._stopping.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            event = self._queue.get()
            if event is not None:
                self.deliveries.append(self._deliver(event))

    def _deliver(self, event: _Event) -> Delivery:
        host = urlsplit(event.url).hostname
        if host not in LOOPBACK:  # a test double sends nothing into the world
            return Delivery(event.url, event.event_type, None, 0)
        status = None
        for attempt in range(1, ATTEMPTS + 1):
            status = _post(event)
            if status is not None and status < 300:
                return Delivery(event.url, event.event_type, status, attempt)
            if self._stopping.wait(0.2 * attempt):
                break
        return Delivery(event.url, event.event_type, status, ATTEMPTS)


def _post(event: _Event) -> int | None:
    parts = urlsplit(event.url)
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, event.body, event.headers)
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None
