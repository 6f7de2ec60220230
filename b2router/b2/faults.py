"""The border for errors: b2sdk's exceptions and B2's error answers become ours, by one table; called all over `b2`."""

from __future__ import annotations

import json
import re
import ssl
import time
from email.utils import parsedate_to_datetime
from math import ceil

import requests
import urllib3.exceptions as transport
from b2sdk.v3 import exception as b2

from b2router.errors import (
    B2RouterError,
    BackendError,
    CapExceeded,
    Locked,
    NotFound,
    RangeNotSatisfiable,
    Refused,
    Unavailable,
    UnexpectedAnswer,
)

__all__ = [
    "FAULTS",
    "ForeignAnswer",
    "ForeignHost",
    "OutOfBudget",
    "UntrustedHost",
    "from_answer",
    "from_upload",
    "is_damaged",
    "is_expired",
    "is_for_another_address",
    "is_untrusted",
    "locked",
    "of_connection",
    "ours",
    "refused",
    "retry_after_s",
    "speaks_b2",
    "translated",
    "unavailable",
]

RETRY_AFTER_S = 5
"""What to tell a client to wait when B2 did not say."""

MAX_RETRY_AFTER_S = 999_999
"""A longer wait, of over eleven days, is nonsense, and taken for none."""


class OutOfBudget(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when there is no time or try left; b2sdk lets it through and does not retry.

    Args:
        retry_after_s: what B2 asked for, in seconds.
        what: the last failure, in a few words.
    """

    def __init__(self, retry_after_s: int | None = None, what: str = "") -> None:
        super().__init__()
        self.wait_s = retry_after_s
        self.what = what


class ForeignHost(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when an answer of B2 leads to a host that is not part of the realm."""


class UntrustedHost(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when a host has no certificate that proves who it is: no other try helps."""


class ForeignAnswer(b2.B2Error):  # type: ignore[misc]
    """Raised inside b2sdk's HTTP session when an error answer or a redirect is none of B2's."""


FAULTS: dict[type[Exception], type[B2RouterError]] = {
    # there is no such file, or no such part of it
    b2.FileNotPresent: NotFound,
    b2.FileAlreadyHidden: NotFound,
    b2.UnsatisfiableRange: RangeNotSatisfiable,
    # the file is to stay as it is
    b2.RetentionWriteError: Locked,
    # the key, or what it may do
    b2.Unauthorized: Refused,
    b2.AccessDenied: Refused,
    b2.NotAllowedByAppKeyError: Refused,
    b2.RestrictedBucket: Refused,
    b2.NonExistentBucket: Refused,
    b2.BucketIdNotFound: Refused,
    # the account's caps
    b2.CapExceeded: CapExceeded,
    # what answered is not B2, or what it said cannot be
    ForeignAnswer: UnexpectedAnswer,
    ForeignHost: UnexpectedAnswer,
    UntrustedHost: UnexpectedAnswer,
    b2.ChecksumMismatch: UnexpectedAnswer,
    b2.FileSha1Mismatch: UnexpectedAnswer,
    b2.PartSha1Mismatch: UnexpectedAnswer,
    b2.InvalidRange: UnexpectedAnswer,
    b2.InvalidJsonResponse: UnexpectedAnswer,
    b2.UnexpectedCloudBehaviour: UnexpectedAnswer,
    b2.UnknownError: UnexpectedAnswer,
    b2.B2HttpCallbackException: UnexpectedAnswer,
    b2.BadDateFormat: UnexpectedAnswer,
    b2.MissingAccountData: UnexpectedAnswer,
    requests.exceptions.InvalidURL: UnexpectedAnswer,
    requests.exceptions.MissingSchema: UnexpectedAnswer,
    requests.exceptions.InvalidSchema: UnexpectedAnswer,
    requests.exceptions.InvalidHeader: UnexpectedAnswer,
    requests.exceptions.InvalidJSONError: UnexpectedAnswer,
    requests.exceptions.ContentDecodingError: UnexpectedAnswer,
    requests.exceptions.TooManyRedirects: UnexpectedAnswer,
    transport.LocationValueError: UnexpectedAnswer,
    transport.HostChangedError: UnexpectedAnswer,
    transport.InvalidHeader: UnexpectedAnswer,
    transport.DecodeError: UnexpectedAnswer,
    # busy, away, or on the way
    OutOfBudget: Unavailable,
    b2.TransientErrorMixin: Unavailable,
    b2.TooManyRequests: Unavailable,
    b2.MaxRetriesExceeded: Unavailable,
    b2.AlreadyFailed: Unavailable,
    b2.BadUploadUrl: Unavailable,
    b2.BrokenPipe: Unavailable,
    b2.ConnectionReset: Unavailable,
    b2.UnknownHost: Unavailable,
    requests.RequestException: Unavailable,
    transport.HTTPError: Unavailable,
    # B2 did not accept what b2router asked for
    b2.BadRequest: BackendError,
    b2.BadJson: BackendError,
    b2.BadFileInfo: BackendError,
    b2.Conflict: BackendError,
    b2.MissingPart: BackendError,
    b2.MaxFileSizeExceeded: BackendError,
    b2.UnusableFileName: BackendError,
    b2.AccountInfoError: BackendError,
    # what b2sdk will invent; and where it trips over an answer
    b2.B2Error: BackendError,
    Exception: UnexpectedAnswer,
}
"""First match wins."""

_CODE = re.compile(r"[a-z_]{1,40}")

_ADVICE = {
    NotFound: "B2 has no such file.",
    RangeNotSatisfiable: "The file has no byte of this range.",
    Locked: "A version of the file is locked: its retention or a legal hold does not allow this before it ends or is "
    "lifted.",
    Refused: "B2 refused the application key of this account: it is wrong or revoked, lacks a right, or may not see "
    "the bucket. Compare its capabilities and buckets with the profile.",
    CapExceeded: "A cap of the B2 account is used up. Raise it on Backblaze's page for caps and alerts.",
    Unavailable: "B2 could not be reached, or was too busy, within the time for this call.",
    UnexpectedAnswer: "What answered in B2's place did not speak B2. Look at the realm and at proxies in between.",
    BackendError: "B2 did not do what b2router asked for.",
}

_OF_CODES = {
    "bucket_missing_file_lock": "The bucket has no file lock, without which nothing can be retained or held. Switch it "
    "on for the bucket, or take 'retention' and 'legal_hold' out of the profile.",
}
"""Advice on what B2 says more exactly than by the kind."""


class translated:
    """Calls of b2sdk inside raise our errors instead of its own.

    The original is not chained: the local variables of its frames hold keys and tokens, and error pages and trackers
    show those. Its type is in our text.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Exception) and (translation := ours(error)) is not error:
            raise translation from None


def of_connection(error: transport.HTTPError) -> B2RouterError:
    """What a failure of a connection to B2 means; another try may help when it is `Unavailable`.

    Args:
        error: of urllib3. Its text holds a customer's file name, and its frames hold the token: only its kind is passed
            on.
    """
    return ours(UntrustedHost() if is_untrusted(error) else error)


def is_untrusted(error: BaseException) -> bool:
    """Whether a failure is that of a certificate, anywhere below what urllib3 and requests made of it."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, ssl.SSLCertVerificationError):
        causes = (getattr(below, "reason", None), *reversed(below.args))
        below = next((cause for cause in causes if isinstance(cause, BaseException)), None)
    return below is not None


def speaks_b2(body: bytes, content_type: str) -> bool:
    """Whether an error answer may be B2's: it explains in JSON, or not at all; pages come from what stands in between.

    Args:
        body: or its beginning; empty after HEAD.
        content_type: the header's value.
    """
    return _said(body) is not None if body else "html" not in content_type.lower()


def from_answer(status: int, body: bytes, retry_after: str | None, content_type: str = "") -> B2RouterError:
    """What an error answer of B2 to a download means.

    Args:
        status: HTTP status.
        body: beginning of the answer's body, empty after HEAD.
        retry_after: the header's value.
        content_type: the header's value.
    Source: B2 documentation, "Error handling"; 401 for an expired token is for the caller to try again.
    """
    code = _code(body)
    is_of_b2 = speaks_b2(body, content_type)
    match status:
        case 404 if is_of_b2:
            kind: type[B2RouterError] = NotFound
        case 416 if is_of_b2:
            kind = RangeNotSatisfiable
        case 401 if is_of_b2:
            kind = Refused
        case 403 if is_of_b2:
            kind = Refused if code == "access_denied" else CapExceeded
        case 408 | 429:
            kind = Unavailable
        case _ if status >= 500:
            kind = Unavailable
        case _:
            kind = UnexpectedAnswer
    return _made(kind, f"HTTP status {status}" + (f", {code}" if code else ""), retry_after_s(retry_after))


def from_upload(status: int, body: bytes, retry_after: str | None, content_type: str) -> B2RouterError:
    """What an error answer of B2 to an upload means; see `from_answer`."""
    if is_damaged(status, body):
        return BackendError("B2 received other bytes than were sent. Look at proxies in between, and at the disk.")
    if status in (404, 416):
        return _made(UnexpectedAnswer, f"HTTP status {status}", None)
    if status == 400 and (code := _code(body)):
        return _made(BackendError, f"HTTP status 400, {code}", None, _OF_CODES.get(code))
    return from_answer(status, body, retry_after, content_type)


def is_damaged(status: int, body: bytes) -> bool:
    """Whether B2 received other bytes than were sent. Source: recorded traffic; the code is that of any bad request."""
    return status == 400 and b"sha1 did not match" in body.lower()


def is_for_another_address(status: int, body: bytes) -> bool:
    """Whether an upload that was refused so may succeed at another address, or after a while. A token that B2 no longer
    takes is one for uploads, and comes with each address.

    Source: B2 documentation, "Uploading files", error handling.
    """
    if status == 400:
        return is_damaged(status, body) or _code(body) in ("auth_token_limit", "bad_bucket_id")
    return is_expired(status, body) or status in (408, 429) or status >= 500


def is_expired(status: int, body: bytes) -> bool:
    """Whether an answer asks for a new login: a 401 that says so, or one without a body to tell (after HEAD)."""
    return status == 401 and (not body or _code(body) in ("bad_auth_token", "expired_auth_token"))


def retry_after_s(value: str | None) -> int | None:
    """Retry-After as seconds; None when it is absent or makes no sense. B2 sends seconds, and proxies also dates.

    Source: RFC 9110, 10.2.3.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        seconds = int(value) if len(value) < 10 else MAX_RETRY_AFTER_S + 1
    else:
        try:
            seconds = max(0, ceil(parsedate_to_datetime(value).timestamp() - time.time()))
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return seconds if seconds <= MAX_RETRY_AFTER_S else None


def unavailable(what: str, wait_s: int | None = None) -> Unavailable:
    """B2 could not be reached or did not answer in time."""
    return Unavailable(f"{_ADVICE[Unavailable]} ({what})", retry_after_s=wait_s or RETRY_AFTER_S)


def refused(what: str) -> Refused:
    """B2 does not accept the key, or what it asks for."""
    return Refused(f"{_ADVICE[Refused]} ({what})")


def locked(what: str) -> Locked:
    """B2 keeps a version of a file."""
    return Locked(f"{_ADVICE[Locked]} ({what})")


def ours(error: Exception) -> B2RouterError:
    """What a failure means: itself, when it is one of our errors already.

    Args:
        error: of b2sdk, requests or urllib3; b2sdk looks into answers without checking them, so KeyError, TypeError and
            ValueError, too.
    """
    if isinstance(error, B2RouterError):
        return error
    if isinstance(error, b2.MaxRetriesExceeded):  # uploads: the last failure decides, a missing right included
        error = next((e for e in reversed(error.exception_info_list) if isinstance(e, Exception)), error)
    kind = next(kind for theirs, kind in FAULTS.items() if isinstance(error, theirs))
    if isinstance(error, b2.UnknownError) and str(error.args[:1]).startswith("('403 "):
        kind = CapExceeded  # b2sdk does not know every spelling of a cap
    if isinstance(error, b2.BadRequest) and _CODE.fullmatch(str(getattr(error, "code", ""))):
        return _made(kind, f"{type(error).__name__}, {error.code}", None, _OF_CODES.get(error.code))
    wait_s = getattr(error, "wait_s", None) or getattr(error, "retry_after_seconds", None)
    return _made(kind, getattr(error, "what", "") or type(error).__name__, wait_s)


def _made(kind: type[B2RouterError], what: str, wait_s: int | None, advice: str | None = None) -> B2RouterError:
    text = f"{advice or _ADVICE[kind]} ({what})"
    if not issubclass(kind, BackendError):
        return kind(text)
    return kind(text, retry_after_s=(wait_s or RETRY_AFTER_S) if kind is Unavailable else wait_s)


def _said(body: bytes) -> str | None:
    """The code of an error answer, which may be empty; None when it is not an answer of B2."""
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _code(body: bytes) -> str:
    code = _said(body) or ""
    return code if _CODE.fullmatch(code) else ""
