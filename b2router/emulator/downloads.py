"""Downloads by name and by id: rights first, then the file, then the range; GET, HEAD and POST."""

from __future__ import annotations

from b2router.emulator import bucket_store, download_rights, encryption, metadata, naming, ranges, versions
from b2router.emulator.access import Caller
from b2router.emulator.answers import Answer, Refusal, bad_request, not_found
from b2router.emulator.blobs import cut
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.versions import Version
from b2router.emulator.world import Call


def download_by_name(call: Call) -> Answer:
    """Answer /file/BUCKET/NAME with the newest version, unless it is hidden.

    Raises:
        Refusal: 401 before it is said whether the file exists; 404; 416.
    """
    bucket_name, slash, encoded = call.tail.partition("/")
    query = download_rights.query_of(call)
    bucket = bucket_store.by_name(call.world.database, naming.decode(bucket_name))
    if not slash or not encoded:
        raise bad_request("The address names no file: /file/BUCKET/NAME")
    name = naming.decode(encoded)
    caller = download_rights.authorize(call, bucket, name, query)
    naming.file_name(name)
    version = versions.latest(call.world.database, bucket.id, name)
    if version is None or version.action != versions.UPLOAD:
        raise not_found(f"File with such name does not exist: {name[:200]}")
    return _answer(call, bucket, version, caller, query)


def download_by_id(call: Call) -> Answer:
    """Answer with the version of an id, hidden or not.

    Raises:
        Refusal: 400, not an id; 401; 404; 416.
    """
    query = download_rights.query_of(call)
    version_id = call.fields.optional_text("fileId") or query.get("fileId")
    if not version_id:
        raise bad_request("required field fileId is missing")
    bucket_id = versions.bucket_of(version_id)
    try:
        bucket = bucket_store.by_id(call.world.database, bucket_id)
    except Refusal:
        bucket = Bucket(bucket_id, "", bucket_store.PRIVATE)  # so that only the authorized learn that it is gone
    caller = download_rights.authorize(call, bucket, None, query)
    version = versions.find(call.world.database, version_id)
    if not bucket.is_public:
        caller.require_name(version.name)
    if version.action != versions.UPLOAD:
        raise not_found(f"file_state_{version.action}: {version_id}")
    return _answer(call, bucket, version, caller, query)


def _answer(call: Call, bucket: Bucket, version: Version, caller: Caller, query: dict[str, str]) -> Answer:
    request, said = call.request, version.attributes
    encryption.require_key(said.sse_mode, said.sse_key_md5, encryption.from_headers(request.headers))
    wanted = ranges.parse(request.headers.get("range"), version.size)
    headers = _headers(bucket, version, caller)
    headers.update(download_rights.override_headers(query))
    if wanted is None:
        return Answer(200, list(headers.items()), slices=version.slices)
    headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{version.size}"
    return Answer(206, list(headers.items()), slices=cut(version.slices, wanted.first, wanted.last))


def _headers(bucket: Bucket, version: Version, caller: Caller) -> dict[str, str]:
    said = version.attributes
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": said.content_type,
        "X-Bz-File-Id": version.id,
        "X-Bz-File-Name": naming.encode(version.name),
        "X-Bz-Content-Sha1": version.sha1 or "none",
        "X-Bz-Upload-Timestamp": str(version.uploaded_ms),
    }
    if "Cache-Control" in bucket.info or "cache-control" in bucket.info:
        headers["Cache-Control"] = bucket.info.get("Cache-Control") or bucket.info["cache-control"]
    for key, value in version.info.items():
        if key in metadata.PLAIN_HEADERS:
            headers[metadata.PLAIN_HEADERS[key]] = value
        else:
            headers[f"X-Bz-Info-{key}"] = naming.encode(value)
    headers.update(encryption.headers_of(said.sse_mode, said.sse_key_md5))
    if version.replication is not None:
        headers["X-Bz-Replication-Status"] = version.replication
    if bucket.lock_enabled:
        headers.update(_lock_headers(version, caller))
    return headers


def _lock_headers(version: Version, caller: Caller) -> dict[str, str]:
    said = version.attributes
    headers, unreadable = {}, []
    if not caller.may("readFileRetentions"):
        unreadable += ["X-Bz-File-Retention-Mode", "X-Bz-File-Retention-Retain-Until-Timestamp"]
    elif said.retention_mode is not None:
        headers["X-Bz-File-Retention-Mode"] = said.retention_mode
        headers["X-Bz-File-Retention-Retain-Until-Timestamp"] = str(said.retain_until_ms)
    if not caller.may("readFileLegalHolds"):
        unreadable.append("X-Bz-File-Legal-Hold")
    elif said.legal_hold is not None:
        headers["X-Bz-File-Legal-Hold"] = said.legal_hold
    if unreadable:
        headers["X-Bz-Client-Unauthorized-To-Read"] = ",".join(unreadable)
    return headers
