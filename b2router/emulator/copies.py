"""b2_copy_file and b2_copy_part: new versions and parts out of stored bytes; nothing is copied on disk."""

from __future__ import annotations

from dataclasses import replace

from b2router.emulator import (
    bucket_store,
    encryption,
    events,
    largefiles,
    locks,
    metadata,
    naming,
    uploads,
    versions,
)
from b2router.emulator.answers import Json, Refusal, bad_request
from b2router.emulator.blobs import cut
from b2router.emulator.fields import Fields
from b2router.emulator.ranges import parse
from b2router.emulator.receiving import MAX_UPLOAD_BYTES
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call


def copy_file(call: Call) -> Json:
    """Make a new file out of an existing version or a range of it."""
    world, fields = call.world, call.fields
    source = _source(call)
    name = naming.file_name(fields.text("fileName"))
    bucket_id = fields.optional_text("destinationBucketId") or source.bucket_id
    call.caller.require_bucket(bucket_id)
    call.caller.require_name(name)
    bucket = bucket_store.by_id(world.database, bucket_id)
    now_ms = world.now_ms()
    content_type, info = _metadata(fields, source, name)
    sse = encryption.or_default(encryption.from_fields(fields.mapping("destinationServerSideEncryption")), bucket)
    metadata.require_fit(name, info, bucket, sse.mode is not None)
    lock = locks.settle(locks.from_fields(fields, now_ms), bucket, call.caller, now_ms)
    said = Attributes(content_type, info, sse.mode, sse.key_md5, lock.mode, lock.until_ms, lock.hold)
    part = _ranged(fields, source)
    if part.size > MAX_UPLOAD_BYTES:
        raise Refusal(400, "source_too_large", f"Copy source too big: {part.size}")
    if part.sha1 in (None, "none"):
        part = replace(part, sha1=largefiles.sha1_of(world, part.slices))
    version = uploads.new_version(world, bucket, name, said, now_ms)
    version = replace(version, size=part.size, sha1=part.sha1, md5=part.md5, slices=part.slices)
    with world.database.transaction():
        versions.find(world.database, source.id)  # its bytes are there until this commits
        versions.insert(world.database, world.blobs, version)
    events.announce(world, bucket, version, events.CREATED_COPY)
    answer = versions.as_json(version, world.account_id, call.caller, api_version=call.version)
    return answer | {"action": "copy"}


def copy_part(call: Call) -> Json:
    """Make a part of a large file out of an existing version or a range of it."""
    world, fields = call.world, call.fields
    source = _source(call)
    target = largefiles.unfinished(world, call.caller, fields.text("largeFileId"))
    number = fields.integer("partNumber", None, 1, largefiles.MAX_PARTS)
    part = _ranged(fields, source)
    if part.size > MAX_UPLOAD_BYTES:
        raise Refusal(400, "source_too_large", f"Copy source too big: {part.size}")
    sha1 = part.sha1
    if sha1 is None or len(sha1) != 40:
        sha1 = largefiles.sha1_of(world, part.slices)
    with world.database.transaction():
        versions.find(world.database, source.id)
        return largefiles.keep_part(world, target.id, number, part.size, sha1, part.slices)


def _source(call: Call) -> Version:
    source_id = call.fields.text("sourceFileId")
    bucket_id = versions.bucket_of(source_id)
    call.caller.require_bucket(bucket_id)
    call.caller.require("readFiles")
    source = versions.find(call.world.database, source_id)
    call.caller.require_name(source.name)
    if source.action != versions.UPLOAD:
        raise bad_request("The source of a copy must be a finished file")
    said = source.attributes
    given = encryption.from_fields(call.fields.mapping("sourceServerSideEncryption"))
    encryption.require_key(said.sse_mode, said.sse_key_md5, given)
    return source


def _metadata(fields: Fields, source: Version, name: str) -> tuple[str, dict[str, str]]:
    directive = fields.optional_text("metadataDirective") or "COPY"
    if directive == "COPY":
        if fields.has("contentType") or fields.has("fileInfo"):
            raise bad_request("contentType and fileInfo go with metadataDirective REPLACE only")
        return source.attributes.content_type, source.info
    if directive != "REPLACE":
        raise bad_request("metadataDirective must be COPY or REPLACE")
    return metadata.content_type(fields.optional_text("contentType"), name), metadata.info_from_fields(fields)


def _ranged(fields: Fields, source: Version) -> Version:
    """Return the source as if it held only the range asked for."""
    header = fields.optional_text("range")
    if header is None:
        return source
    wanted = parse(header, source.size)
    if wanted is None:
        return source
    slices = cut(source.slices, wanted.first, wanted.last)
    return replace(source, size=wanted.length, sha1=None, md5=None, slices=slices)
