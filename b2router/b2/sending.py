"""One content to B2, in one request that is repeated at another address when it fails; called by `uploads` and `large`.

The SHA-1 goes after the bytes, so that they are read once; B2 stores nothing that does not have it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from b2router import operations
from b2router.b2 import budget, faults, wire
from b2router.b2.addresses import Address, Addresses
from b2router.b2.contents import Content
from b2router.b2.session import Session
from b2router.errors import B2RouterError, Unavailable, UnexpectedAnswer

__all__ = ["Stopped", "send"]

_ANSWER_BYTES = 64 * 1024
_AT_END = "hex_digits_at_end"
_DIGITS = 40
_ONE_TRY = urllib3.Retry(False, redirect=False)  # what False means to urllib3


class Stopped(BaseException):
    """Another part of the same file has failed, so this one is of no use."""


def send(
    session: Session,
    addresses: Addresses,
    content: Content,
    headers: Mapping[str, str],
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Store a content. Each try is at another address; there are as many as a storage call has, for all failures
    together, and time as long as bytes leave.

    Args:
        session: of the account.
        addresses: of the bucket or large file.
        content: what is sent.
        headers: what is said about it.
        stop: ends the upload in the middle when it is set.
    Returns:
        What B2 answered.
    Raises:
        BackendError: B2 refused or failed; it may have stored the content all the same, when an answer was lost.
        OwnError: the content cannot be read.
        Stopped: as asked.
    """
    limit = budget.of_upload(session.limits)
    limit.quota = session.circuit.quota
    error: B2RouterError = faults.unavailable("the time or the further tries are used up")
    failures = damaged = 0
    with budget.limited(limit, is_own=True):
        while limit.take_try():
            address = addresses.take(limit)
            body, is_told_to_wait = _Body(content, limit, stop), False
            try:
                answer = _post(address, body, headers, limit)
            except Urllib3Error as failure:
                # Its text may hold a name, and its frames hold the token: only its kind is passed on.
                error = faults.of_connection(failure)
                if wire.reached_b2(failure):
                    operations.count_call(address.path, is_retry=limit.is_retry)
                if not isinstance(error, Unavailable):
                    raise error from None
                asked_s = None
            else:
                operations.count_call(address.path, is_retry=limit.is_retry)
                if answer.status == 200:
                    facts = _understood(answer.body, body)
                    limit.succeeded()
                    addresses.give_back(address)
                    return facts
                damaged += faults.is_damaged(answer.status, answer.body)
                error = answer.error
                if damaged > 1 or not faults.is_for_another_address(answer.status, answer.body):
                    raise error
                # A busy host is left for another at once; who asks too often has to wait.
                is_told_to_wait = answer.status == 429
                asked_s = answer.asked_s if is_told_to_wait else None
            limit.failed()
            failures += 1
            if (failures > 1 or is_told_to_wait) and not limit.pause(asked_s):
                break
    raise error


class _Body:
    """A content as it travels: its bytes, and then its SHA-1 unless that is known before."""

    def __init__(self, content: Content, limit: budget.UploadBudget, stop: threading.Event | None) -> None:
        self._content = content
        self._limit = limit
        self._stop = stop
        self.sha1 = content.sha1
        self.said_sha1 = content.sha1 or _AT_END
        self.size_bytes = content.size_bytes + (0 if content.sha1 else _DIGITS)

    def __iter__(self) -> Iterator[memoryview | bytes]:
        digest = hashlib.sha1(usedforsecurity=False) if self.sha1 is None else None
        for block in self._content.blocks():
            if self._stop is not None and self._stop.is_set():
                raise Stopped
            if digest is not None:
                digest.update(block)
            yield block
            self._limit.moved()
        if digest is not None:
            self.sha1 = digest.hexdigest()
            yield self.sha1.encode()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: status, beginning of the body, and two headers."""

    status: int
    body: bytes
    retry_after: str | None
    content_type: str

    @property
    def error(self) -> B2RouterError:
        return faults.from_upload(self.status, self.body, self.retry_after, self.content_type)

    @property
    def asked_s(self) -> int | None:
        return faults.retry_after_s(self.retry_after)


def _post(address: Address, body: _Body, headers: Mapping[str, str], limit: budget.UploadBudget) -> _Answer:
    response = address.host.urlopen(
        "POST",
        address.path,
        body=cast("Iterable[bytes]", body),
        headers={
            "User-Agent": wire.USER_AGENT,
            **headers,
            "Authorization": address.token,
            "Content-Length": str(body.size_bytes),
            "X-Bz-Content-Sha1": body.said_sha1,
        },
        timeout=wire.timeout(limit, is_upload=True),
        retries=_ONE_TRY,
        preload_content=False,
        decode_content=False,
        redirect=False,
    )
    with closing(response):
        said, given = response.read(_ANSWER_BYTES), response.headers
        return _Answer(response.status, said, given.get("Retry-After"), given.get("Content-Type", ""))


def _understood(said: bytes, body: _Body) -> dict[str, Any]:
    """B2's answer, which names what it stored."""
    try:
        answer = dict(json.loads(said))
        sha1, size_bytes = answer["contentSha1"], answer["contentLength"]
    except (ValueError, TypeError, KeyError, RecursionError):
        sha1, size_bytes, answer = None, None, {}
    if sha1 != body.sha1 or size_bytes != body.size_bytes - (_DIGITS if body.said_sha1 == _AT_END else 0):
        raise UnexpectedAnswer("An upload was answered without the facts that B2 sends, or with those of another.")
    return answer
