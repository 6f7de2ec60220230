"""A file as blocks of bytes: asks B2 once, hands the bytes on as they come, closes the connection; called by delivery
and files.

The request is made with the account's token and a connection pool of our own, because b2sdk's download machinery
pushes into a file, while a web server pulls. A body that ends early raises; it is never passed off as complete.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from b2router.b2 import budget, faults
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile, from_headers
from b2router.errors import Unavailable, UnexpectedAnswer

__all__ = ["BLOCK_BYTES", "Download", "open_download", "stat"]

BLOCK_BYTES = 256 * 1024
"""The most that is held of a body at a time."""

_ERROR_BODY_BYTES = 16 * 1024


class Download:
    """An open download: an iterator of blocks that ends when the promised bytes were given, or raises.

    Attributes:
        stored: what B2 said about the file.
        size_bytes: how many bytes this download promises.
    """

    def __init__(self, stored: StoredFile, response: urllib3.BaseHTTPResponse) -> None:
        self.stored = stored
        self.size_bytes = int(response.headers["Content-Length"])
        self._left = self.size_bytes
        self._response = response
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_closed = False
        if not self._left:
            self._drain()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next bytes, as soon as there are any; at most `BLOCK_BYTES`.

        Raises:
            Unavailable: the connection broke, stalled or was closed before the end of the file.
        """
        if not self._left:
            self.close()
        with self._lock:
            if self._is_closed:
                raise StopIteration
            self._is_reading = True
        try:
            block = self._response.read1(BLOCK_BYTES)
            self._left -= len(block)
            if block and not self._left:
                self._drain()
        except (Urllib3Error, OSError) as error:
            self._is_closed = True
            raise faults.unavailable(f"the body broke off: {type(error).__name__}") from None
        else:
            if not block:
                self._is_closed = True
                raise faults.unavailable("the body broke off")
            return block
        finally:
            with self._lock:
                self._is_reading = False
            if self._is_closed:
                self._response.close()

    def close(self) -> None:
        """Let the connection go: back to the pool when everything was read, closed otherwise. Any thread may call."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            is_reading = self._is_reading
        if self._left:
            with suppress(Urllib3Error, OSError, RuntimeError, ValueError):
                self._response.shutdown()  # wakes a thread that waits for bytes, and stops B2 sending more
        if not is_reading:  # otherwise the thread that reads closes, once it has woken up
            self._response.close()

    def _drain(self) -> None:
        self._response.drain_conn()  # nothing is left to read: this is how the connection returns to its pool


def open_download(session: Session, bucket: str, key: str, span: tuple[int, int | None] | None = None) -> Download:
    """Ask B2 for a file; the body waits in the connection.

    Args:
        session: of the account that may read the bucket.
        bucket: its name.
        key: of the file; its name has passed the gate.
        span: first byte and last byte (inclusive; None for the end), both from 0; None for the whole file. B2 shortens
            a span that ends past the end.
    Raises:
        NotFound: no such file.
        BackendError: B2 refused or failed.
    """
    headers = {"Range": f"bytes={span[0]}-{'' if span[1] is None else span[1]}"} if span else {}
    response = _request(session, "GET", bucket, key, headers)
    try:
        return Download(from_headers(key, response.headers), response)
    except (UnexpectedAnswer, KeyError, ValueError):
        response.close()
        raise UnexpectedAnswer("A download was answered without the headers that B2 sends.") from None


def stat(session: Session, bucket: str, key: str) -> StoredFile:
    """What B2 knows about a file, without its bytes; one call.

    Raises:
        NotFound: no such file.
        BackendError: B2 refused or failed.
    """
    response = _request(session, "HEAD", bucket, key, {})
    response.drain_conn()  # there is no body, but this is how the connection returns to its pool
    return from_headers(key, response.headers)


def _request(
    session: Session, method: Literal["GET", "HEAD"], bucket: str, key: str, headers: dict[str, str]
) -> urllib3.BaseHTTPResponse:
    """One call on the download host, tried again within the budget. The answer is 200 or 206, its body unread."""
    with budget.limited() as limit:
        login = session.login()
        renewed = False
        limit.begin()
        while True:
            if not limit.take_try():
                raise faults.unavailable("no time left")
            url = f"{login.download_url}/file/{bucket}/{quote(key, safe='/')}"
            timeout = urllib3.Timeout(
                connect=min(budget.CONNECT_TIMEOUT_S, limit.left_s), read=min(budget.READ_TIMEOUT_S, limit.left_s)
            )
            try:
                response = session.pool.request(
                    method,
                    url,
                    headers={"Authorization": login.token, **headers},
                    timeout=timeout,
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                )
            except Urllib3Error as error:
                # Its text holds a customer's file name, and its frames hold the token: only its kind is passed on.
                if isinstance(error, urllib3.exceptions.SSLError) or not limit.pause(None):
                    raise faults.unavailable(type(error).__name__) from None
                continue
            if response.status in (200, 206):
                if (sock := getattr(response.connection, "sock", None)) is not None:
                    sock.settimeout(budget.READ_TIMEOUT_S)  # from here on, for each block
                return response
            body = _error_body(response)
            if not renewed and faults.is_expired(response.status, body):
                renewed = True
                login = session.renew(login)
                limit.begin()
                continue
            error_ = faults.from_answer(response.status, body, response.headers.get("Retry-After"))
            asked = faults.retry_after_s(response.headers.get("Retry-After"))
            if not isinstance(error_, Unavailable) or not limit.pause(asked):
                raise error_


def _error_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """The beginning of an error answer; the connection returns to its pool when that was all."""
    try:
        body = response.read(_ERROR_BODY_BYTES)
    except (Urllib3Error, OSError):
        body = b""
    if len(body) == _ERROR_BODY_BYTES:
        response.close()
    response.release_conn()
    return body
