"""If-Match, If-None-Match and their kin: whether a client needs the file at all; pure. Asked by `response`.

Django's own takes a header that it cannot read for one that is not there, against RFC 9110, and leaves If-Range out.
"""

from __future__ import annotations

import re
import time
from datetime import datetime

from django.http import HttpRequest
from django.utils.http import parse_http_date_safe

__all__ = ["FIELDS", "are_given", "range_holds", "status"]

FIELDS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
"""As they stand in META: `request.headers` would sort out all headers of every request."""


_ETAG = re.compile(r'(?:W/)?"[^"]*"')


def are_given(request: HttpRequest) -> bool:
    """Whether the request has a condition that must be decided before bytes are sent."""
    return any(field in request.META for field in FIELDS)


def status(request: HttpRequest, etag: str, modified_at: datetime) -> int | None:
    """The status that the request's conditions ask for.

    Args:
        request: GET or HEAD.
        etag: of the file, strong, with its quotes.
        modified_at: of the file, aware.
    Returns:
        304, 412, or None when the file is to be sent.
    Source: RFC 9110, 13.1 and 13.2.2.
    """
    if not are_given(request):
        return None
    given = request.META
    modified_s = int(modified_at.timestamp())
    if (tags := given.get("HTTP_IF_MATCH")) is not None:
        if not _names(tags, etag):
            return 412
    elif (since_s := _seconds(given.get("HTTP_IF_UNMODIFIED_SINCE"))) is not None and modified_s > since_s:
        return 412
    if (tags := given.get("HTTP_IF_NONE_MATCH")) is not None:
        return 304 if _names(tags, etag, is_weak=True) else None
    since_s = _seconds(given.get("HTTP_IF_MODIFIED_SINCE"))
    return 304 if since_s is not None and modified_s <= since_s else None


def range_holds(if_range: str | None, etag: str, modified_at: datetime) -> bool:
    """Whether a range may be answered with a part: the client's other parts are of the same version.

    Args:
        if_range: the header's value: an ETag or a date; None when there is none.
        etag: of the file, strong, with its quotes.
        modified_at: of the file, aware.
    Source: RFC 9110, 13.1.5 (strong comparison), 8.8.2.2 (a date is strong once its second is over).
    """
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == etag
    seconds = int(modified_at.timestamp())
    return parse_http_date_safe(if_range) == seconds and time.time() >= seconds + 1


def _names(tags: str, etag: str, *, is_weak: bool = False) -> bool:
    """Whether a list of ETags holds one, or is `*`. What is no ETag names no file. Source: RFC 9110, 8.8.3."""
    named = _ETAG.findall(tags)
    return tags.strip() == "*" or etag in named or (is_weak and f"W/{etag}" in named)


def _seconds(date: str | None) -> int | None:
    """A date of HTTP as seconds; None for what is none, which is ignored. Source: RFC 9110, 13.1.3 and 13.1.4."""
    return parse_http_date_safe(date) if date else None
