"""b2_create_bucket, b2_list_buckets, b2_update_bucket, b2_delete_bucket."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from b2router.emulator import bucket_rules, bucket_store, naming
from b2router.emulator.access import Caller
from b2router.emulator.answers import Json, Refusal, bad_request, unauthorized
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.database import Database
from b2router.emulator.fields import Fields
from b2router.emulator.world import Call

TYPES = (bucket_store.PUBLIC, bucket_store.PRIVATE)
MAX_BUCKETS = 100


def create(database: Database, name: str, *, public: bool) -> Bucket:
    """Make a bucket without any caller; for the start of an emulator and for tests.

    Raises:
        ValueError: the name is taken or not allowed.
    """
    kind = bucket_store.PUBLIC if public else bucket_store.PRIVATE
    try:
        bucket = Bucket(secrets.token_hex(12), naming.bucket_name(name), kind)
        bucket_store.insert(database, bucket)
    except Refusal as refusal:
        raise ValueError(refusal.message) from None
    return bucket


def create_missing(database: Database, texts: Iterable[str]) -> None:
    """Make those buckets that are not there yet, given as NAME, NAME:public or NAME:private.

    Raises:
        ValueError: another word after the colon, or a name that is not allowed.
    """
    existing = {bucket.name.lower() for bucket in bucket_store.every(database)}
    for text in texts:
        name, _, kind = text.partition(":")
        if kind not in ("", "public", "private"):
            raise ValueError(f"Bucket {text!r}: write NAME, NAME:public or NAME:private.")
        if name.lower() not in existing:
            create(database, name, public=kind == "public")


def create_bucket(call: Call) -> Json:
    """Make a bucket."""
    fields = call.fields
    _require_account(call)
    if call.caller.bucket_ids is not None:
        raise unauthorized("the key is restricted to other buckets")
    name = naming.bucket_name(fields.text("bucketName"))
    bucket = Bucket(secrets.token_hex(12), name, _type(fields.text("bucketType")))
    _apply(bucket, fields, call.caller)
    database = call.world.database
    with database.transaction():
        row = database.one("SELECT count(*) AS many FROM buckets")
        if row is not None and row["many"] >= MAX_BUCKETS:
            raise Refusal(400, "too_many_buckets", f"An account has at most {MAX_BUCKETS} buckets")
        bucket_store.insert(database, bucket)
    return as_json(bucket, call)


def list_buckets(call: Call) -> Json:
    """List the buckets that the key reaches; a restricted key has to name one of its own."""
    fields, caller = call.fields, call.caller
    _require_account(call)
    bucket_id, name = fields.optional_text("bucketId"), fields.optional_text("bucketName")
    types = fields.texts("bucketTypes") or ["all"]
    found = bucket_store.every(call.world.database)
    if caller.bucket_ids is not None and not caller.may("listAllBucketNames"):
        named = [b for b in found if b.id in caller.bucket_ids and (b.id == bucket_id or b.name == name)]
        if not named and bucket_id not in caller.bucket_ids:
            raise unauthorized("a key restricted to buckets has to name one of them")
    if bucket_id is not None:
        found = [bucket for bucket in found if bucket.id == bucket_id]
    if name is not None:
        found = [bucket for bucket in found if bucket.name.lower() == name.lower()]
    if "all" not in types:
        found = [bucket for bucket in found if bucket.type in types]
    return {"buckets": [as_json(bucket, call) for bucket in found]}


def update_bucket(call: Call) -> Json:
    """Change settings of a bucket, if its revision is the expected one.

    Raises:
        Refusal: 409 conflict, another revision; 400, a setting.
    """
    fields, database = call.fields, call.world.database
    _require_account(call)
    bucket_id = fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    with database.transaction():
        bucket = bucket_store.by_id(database, bucket_id)
        expected = fields.optional_integer("ifRevisionIs", 0, 2**62)
        if expected is not None and expected != bucket.revision:
            raise Refusal(409, "conflict", f"The bucket has revision {bucket.revision}, not {expected}")
        if fields.has("bucketType"):
            bucket.type = _type(fields.text("bucketType"))
        _apply(bucket, fields, call.caller)
        bucket_store.update(database, bucket)
    return as_json(bucket, call)


def delete_bucket(call: Call) -> Json:
    """Remove an empty bucket."""
    _require_account(call)
    bucket_id = call.fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    with call.world.database.transaction():
        bucket = bucket_store.by_id(call.world.database, bucket_id)
        bucket_store.delete(call.world.database, bucket)
    return as_json(bucket, call)


def as_json(bucket: Bucket, call: Call) -> Json:
    """Show a bucket; what the key may not read is shown as such."""
    may = call.caller.may
    lock = {"defaultRetention": bucket.retention, "isFileLockEnabled": bucket.lock_enabled}
    return {
        "accountId": call.world.account_id,
        "bucketId": bucket.id,
        "bucketInfo": bucket.info,
        "bucketName": bucket.name,
        "bucketType": bucket.type,
        "corsRules": bucket.cors_rules,
        "defaultServerSideEncryption": _guarded(bucket.encryption, may("readBucketEncryption")),
        "fileLockConfiguration": _guarded(lock, may("readBucketRetentions")),
        "lifecycleRules": bucket.lifecycle_rules,
        "options": ["s3"],
        "replicationConfiguration": _guarded(bucket.replication, may("readBucketReplications")),
        "revision": bucket.revision,
    }


def _guarded(value: object, may_read: bool) -> Json:
    return {"isClientAuthorizedToRead": may_read, "value": value if may_read else None}


def _type(said: str) -> str:
    if said not in TYPES:
        raise bad_request(f"bucketType must be one of {', '.join(TYPES)}")
    return said


def _require_account(call: Call) -> None:
    account_id = call.fields.text("accountId")
    if account_id != call.world.account_id:
        raise bad_request(f"invalid accountId: {account_id[:40]}")


def _apply(bucket: Bucket, fields: Fields, caller: Caller) -> None:
    settings: dict[str, tuple[Any, str | None]] = {
        "info": (bucket_rules.info(fields), None),
        "cors_rules": (bucket_rules.cors_rules(fields), None),
        "lifecycle_rules": (bucket_rules.lifecycle_rules(fields), None),
        "encryption": (bucket_rules.encryption(fields), "writeBucketEncryption"),
    }
    for name, (value, capability) in settings.items():
        if value is not None:
            if capability is not None:
                caller.require(capability)
            setattr(bucket, name, value)
    _apply_replication(bucket, fields, caller)
    _apply_lock(bucket, fields, caller)


def _apply_replication(bucket: Bucket, fields: Fields, caller: Caller) -> None:
    said, value = bucket_rules.replication(fields)
    if said:
        caller.require("writeBucketReplications")
        bucket.replication = value


def _apply_lock(bucket: Bucket, fields: Fields, caller: Caller) -> None:
    enabled = fields.flag("fileLockEnabled", None)
    if enabled is not None:
        caller.require("writeBucketRetentions")
        if bucket.lock_enabled and not enabled:
            raise Refusal(400, "file_lock_conflict", "File lock cannot be disabled")
        bucket.lock_enabled = enabled
    retention = bucket_rules.retention(fields)
    if retention is not None:
        caller.require("writeBucketRetentions")
        if retention["mode"] is not None and not bucket.lock_enabled:
            raise Refusal(400, "bucket_missing_file_lock", "The bucket is not file lock enabled")
        bucket.retention = retention
