"""A file as blocks of bytes: asks B2 once, hands the bytes on as they come, closes the connection; called by delivery
and files.

The request is made with the account's token and a connection pool of our own, because b2sdk's download machinery
pushes into a file, while a web server pulls. A body that breaks off is resumed from its last byte, by the id of the
file version, so that two versions never mix; if that fails it raises, and is never passed off as complete.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import quote, unquote_plus

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from b2router import operations
from b2router.b2 import budget, deadlines, faults, wire
from b2router.b2.options import CustomerKey, UploadOptions
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile, from_headers
from b2router.content_types import UNKNOWN
from b2router.errors import BackendError, NotFound, Unavailable, UnexpectedAnswer

__all__ = ["BLOCK_BYTES", "Download", "open_download", "open_version", "stat", "stat_version"]

logger = logging.getLogger("b2router.b2")

BLOCK_BYTES = 256 * 1024
"""The most that is held of a body at a time, unless whoever reads it asks for more."""

MAX_RESUMES = 4
"""How often a body may break off and be resumed, each time with some progress."""

_ERROR_BODY_BYTES = 16 * 1024

_ONE_TRY = urllib3.Retry(False, redirect=False)
"""What `retries=False` means to urllib3, which would make it anew for every request."""

Span = tuple[int | None, int | None]
"""First and last byte, both from 0 and inclusive; no last: to the end; no first: that many bytes from the end."""


class Download:
    """An open download: an iterator of blocks that ends when the promised bytes were given, or raises.

    The last block of a whole file is given only when its SHA-1 is right, where B2 knows it.

    Attributes:
        stored: what B2 said about the file.
        first: the first byte that this download gives, from 0.
        size_bytes: how many bytes it promises.
        on_wrong: called when the bytes turn out not to be those of the file, before it raises.
        block_bytes: the most that a block has; whoever reads may change it.
        lends: whether blocks may be views of memory that the next block uses again; whoever reads may change it.
    """

    def __init__(
        self,
        session: Session,
        stored: StoredFile,
        response: urllib3.BaseHTTPResponse,
        secret: CustomerKey | None = None,
    ) -> None:
        self.stored = stored
        self._secret = secret
        self.block_bytes = BLOCK_BYTES
        self.lends = False
        self.size_bytes = int(response.headers["Content-Length"])
        self.first = _first(response.headers.get("Content-Range"))
        self._session = session
        self._left = self.size_bytes
        self._response = response
        self._resumes = 0
        self._left_at_resume = self.size_bytes + 1
        self._hash = hashlib.sha1(usedforsecurity=False) if stored.sha1 and self._is_whole() else None
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_closed = False
        self._is_streamed = False
        self._limit: budget.Budget | None = None
        self._process = os.getpid()
        self.on_wrong: Callable[[], None] | None = None
        if not self._left:
            response.drain_conn()  # nothing is left to read: this is how the connection returns to its pool

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """The next bytes, as soon as there are any; at most `block_bytes`.

        Raises:
            BackendError: the body broke off or stalled and could not be resumed, was closed meanwhile, or is not the
                file that was stored.
        """
        if not self._left:
            self.close()
        with self._lock:
            if self._is_closed:
                raise StopIteration
            self._is_reading = True
        try:
            block = self._read()
            self._check(block)
            return block
        except BackendError:
            self._is_closed = True
            raise
        finally:
            self._has_read()

    def at_once(self) -> bytes:
        """All bytes that are promised, for what is small: in the time of the answer, where a stream has it for a block.

        Raises:
            BackendError: as for a block; or no time is left.
        """
        self.lends = False
        self._limit = budget.current() or budget.of_request(self._session.limits)
        return b"".join(self)

    def is_at_hand(self) -> bool:
        """Whether the next block has come, and to give it takes no waiting and no computing. False is no answer."""
        if not self._is_streamed or self._hash is not None or not self._left:
            return False
        with self._lock:
            if self._is_closed or self._is_reading:
                return False
            self._is_reading = True
        try:
            return deadlines.fetched(self._response, min(self.block_bytes, self._left))
        finally:
            self._has_read()

    def close(self) -> None:
        """Let the connection go: back to the pool when everything was read, closed otherwise. Any thread may call."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            is_reading = self._is_reading
        if self._left and self._process == os.getpid():  # after a fork, the parent may still read
            with suppress(Urllib3Error, OSError, RuntimeError, ValueError):
                self._response.shutdown()  # wakes a thread that waits for bytes, and stops B2 sending more
        if not is_reading:  # otherwise the thread that reads closes, once it has woken up
            self._response.close()

    def _has_read(self) -> None:
        with self._lock:
            self._is_reading = False
        if self._is_closed:
            self._response.close()

    def _is_whole(self) -> bool:
        return self.size_bytes == self.stored.size_bytes

    def _read(self) -> bytes:
        while True:
            self._be_patient()
            try:
                block = self._response.read1(self.block_bytes)
                what = "the body broke off"
            except (Urllib3Error, OSError) as error:
                block, what = b"", f"the body broke off: {type(error).__name__}"
            if self._is_closed:  # by another thread: the block may be anything, such as records of TLS as they came
                raise faults.unavailable("the download was closed")
            if block:
                self._left -= len(block)
                if not self._left:
                    self._response.drain_conn()  # nothing is left to read, see above
                return block
            if self._resumes == MAX_RESUMES or self._left == self._left_at_resume:
                raise faults.unavailable(what)
            self._resume()

    def _be_patient(self) -> None:
        """Tell the connection how long to wait for the next bytes. What is read at once waits half of the time that is
        left, so that some of it remains to resume in."""
        if self._limit is not None:
            if not (left_s := self._limit.left_s):
                raise faults.unavailable("no time left")
            deadlines.streamed(self._response, min(self._limit.read_timeout_s, left_s / 2))
        elif not self._is_streamed:
            self._is_streamed = True
            deadlines.streamed(self._response, self._session.limits.read_timeout_s, lends=self.lends)

    def _resume(self) -> None:
        self._resumes += 1
        self._is_streamed = False
        self._left_at_resume = self._left
        self._response.close()
        first, last = self.first + self.size_bytes - self._left, self.first + self.size_bytes - 1
        path = _path_of_version(self.stored.file_id)
        try:
            response = _request(
                self._session, "GET", path, {"Range": f"bytes={first}-{last}"}, self._secret, is_resumed=True
            )
        except NotFound:
            raise faults.unavailable("the file was deleted while it was being read") from None
        self._response = response
        try:
            file_id = from_headers(self.stored.key, response.headers).file_id
            came = _first(response.headers.get("Content-Range")), int(response.headers["Content-Length"])
        except (KeyError, ValueError):
            file_id, came = "", (-1, -1)
        if file_id != self.stored.file_id or came != (first, self._left):
            raise UnexpectedAnswer("A download was to be resumed, and something else came.")

    def _check(self, block: bytes) -> None:
        if self._hash is None:
            return
        self._hash.update(block)
        if not self._left and self._hash.hexdigest() != self.stored.sha1:
            if self.on_wrong is not None:
                self.on_wrong()
            logger.error("A file that B2 sent does not have its SHA-1; file id %s.", self.stored.file_id)
            raise UnexpectedAnswer("The bytes that came do not have the SHA-1 of the file.")


