"""Contents that come by S3: their frames undone, their checksums compared; asked by `s3_objects` and `s3_multipart`.

A checksum is in the headers, or, where the content is streamed, in the fields after its chunks.
Source: AWS docs, "Checking object integrity in Amazon S3"; "Signature calculations … multiple chunks".
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from b2router.emulator import chunks
from b2router.emulator.answers import Refusal
from b2router.emulator.blobs import Incoming
from b2router.emulator.receiving import MAX_UPLOAD_BYTES
from b2router.emulator.world import Call

MAX_XML_BYTES = 4 * 1024 * 1024
_CHECKSUM = "x-amz-checksum-"
_STREAMED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Digest(Protocol):
    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    """CRC-32 in the shape of a digest of `hashlib`."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


@contextmanager
def received(call: Call, *, with_md5: bool) -> Iterator[Incoming]:
    """Receive the content of a signed request; inside the block it can be kept.

    Args:
        call: its body is read.
        with_md5: whether the MD5 is wanted.
    Yields:
        The content, when it is what its checksums say.
    Raises:
        Refusal: 411; 400 EntityTooLarge, BadDigest, IncompleteBody, XAmzContentSHA256Mismatch; 501, frames with a
            signature for each chunk, or a checksum that is not known here.
        Disconnected: the client went away; nothing stays.
    """
    headers, body = call.request.headers, call.request.body
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise Refusal(411, "MissingContentLength", "Content-Length is required")
    if body.length > MAX_UPLOAD_BYTES:
        raise Refusal(400, "EntityTooLarge", "A single upload takes at most 5 GB")
    digests = _digests(headers)
    fields: dict[str, str] = {}
    with call.world.blobs.incoming(with_md5=with_md5 or "content-md5" in headers) as content:
        try:
            for block in _blocks(call, fields):
                content.write(block)
                for digest in digests.values():
                    digest.update(block)
        except chunks.BadChunks as error:
            raise Refusal(400, "IncompleteBody", f"The content is not framed as aws-chunked: {error}") from None
        said = headers.get("x-amz-decoded-content-length")
        if said is not None and said != str(content.size):
            raise Refusal(400, "IncompleteBody", "The content has another length than x-amz-decoded-content-length")
        _require_same(headers | fields, content, digests)
        yield content


def xml_of(call: Call) -> bytes:
    """Read a document that is a request's body.

    Raises:
        Refusal: 400, too large, or not what its SHA-256 says.
    """
    if call.request.body.length > MAX_XML_BYTES:
        raise Refusal(400, "MaxMessageLengthExceeded", "Your request was too big.")
    said = call.request.headers.get("x-amz-content-sha256", "")
    document = call.request.body.read()
    if _SHA256.fullmatch(said) and said != hashlib.sha256(document).hexdigest():
        raise _other_sha256()
    return document


def _blocks(call: Call, fields: dict[str, str]) -> Iterator[memoryview]:
    """The bytes of the content; the fields that follow them, when there are some."""
    headers, body = call.request.headers, call.request.body
    digest = headers.get("x-amz-content-sha256", "")
    if not digest.startswith("STREAMING-") and "aws-chunked" not in headers.get("content-encoding", ""):
        return body.blocks()
    if digest != _STREAMED:
        raise Refusal(501, "NotImplemented", f"Of streamed contents, only {_STREAMED} is offered")
    return chunks.contents(io.BufferedReader(chunks.Joined(body.blocks())), fields)


def _digests(headers: dict[str, str]) -> dict[str, _Digest]:
    """What is to be computed, by the header that says what it should be."""
    names = [name for name in headers if name.startswith(_CHECKSUM) and name not in _ABOUT_CHECKSUMS]
    names += [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip()]
    known: dict[str, _Digest] = {}
    for name in names:
        match name.removeprefix(_CHECKSUM):
            case "crc32":
                known[name] = _Crc32()
            case "sha1":
                known[name] = hashlib.sha1(usedforsecurity=False)
            case "sha256":
                known[name] = hashlib.sha256()
            case _:
                raise Refusal(501, "NotImplemented", f"The checksum {name[:60]} is not offered; crc32 is, sha1, sha256")
    return known


_ABOUT_CHECKSUMS = frozenset(_CHECKSUM + word for word in ("algorithm", "mode", "type"))


def _require_same(said: dict[str, str], content: Incoming, digests: dict[str, _Digest]) -> None:
    for name, digest in digests.items():
        if said.get(name) != base64.b64encode(digest.digest()).decode():
            raise Refusal(400, "BadDigest", f"The {name} you specified did not match what we received.")
    md5, sha256 = said.get("content-md5"), said.get("x-amz-content-sha256", "")
    if md5 is not None and md5 != base64.b64encode(bytes.fromhex(content.md5 or "")).decode():
        raise Refusal(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
    if _SHA256.fullmatch(sha256) and sha256 != content.address:
        raise _other_sha256()


def _other_sha256() -> Refusal:
    return Refusal(400, "XAmzContentSHA256Mismatch", "The content does not match its x-amz-content-sha256")
