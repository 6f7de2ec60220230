"""Status, headers and streamed bytes of one file, put together; called by views after the permission was given."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase

from b2router import names
from b2router.config import BucketProfile
from b2router.delivery import headers
from b2router.delivery.addresses import public_address
from b2router.errors import BackendError, NotFound, UnexpectedAnswer
from b2router.router import current_router

__all__ = ["FileResponse", "denial_headers", "plain", "respond"]

logger = logging.getLogger("b2router.delivery")

Response = TypeVar("Response", bound=HttpResponseBase)

STREAM_THREADS = 64
"""Threads that pull from B2 for an ASGI server, per process: a pool of its own, so that a stalled download delays no
other work."""


class FileResponse(StreamingHttpResponse):
    """A streamed file under WSGI and ASGI alike: under ASGI each block is pulled in a thread, as it is needed."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = iter(self)
        pull = sync_to_async(_next, thread_sensitive=False, executor=_threads(os.getpid()))
        while (block := await pull(blocks)) is not None:
            yield block


def respond(request: HttpRequest, profile: BucketProfile, name: str) -> HttpResponseBase:
    """Answer a request that may read the file.

    Args:
        request: GET or HEAD.
        profile: whose file it is.
        name: the file name, which has passed the gate.
    Returns:
        The file; a redirect to its address at B2 or the CDN, when the profile is delivered from there; or 404, 502 or
        503 with fixed text: what B2 said is never passed on.
    """
    if (address := public_address(profile, name)) is not None:
        return _with(HttpResponseRedirect(address), headers.for_denial(profile))
    try:
        return _file(request, profile, name)
    except NotFound:
        return plain(profile, 404)
    except UnexpectedAnswer as error:
        logger.error("Profile %s: %s", profile.name, error)
        return plain(profile, 502)
    except BackendError as error:
        logger.error("Profile %s: %s", profile.name, error)
        response = plain(profile, 503)
        if error.retry_after_s is not None:
            response["Retry-After"] = str(error.retry_after_s)
        return response


_TEXTS = {
    403: "You may not read this file.",
    404: "There is no such file.",
    405: "This address can be read only.",
    502: "The file store gave an answer that makes no sense.",
    503: "The file store cannot be reached right now. Please try again later.",
}


def plain(profile: BucketProfile, status: int) -> HttpResponse:
    """An answer without a file: fixed text, the same for every name."""
    response = HttpResponse(_TEXTS[status] + "\n", status=status, content_type="text/plain; charset=utf-8")
    return _with(response, headers.for_denial(profile))


def _file(request: HttpRequest, profile: BucketProfile, name: str) -> HttpResponseBase:
    from b2router.b2 import download  # loads b2sdk, hence with the first file and not with the URLconf
    from b2router.b2.session import for_account

    session = for_account(current_router().config.account(profile.account), profile.account)
    key = names.key(profile.location, name)
    if request.method == "HEAD":
        stored = download.stat(session, profile.bucket, key)
        return _with(HttpResponse(), headers.for_file(profile, name, stored))
    body = download.open_download(session, profile.bucket, key)
    return _with(FileResponse(body), headers.for_file(profile, name, body.stored))


def denial_headers(profile: BucketProfile) -> dict[str, str]:
    """The headers of an answer that carries no file."""
    return headers.for_denial(profile)


def _with(response: Response, fields: Mapping[str, str]) -> Response:
    for field, value in fields.items():
        response[field] = value
    return response


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)  # a StopIteration cannot leave a thread for a coroutine


@cache
def _threads(process_id: int) -> ThreadPoolExecutor:
    """The pool of this process; a forked one gets its own."""
    return ThreadPoolExecutor(STREAM_THREADS, thread_name_prefix="b2router-stream")
