"""Checks presigned addresses, AWS signature version 4; asked by `s3`.

Source: AWS docs, "Authenticating requests: using query parameters (AWS Signature Version 4)". Any region is
accepted as long as it is the signed one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from time import strptime
from urllib.parse import quote, unquote_to_bytes

from b2router.emulator.access import Caller, caller_from_row
from b2router.emulator.answers import Refusal
from b2router.emulator.http1 import Request
from b2router.emulator.world import World

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_EXPIRES_S = 7 * 24 * 3600
MAX_SKEW_S = 15 * 60
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SPACES = re.compile(r" +")
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class _Scope:
    key_id: str
    date: str
    region: str

    def text(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Split a query string and decode it, plus signs kept.

    Raises:
        Refusal: 400 InvalidArgument, bytes that are not UTF-8, or over two hundred names.
    """
    parts = [part.partition("=") for part in query.split("&") if part]
    if len(parts) > 200:
        raise Refusal(400, "InvalidArgument", "Too many query parameters")
    try:
        return [
            (unquote_to_bytes(name).decode("utf-8"), unquote_to_bytes(value).decode("utf-8"))
            for name, _, value in parts
        ]
    except UnicodeDecodeError:
        raise Refusal(400, "InvalidArgument", "The query string is not UTF-8") from None


def verify(world: World, request: Request, pairs: list[tuple[str, str]]) -> Caller:
    """Find the caller behind a presigned address.

    Raises:
        Refusal: 403 AccessDenied, expired; SignatureDoesNotMatch; InvalidAccessKeyId, unknown, or the master
            key, which S3 does not take; 400 AuthorizationQueryParametersError.
    """
    said = dict(pairs)
    scope, date = _scope(said), said.get("X-Amz-Date", "")
    expires, signed = said.get("X-Amz-Expires", ""), said.get("X-Amz-SignedHeaders", "").split(";")
    if not _DATE.fullmatch(date) or not date.startswith(scope.date):
        raise _bad_query("X-Amz-Date must be the date of the credential")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 8 and 1 <= int(expires) <= MAX_EXPIRES_S):
        raise _bad_query(f"X-Amz-Expires must be between 1 and {MAX_EXPIRES_S} seconds")
    if "host" not in signed or any(name not in request.headers for name in signed):
        raise Refusal(403, "AccessDenied", "There were headers signed that are not in the request")
    row = world.database.one("SELECT * FROM keys WHERE id = ?", scope.key_id)
    if row is None or row["is_master"]:
        raise Refusal(403, "InvalidAccessKeyId", "Malformed Access Key Id")
    to_sign = "\n".join([ALGORITHM, date, scope.text(), _digest(_canonical(request, pairs, signed))])
    expected = hmac.new(_signing_key(row["secret"], scope), to_sign.encode(), hashlib.sha256).hexdigest()
    given = said.get("X-Amz-Signature", "")
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Refusal(403, "SignatureDoesNotMatch", "Signature validation failed")
    caller = caller_from_row(row)
    _require_time(date, int(expires), caller, world.now_ms())
    return caller


def _scope(said: dict[str, str]) -> _Scope:
    if said.get("X-Amz-Algorithm") != ALGORITHM:
        raise _bad_query(f"X-Amz-Algorithm must be {ALGORITHM}")
    parts = said.get("X-Amz-Credential", "").rsplit("/", 4)
    if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
        raise _bad_query("X-Amz-Credential must be KEY/DATE/REGION/s3/aws4_request")
    return _Scope(parts[0], parts[1], parts[2])


def _require_time(date: str, expires_s: int, caller: Caller, now_ms: int) -> None:
    try:
        signed_s = timegm(strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _bad_query("X-Amz-Date is no date") from None
    now_s = now_ms / 1000
    if signed_s > now_s + MAX_SKEW_S:
        raise Refusal(403, "RequestTimeTooSkewed", "The date of the request lies ahead")
    if now_s > signed_s + expires_s or (caller.expires_ms is not None and now_ms >= caller.expires_ms):
        raise Refusal(403, "AccessDenied", "Request has expired")


def _canonical(request: Request, pairs: list[tuple[str, str]], signed: list[str]) -> str:
    path = quote(unquote_to_bytes(request.path), safe="/-_.~")
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{_SPACES.sub(' ', request.headers[name].strip())}\n" for name in signed]
    payload = dict(pairs).get("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256") or _UNSIGNED
    lines = [
        request.method,
        path,
        "&".join(f"{name}={value}" for name, value in query),
        "".join(headers),
        ";".join(signed),
        payload,
    ]
    return "\n".join(lines)


def _signing_key(secret: str, scope: _Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _bad_query(message: str) -> Refusal:
    return Refusal(400, "AuthorizationQueryParametersError", message)
