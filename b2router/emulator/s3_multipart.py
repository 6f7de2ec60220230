"""Multipart uploads of the S3-compatible API: begun, sent, completed, aborted; each is a large file of the native API.

The id of an upload is the file id, and the entity tag of a part is its SHA-1. Source: Backblaze docs, "S3-compatible
API"; AWS docs, CompleteMultipartUpload.
"""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from b2router.emulator import events, largefiles, s3, s3_bodies, s3_objects, uploads, versions
from b2router.emulator.accounts import MINIMUM_PART_BYTES
from b2router.emulator.answers import Answer, Refusal, Slice
from b2router.emulator.s3 import Asked
from b2router.emulator.versions import Version
from b2router.emulator.world import Call

_NUMBER = re.compile(r"[0-9]{1,5}")


def create_multipart_upload(call: Call) -> Answer:
    """Begin a large file; it is invisible until it is completed."""
    asked, world = s3.asked(call, "writeFiles"), call.world
    said = s3_objects.attributes(call, asked)
    version = uploads.new_version(world, asked.bucket, asked.name, said, world.now_ms(), action=versions.START)
    with world.database.transaction():
        versions.insert(world.database, world.blobs, replace(version, sha1="none"))
    return s3.document(
        f'<InitiateMultipartUploadResult xmlns="{s3.XMLNS}"><Bucket>{escape(asked.bucket.name)}</Bucket>'
        f"<Key>{escape(asked.name)}</Key><UploadId>{version.id}</UploadId></InitiateMultipartUploadResult>"
    )


def upload_part(call: Call) -> Answer:
    """Store one part; a repeated number replaces the former.

    Raises:
        Refusal: 403; 404 NoSuchUpload; 400 InvalidArgument, the number; 501, a copy; as `s3_bodies`.
    """
    asked, world = s3.asked(call, "writeFiles"), call.world
    if "x-amz-copy-source" in call.request.headers:
        raise Refusal(501, "NotImplemented", "UploadPartCopy is not offered")
    version, said = _unfinished(call, asked), asked.query["partNumber"]
    if not _NUMBER.fullmatch(said) or not 1 <= int(said) <= largefiles.MAX_PARTS:
        raise Refusal(400, "InvalidArgument", f"partNumber must be between 1 and {largefiles.MAX_PARTS}")
    with s3_bodies.received(call, with_md5=False) as content, world.database.transaction():
        slices = world.blobs.keep(content)
        largefiles.keep_part(world, version.id, int(said), content.size, content.sha1, slices)
    return Answer(200, [("ETag", f'"{content.sha1}"')])


def complete_multipart_upload(call: Call) -> Answer:
    """Join the parts that the document lists; others are dropped.

    Raises:
        Refusal: 403; 404 NoSuchUpload; 400 MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall.
    """
    asked, world = s3.asked(call, "writeFiles"), call.world
    wanted = _listed(s3_bodies.xml_of(call))
    with world.database.transaction():
        version = _unfinished(call, asked)
        slices = _joined(call, version, wanted)
        version = replace(version, action=versions.UPLOAD, size=sum(part.length for part in slices), slices=slices)
        versions.delete(world.database, world.blobs, replace(version, slices=()))  # as it was begun, and all its parts
        versions.insert(world.database, world.blobs, version)
    events.announce(world, asked.bucket, version, events.CREATED_MULTIPART)
    answer = s3.document(
        f'<CompleteMultipartUploadResult xmlns="{s3.XMLNS}"><Location>{escape(call.base_url + call.request.path)}'
        f"</Location><Bucket>{escape(asked.bucket.name)}</Bucket><Key>{escape(asked.name)}</Key>"
        f"<ETag>{escape(s3_objects.etag(version))}</ETag></CompleteMultipartUploadResult>"
    )
    answer.headers.append(("x-amz-version-id", version.id))
    return answer


def abort_multipart_upload(call: Call) -> Answer:
    """Drop an upload that was not completed.

    Raises:
        Refusal: 403; 404 NoSuchUpload.
    """
    asked, world = s3.asked(call, "writeFiles"), call.world
    with world.database.transaction():
        versions.delete(world.database, world.blobs, _unfinished(call, asked))
    return Answer(204)


def _unfinished(call: Call, asked: Asked) -> Version:
    row = call.world.database.one(
        "SELECT * FROM versions WHERE id = ? AND bucket_id = ? AND name = ? AND action = 'start'",
        asked.query["uploadId"],
        asked.bucket.id,
        asked.name,
    )
    if row is None:
        raise Refusal(404, "NoSuchUpload", "The specified multipart upload does not exist.")
    return versions.from_row(row)


def _listed(document: bytes) -> list[tuple[int, str]]:
    """Numbers and entity tags, in the order in which they are to be joined."""
    malformed = Refusal(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
    if b"<!" in document:  # no document type, so no entities either
        raise malformed
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - see above
    except ElementTree.ParseError:
        raise malformed from None
    listed = []
    for part in root.iterfind("{*}Part"):
        number, tag = part.findtext("{*}PartNumber") or "", part.findtext("{*}ETag") or ""
        if not _NUMBER.fullmatch(number):
            raise malformed
        listed.append((int(number), tag.strip().strip('"')))
    if not listed:
        raise malformed
    if [number for number, _ in listed] != sorted({number for number, _ in listed}):
        raise Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    return listed


def _joined(call: Call, version: Version, wanted: list[tuple[int, str]]) -> tuple[Slice, ...]:
    rows = call.world.database.all("SELECT * FROM parts WHERE file_id = ?", version.id)
    stored = {row["number"]: row for row in rows}
    slices: list[Slice] = []
    for position, (number, tag) in enumerate(wanted, start=1):
        row = stored.get(number)
        if row is None or row["sha1"] != tag:
            raise Refusal(400, "InvalidPart", f"Part {number} could not be found, or has another entity tag.")
        if position < len(wanted) and row["size"] < MINIMUM_PART_BYTES:
            raise Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        slices += versions.slices_from_text(row["slices"])
    return tuple(slices)
