"""Calls on the host that gives files: each is one request with the account's token, tried again within the budget;
called by `download`.

It is made on a connection pool of our own, because b2sdk's download machinery pushes into a file, while a web server
pulls.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from b2router import operations
from b2router.b2 import budget, deadlines, faults, wire
from b2router.b2.options import CustomerKey, UploadOptions
from b2router.b2.session import Session
from b2router.content_types import UNKNOWN
from b2router.errors import NotFound, Unavailable

__all__ = ["path_of_name", "path_of_version", "request"]

_ERROR_BODY_BYTES = 16 * 1024

_ONE_TRY = urllib3.Retry(False, redirect=False)
"""What `retries=False` means to urllib3, which would make it anew for every request."""


def path_of_name(bucket: str, key: str) -> str:
    """Where the file of a name is."""
    return f"/file/{bucket}/{quote(key, safe='/')}"


def path_of_version(file_id: str) -> str:
    """Where one version of a file is."""
    return f"/b2api/v4/b2_download_file_by_id?fileId={quote(file_id, safe='')}"


def request(
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
