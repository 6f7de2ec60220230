"""Checks AWS signatures, version 4, in the address or in the header; asked by `s3`.

Source: AWS docs, "Authenticating requests (AWS Signature Version 4)", using query parameters and using the
Authorization header. Any region is accepted as long as it is the signed one.
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
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{{64}})"
)
_SPACES = re.compile(r" +")
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class _Scope:
    key_id: str
    date: str
    region: str

    def text(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a request says about its signature."""

    scope: _Scope
    date: str
    headers: list[str]  # those that are signed
    signature: str
    payload: str | None = None  # what an address says about the content
    expires: str = ""  # of an address: seconds, as digits


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


def is_in_address(request: Request) -> bool:
    """Whether a request brings its signature in parameters, rather than in a header."""
    return any(part.startswith("X-Amz-") for part in request.query.split("&"))


def verify(world: World, request: Request, pairs: list[tuple[str, str]]) -> Caller:
    """Find the caller behind a signed request.

    Args:
        world: whose keys count.
        request: signed in its address or in its header.
        pairs: its query, decoded.
    Raises:
        Refusal: 403 AccessDenied, expired; RequestTimeTooSkewed; SignatureDoesNotMatch; InvalidAccessKeyId, unknown,
            or the master key, which S3 does not take; 400, a signature that cannot be read.
    """
    said = _in_address(dict(pairs)) if is_in_address(request) else _in_header(request)
    if "host" not in said.headers or any(name not in request.headers for name in said.headers):
        raise Refusal(403, "AccessDenied", "There were headers signed that are not in the request")
    row = world.database.one("SELECT * FROM keys WHERE id = ?", said.scope.key_id)
    if row is None or row["is_master"]:
        raise Refusal(403, "InvalidAccessKeyId", "Malformed Access Key Id")
    canonical = _canonical(request, pairs, said)
    to_sign = "\n".join([ALGORITHM, said.date, said.scope.text(), _digest(canonical)])
    expected = hmac.new(_signing_key(row["secret"], said.scope), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), said.signature.encode()):
        raise Refusal(403, "SignatureDoesNotMatch", "Signature validation failed")
    caller = caller_from_row(row)
    _require_time(said, caller, world.now_ms())
    return caller


def _in_address(said: dict[str, str]) -> _Signature:
    if said.get("X-Amz-Algorithm") != ALGORITHM:
        raise _bad_query(f"X-Amz-Algorithm must be {ALGORITHM}")
    scope = _scope(said.get("X-Amz-Credential", ""))
    if scope is None:
        raise _bad_query("X-Amz-Credential must be KEY/DATE/REGION/s3/aws4_request")
    date, expires = said.get("X-Amz-Date", ""), said.get("X-Amz-Expires", "")
    if not _DATE.fullmatch(date) or not date.startswith(scope.date):
        raise _bad_query("X-Amz-Date must be the date of the credential")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 8 and 1 <= int(expires) <= MAX_EXPIRES_S):
        raise _bad_query(f"X-Amz-Expires must be between 1 and {MAX_EXPIRES_S} seconds")
    signed = said.get("X-Amz-SignedHeaders", "").split(";")
    return _Signature(scope, date, signed, said.get("X-Amz-Signature", ""), said.get("X-Amz-Content-Sha256"), expires)


def _in_header(request: Request) -> _Signature:
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    scope = _scope(match[1]) if match is not None else None
    if match is None or scope is None:
        raise Refusal(400, "AuthorizationHeaderMalformed", "Credential, SignedHeaders and Signature are expected")
    date = request.headers.get("x-amz-date", "")
    if not _DATE.fullmatch(date) or not date.startswith(scope.date):
        raise Refusal(403, "AccessDenied", "X-Amz-Date must be the date of the credential")
    if "x-amz-content-sha256" not in request.headers:
        raise Refusal(400, "InvalidRequest", "Missing header: x-amz-content-sha256")
    return _Signature(scope, date, match[2].split(";"), match[3])


def _scope(credential: str) -> _Scope | None:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
        return None
    return _Scope(parts[0], parts[1], parts[2])


def _require_time(said: _Signature, caller: Caller, now_ms: int) -> None:
    try:
        signed_s = timegm(strptime(said.date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _bad_query("X-Amz-Date is no date") from None
    now_s = now_ms / 1000
    if signed_s > now_s + MAX_SKEW_S or (not said.expires and now_s > signed_s + MAX_SKEW_S):
        raise Refusal(403, "RequestTimeTooSkewed", "The date of the request is too far from now")
    is_over = bool(said.expires) and now_s > signed_s + int(said.expires)
    if is_over or (caller.expires_ms is not None and now_ms >= caller.expires_ms):
        raise Refusal(403, "AccessDenied", "Request has expired")


def _canonical(request: Request, pairs: list[tuple[str, str]], said: _Signature) -> str:
    path = quote(unquote_to_bytes(request.path), safe="/-_.~")
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{_SPACES.sub(' ', request.headers[name].strip())}\n" for name in said.headers]
    payload = said.payload or request.headers.get("x-amz-content-sha256") or _UNSIGNED
    lines = [
        request.method,
        path,
        "&".join(f"{name}={value}" for name, value in query),
        "".join(headers),
        ";".join(said.headers),
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