def open_download(
    session: Session, bucket: str, key: str, span: Span | None = None, secret: CustomerKey | None = None
) -> Download:
    """Ask B2 for a file; the body waits in the connection.

    Args:
        session: of the account that may read the bucket.
        bucket: its name.
        key: of the file; its name has passed the gate.
        span: which bytes; None for the whole file. B2 shortens a span that goes past the end.
        secret: of a file that is encrypted with a key of the site.
    Raises:
        NotFound: no such file.
        RangeNotSatisfiable: the file has no byte of the span.
        BackendError: B2 refused or failed.
    """
    return _opened(session, key, _path(bucket, key), span, secret)


def open_version(
    session: Session, key: str, file_id: str, span: Span | None = None, secret: CustomerKey | None = None
) -> Download:
    """Ask B2 for one version of a file, newest or not.

    Args:
        key: of the file: a version of another one is none of it.
        file_id: of the version.
        span: which bytes; None for the whole file.
        secret: see `open_download`.
    Raises:
        NotFound, RangeNotSatisfiable, BackendError: see `open_download`.
    """
    return _opened(session, key, _path_of_version(file_id), span, secret, is_version=True)


def stat_version(session: Session, key: str, file_id: str, secret: CustomerKey | None = None) -> StoredFile:
    """What B2 knows about one version of a file, newest or not; one call.

    Raises:
        NotFound: no such version of this file.
        BackendError: B2 refused or failed.
    """
    response = _request(session, "HEAD", _path_of_version(file_id), {}, secret, is_version=True)
    response.drain_conn()
    _check_key(key, response)
    return from_headers(key, response.headers)


def _opened(
    session: Session, key: str, path: str, span: Span | None, secret: CustomerKey | None, *, is_version: bool = False
) -> Download:
    headers = {}
    if span is not None:
        headers["Range"] = f"bytes={'' if span[0] is None else span[0]}-{'' if span[1] is None else span[1]}"
    with budget.limited(budget.of_request(session.limits)):
        for _ in range(2):  # what ignores ranges, or mixes them up, gets a second chance
            response = _request(session, "GET", path, headers, secret, is_version=is_version)
            try:
                if is_version:
                    _check_key(key, response)
                download = Download(session, from_headers(key, response.headers), response, secret)
            except NotFound:
                response.close()
                raise
            except (UnexpectedAnswer, KeyError, ValueError):
                response.close()
                raise UnexpectedAnswer("A download was answered without the headers that B2 sends.") from None
            if (download.first, download.size_bytes) == _extent(span, download.stored.size_bytes):
                return download
            download.close()
    raise UnexpectedAnswer("A download was answered with other bytes of the file than those that were asked for.")


