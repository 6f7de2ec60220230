"""Puts an answer on a socket: small ones in one write, contents by sendfile; called by `exchange`."""

from __future__ import annotations

import http
import os
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate

from b2router.emulator.answers import Answer
from b2router.emulator.blobs import Blobs
from b2router.emulator.http1 import BLOCK_BYTES

ONE_WRITE_BYTES = 64 * 1024
_MORE = getattr(socket, "MSG_MORE", 0)  # Linux: let the head wait for the first bytes of the body
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}

_date: tuple[int, str] = (0, "")


class ClientGone(ConnectionError):
    """The client left in the middle of a body.

    Attributes:
        sent: bytes of the body that went out before.
    """

    def __init__(self, sent: int) -> None:
        super().__init__(f"the client left after {sent} bytes")
        self.sent = sent


def head(answer: Answer, length: int, *, close: bool) -> bytes:
    """Write status line and headers; b2sdk checks the Date."""
    lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Unknown')}", f"Date: {_now()}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.status != 204 and answer.status != 304:
        lines.append(f"Content-Length: {length}")
    lines.append("Connection: close" if close else "Connection: keep-alive")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def send(sock: socket.socket, first: bytes, answer: Answer, blobs: Blobs) -> int:
    """Send head and body.

    Returns:
        Bytes of the body that went out; fewer than its length when a content vanished meanwhile.
    Raises:
        FileNotFoundError: the first blob is gone; nothing was sent.
        OSError: the client is gone; `ClientGone` in the middle of a body.
    """
    if not answer.slices:
        sock.sendall(first + answer.body)
        return len(answer.body)
    if answer.length <= ONE_WRITE_BYTES:
        body = b"".join(blobs.blocks(answer.slices))
        sock.sendall(first + body)
        return len(body)
    sent = 0
    for number, part in enumerate(answer.slices):
        with os.fdopen(blobs.open(part.address), "rb", buffering=0) as file:
            if number == 0:
                sock.sendall(first, _MORE)
            try:
                sent += sock.sendfile(file, part.offset, part.length)
            except OSError:
                raise ClientGone(sent + file.tell() - part.offset) from None
    return sent


def blocks(answer: Answer, blobs: Blobs) -> Iterator[bytes]:
    """Yield a body in blocks, for the faults that meddle with it."""
    if answer.body:
        for start in range(0, len(answer.body), BLOCK_BYTES):
            yield answer.body[start : start + BLOCK_BYTES]
    yield from blobs.blocks(answer.slices)


def _now() -> str:
    global _date
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]
