"""Large files: start, parts, finish, cancel."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from b2router.emulator import (
    bucket_store,
    encryption,
    events,
    locks,
    metadata,
    naming,
    receiving,
    uploads,
    versions,
)
from b2router.emulator.access import Caller
from b2router.emulator.accounts import MINIMUM_PART_BYTES
from b2router.emulator.answers import Json, Refusal, Slice, bad_request, out_of_range
from b2router.emulator.database import Row
from b2router.emulator.tokens import DAY_MS
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call, World

MAX_PARTS = 10_000


def start_large_file(call: Call) -> Json:
    """Begin a large file; it is invisible to downloads until it is finished."""
    world, fields = call.world, call.fields
    bucket_id, name = fields.text("bucketId"), naming.file_name(fields.text("fileName"))
    call.caller.require_bucket(bucket_id)
    call.caller.require_name(name)
    bucket = bucket_store.by_id(world.database, bucket_id)
    now_ms = world.now_ms()
    uploaded_ms = fields.optional_integer("customUploadTimestamp", 0, locks.MAX_MS)
    uploaded_ms = now_ms if uploaded_ms is None else uploaded_ms
    info = metadata.info_from_fields(fields)
    sse = encryption.or_default(encryption.from_fields(fields.mapping("serverSideEncryption")), bucket)
    metadata.require_fit(name, info, bucket, sse.mode is not None)
    lock = locks.settle(locks.from_fields(fields, now_ms), bucket, call.caller, uploaded_ms)
    content_type = metadata.content_type(fields.optional_text("contentType"), name)
    said = Attributes(content_type, info, sse.mode, sse.key_md5, lock.mode, lock.until_ms, lock.hold)
    version = uploads.new_version(world, bucket, name, said, uploaded_ms, action=versions.START)
    version = replace(version, sha1="none")
    with world.database.transaction():
        versions.insert(world.database, world.blobs, version)
    return versions.as_json(version, world.account_id, call.caller, api_version=call.version)


def get_upload_part_url(call: Call) -> Json:
    """Hand out an address and a token for the parts of one large file, good for 24 hours."""
    version = unfinished(call.world, call.caller, call.fields.text("fileId"))
    token = call.world.tokens.make(
        "part", call.world.now_ms() + DAY_MS, k=call.caller.key_id, f=version.id, t=secrets.token_hex(4)
    )
    url = f"{call.base_url}/b2api/v{call.version}/b2_upload_part/{version.id}/{secrets.token_hex(8)}"
    return {"authorizationToken": token, "fileId": version.id, "uploadUrl": url}


def upload_part(call: Call) -> Json:
    """Store one part; a repeated number replaces the former."""
    world, request = call.world, call.request
    token = request.headers.get("authorization", "")
    facts, caller = uploads.upload_caller(world, token, "part")
    version = unfinished(world, caller, str(facts["f"]))
    if call.tail.split("/", 1)[0] != version.id:
        raise Refusal(401, "bad_auth_token", "The upload token belongs to another large file")
    number = _part_number(request.headers.get("x-bz-part-number"))
    said = version.attributes
    if said.sse_mode == encryption.SSE_C:
        encryption.require_key(said.sse_mode, said.sse_key_md5, encryption.from_headers(request.headers))
    expected = receiving.checksum(request)
    with (
        receiving.alone(world, token),
        receiving.received(world, request, expected) as (content, sha1),
        world.database.transaction(),
    ):
        slices = world.blobs.keep(content)
        return keep_part(world, version.id, number, content.size, sha1, slices)


def keep_part(world: World, version_id: str, number: int, size: int, sha1: str, slices: tuple[Slice, ...]) -> Json:
    """Store a part in the running transaction, in place of an earlier one of the same number.

    Raises:
        Refusal: 400, the large file was finished or cancelled meanwhile.
    """
    database = world.database
    if database.one("SELECT 1 FROM versions WHERE id = ? AND action = 'start'", version_id) is None:
        raise bad_request(f"No active upload for: {version_id}")
    world.blobs.use(slices)
    former = database.one("SELECT slices FROM parts WHERE file_id = ? AND number = ?", version_id, number)
    if former is not None:
        world.blobs.release(versions.slices_from_text(former["slices"]))
    now_ms = world.now_ms()
    row = (version_id, number, size, sha1, now_ms, versions.slices_to_text(slices))
    database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)", *row)
    return {
        "contentLength": size,
        "contentMd5": None,
        "contentSha1": sha1,
        "fileId": version_id,
        "partNumber": number,
        "serverSideEncryption": _part_encryption(versions.find(database, version_id)),
        "uploadTimestamp": now_ms,
    }


def finish_large_file(call: Call) -> Json:
    """Join the parts to a file.

    Raises:
        Refusal: 400, one part only, a missing or too small part, or another SHA-1.
    """
    world = call.world
    version_id, said = call.fields.text("fileId"), call.fields.texts("partSha1Array")
    if said is None:
        raise bad_request("required field partSha1Array is missing")
    if len(said) < 2:
        raise bad_request("large files must have at least 2 parts")
    with world.database.transaction():
        version = unfinished(world, call.caller, version_id)
        rows = world.database.all("SELECT * FROM parts WHERE file_id = ? ORDER BY number", version.id)
        slices = _joined(rows, said)
        for row in rows:
            world.blobs.release(versions.slices_from_text(row["slices"]))
        world.database.execute("DELETE FROM parts WHERE file_id = ?", version.id)
        world.database.execute("DELETE FROM versions WHERE id = ?", version.id)
        size = sum(part.length for part in slices)
        version = replace(version, action=versions.UPLOAD, size=size, slices=slices)
        versions.insert(world.database, world.blobs, version)
    bucket = bucket_store.by_id(world.database, version.bucket_id)
    events.announce(world, bucket, version, events.CREATED_MULTIPART)
    return versions.as_json(version, world.account_id, call.caller, api_version=call.version)


def cancel_large_file(call: Call) -> Json:
    """Drop a large file that was not finished."""
    world = call.world
    with world.database.transaction():
        version = unfinished(world, call.caller, call.fields.text("fileId"))
        versions.delete(world.database, world.blobs, version)
    return {
        "accountId": world.account_id,
        "bucketId": version.bucket_id,
        "fileId": version.id,
        "fileName": version.name,
    }


def list_parts(call: Call) -> Json:
    """List the parts that arrived, a page at a time."""
    fields = call.fields
    version = unfinished(call.world, call.caller, fields.text("fileId"))
    start = fields.integer("startPartNumber", 1, 1, MAX_PARTS)
    count = fields.integer("maxPartCount", 100, 1, 1000)
    rows = call.world.database.all(
        "SELECT * FROM parts WHERE file_id = ? AND number >= ? ORDER BY number LIMIT ?",
        version.id,
        start,
        count + 1,
    )
    parts = [
        {
            "contentLength": row["size"],
            "contentMd5": None,
            "contentSha1": row["sha1"],
            "fileId": version.id,
            "partNumber": row["number"],
            "serverSideEncryption": _part_encryption(version),
            "uploadTimestamp": row["uploaded_ms"],
        }
        for row in rows[:count]
    ]
    return {"nextPartNumber": rows[count]["number"] if len(rows) > count else None, "parts": parts}


def unfinished(world: World, caller: Caller, version_id: str) -> Version:
    """Return a large file that was started and not finished.

    Raises:
        Refusal: 401, out of the key's reach; 400, there is none.
    """
    caller.require_bucket(versions.bucket_of(version_id))
    row = world.database.one("SELECT * FROM versions WHERE id = ? AND action = 'start'", version_id)
    if row is None:
        raise bad_request(f"No active upload for: {version_id}")
    version = versions.from_row(row)
    caller.require_name(version.name)
    return version


def sha1_of(world: World, slices: tuple[Slice, ...]) -> str:
    """Return the SHA-1 of stored bytes."""
    digest = hashlib.sha1(usedforsecurity=False)
    for block in world.blobs.blocks(slices):
        digest.update(block)
    return digest.hexdigest()


def _joined(rows: list[Row], said: list[str]) -> tuple[Slice, ...]:
    slices: list[Slice] = []
    for number, sha1 in enumerate(said, start=1):
        row = rows[number - 1] if number <= len(rows) else None
        if row is None or row["number"] != number:
            raise Refusal(400, "missing_part", f"Part number {number} has not been uploaded")
        if row["sha1"].removeprefix("unverified:") != sha1.lower():
            raise Refusal(400, "part_sha1_mismatch", f"Part number {number} has another SHA-1")
        slices += versions.slices_from_text(row["slices"])
    if len(rows) > len(said):
        raise bad_request(f"{len(rows)} parts were uploaded, but {len(said)} SHA-1 sums were given")
    for row in rows[:-1]:
        if row["size"] < MINIMUM_PART_BYTES:
            raise bad_request(f"Part number {row['number']} is smaller than {MINIMUM_PART_BYTES} bytes")
    return tuple(slices)


def _part_number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 6:
        raise bad_request("X-Bz-Part-Number must be a number")
    if not 1 <= int(text) <= MAX_PARTS:
        raise out_of_range(f"X-Bz-Part-Number must be between 1 and {MAX_PARTS}")
    return int(text)


def _part_encryption(version: Version) -> Json:
    mode = version.attributes.sse_mode
    return {"algorithm": "AES256" if mode else None, "mode": mode}
