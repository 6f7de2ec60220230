"""Reads HTTP/1.1 requests off a socket strictly and cheaply; called by `connection`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader

from b2router.emulator import chunks

BLOCK_BYTES = chunks.BLOCK_BYTES
MAX_LINE_BYTES = 16 * 1024
MAX_HEADERS = 200
MAX_HEAD_BYTES = 64 * 1024

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_DIGITS = re.compile(r"[0-9]{1,18}")


class Malformed(Exception):
    """A request that cannot be read on; it is answered with `status` and the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Body:
    """The bytes after the head; read at most once, in blocks, never beyond its announced length."""

    def __init__(self, stream: BufferedReader, length: int, send_continue: Callable[[], None] | None) -> None:
        self.length = length
        self.remaining = length
        self._stream = stream
        self._send_continue = send_continue

    @property
    def awaits_continue(self) -> bool:
        """True while the client holds the body back until it is asked for."""
        return self._send_continue is not None

    def blocks(self, upto: int | None = None) -> Iterator[memoryview]:
        """Yield the rest of the body, or its next `upto` bytes, in blocks that are valid until the next step.

        Raises:
            Disconnected: the client closed before the announced length.
        """
        left = self.remaining if upto is None else min(upto, self.remaining)
        if left and self._send_continue is not None:
            self._send_continue()
            self._send_continue = None
        room = memoryview(bytearray(min(left, BLOCK_BYTES)))
        while left:
            count = self._stream.readinto1(room[: min(left, BLOCK_BYTES)])
            if not count:
                raise Disconnected
            left -= count
            self.remaining -= count
            yield room[:count]

    def read(self) -> bytes:
        """Return the whole body; callers check `length` first."""
        return b"".join(bytes(block) for block in self.blocks())


class ChunkedBody(Body):
    """A body of unknown length on the wire, whose sender says how long its content is; S3's streamed uploads."""

    def __init__(self, stream: BufferedReader, length: int, send_continue: Callable[[], None] | None) -> None:
        super().__init__(stream, length, send_continue)
        self.remaining = max(1, length)  # until the last chunk is read, there is something to read
        self._contents = chunks.contents(stream, {})
        self._rest = memoryview(b"")
        self._allowed = 2 * length + MAX_HEAD_BYTES  # what frames inside may take beyond what is said

    def blocks(self, upto: int | None = None) -> Iterator[memoryview]:
        """See `Body`; chunks and all that they frame.

        Raises:
            Disconnected: the client closed before the last chunk, frames otherwise, or sends far more than it said.
        """
        left = upto
        if self._send_continue is not None:
            self._send_continue()
            self._send_continue = None
        try:
            while left is None or left > 0:
                block = self._rest or next(self._contents)
                block, self._rest = block[:left], block[len(block) if left is None else left :]
                left = None if left is None else left - len(block)
                self.remaining = max(1, self.remaining - len(block))
                self._allowed -= len(block)
                if self._allowed < 0:
                    raise Disconnected
                yield block
        except StopIteration:
            self.remaining = 0
        except chunks.BadChunks:
            raise Disconnected from None


@dataclass(slots=True)
class Request:
    """One request: its head as text, header names in lower case, its body unread."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Body
    keep_alive: bool


def read_request(stream: BufferedReader, send_continue: Callable[[], None]) -> Request | None:
    """Read one request head.

    Args:
        stream: the connection, buffered.
        send_continue: sends "100 Continue"; called when a body that waits for it is first read.
    Returns:
        The request; None when the client closed between requests.
    Raises:
        Malformed: the head breaks RFC 9112 or a limit of this server.
        Disconnected: the client closed inside the head.
    """
    line = _line(stream)
    if line == "":  # RFC 9112 2.2: one empty line before a request is to be ignored
        line = _line(stream)
    if line is None:
        return None
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise Malformed(400, "Malformed request line")
    method, target, protocol = words
    if protocol not in ("HTTP/1.1", "HTTP/1.0"):
        raise Malformed(505, "Only HTTP/1.1 is spoken here")
    if target.startswith(("http://", "https://")):  # absolute form, RFC 9112 3.2.2
        target = "/" + target.split("/", 3)[3] if target.count("/") >= 3 else "/"
    path, _, query = target.partition("?")
    headers = _headers(stream)
    length = _length(headers)
    waits = protocol == "HTTP/1.1" and headers.get("expect", "").lower() == "100-continue"
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if protocol == "HTTP/1.1" else "keep-alive" in connection
    kind = ChunkedBody if "transfer-encoding" in headers else Body
    body = kind(stream, length, send_continue if waits and length else None)
    return Request(method, path, query, headers, body, keep_alive)


def _line(stream: BufferedReader) -> str | None:
    line = stream.readline(MAX_LINE_BYTES + 1)
    if not line:
        return None
    if len(line) > MAX_LINE_BYTES:
        raise Malformed(431, "A line of the request head is too long")
    if not line.endswith(b"\n"):
        raise Disconnected
    return line.rstrip(b"\r\n").decode("latin-1")


def _headers(stream: BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    size = count = 0
    while True:
        line = _line(stream)
        if line is None:
            raise Disconnected
        if not line:
            return headers
        count += 1
        size += len(line)
        if count > MAX_HEADERS or size > MAX_HEAD_BYTES:
            raise Malformed(431, "The request head is too large")
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or "\0" in value or "\r" in value:
            raise Malformed(400, "Malformed header line")
        key = name.lower()
        value = value.strip(" \t")
        if key in headers:
            if key in ("content-length", "host", "authorization") and headers[key] != value:
                raise Malformed(400, f"Header {name} is given twice")
            value = headers[key] if headers[key] == value else f"{headers[key]}, {value}"
        headers[key] = value


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        said = headers.get("x-amz-decoded-content-length")
        if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers or said is None:
            raise Malformed(411, "Content-Length is required; chunked bodies are not accepted")
        text = said
    if not _DIGITS.fullmatch(text):
        raise Malformed(400, "Content-Length is not a number")
    return int(text)
