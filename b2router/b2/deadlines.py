"""Connections whose timeouts hold for a whole wait, not for each packet of it; used by `wire` for all that goes to B2.

A timeout of urllib3 begins anew with every address of a host and with every byte that comes, so that a black hole with
several addresses, or headers that dribble in, may last many times as long. Here the connect timeout is that of all
addresses and the TLS handshake together, and the read timeout that of status, headers and body together, until
`streamed` says that the body is one that may take its time. Nothing bounds the resolver: the system's own limits do.

No thread watches: each read gets what is left, and the system ends it.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import wait_for_read
from urllib3.util.connection import allowed_gai_family

from b2router.b2.heads import Answer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Adapter", "Stale", "applied_to", "fetched", "is_stale", "streamed"]

DESK_BYTES = 512 * 1024
"""The most that one read gives."""

_KEPT_DESKS = 8

_SMALL_BYTES = 64 * 1024
_BUFFER_BYTES = 8 * 1024
"""Less than what is small, whatever Python's default: `read1` empties the buffer into a block."""

FRESH_S = 1.0
"""So long after a good answer nobody asks the system whether the connection is still open: with small files, that is a
twentieth of what they cost."""

DISTRUST_S = 60.0
"""So long after one was closed all the same everybody asks."""

SEND_TIMEOUT_S = 30.0
"""For one block of an upload. It is generous, because the system takes blocks in gulps when the way is slow."""


class _Wait(io.RawIOBase):
    """What comes from a socket, until a moment; then it raises TimeoutError.

    The socket is told of a timeout only when it has to wait by another one: that takes a call to the system, for which
    the thread lets others have the interpreter, and most answers come by one read.

    Args:
        sock: connected, TLS included; its timeout is the one that is given.
        timeout_s: from now on, for everything; None for no limit.
    """

    def __init__(self, sock: Any, timeout_s: float | None) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._is_first = True
        self._each_s: float | None = None
        self.may_be_ahead = False
        """Whether the buffer before it may hold bytes that nobody has asked for yet."""

    def makefile(self, mode: str) -> io.BufferedReader:
        """As http.client asks a socket for what it reads from."""
        return _Reader(self)

    def be_patient(self, timeout_s: float) -> None:
        """From now on the limit is one for each read."""
        self._ends_at = None
        self._each_s = timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if self._ends_at is not None and not self._is_first:
            left_s = self._ends_at - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("The deadline of this answer has passed.")
            self._sock.settimeout(left_s)
        elif self._each_s is not None:
            self._sock.settimeout(self._each_s)
            self._each_s = None
        self._is_first = False
        self.may_be_ahead = True
        return cast("int | None", self._raw.readinto(buffer))

    def readinto_at_once(self, buffer: memoryview) -> int:
        """How many further bytes have come, and they are in the buffer; nobody waits, for the rest of a record of TLS
        neither. What goes wrong is for the next read to hear of."""
        count = 0
        with suppress(OSError, ValueError):  # of one that is closed
            if not buffer or not wait_for_read(cast("socket.socket", self), timeout=0):
                return 0
            timeout_s = self._sock.gettimeout()
            self._sock.settimeout(0)
            try:
                while count < len(buffer) and (more := self._raw.readinto(buffer[count:])):
                    count += more
            finally:
                self._sock.settimeout(timeout_s)
        return count

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reader(io.BufferedReader):
    """Gives large blocks: what has come, in one block that takes no more memory than that.

    TLS gives 16 KiB at a time, and a block each would cost more than it brings. And an allocator that gets large blocks
    back cut short finds no room for the next whole one between them: a worker grew by megabytes with every thread.
    """

    lends = False
    """Whether large blocks are views of memory that the next read uses again."""

    def __init__(self, wait: _Wait) -> None:
        super().__init__(wait, _BUFFER_BYTES)
        self._wait = wait
        self.be_patient = wait.be_patient
        self._desk: memoryview | None = None  # of the block that was fetched, or is lent
        self._fetched = memoryview(b"")

    def fetch(self, size: int) -> bool:
        """Read ahead what has come, at most so much; the next read gives it. False when nothing has come, or only
        little is wanted; nobody waits."""
        if self._fetched:
            return True
        if self._wait.may_be_ahead or size <= _SMALL_BYTES:
            return False
        desk = self._taken_desk()
        self._fetched = desk[: self._wait.readinto_at_once(desk[:size])]
        return len(self._fetched) > 0

    def read1(self, size: int = -1, /) -> bytes:
        """What has come, at most so much; waits only if that is nothing."""
        if size <= _SMALL_BYTES and not self._fetched:
            return super().read1(size)
        desk = self._taken_desk()
        if self._fetched:
            came = self._fetched if size < 0 else self._fetched[:size]
            self._fetched = self._fetched[len(came) :]
        else:
            came = desk[: self._fill(desk[:size])]
        if self.lends:
            return cast("bytes", came.toreadonly())
        block = bytes(came)
        if not self._fetched:
            _desks.give_back(desk)
            self._desk = None
        return block

    def _fill(self, desk: memoryview) -> int:
        wait = self._wait
        if wait.may_be_ahead:
            first = super().read1(_BUFFER_BYTES)
            count = len(first)
            desk[:count] = first
        else:
            count = wait.readinto(desk) or 0
        if count:
            count += wait.readinto_at_once(desk[count:])
        wait.may_be_ahead = False
        return count

    def _taken_desk(self) -> memoryview:
        """A desk of its own, from now until it has given a block that is not lent. One that is lent when the reader
        goes is left to the garbage collector: somebody may still look at it."""
        if self._desk is None:
            self._desk = _desks.take()
        return self._desk


