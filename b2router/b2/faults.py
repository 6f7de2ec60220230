"""The border for errors: b2sdk's exceptions and B2's error answers become ours, by one table; called all over `b2`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from b2sdk.v3 import exception as b2

from b2router.errors import (
    B2RouterError,
    BackendError,
    CapExceeded,
    NotFound,
    RangeNotSatisfiable,
    Refused,
    Unavailable,
    UnexpectedAnswer,
)

__all__ = [
    "FAULTS",
    "ForeignHost",
    "OutOfBudget",
    "from_answer",
    "is_expired",
    "retry_after_s",
    "translated",
    "unavailable",
]

RETRY_AFTER_S = 5
"""What to tell a client to wait when B2 did not say."""


class OutOfBudget(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when there is no time or try left; b2sdk lets it through and does not retry.

    Args:
        retry_after_s: what B2 asked for, in seconds.
    """

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__()
        self.wait_s = retry_after_s


class ForeignHost(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when an answer of B2 leads to a host that is not part of the realm."""


FAULTS: dict[type[Exception], type[B2RouterError]] = {
    b2.FileNotPresent: NotFound,
    b2.UnsatisfiableRange: RangeNotSatisfiable,
    b2.FileAlreadyHidden: NotFound,
    b2.InvalidAuthToken: Refused,
    b2.Unauthorized: Refused,
    b2.AccessDenied: Refused,
    b2.RestrictedBucket: Refused,
    b2.NonExistentBucket: Refused,
    b2.BucketIdNotFound: Refused,
    b2.CapExceeded: CapExceeded,
    b2.TransientErrorMixin: Unavailable,
    b2.TooManyRequests: Unavailable,
    b2.MaxRetriesExceeded: Unavailable,
    OutOfBudget: Unavailable,
    ForeignHost: UnexpectedAnswer,
    requests.RequestException: Unavailable,
    b2.B2Error: BackendError,
    Exception: UnexpectedAnswer,
}
"""First match wins. The last two rows are for what b2sdk will invent, and for where it trips over an answer."""

_ADVICE = {
    NotFound: "B2 has no such file.",
    RangeNotSatisfiable: "The file has no byte of this range.",
    Refused: "B2 refused the application key of this account: it is wrong or revoked, lacks a right, or may not see "
    "the bucket. Compare its capabilities and buckets with the profile.",
    CapExceeded: "A cap of the B2 account is used up. Raise it on Backblaze's page for caps and alerts.",
    Unavailable: "B2 could not be reached, or was too busy, within the time for this call.",
    UnexpectedAnswer: "What answered in B2's place did not speak B2. Look at the realm and at proxies in between.",
    BackendError: "B2 failed in a way that b2router does not know.",
}


@contextmanager
def translated() -> Iterator[None]:
    """Calls of b2sdk inside raise our errors instead of its own.

    The original is not chained: the local variables of its frames hold keys and tokens, and error pages and trackers
    show those. Its type is in our text.
    """
    try:
        yield
    except B2RouterError:
        raise
    except Exception as error:  # b2sdk looks into answers without checking them: KeyError, TypeError, ValueError, …
        raise _ours(error) from None


def from_answer(status: int, body: bytes, retry_after: str | None) -> B2RouterError:
    """What an error answer of B2 to a download means.

    Args:
        status: HTTP status.
        body: beginning of the answer's body, empty after HEAD.
        retry_after: the header's value.
    Source: B2 documentation, "Error handling"; 401 for an expired token is for the caller to try again.
    """
    code = _code(body)
    match status:
        case 404:
            kind: type[B2RouterError] = NotFound
        case 416:
            kind = RangeNotSatisfiable
        case 401:
            kind = Refused
        case 403:
            kind = Refused if code == "access_denied" else CapExceeded
        case 408 | 429:
            kind = Unavailable
        case _ if status >= 500:
            kind = Unavailable
        case _:
            kind = UnexpectedAnswer
    return _made(kind, f"HTTP status {status}" + (f", {code}" if code else ""), retry_after_s(retry_after))


def is_expired(status: int, body: bytes) -> bool:
    """Whether an answer asks for a new login: a 401 that says so, or one without a body to tell (after HEAD)."""
    return status == 401 and _code(body) in ("bad_auth_token", "expired_auth_token", "")


def retry_after_s(value: str | None) -> int | None:
    """Retry-After as seconds; None when absent or a date, which B2 does not send. Source: RFC 9110, 10.2.3."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 7 else None


def unavailable(what: str, wait_s: int | None = None) -> Unavailable:
    """B2 could not be reached or did not answer in time."""
    return Unavailable(f"{_ADVICE[Unavailable]} ({what})", retry_after_s=wait_s or RETRY_AFTER_S)


def _ours(error: Exception) -> B2RouterError:
    if isinstance(error, b2.MaxRetriesExceeded):  # uploads: what is behind it decides, a missing right included
        inner = next((e for e in error.exception_info_list if isinstance(e, (b2.Unauthorized, b2.CapExceeded))), None)
        error = inner or error
    kind = next(ours for theirs, ours in FAULTS.items() if isinstance(error, theirs))
    if isinstance(error, b2.UnknownError) and str(error.args[:1]).startswith("('403 "):
        kind = CapExceeded  # b2sdk does not know every spelling of a cap
    wait_s = getattr(error, "wait_s", None) or getattr(error, "retry_after_seconds", None)
    return _made(kind, type(error).__name__, wait_s)


def _made(kind: type[B2RouterError], what: str, wait_s: int | None) -> B2RouterError:
    text = f"{_ADVICE[kind]} ({what})"
    if not issubclass(kind, BackendError):
        return kind(text)
    return kind(text, retry_after_s=(wait_s or RETRY_AFTER_S) if kind is Unavailable else wait_s)


def _code(body: bytes) -> str:
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code) else ""
