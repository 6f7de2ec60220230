"""One client's connection: read a request, have it answered, go on or end; run by `listener`."""

from __future__ import annotations

import re
import socket
import time
from io import BufferedReader

from b2router.emulator import control, mishaps, sending
from b2router.emulator.answers import Refusal, from_refusal
from b2router.emulator.exchange import Exchange
from b2router.emulator.http1 import BLOCK_BYTES, Body, Disconnected, Malformed, Request, read_request
from b2router.emulator.mishaps import CutOff
from b2router.emulator.world import World

TIMEOUT_S = 60.0  # between two bytes
IDLE_S = 300.0  # between two requests
DRAIN_S = 30.0  # for a body that nobody wanted
SEND_BUFFER_BYTES = 128 * 1024  # else megabytes count as sent that wait here for a client who has left
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


class Connection:
    """A kept connection and what it takes to serve it."""

    def __init__(self, sock: socket.socket, world: World, url: str) -> None:
        self._sock = sock
        self._world = world
        self._url = url

    def run(self) -> None:
        """Serve requests until the client, an error or the end of the emulator ends it."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        stream: BufferedReader = self._sock.makefile("rb", BLOCK_BYTES // 4)  # type: ignore[assignment]
        try:
            while self._serve_next(stream):
                pass
        except CutOff as cut:
            mishaps.end(self._sock, reset=cut.reset)
        except (Disconnected, OSError):
            pass  # the client is gone or too slow: nobody is left to tell
        except Exception:
            if not self._world.stopping.is_set():
                raise
        finally:
            stream.close()
            mishaps.end(self._sock, reset=False)

    def _serve_next(self, stream: BufferedReader) -> bool:
        self._sock.settimeout(IDLE_S)
        try:
            request = read_request(stream, self._send_continue)
        except Malformed as error:
            refusal = Refusal(error.status, "bad_request", error.message)
            answer = from_refusal(refusal)
            self._sock.sendall(sending.head(answer, answer.length, close=True) + answer.body)
            self._linger(stream)
            return False
        if request is None:
            return False
        self._sock.settimeout(TIMEOUT_S)
        keep = self._serve(request)
        if keep and request.body.remaining:
            keep = not request.body.awaits_continue and _drained(request.body)
        if not keep:
            self._linger(stream)
        return keep

    def _send_continue(self) -> None:
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _serve(self, request: Request) -> bool:
        if request.path.startswith(control.ROOT):
            answer = control.answer(self._world, request)
            self._sock.sendall(sending.head(answer, answer.length, close=not request.keep_alive) + answer.body)
            return request.keep_alive
        return Exchange(self._sock, self._world, request, self._base_url(request)).run()

    def _base_url(self, request: Request) -> str:
        host = request.headers.get("host", "")
        scheme = (
            "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
        )  # of a proxy that speaks TLS
        return f"{scheme}://{host}" if _HOST.fullmatch(host) else self._url

    def _linger(self, stream: BufferedReader) -> None:
        """Let the client read the answer: closing over unread bytes would reset the connection."""
        self._sock.shutdown(socket.SHUT_WR)
        self._sock.settimeout(1.0)
        end = time.monotonic() + DRAIN_S
        while time.monotonic() < end and not self._world.stopping.is_set() and stream.read1(BLOCK_BYTES):
            pass


def _drained(body: Body) -> bool:
    """Read away what is left of a body; False when that takes too long."""
    end = time.monotonic() + DRAIN_S
    return all(time.monotonic() <= end for _ in body.blocks())