def stat(session: Session, bucket: str, key: str, secret: CustomerKey | None = None) -> StoredFile:
    """What B2 knows about a file, without its bytes; one call.

    Raises:
        NotFound: no such file.
        BackendError: B2 refused or failed.
    """
    response = _request(session, "HEAD", _path(bucket, key), {}, secret)
    response.drain_conn()  # there is no body, but this is how the connection returns to its pool
    return from_headers(key, response.headers)


def _path(bucket: str, key: str) -> str:
    return f"/file/{bucket}/{quote(key, safe='/')}"


def _path_of_version(file_id: str) -> str:
    return f"/b2api/v4/b2_download_file_by_id?fileId={quote(file_id, safe='')}"


def _check_key(key: str, response: urllib3.BaseHTTPResponse) -> None:
    """A file id opens any file that the account may read: this one has to be of the file that was named."""
    if unquote_plus(response.headers.get("X-Bz-File-Name", "")) != key:
        raise NotFound("B2 has no such version of this file.")


def _extent(span: Span | None, size_bytes: int) -> tuple[int, int]:
    """The first byte of a span within a file, and how many it has."""
    first, last = span or (0, None)
    if first is None:
        length = min(last or 0, size_bytes)
        return size_bytes - length, length
    return first, min(size_bytes, size_bytes if last is None else last + 1) - first


def _first(content_range: str | None) -> int:
    """The first byte that a Content-Range names; 0 for a whole file, which has none."""
    return int(content_range.removeprefix("bytes ").partition("-")[0]) if content_range else 0


def _request(
    session: Session,
    method: Literal["GET", "HEAD"],
    path: str,
    headers: dict[str, str],
    secret: CustomerKey | None,
    *,
    is_version: bool = False,
    is_resumed: bool = False,
) -> urllib3.BaseHTTPResponse:
    """One call on the download host, tried again within the budget. The answer is 200 or 206, its body unread."""
    with session.calling("download", budget.of_request(session.limits)) as limit:
        login = session.login()
        renewed = False
        limit.begin()
        while True:
            if not limit.take_try():
                raise faults.unavailable("no time left")
            call, is_retry = ("head" if method == "HEAD" else "download"), limit.is_retry or renewed or is_resumed
            try:
                response = login.host.urlopen(
                    method,
                    path,
                    headers={
                        "User-Agent": wire.USER_AGENT,
                        "Authorization": login.token,
                        **headers,
                        **_unlocking(secret),
                    },
                    timeout=wire.timeout(limit),
                    retries=_ONE_TRY,
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                )
                is_given = response.status in (200, 206)
                body = b"" if is_given else _error_body(response)
            except Urllib3Error as error:
                if wire.reached_b2(error):
                    operations.count_call(call, is_retry=is_retry)
                may_help = isinstance(faults.of_connection(error), Unavailable)
                if not may_help or not (deadlines.is_stale(error) or limit.pause(None)):
                    raise faults.of_connection(error) from None  # held by no name: its frames hold the answer
                continue
            operations.count_call(call, is_retry=is_retry)
            if is_given:
                return response
            is_expired = faults.is_expired(response.status, body)
            if is_expired and renewed and session.has_made(login):
                session.renewed_in_vain(body)
            elif is_expired and session.may_be_expired(body):
                renewed = True
                login = session.renew(login)
                limit.begin()
                continue
            if is_version and response.status == 400:
                raise NotFound("B2 has no such version of this file.")  # what it says of an id that is none
            given = response.headers
            error_ = faults.from_answer(response.status, body, given.get("Retry-After"), given.get("Content-Type", ""))
            asked = faults.retry_after_s(given.get("Retry-After"))
            if not isinstance(error_, Unavailable) or not limit.pause(asked):
                raise error_


def _unlocking(secret: CustomerKey | None) -> dict[str, str]:
    """The headers that tell B2 the key of a file. Made where they are sent, so that no frame keeps them."""
    return {} if secret is None else UploadOptions(UNKNOWN, encryption=secret).part_headers()


def _error_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """The beginning of an error answer; the connection returns to its pool when that was all."""
    body = response.read(_ERROR_BODY_BYTES)
    if len(body) == _ERROR_BODY_BYTES:
        response.close()
    response.release_conn()
    return body
