"""Lists file names, versions and unfinished large files, a page at a time, in the order of UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Iterator

from b2router.emulator import bucket_store, naming, versions
from b2router.emulator.answers import Json, bad_request
from b2router.emulator.database import Database
from b2router.emulator.versions import Version
from b2router.emulator.world import Call

MAX_PAGE = 10_000
_COLUMNS = (
    "id, seq, bucket_id, name, action, uploaded_ms, size, sha1, md5, content_type, info, sse_mode, sse_key_md5,"
    " retention_mode, retain_until_ms, legal_hold, replication"
)  # all but the slices, of which a large file has thousands
_BATCH = 500


def list_file_names(call: Call) -> Json:
    """List the newest version of each name that is not hidden."""
    bucket_id, prefix, delimiter, count = _scope(call)
    start = call.fields.optional_text("startFileName") or ""
    files: list[Json] = []
    for version in entries(call.world.database, bucket_id, prefix, delimiter, start, None, count, newest_only=True):
        if len(files) == count:
            return {"files": files, "nextFileName": version.name}
        files.append(_show(call, version))
    return {"files": files, "nextFileName": None}


def list_file_versions(call: Call) -> Json:
    """List all versions, hide markers and unfinished large files, newest first within a name."""
    bucket_id, prefix, delimiter, count = _scope(call)
    start = call.fields.optional_text("startFileName")
    start_id = call.fields.optional_text("startFileId")
    if start_id and start is None:
        raise bad_request("startFileId needs startFileName")
    after = versions.position(start_id) if start_id else None
    files: list[Json] = []
    for version in entries(
        call.world.database, bucket_id, prefix, delimiter, start or "", after, count, newest_only=False
    ):
        if len(files) == count:
            next_id = version.id or None
            return {"files": files, "nextFileId": next_id, "nextFileName": version.name}
        files.append(_show(call, version))
    return {"files": files, "nextFileId": None, "nextFileName": None}


def list_unfinished_large_files(call: Call) -> Json:
    """List large files that were started and neither finished nor cancelled."""
    fields = call.fields
    bucket_id = fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    bucket_store.by_id(call.world.database, bucket_id)
    prefix = naming.name_prefix(fields.optional_text("namePrefix") or "")
    call.caller.require_name(prefix)
    count = fields.integer("maxFileCount", 100, 1, 100)
    start = fields.optional_text("startFileId")
    first = versions.position(start)[1] if start else 0
    rows = call.world.database.all(
        f"SELECT {_COLUMNS} FROM versions WHERE bucket_id = ? AND action = 'start' AND seq >= ?"  # noqa: S608
        " AND substr(name, 1, ?) = ? ORDER BY seq LIMIT ?",
        bucket_id,
        first,
        len(prefix),
        prefix,
        count + 1,
    )
    files = [_show(call, versions.from_row(row)) for row in rows[:count]]
    return {"files": files, "nextFileId": rows[count]["id"] if len(rows) > count else None}


def charged_pages(call: Call) -> int:
    """Return for how many class C calls a listing counts: one for each started thousand asked for."""
    try:
        return max(1, -(-call.fields.integer("maxFileCount", 100, 0, MAX_PAGE) // 1000))
    except Exception:  # a refused listing costs one call
        return 1


def _scope(call: Call) -> tuple[str, str, str, int]:
    fields = call.fields
    bucket_id = fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    prefix = naming.name_prefix(fields.optional_text("prefix") or "")
    call.caller.require_name(prefix)
    bucket_store.by_id(call.world.database, bucket_id)
    delimiter = fields.optional_text("delimiter") or ""
    if len(delimiter) > 100:
        raise bad_request("The delimiter is too long")
    count = fields.integer("maxFileCount", 100, 0, MAX_PAGE) or 100  # 0 asks for the default
    return bucket_id, prefix, delimiter, count


def _show(call: Call, version: Version) -> Json:
    if version.action == "folder":
        return {
            "accountId": call.world.account_id,
            "action": "folder",
            "bucketId": version.bucket_id,
            "contentLength": 0,
            "contentMd5": None,
            "contentSha1": None,
            "contentType": None,
            "fileId": None,
            "fileInfo": {},
            "fileName": version.name,
            "uploadTimestamp": 0,
        } | ({"size": 0} if call.version == 1 else {})
    return versions.as_json(version, call.world.account_id, call.caller, api_version=call.version)


def entries(
    database: Database,
    bucket_id: str,
    prefix: str,
    delimiter: str,
    start: str,
    after: tuple[int, int] | None,
    count: int,
    *,
    newest_only: bool,
) -> Iterator[Version]:
    """Walk a bucket from a name, and a version of it, on; folders are skipped over by one seek each."""
    name = max(start, prefix)
    if name != start:
        after = None
    end = naming.after_prefix(prefix) if prefix else None
    limit = min(count + 1, _BATCH)
    while True:
        batch = _batch(database, bucket_id, name, end, after, limit, newest_only=newest_only)
        jump: str | None = None
        for version in batch:
            folder = _folder(version.name, prefix, delimiter)
            if folder is None:
                if not newest_only or version.action == versions.UPLOAD:
                    yield version
                continue
            if newest_only and version.action != versions.UPLOAD:
                continue  # a folder is shown for a visible file
            yield Version("", 0, bucket_id, folder, "folder", 0)
            jump = naming.after_prefix(folder)
            if jump is None:
                return
            break
        if jump is not None:
            name, after, limit = jump, None, 16  # the next entry may well be a folder too
        elif len(batch) < limit:
            return
        else:
            limit = min(4 * limit, _BATCH)
            name = batch[-1].name
            if newest_only:
                name, after = name + "\0", None  # no name holds NUL, so this is the next name
            else:
                after = (batch[-1].uploaded_ms, batch[-1].seq - 1)


def _batch(
    database: Database,
    bucket_id: str,
    name: str,
    end: str | None,
    after: tuple[int, int] | None,
    limit: int,
    *,
    newest_only: bool,
) -> list[Version]:
    if newest_only:
        # The newest finished version of each name: the first in the order of the index.
        rows = database.all(
            f"SELECT {_COLUMNS} FROM versions AS v WHERE bucket_id = ? AND name >= ?"  # noqa: S608
            " AND (? IS NULL OR name < ?) AND action != 'start' AND NOT EXISTS ("
            "  SELECT 1 FROM versions AS w WHERE w.bucket_id = v.bucket_id AND w.name = v.name"
            "  AND (w.uploaded_ms, w.seq) > (v.uploaded_ms, v.seq) AND w.action != 'start')"
            " ORDER BY name LIMIT ?",
            bucket_id,
            name,
            end,
            end,
            limit,
        )
    else:
        uploaded_ms, seq = after if after is not None else (2**62, 2**62)
        rows = database.all(
            f"SELECT {_COLUMNS} FROM versions WHERE bucket_id = ? AND name >= ? AND (? IS NULL OR name < ?)"  # noqa: S608
            " AND (name > ? OR (uploaded_ms, seq) <= (?, ?))"
            " ORDER BY name, uploaded_ms DESC, seq DESC LIMIT ?",
            bucket_id,
            name,
            end,
            end,
            name,
            uploaded_ms,
            seq,
            limit,
        )
    return [versions.from_row(row) for row in rows]


def _folder(name: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    at = name.find(delimiter, len(prefix))
    return None if at < 0 else name[: at + len(delimiter)]
