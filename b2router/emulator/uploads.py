"""b2_get_upload_url and b2_upload_file: a file in one request."""

from __future__ import annotations

import secrets
from dataclasses import replace

from b2router.emulator import bucket_store, encryption, events, locks, metadata, naming, receiving, versions
from b2router.emulator.access import Caller, caller_of_key
from b2router.emulator.answers import Json, Refusal, bad_request
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.tokens import DAY_MS
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call, World


def get_upload_url(call: Call) -> Json:
    """Hand out an address and a token for uploads to a bucket, good for 24 hours."""
    bucket_id = call.fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    bucket_store.by_id(call.world.database, bucket_id)
    token = call.world.tokens.make(
        "upld", call.world.now_ms() + DAY_MS, k=call.caller.key_id, b=bucket_id, t=secrets.token_hex(4)
    )
    url = f"{call.base_url}/b2api/v{call.version}/b2_upload_file/{bucket_id}/{secrets.token_hex(8)}"
    return {"authorizationToken": token, "bucketId": bucket_id, "uploadUrl": url}


def upload_file(call: Call) -> Json:
    """Store a file whose attributes are in the headers and whose content is the body.

    Raises:
        Refusal: 401, a token of another bucket or worn out; 400, a limit or the SHA-1.
    """
    world, request = call.world, call.request
    token = request.headers.get("authorization", "")
    facts, caller = upload_caller(world, token, "upld")
    bucket = bucket_store.by_id(world.database, str(facts["b"]))
    if call.tail.split("/", 1)[0] != bucket.id:
        raise Refusal(401, "bad_auth_token", "The upload token belongs to another bucket")
    caller.require_bucket(bucket.id)
    encoded = request.headers.get("x-bz-file-name")
    if encoded is None:
        raise bad_request("Missing header: X-Bz-File-Name")
    name = naming.file_name(naming.decode(encoded))
    caller.require_name(name)
    uploaded_ms = _upload_time(request.headers.get("x-bz-custom-upload-timestamp"), world)
    said = attributes_from_headers(call, bucket, caller, name, uploaded_ms)
    expected = receiving.checksum(request)
    with (
        receiving.alone(world, token),
        receiving.received(world, request, expected, with_md5=True) as (content, sha1),
        world.database.transaction(),
    ):
        version = new_version(world, bucket, name, said, uploaded_ms)
        version = replace(version, size=content.size, sha1=sha1, md5=content.md5, slices=world.blobs.keep(content))
        versions.insert(world.database, world.blobs, version)
    events.announce(world, bucket, version, events.CREATED_UPLOAD)
    return versions.as_json(version, world.account_id, caller, api_version=call.version)


def upload_caller(world: World, token: str, kind: str) -> tuple[dict[str, object], Caller]:
    """Find the facts of an upload token and the rights of the key that asked for it.

    Raises:
        Refusal: 401.
    """
    if not token:
        raise Refusal(401, "missing_auth_token", "An upload authorization token is required")
    facts = world.tokens.read(token, "part" if kind == "part" else "upld", world.now_ms())
    caller = caller_of_key(world, str(facts["k"]))
    caller.require("writeFiles")
    return facts, caller


def attributes_from_headers(call: Call, bucket: Bucket, caller: Caller, name: str, uploaded_ms: int) -> Attributes:
    """Read everything that headers say about a new file.

    Raises:
        Refusal: 400 or 401.
    """
    headers = call.request.headers
    info = metadata.info_from_headers(headers)
    sse = encryption.or_default(encryption.from_headers(headers), bucket)
    metadata.require_fit(name, info, bucket, sse.mode is not None)
    lock = locks.settle(locks.from_headers(headers, call.world.now_ms()), bucket, caller, uploaded_ms)
    return Attributes(
        metadata.content_type(headers.get("content-type"), name),
        info,
        sse.mode,
        sse.key_md5,
        lock.mode,
        lock.until_ms,
        lock.hold,
    )


def new_version(
    world: World,
    bucket: Bucket,
    name: str,
    said: Attributes,
    uploaded_ms: int,
    *,
    action: str = versions.UPLOAD,
) -> Version:
    """Return a version with a fresh id; its content is to be filled in."""
    seq = world.next_sequence()
    large = action == versions.START
    version_id = versions.file_id(bucket.id, seq, uploaded_ms, large=large)
    replication = "PENDING" if bucket.replicates else None
    return Version(version_id, seq, bucket.id, name, action, uploaded_ms, attributes=said, replication=replication)


def _upload_time(said: str | None, world: World) -> int:
    if said is None:
        return world.now_ms()
    if not said.isascii() or not said.isdigit() or len(said) > 15 or int(said) > locks.MAX_MS:
        raise bad_request("X-Bz-Custom-Upload-Timestamp must be milliseconds since 1970")
    return int(said)
