"""Asks an address, as a browser would, for a part of a file and whether it has changed; used by `examinations`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import requests
import urllib3

from b2router.b2.deadlines import Adapter

__all__ = ["ADDRESS", "ROUTE", "Way", "of_address", "of_missing", "of_stored"]

TIMEOUT_S = 10
"""For the connection, and then for all that is read of an answer."""

_NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError)

Answer = tuple[Literal["ok", "warn", "fail"], str, str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a file, and where to look when something is wrong with it.

    Attributes:
        name: what to call it.
        unreachable, other, ranges, etag, conditions: what to do when nobody answers, something else comes, ranges or
            ETags are missing, or conditions are not looked at.
        missing: statuses that say that there is no such file; a CDN hands on those of a private bucket.
    """

    name: str
    unreachable: str
    other: str
    ranges: str
    etag: str
    conditions: str
    missing: tuple[int, ...]


ADDRESS = Way(
    "address",
    "Look at base_url, and at the CDN.",
    "Look at base_url and path, and at where the CDN fetches from.",
    "Let the CDN pass Range on.",
    "Let the CDN add one, or set max_age_s.",
    "Let the CDN answer If-None-Match.",
    (401, 403, 404, 410),
)
ROUTE = Way(
    "route",
    "Look at --site, and whether the site runs there.",
    "Look at the include of b2router.urls, at ALLOWED_HOSTS and SECRET_KEY there, and at what stands before the site.",
    "Let what stands before the site pass Range on.",
    "Let what stands before the site leave it there; addresses of B2 itself have none.",
    "Let what stands before the site pass If-None-Match on.",
    (404,),
)


def of_address(address: str, content: bytes, way: Way = ADDRESS) -> Iterator[Answer]:
    """Whether an address gives the file, parts of it, and 304 when it has not changed.

    Args:
        address: of the file, at B2, a CDN or the site.
        content: of the file.
        way: whose address it is; the site's may lead on to another.
    Yields:
        Verdict, what was looked at, what was found, and what to do.
    """
    ask = partial(_asked, address, way, len(content) + 1)
    try:
        whole = ask()
        part = ask(Range="bytes=0-99")
        same = _asked_again(ask, whole)
    except _NO_ANSWER as error:
        yield _unreachable(way, error)
        return
    if (whole.status, whole.body) != (200, content):
        yield "fail", way.name, f"{whole.status}, and not the file that was saved.", way.other
        return
    yield "ok", way.name, "it gives the file.", ""
    yield from _judged(way, part, content[:100], same)


def of_stored(address: str, beginning: bytes, way: Way = ADDRESS) -> Iterator[Answer]:
    """The same of a file that is there already, whatever its length: no more is fetched than its beginning.

    Args:
        beginning: the first bytes of the file, at least one.
    """
    ask = partial(_asked, address, way, len(beginning))
    try:
        part = ask(Range=f"bytes=0-{len(beginning) - 1}")
        same = _asked_again(ask, part)
    except _NO_ANSWER as error:
        yield _unreachable(way, error)
        return
    if part.status not in (200, 206) or part.body != beginning:
        yield "fail", way.name, f"{part.status}, and not the file that is stored.", way.other
        return
    yield "ok", way.name, "it gives a file that is stored.", ""
    yield from _judged(way, part, beginning, same)


def of_missing(address: str, way: Way = ADDRESS) -> Iterator[Answer]:
    """Whether somebody answers there, who has no such file."""
    try:
        found = _asked(address, way, 0)
    except _NO_ANSWER as error:
        yield _unreachable(way, error)
        return
    if found.status in way.missing:
        yield "ok", way.name, f"it answers, {found.status} for a file that is not there.", ""
    else:
        yield "fail", way.name, f"{found.status} for a file that is not there.", way.other


@dataclass(frozen=True, slots=True)
class _Answered:
    status: int
    body: bytes
    etag: str | None


def _asked(address: str, way: Way, most_bytes: int, **headers: str) -> _Answered:
    """What comes, of the body no more than so many bytes."""
    given = {"Accept-Encoding": "identity", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter())  # the time is for the whole answer
        with session.get(
            address, headers=given, timeout=TIMEOUT_S, allow_redirects=way is ROUTE, stream=True
        ) as response:
            body = response.raw.read(most_bytes, decode_content=False) if most_bytes else b""  # as it is stored
            return _Answered(response.status_code, body, response.headers.get("ETag"))


def _asked_again(ask: Callable[..., _Answered], before: _Answered) -> _Answered | None:
    """The same, if it has changed; None when nobody could tell, because there was no ETag."""
    return None if before.etag is None else ask(If_None_Match=before.etag)


def _unreachable(way: Way, error: Exception) -> Answer:
    return "fail", way.name, f"it cannot be reached ({type(error).__name__}).", way.unreachable


def _judged(way: Way, part: _Answered, expected: bytes, same: _Answered | None) -> Iterator[Answer]:
    what = "" if way is ADDRESS else f"{way.name}, "
    if (part.status, part.body) == (206, expected):
        yield "ok", f"{what}ranges", "206, and the bytes that were asked for.", ""
    else:
        yield "warn", f"{what}ranges", f"{part.status} for a range: videos cannot be wound.", way.ranges
    if same is None:
        yield "warn", f"{what}304", "there is no ETag, so browsers fetch the file again.", way.etag
    elif same.status == 304:
        yield "ok", f"{what}304", "a file that has not changed is not sent again.", ""
    else:
        yield "warn", f"{what}304", f"{same.status} for a file that has not changed.", way.conditions
