"""A file as blocks of bytes: asks B2 once, hands the bytes on as they come, closes the connection; called by delivery
and files.

A body that breaks off is resumed from its last byte, by the id of the file version, so that two versions never mix; if
that fails it raises, and is never passed off as complete.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import unquote_plus

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from b2router.b2 import budget, deadlines, download_host, faults
from b2router.b2.options import CustomerKey
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile, from_headers
from b2router.errors import BackendError, NotFound, RangeNotSatisfiable, UnexpectedAnswer

__all__ = ["BLOCK_BYTES", "Download", "open_download", "open_version", "stat", "stat_version"]

logger = logging.getLogger("b2router.b2")

BLOCK_BYTES = 256 * 1024
"""The most that is held of a body at a time, unless whoever reads it asks for more."""

MAX_RESUMES = 4
"""How often a body may break off and be resumed, each time with some progress."""

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
                self._left -= len(block)  # with the last of them, urllib3 returns the connection to its pool
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
        if self._is_closed:
            raise faults.unavailable("the download was closed")
        self._resumes += 1
        self._is_streamed = False
        self._left_at_resume = self._left
        self._response.close()
        first, last = self.first + self.size_bytes - self._left, self.first + self.size_bytes - 1
        path = download_host.path_of_version(self.stored.file_id)
        try:
            response = download_host.request(
                self._session, "GET", path, {"Range": f"bytes={first}-{last}"}, self._secret, is_resumed=True
            )
        except NotFound:
            raise faults.unavailable("the file was deleted while it was being read") from None
        except RangeNotSatisfiable:
            raise UnexpectedAnswer("A download was to be resumed, and there was nothing left of it.") from None
        with self._lock:
            self._response = response
            if self._is_closed:  # meanwhile: whoever did so could not end what was not there yet
                raise faults.unavailable("the download was closed")
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
    return _opened(session, key, download_host.path_of_name(bucket, key), span, secret)


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
    return _opened(session, key, download_host.path_of_version(file_id), span, secret, is_version=True)


def stat_version(session: Session, key: str, file_id: str, secret: CustomerKey | None = None) -> StoredFile:
    """What B2 knows about one version of a file, newest or not; one call.

    Raises:
        NotFound: no such version of this file.
        BackendError: B2 refused or failed.
    """
    response = download_host.request(
        session, "HEAD", download_host.path_of_version(file_id), {}, secret, is_version=True
    )
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
            response = download_host.request(session, "GET", path, headers, secret, is_version=is_version)
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
    response = download_host.request(session, "HEAD", download_host.path_of_name(bucket, key), {}, secret)
    response.drain_conn()  # there is no body, but this is how the connection returns to its pool
    return from_headers(key, response.headers)


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
