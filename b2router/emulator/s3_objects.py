"""Objects of the S3-compatible API: GET, HEAD, PUT, DELETE; the files are those of the native API.

A DELETE hides, as it does at B2, whose buckets always keep versions. Source: Backblaze docs, "S3-compatible API".
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime

from b2router.emulator import (
    encryption,
    events,
    locks,
    metadata,
    naming,
    ranges,
    s3,
    s3_bodies,
    uploads,
    versions,
)
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.blobs import cut
from b2router.emulator.http1 import Request
from b2router.emulator.s3 import Asked
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call

_META = "x-amz-meta-"
_PUT_INFO = {header.lower(): key for key, header in metadata.PLAIN_HEADERS.items()}
_NOT_OFFERED = ("if-none-match", "if-match", "x-amz-copy-source")


def get_object(call: Call) -> Answer:
    """Answer a GET or HEAD, with validators, conditions, ranges and overrides.

    Raises:
        Refusal: 403; 404 NoSuchBucket or NoSuchKey; 412; 416.
    """
    asked = s3.asked(call, "readFiles")
    version, query = _version(call, asked), asked.query
    said = version.attributes
    encryption.require_key(said.sse_mode, said.sse_key_md5, None)
    headers = _headers(version)
    not_modified = _condition(call.request, headers["ETag"], version.uploaded_ms // 1000)
    if not_modified:
        return Answer(304, [(name, headers[name]) for name in ("ETag", "Last-Modified")])
    for key, header in s3.OVERRIDES.items():
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
    """Store a file.

    Raises:
        Refusal: 403; 400; 411; 501 for conditions, copies and frames that are signed one by one; as `s3_bodies`.
    """
    asked, world = s3.asked(call, "writeFiles"), call.world
    said, now_ms = attributes(call, asked), world.now_ms()
    with s3_bodies.received(call, with_md5=True) as content, world.database.transaction():
        version = uploads.new_version(world, asked.bucket, asked.name, said, now_ms)
        slices = world.blobs.keep(content)
        version = replace(version, size=content.size, sha1=content.sha1, md5=content.md5, slices=slices)
        versions.insert(world.database, world.blobs, version)
    events.announce(world, asked.bucket, version, events.CREATED_UPLOAD)
    return Answer(200, [("ETag", etag(version)), ("x-amz-version-id", version.id)])


def delete_object(call: Call) -> Answer:
    """Hide a file, or delete one of its versions; 204 also when there is none.

    Raises:
        Refusal: 403, also of a version that is held or retained.
    """
    asked, world = s3.asked(call, "deleteFiles"), call.world
    with world.database.transaction():
        if "versionId" in asked.query:
            version = _find(call, asked)
            if version is None:
                return Answer(204)
            bypass = call.request.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
            locks.require_deletable(version, asked.caller, bypass, world.now_ms())
            versions.delete(world.database, world.blobs, version)
            event = events.DELETED
        else:
            newest = versions.latest(world.database, asked.bucket.id, asked.name)
            if newest is None or newest.action == versions.HIDE:
                return Answer(204)
            now_ms = max(world.now_ms(), newest.uploaded_ms)
            said = Attributes(content_type=versions.HIDE_TYPE)
            version = uploads.new_version(world, asked.bucket, asked.name, said, now_ms, action=versions.HIDE)
            versions.insert(world.database, world.blobs, version)
            event = events.HIDDEN
    events.announce(world, asked.bucket, version, event)
    headers = [("x-amz-version-id", version.id)]
    if version.action == versions.HIDE:
        headers.append(("x-amz-delete-marker", "true"))
    return Answer(204, headers)


def attributes(call: Call, asked: Asked) -> Attributes:
    """Read everything that headers say about a new file.

    Raises:
        Refusal: 400; 501, what B2 does not do.
    """
    headers, bucket = call.request.headers, asked.bucket
    if any(name in headers for name in _NOT_OFFERED):
        raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    naming.file_name(asked.name)
    info = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    plain = {key: headers[header] for header, key in _PUT_INFO.items() if header in headers}
    if "b2-content-encoding" in plain:  # the frames of the transport are no property of the file
        codings = [coding.strip() for coding in plain.pop("b2-content-encoding").split(",")]
        if kept := [coding for coding in codings if coding not in ("", "aws-chunked")]:
            plain["b2-content-encoding"] = ",".join(kept)
    info = metadata.checked_info(info | plain)
    sse = encryption.or_default(None, bucket)
    metadata.require_fit(asked.name, info, bucket, sse.mode is not None)
    lock = locks.settle(locks.Lock(), bucket, asked.caller, call.world.now_ms())
    content_type = metadata.content_type(headers.get("content-type") or metadata.FALLBACK_TYPE, asked.name)
    return Attributes(content_type, info, sse.mode, None, lock.mode, lock.until_ms, lock.hold)


def etag(version: Version) -> str:
    """Return the entity tag of a file, quotes included: its MD5, unless it came in parts."""
    if version.md5 is not None:
        return f'"{version.md5}"'
    digest = hashlib.md5(version.id.encode(), usedforsecurity=False).hexdigest()
    return f'"{digest}-2"'  # as for multipart uploads: not the MD5 of the content


def _version(call: Call, asked: Asked) -> Version:
    version = _find(call, asked)
    if version is None or version.action != versions.UPLOAD:
        raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
    return version


def _find(call: Call, asked: Asked) -> Version | None:
    """The version that is asked for, or else the newest."""
    database = call.world.database
    if "versionId" not in asked.query:
        return versions.latest(database, asked.bucket.id, asked.name)
    try:
        version = versions.find(database, asked.query["versionId"])
    except Refusal:
        return None
    return version if (version.bucket_id, version.name) == (asked.bucket.id, asked.name) else None


def _headers(version: Version) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": version.attributes.content_type,
        "ETag": etag(version),
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
