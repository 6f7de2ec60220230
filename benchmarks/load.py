"""Many small requests over kept connections, from one process that waits for all of them at once."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from benchmarks.transfers import Address

READ_BYTES = 64 * 1024
STAYS = 200
"""So many requests a visitor has for one connection, the first time a part of them. A worker keeps what it has
accepted: of eight visitors who stayed for ever, one worker might serve all and the other none, as chance had it."""
WAIT_S = 30.0
APART_S = 0.005
"""Between two clients that connect: of those who come at once, one worker of uvicorn takes all."""
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""A server that sends head and body apart, without TCP_NODELAY, waits for the head to be acknowledged, which a Linux
client puts off for 40 ms. uvicorn with several workers does so; it would hide what a request costs."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was answered while the load lasted."""

    answered: int  # with 200 and a whole body
    failed: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds


def apply(address: Address, paths: Sequence[str], clients: int, seconds: float, body_bytes: int) -> Load:
    """Let `clients` ask one file after the other, each as soon as it has its answer.

    Args:
        paths: of the files, asked for in turn.
        body_bytes: the size of each, which every answer must have.
    """
    texts = [f"GET {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n\r\n".encode() for path in paths]
    requests = cycle(texts)
    answered = failed = 0
    visitors = _Visitors()
    for number in range(clients):
        _Client(address, visitors, STAYS * (number + 1) // clients).ask(next(requests))
        time.sleep(APART_S)
    started = time.perf_counter()
    deadline = started + seconds
    while (now := time.perf_counter()) < deadline:
        for client in visitors.with_news(deadline - now):
            status = client.read(body_bytes)
            if status is None:
                continue
            if status == 200:
                answered += 1
            else:
                failed += 1
            client.ask(next(requests))
    elapsed = time.perf_counter() - started
    visitors.finish(body_bytes)
    return Load(answered, failed, elapsed)


class _Visitors:
    """Who waits for an answer. It asks the system without `selectors`, which takes the processor for longer than the
    system itself does: whatever this process uses, the servers on the same processors lack."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._clients: dict[int, _Client] = {}

    def add(self, number: int, client: _Client) -> None:
        """One more, with the number of the socket."""
        self._clients[number] = client
        self._poll.register(number, select.POLLIN)

    def remove(self, number: int) -> None:
        """One less."""
        self._poll.unregister(number)
        del self._clients[number]

    def with_news(self, timeout_s: float) -> list[_Client]:
        """Those for whom something has come; none when the time is over."""
        return [self._clients[number] for number, _ in self._poll.poll(1000 * timeout_s)]

    def finish(self, body_bytes: int) -> None:
        """Wait for what is under way, so that the server is idle afterwards."""
        for client in list(self._clients.values()):
            client.finish(body_bytes)


class _Client:
    """A visitor with one connection, who goes after a while and comes again, as when the server closes it."""

    def __init__(self, address: Address, visitors: _Visitors, stays: int) -> None:
        self._address = address
        self._visitors = visitors
        self._stays = stays
        self._connect()

    def ask(self, request: bytes) -> None:
        """Send a request on the kept connection, or on a new one when it is time."""
        self._received = b""
        self._stays -= 1
        if self._stays < 0:
            self._stays = STAYS
            self._reconnect()
        try:
            self._sock.sendall(request)
        except OSError:
            self._reconnect()
            self._sock.sendall(request)

    def read(self, body_bytes: int) -> int | None:
        """The status once the answer is complete; 0 for one that broke off or has another length; else None."""
        try:
            block = self._sock.recv(READ_BYTES)
            if QUICK_ACK is not None:
                self._sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        except OSError:
            block = b""
        if not block:
            self._reconnect()
            return 0
        self._received += block
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        fields = head.lower()
        status = int(head[9:12])
        if b"\r\ntransfer-encoding: chunked" in fields:
            if not body.endswith(b"0\r\n\r\n"):
                return None
            complete = len(body) >= body_bytes
        else:
            length = int(fields.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            if len(body) < length:
                return None
            complete = length == body_bytes
        if b"\r\nconnection: close" in fields:
            self._reconnect()
        return status if complete or status != 200 else 0

    def finish(self, body_bytes: int) -> None:
        """Wait for the answer that is under way, so that the server is idle afterwards."""
        deadline = time.monotonic() + WAIT_S
        self._sock.settimeout(WAIT_S)
        while time.monotonic() < deadline and self.read(body_bytes) is None:
            pass
        self._disconnect()

    def _reconnect(self) -> None:
        self._disconnect()
        self._connect()

    def _disconnect(self) -> None:
        self._visitors.remove(self._sock.fileno())
        self._sock.close()

    def _connect(self) -> None:
        self._sock = socket.create_connection((self._address.host, self._address.port), timeout=WAIT_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setblocking(False)  # with a timeout, Python asks the system before each call
        self._visitors.add(self._sock.fileno(), self)
