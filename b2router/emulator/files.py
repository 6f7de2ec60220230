"""One version at a time: info, hide, delete, retention, legal hold."""

from __future__ import annotations

from b2router.emulator import bucket_store, events, locks, naming, uploads, versions
from b2router.emulator.answers import Json, Refusal, bad_request
from b2router.emulator.versions import Attributes, Version
from b2router.emulator.world import Call


def get_file_info(call: Call) -> Json:
    """Show a version by its id.

    Raises:
        Refusal: 401, out of the key's reach; 404.
    """
    version = _reachable(call, call.fields.text("fileId"))
    return versions.as_json(version, call.world.account_id, call.caller, api_version=call.version)


def hide_file(call: Call) -> Json:
    """Put a hide marker over a name.

    Raises:
        Refusal: 400 no_such_file or already_hidden.
    """
    world, fields = call.world, call.fields
    bucket_id, name = fields.text("bucketId"), naming.file_name(fields.text("fileName"))
    call.caller.require_bucket(bucket_id)
    call.caller.require_name(name)
    bucket = bucket_store.by_id(world.database, bucket_id)
    with world.database.transaction():
        newest = versions.latest(world.database, bucket_id, name)
        if newest is None:
            raise Refusal(400, "no_such_file", f"File not present: {name}")
        if newest.action == versions.HIDE:
            raise Refusal(400, "already_hidden", f"File already hidden: {name}")
        now_ms = max(world.now_ms(), newest.uploaded_ms)  # custom timestamps may lie ahead
        said = Attributes(content_type=versions.HIDE_TYPE)
        marker = uploads.new_version(world, bucket, name, said, now_ms, action=versions.HIDE)
        versions.insert(world.database, world.blobs, marker)
    events.announce(world, bucket, marker, events.HIDDEN)
    return versions.as_json(marker, world.account_id, call.caller, api_version=call.version)


def delete_file_version(call: Call) -> Json:
    """Remove one version, hide marker or unfinished large file.

    Raises:
        Refusal: 400 file_not_present, unknown id or another name; 401, held or retained.
    """
    world, fields = call.world, call.fields
    version_id, name = fields.text("fileId"), fields.text("fileName")
    call.caller.require_bucket(versions.bucket_of(version_id))
    call.caller.require_name(name)
    with world.database.transaction():
        version = _named(call, version_id, name)
        locks.require_deletable(version, call.caller, bool(fields.flag("bypassGovernance")), world.now_ms())
        versions.delete(world.database, world.blobs, version)
    bucket = bucket_store.by_id(world.database, version.bucket_id)
    if version.action != versions.START:
        events.announce(world, bucket, version, events.DELETED)
    return {"fileId": version.id, "fileName": version.name}


def update_file_retention(call: Call) -> Json:
    """Set, prolong or lift the retention of a version.

    Raises:
        Refusal: 400 bucket_missing_file_lock; 403 access_denied, a forbidden shortening.
    """
    world, fields = call.world, call.fields
    if not fields.has("fileRetention"):
        raise bad_request("required field fileRetention is missing")
    version = _lockable(call)
    new = locks.from_fields(fields, world.now_ms())
    bypass = bool(fields.flag("bypassGovernance"))
    with world.database.transaction():
        version = _named(call, version.id, version.name)
        locks.require_changeable(version, new, call.caller, bypass, world.now_ms())
        world.database.execute(
            "UPDATE versions SET retention_mode = ?, retain_until_ms = ? WHERE id = ?",
            new.mode,
            new.until_ms,
            version.id,
        )
    return {
        "fileId": version.id,
        "fileName": version.name,
        "fileRetention": {"mode": new.mode, "retainUntilTimestamp": new.until_ms},
    }


def update_file_legal_hold(call: Call) -> Json:
    """Set or lift the legal hold of a version.

    Raises:
        Refusal: 400, not on or off, or bucket_missing_file_lock.
    """
    hold = call.fields.text("legalHold")
    if hold not in ("on", "off"):
        raise bad_request("legalHold must be on or off")
    version = _lockable(call)
    with call.world.database.transaction():
        call.world.database.execute("UPDATE versions SET legal_hold = ? WHERE id = ?", hold, version.id)
    return {"fileId": version.id, "fileName": version.name, "legalHold": hold}


def _reachable(call: Call, version_id: str) -> Version:
    call.caller.require_bucket(versions.bucket_of(version_id))
    version = versions.find(call.world.database, version_id)
    call.caller.require_name(version.name)
    return version


def _named(call: Call, version_id: str, name: str) -> Version:
    row = call.world.database.one("SELECT * FROM versions WHERE id = ? AND name = ?", version_id, name)
    if row is None:
        raise Refusal(400, "file_not_present", f"File not present: {name[:200]} {version_id}")
    return versions.from_row(row)


def _lockable(call: Call) -> Version:
    version_id, name = call.fields.text("fileId"), call.fields.text("fileName")
    call.caller.require_bucket(versions.bucket_of(version_id))
    call.caller.require_name(name)
    version = _named(call, version_id, name)
    if not bucket_store.by_id(call.world.database, version.bucket_id).lock_enabled:
        raise Refusal(400, "bucket_missing_file_lock", "The bucket is not file lock enabled")
    return version
