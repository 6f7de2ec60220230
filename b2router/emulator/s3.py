"""Presigned GET, HEAD and PUT of the S3-compatible API; no more of S3 is offered.

Source: Backblaze docs, "S3-compatible API"; buckets and keys are those of the native API.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime
from xml.sax.saxutils import escape

from b2router.emulator import (
    bucket_store,
    encryption,
    events,
    locks,
    metadata,
    naming,
    ranges,
    sigv4,
    uploads,
    versions,
)
from b2router.emulator.access import Caller
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.blobs import cut
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.http1 import Request
from b2router.emulator.receiving import MAX_UPLOAD_BYTES
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call

OPERATIONS = ("s3_get", "s3_head", "s3_put", "s3")
_META = "x-amz-meta-"
_OVERRIDES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}
_KNOWN_QUERY = frozenset({*_OVERRIDES, "versionId", "x-id"})
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
_PUT_INFO = {header.lower(): key for key, header in metadata.PLAIN_HEADERS.items()}


def is_signed(request: Request) -> bool:
    """True if a request belongs to the S3-compatible API: it carries an AWS signature."""
    return "X-Amz-" in request.query or request.headers.get("authorization", "").startswith("AWS4-")


def get_object(call: Call) -> Answer:
    """Answer a presigned GET or HEAD, with validators, conditions, ranges and overrides.

    Raises:
        Refusal: 403; 404 NoSuchBucket or NoSuchKey; 412; 416.
    """
    _caller, bucket, name, query = _signed(call, "readFiles")
    version = _version(call, bucket, name, query)
    said = version.attributes
    encryption.require_key(said.sse_mode, said.sse_key_md5, None)
    headers = _headers(version)
    not_modified = _condition(call.request, headers["ETag"], version.uploaded_ms // 1000)
    if not_modified:
        return Answer(304, [(name, headers[name]) for name in ("ETag", "Last-Modified")])
    for key, header in _OVERRIDES.items():
        if key in query:
            if not metadata.is_printable(query[key]):
                raise Refusal(400, "InvalidArgument", f"{key} is not a valid header value")
            headers[header] = query[key]
    wanted = _range(call.request.headers.get("range"), version.size)
    if wanted is None:
        return Answer(200, list(headers.items()), slices=version.slices)
    headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{version.size}"
    return Answer(206, list(headers.items()), slices=cut(version.slices, wanted.first, wanted.last))


def put_object(call: Call) -> Answer:
    """Store a file sent to a presigned address.

    Raises:
        Refusal: 403; 400 BadDigest, EntityTooLarge; 411; 501 for conditions and chunked signatures.
    """
    caller, bucket, name, _ = _signed(call, "writeFiles")
    world, request, headers = call.world, call.request, call.request.headers
    if "content-length" not in headers:
        raise Refusal(411, "MissingContentLength", "Content-Length is required")
    if request.body.length > MAX_UPLOAD_BYTES:
        raise Refusal(400, "EntityTooLarge", "A single upload takes at most 5 GB")
    digest = headers.get("x-amz-content-sha256", "")
    streaming = digest.startswith("STREAMING-") or "aws-chunked" in headers.get("content-encoding", "")
    if streaming or "if-none-match" in headers or "if-match" in headers:
        raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    naming.file_name(name)
    info = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    info |= {key: headers[header] for header, key in _PUT_INFO.items() if header in headers}
    info = metadata.checked_info(info)
    sse = encryption.or_default(None, bucket)
    metadata.require_fit(name, info, bucket, sse.mode is not None)
    now_ms = world.now_ms()
    lock = locks.settle(locks.Lock(), bucket, caller, now_ms)
    content_type = metadata.content_type(headers.get("content-type") or metadata.FALLBACK_TYPE, name)
    said = Attributes(content_type, info, sse.mode, None, lock.mode, lock.until_ms, lock.hold)
    with world.blobs.incoming(with_md5=True) as content:
        for block in request.body.blocks():
            content.write(block)
        _require_digests(headers.get("content-md5"), content.md5 or "", digest, content.address)
        with world.database.transaction():
            version = uploads.new_version(world, bucket, name, said, now_ms)
            slices = world.blobs.keep(content)
            version = replace(version, size=content.size, sha1=content.sha1, md5=content.md5, slices=slices)
            versions.insert(world.database, world.blobs, version)
    events.announce(world, bucket, version, events.CREATED_UPLOAD)
    return Answer(200, [("ETag", _etag(version)), ("x-amz-version-id", version.id)])


def from_refusal(refusal: Refusal) -> Answer:
    """Put a refusal in S3's error shape."""
    status, code = _NATIVE_CODES.get(refusal.code, (refusal.status, refusal.code))
    xml = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(refusal.message)}</Message></Error>\n"
    )
    answer = Answer(status, [("Content-Type", "application/xml")], xml.encode())
    if refusal.retry_after_s is not None:
        answer.headers.append(("Retry-After", str(refusal.retry_after_s)))
    return answer


