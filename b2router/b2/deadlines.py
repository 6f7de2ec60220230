"""Connections whose timeouts hold for a whole wait, not for each packet of it; used by `wire` for all that goes to B2.

A timeout of urllib3 begins anew with every address of a host and with every byte that comes, so that a black hole with
several addresses, or headers that dribble in, may last many times as long. Here the connect timeout is that of all
addresses and the TLS handshake together, and the read timeout that of status, headers and body together, until
`streamed` says that the body is one that may take its time. Nothing bounds the resolver: the system's own limits do.
"""

from __future__ import annotations

import http.client
import socket
import time
import weakref
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple, cast

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from b2router.b2.blocks import Blocks, Wait
from b2router.b2.heads import Answer, of_request

__all__ = ["Adapter", "applied_to", "fetched", "is_stale", "streamed"]

FRESH_S = 1.0
"""So long after a good answer nobody asks the system whether the connection is still open: with small files, that is a
twentieth of what they cost."""

DISTRUST_S = 60.0
"""So long after one was closed all the same everybody asks."""

SEND_TIMEOUT_S = 30.0
"""For one block of an upload. It is generous, because the system takes blocks in gulps when the way is slow."""


class _Stale(http.client.RemoteDisconnected):
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


class _Asked(NamedTuple):
    """A request whose head was written here."""

    method: str
    url: str
    options: Mapping[str, Any]  # for the answer that urllib3 makes


class _Connection(HTTPConnection):
    """A connection of urllib3 that takes its timeouts for deadlines."""

    _last: weakref.ref[Blocks] | None = None  # the answer holds it, and closes it when it goes
    _is_sending = False
    _is_used = False  # since it was opened
    _asked: _Asked | None = None
    _good_at = -FRESH_S

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: a pool asks."""
        return (self.sock is not None and _trust.holds(self._good_at)) or super().is_connected

    def connect(self) -> None:
        self._is_used, self._good_at = False, -FRESH_S
        super().connect()
        self.sock.settimeout(self.timeout)  # `_new_conn` left what remained for the handshake

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        # Until the answer is waited for; a head alone waits for nobody, as the system takes all of it at once.
        self.timeout = None if body is None else SEND_TIMEOUT_S
        self._is_sending = body is not None
        self._asked = None
        if body is None and not self._tunnel_host and self._host is not None:
            head = of_request(method, url, self._host, headers or {})
            if head is not None:
                self.sock.settimeout(None)
                self._asked = _Asked(method, url, options)
                self.send(head)
                return
        super().request(method, url, body, headers, **options)

    @cached_property
    def _host(self) -> str | None:
        """The field Host; None for one that http.client knows better, such as an address of IPv6."""
        if not self.host.isascii() or ":" in self.host:
            return None
        return self.host if self.port == self.default_port else f"{self.host}:{self.port}"

    def response_class(  # type: ignore[override]  # called as the class would be
        self, sock: Any, *args: Any, **options: Any
    ) -> http.client.HTTPResponse:
        """How http.client makes an answer: its head is read next."""
        answer = Answer(cast("socket.socket", Wait(sock, self.timeout)), *args, **options)
        self._last = weakref.ref(cast("Blocks", answer.fp))
        return answer

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        """As urllib3 does; `_Stale` when the connection was kept, and was closed."""
        try:
            answer = super().getresponse() if self._asked is None else self._answer(self._asked)
        except ConnectionError as error:
            if not self._is_used:
                raise
            _trust.end()
            raise _Stale("The kept connection was closed.") from error
        is_good = answer.status < 400 and not self._is_sending  # an upload is too dear to be sent in vain
        self._is_used, self._good_at = True, time.monotonic() if is_good else -FRESH_S
        return answer

    def _answer(self, asked: _Asked) -> urllib3.HTTPResponse:
        """What http.client and urllib3 make of an answer whose request they have not written."""
        self._asked = None
        self.sock.settimeout(self.timeout)
        shutdown = self.sock.shutdown
        answer = self.response_class(self.sock, method=asked.method)
        try:
            answer.begin()
        except BaseException as error:
            answer.close()
            if isinstance(error, ConnectionError):
                self.close()
            raise
        if answer.will_close:
            self.close()  # the answer has the socket still
        return urllib3.HTTPResponse(
            answer,
            urllib3.HTTPHeaderDict(answer.headers.items()),
            answer.status,
            answer.version,
            "HTTP/1.1",
            answer.reason,
            original_response=answer,
            request_method=asked.method,
            request_url=asked.url,
            sock_shutdown=shutdown,
            preload_content=asked.options.get("preload_content", True),
            decode_content=asked.options.get("decode_content", True),
            enforce_content_length=asked.options.get("enforce_content_length", True),
        )

    @property
    def body(self) -> Blocks | None:
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
    """Whether a request of urllib3 failed for nothing but `_Stale`."""
    return any(isinstance(cause, _Stale) for cause in error.args)


def fetched(response: urllib3.BaseHTTPResponse, size: int) -> bool:
    """Whether more of a body has come, so that the next `read1` of so many bytes will not wait. False is no answer.

    Args:
        response: `streamed` was called for it, and its body is not chunked.
        size: at most what is left of the body.
    """
    body = _body_of(response)
    return body is not None and body.fetch(size)


def _body_of(response: urllib3.BaseHTTPResponse) -> Blocks | None:
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
