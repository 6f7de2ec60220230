"""Asks an address, as a browser would, for a part of a file and whether it has changed; used by `examinations`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import requests

__all__ = ["ADDRESS", "ROUTE", "Way", "of_address"]

TIMEOUT_S = 10

Answer = tuple[Literal["ok", "warn", "fail"], str, str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a file, and where to look when something is wrong with it.

    Attributes:
        name: what to call it.
        unreachable, other, ranges, etag, conditions: what to do when nobody answers, something else comes, ranges or
            ETags are missing, or conditions are not looked at.
    """

    name: str
    unreachable: str
    other: str
    ranges: str
    etag: str
    conditions: str


ADDRESS = Way(
    "address",
    "Look at base_url, and at the CDN.",
    "Look at base_url and path, and at where the CDN fetches from.",
    "Let the CDN pass Range on.",
    "Let the CDN add one, or set max_age_s.",
    "Let the CDN answer If-None-Match.",
)
ROUTE = Way(
    "route",
    "Look at --site, and whether the site runs there.",
    "Look at the include of b2router.urls, at ALLOWED_HOSTS and SECRET_KEY there, and at what stands before the site.",
    "Let what stands before the site pass Range on.",
    "Let what stands before the site leave it there; addresses of B2 itself have none.",
    "Let what stands before the site pass If-None-Match on.",
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
    ask = partial(requests.get, address, timeout=TIMEOUT_S, allow_redirects=way is ROUTE)
    what = "" if way is ADDRESS else f"{way.name}, "
    try:
        whole, part = ask(), ask(headers={"Range": "bytes=0-99"})
        etag = whole.headers.get("ETag")
        same = None if etag is None else ask(headers={"If-None-Match": etag})
    except requests.RequestException as error:
        yield "fail", way.name, f"it cannot be reached ({type(error).__name__}).", way.unreachable
        return
    if (whole.status_code, whole.content) != (200, content):
        yield "fail", way.name, f"{whole.status_code}, and not the file that was saved.", way.other
        return
    yield "ok", way.name, "it gives the file.", ""
    if (part.status_code, part.content) == (206, content[:100]):
        yield "ok", f"{what}ranges", "206, and the bytes that were asked for.", ""
    else:
        yield "warn", f"{what}ranges", f"{part.status_code} for a range: videos cannot be wound.", way.ranges
    if same is None:
        yield "warn", f"{what}304", "there is no ETag, so browsers fetch the file again.", way.etag
    elif same.status_code == 304:
        yield "ok", f"{what}304", "a file that has not changed is not sent again.", ""
    else:
        yield "warn", f"{what}304", f"{same.status_code} for a file that has not changed.", way.conditions
