"""A request of the S3-compatible API: which operation it is, who signed it, what it names, and S3's errors; used by
`routes`, `exchange` and all of `s3_objects`, `s3_multipart` and `s3_listing`.

Source: Backblaze docs, "S3-compatible API"; buckets, keys and files are those of the native API. Addresses are in path
style: /BUCKET/KEY.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from b2router.emulator import bucket_store, naming, sigv4
from b2router.emulator.access import Caller
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.http1 import Request
from b2router.emulator.world import Call

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
OVERRIDES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}
_LISTING = frozenset({
    "list-type", "prefix", "delimiter", "max-keys", "marker", "start-after", "continuation-token", "encoding-type",
    "fetch-owner",
})  # fmt: skip
_OPERATIONS = (
    # operation, method, is of an object, what the query has to say, what it may say
    ("s3_get", "GET", True, frozenset[str](), frozenset({*OVERRIDES, "versionId"})),
    ("s3_head", "HEAD", True, frozenset[str](), frozenset({*OVERRIDES, "versionId"})),
    ("s3_put", "PUT", True, frozenset[str](), frozenset[str]()),
    ("s3_delete", "DELETE", True, frozenset[str](), frozenset({"versionId"})),
    ("s3_list", "GET", False, frozenset[str](), _LISTING),
    ("s3_create_multipart", "POST", True, frozenset({"uploads"}), frozenset[str]()),
    ("s3_upload_part", "PUT", True, frozenset({"uploadId", "partNumber"}), frozenset[str]()),
    ("s3_complete_multipart", "POST", True, frozenset({"uploadId"}), frozenset[str]()),
    ("s3_abort_multipart", "DELETE", True, frozenset({"uploadId"}), frozenset[str]()),
)
_NATIVE_CODES = {
    "bad_request": (400, "InvalidArgument"),
    "bad_bucket_id": (404, "NoSuchBucket"),
    "not_found": (404, "NoSuchKey"),
    "unauthorized": (403, "AccessDenied"),
    "access_denied": (403, "AccessDenied"),
    "bad_auth_token": (403, "InvalidAccessKeyId"),
    "expired_auth_token": (403, "AccessDenied"),
    "range_not_satisfiable": (416, "InvalidRange"),
    "service_unavailable": (503, "ServiceUnavailable"),
    "internal_error": (500, "InternalError"),
    "length_required": (411, "MissingContentLength"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a signed request is about."""

    caller: Caller
    bucket: Bucket
    name: str  # of the file; empty for the bucket itself
    query: dict[str, str]


def is_signed(request: Request) -> bool:
    """True if a request belongs to the S3-compatible API: it carries an AWS signature."""
    return sigv4.is_in_address(request) or request.headers.get("authorization", "").startswith("AWS4-")


def operation_of(request: Request) -> str | None:
    """Return the name of the operation that a signed request asks for; None when it is not offered."""
    is_object = bool(request.path[1:].partition("/")[2])
    names = {part.partition("=")[0] for part in request.query.split("&") if part}
    said = {name for name in names if not name.startswith("X-Amz-") and name != "x-id"}
    for operation, method, of_object, needed, allowed in _OPERATIONS:
        if (request.method, is_object) == (method, of_object) and needed <= said <= needed | allowed:
            return operation
    return None


def asked(call: Call, capability: str) -> Asked:
    """Check the signature and the rights of a request.

    Args:
        call: of an operation of S3.
        capability: that the key needs.
    Raises:
        Refusal: 403; 400; 404 NoSuchBucket.
    """
    pairs = sigv4.query_pairs(call.request.query)
    caller = sigv4.verify(call.world, call.request, pairs)
    bucket_name, _, key = call.request.path[1:].partition("/")
    name = naming.decode(key.replace("+", "%2B"))  # in the path of S3 a plus is a plus
    caller.require(capability)
    try:
        bucket = bucket_store.by_name(call.world.database, bucket_name)
    except Refusal:
        raise Refusal(404, "NoSuchBucket", f"The specified bucket does not exist: {bucket_name[:64]}") from None
    caller.require_bucket(bucket.id)
    if name:
        caller.require_name(name)
    return Asked(caller, bucket, name, dict(pairs))


def document(body: str, status: int = 200) -> Answer:
    """Wrap XML in an answer."""
    xml = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{body}\n'
    return Answer(status, [("Content-Type", "application/xml")], xml.encode())


def from_refusal(refusal: Refusal) -> Answer:
    """Put a refusal in S3's error shape."""
    status, code = _NATIVE_CODES.get(refusal.code, (refusal.status, refusal.code))
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
    answer = document(error, status)
    if refusal.retry_after_s is not None:
        answer.headers.append(("Retry-After", str(refusal.retry_after_s)))
    return answer
