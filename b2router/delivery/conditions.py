"""If-Match, If-None-Match and their kin: whether a client needs the file at all; pure. Asked by `response`.

Precedence and comparison are Django's; If-Range, which Django leaves out, is here.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.http import HttpRequest
from django.utils.cache import get_conditional_response
from django.utils.http import parse_http_date_safe

__all__ = ["are_given", "range_holds", "status"]

_FIELDS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
"""As they stand in META: `request.headers` would sort out all headers of every request."""


def are_given(request: HttpRequest) -> bool:
    """Whether the request has a condition that must be decided before bytes are sent."""
    return any(field in request.META for field in _FIELDS)


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
    answer = get_conditional_response(request, etag=etag, last_modified=int(modified_at.timestamp()))
    return answer.status_code if answer is not None else None


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