def _signed(call: Call, capability: str) -> tuple[Caller, Bucket, str, dict[str, str]]:
    if "X-Amz-" not in call.request.query:
        raise Refusal(501, "NotImplemented", "Only presigned addresses are offered, no signed headers")
    pairs = sigv4.query_pairs(call.request.query)
    query = dict(pairs)
    caller = sigv4.verify(call.world, call.request, pairs)
    unknown = [name for name in query if not name.startswith("X-Amz-") and name not in _KNOWN_QUERY]
    bucket_name, slash, key = call.request.path[1:].partition("/")
    if unknown or not slash or not key:
        raise Refusal(501, "NotImplemented", "Only GET, HEAD and PUT of objects are offered")
    name = naming.decode(key.replace("+", "%2B"))  # in the path of S3 a plus is a plus
    caller.require(capability)
    try:
        bucket = bucket_store.by_name(call.world.database, bucket_name)
    except Refusal:
        raise Refusal(404, "NoSuchBucket", f"The specified bucket does not exist: {bucket_name[:64]}") from None
    caller.require_bucket(bucket.id)
    caller.require_name(name)
    return caller, bucket, name, query


def _version(call: Call, bucket: Bucket, name: str, query: dict[str, str]) -> Version:
    version: Version | None
    if "versionId" in query:
        version = versions.find(call.world.database, query["versionId"])
        if (version.bucket_id, version.name) != (bucket.id, name):
            version = None
    else:
        version = versions.latest(call.world.database, bucket.id, name)
    if version is None or version.action != versions.UPLOAD:
        raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
    return version


def _headers(version: Version) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": version.attributes.content_type,
        "ETag": _etag(version),
        "Last-Modified": formatdate(version.uploaded_ms / 1000, usegmt=True),
        "x-amz-version-id": version.id,
    }
    for key, value in version.info.items():
        if key in metadata.PLAIN_HEADERS:
            headers[metadata.PLAIN_HEADERS[key]] = value
        else:
            headers[_META + key] = value if metadata.is_printable(value) else naming.encode(value)
    if version.attributes.sse_mode == encryption.SSE_B2:
        headers["x-amz-server-side-encryption"] = "AES256"
    return headers


def _etag(version: Version) -> str:
    if version.md5 is not None:
        return f'"{version.md5}"'
    digest = hashlib.md5(version.id.encode(), usedforsecurity=False).hexdigest()
    return f'"{digest}-2"'  # as for multipart uploads: not the MD5 of the content


def _condition(request: Request, etag: str, modified_s: int) -> bool:
    """True if the answer is 304; 412 is raised. Order of RFC 9110 13.2.2."""
    headers = request.headers
    if "if-match" in headers:
        if not _etag_matches(headers["if-match"], etag):
            raise _failed()
    elif "if-unmodified-since" in headers and _later(modified_s, headers["if-unmodified-since"]):
        raise _failed()
    if "if-none-match" in headers:
        return _etag_matches(headers["if-none-match"], etag)
    since = headers.get("if-modified-since")
    return since is not None and _later(modified_s, since) is False


def _etag_matches(header: str, etag: str) -> bool:
    said = [text.strip().removeprefix("W/") for text in header.split(",")]
    return "*" in said or etag in said or etag.strip('"') in said


def _later(modified_s: int, date: str) -> bool | None:
    try:
        return modified_s > parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None  # an unreadable date is ignored


def _failed() -> Refusal:
    return Refusal(412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")


def _range(header: str | None, size: int) -> ranges.ByteRange | None:
    wanted = ranges.parse(header, size)
    if wanted is None and header is not None and re.fullmatch(r"bytes=(0-[0-9]*|-[0-9]+)", header) and size:
        return ranges.ByteRange(0, size - 1)  # S3 answers 206 to a range over the whole object
    return wanted


def _require_digests(md5_base64: str | None, md5: str, sha256: str, actual_sha256: str) -> None:
    if md5_base64 is not None and md5_base64 != base64.b64encode(bytes.fromhex(md5)).decode():
        raise Refusal(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
    if re.fullmatch(r"[0-9a-f]{64}", sha256) and sha256 != actual_sha256:
        raise Refusal(400, "XAmzContentSHA256Mismatch", "The content does not match its x-amz-content-sha256")