class _Desks:
    """Where the bytes of large blocks are put together, one at a time at each. A few are kept for whoever reads next,
    the last one first, as its memory is at hand. No thread has its own: green threads would share it, and a signal
    handler always does."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A desk that nobody else has meanwhile."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(DESK_BYTES))

    def give_back(self, desk: memoryview) -> None:
        """One that nobody looks at any more."""
        if len(self._free) < _KEPT_DESKS:
            self._free.append(desk)


_desks = _Desks()


class Stale(http.client.RemoteDisconnected):
    """A kept connection was closed before it gave an answer: another one may be tried at once."""


class _Trust:
    """In connections that were just used, until it is disappointed."""

    def __init__(self) -> None:
        self._from = 0.0

    def holds(self, good_at: float) -> bool:
        """Whether a connection whose last good answer came then needs no asking."""
        return self._from < good_at > time.monotonic() - FRESH_S

    def end(self) -> None:
        """It does not hold for a while."""
        self._from = time.monotonic() + DISTRUST_S


_trust = _Trust()


class _Connection(HTTPConnection):
    """A connection of urllib3 that takes its timeouts for deadlines."""

    _last: weakref.ref[_Reader] | None = None  # the answer holds it, and closes it when it goes
    _is_sending = False
    _is_used = False  # since it was opened
    _good_at = -FRESH_S

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: a pool asks."""
        return (self.sock is not None and _trust.holds(self._good_at)) or super().is_connected

    def connect(self) -> None:
        self._is_used, self._good_at = False, -FRESH_S
        super().connect()
        self.sock.settimeout(self.timeout)  # `_new_conn` left what remained for the handshake

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        # Until the answer is waited for; a head alone waits for nobody, as the system takes all of it at once.
        self.timeout = None if body is None else SEND_TIMEOUT_S
        self._is_sending = body is not None
        super().request(method, url, body, *args, **options)

    def response_class(  # type: ignore[override]  # called as the class would be
        self, sock: Any, *args: Any, **options: Any
    ) -> http.client.HTTPResponse:
        """How http.client makes an answer: its head is read next."""
        answer = Answer(cast("socket.socket", _Wait(sock, self.timeout)), *args, **options)
        self._last = weakref.ref(cast("_Reader", answer.fp))
        return answer

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """As urllib3 does; `Stale` when the connection was kept, and was closed."""
        try:
            answer = super().getresponse()
        except ConnectionError as error:
            if not self._is_used:
                raise
            _trust.end()
            raise Stale("The kept connection was closed.") from error
        is_good = answer.status < 400 and not self._is_sending  # an upload is too dear to be sent in vain
        self._is_used, self._good_at = True, time.monotonic() if is_good else -FRESH_S
        return answer

    @property
    def body(self) -> _Reader | None:
        """What the last answer is read from."""
        return None if self._last is None else self._last()

    def _new_conn(self) -> socket.socket:
        """Each address in turn, with its share of the time that is left."""
        ends_at = time.monotonic() + (self.timeout or SEND_TIMEOUT_S)
        try:
            found = socket.getaddrinfo(self.host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, cast("socket.gaierror", error)) from error
        failure: OSError = OSError("the host has no address")
        for place, (family, kind, protocol, _, address) in enumerate(found):
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                failure = TimeoutError()
                break
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(left_s / (len(found) - place))
                if self.source_address:
                    sock.bind(self.source_address)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            sock.settimeout(max(ends_at - time.monotonic(), 0.001))  # for the TLS handshake
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from failure
        raise NewConnectionError(self, f"Failed to establish a new connection: {failure}") from failure


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


def applied_to(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """The manager, whose connections keep deadlines from now on.

    Args:
        manager: one that has no pool yet.
    """
    manager.pool_classes_by_scheme = _POOLS
    return manager


def streamed(response: urllib3.BaseHTTPResponse, timeout_s: float, *, lends: bool = False) -> None:
    """Let the body of an answer take its time, as long as it gets on.

    Args:
        response: its head was read, on a connection of this module.
        timeout_s: for one read of the body.
        lends: whether `read1` may give views, each of them good until the next read.
    """
    if (body := _body_of(response)) is not None:
        body.be_patient(timeout_s)
        body.lends = lends


def is_stale(error: Exception) -> bool:
    """Whether a request of urllib3 failed for nothing but `Stale`."""
    return any(isinstance(cause, Stale) for cause in error.args)


def fetched(response: urllib3.BaseHTTPResponse, size: int) -> bool:
    """Whether more of a body has come, so that the next `read1` of so many bytes will not wait. False is no answer.

    Args:
        response: `streamed` was called for it, and its body is not chunked.
        size: at most what is left of the body.
    """
    body = _body_of(response)
    return body is not None and body.fetch(size)


def _body_of(response: urllib3.BaseHTTPResponse) -> _Reader | None:
    connection = response.connection
    return connection.body if isinstance(connection, _Connection) else None


class Adapter(HTTPAdapter):
    """What carries the requests of b2sdk."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As `HTTPAdapter` does."""
        super().init_poolmanager(*args, **options)
        applied_to(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """As `HTTPAdapter` does."""
        return applied_to(super().proxy_manager_for(proxy, **options))
