"""b2_create_key, b2_list_keys, b2_delete_key."""

from __future__ import annotations

import json
import re
import secrets

from b2router.emulator import bucket_store, naming
from b2router.emulator.access import CAPABILITIES
from b2router.emulator.answers import Json, Refusal, bad_request
from b2router.emulator.database import Row
from b2router.emulator.world import Call, World

MAX_DURATION_S = 1000 * 24 * 3600
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_ACCOUNT_ONLY = frozenset({"listKeys", "writeKeys", "deleteKeys"})


def create_key(call: Call) -> Json:
    """Make a key; its secret is told this once.

    Raises:
        Refusal: 400, an unknown capability, a prefix without a bucket, or account rights on a bucket's key.
    """
    world, fields = call.world, call.fields
    capabilities = fields.texts("capabilities")
    if not capabilities:
        raise bad_request("capabilities must name at least one")
    unknown = sorted(set(capabilities) - set(CAPABILITIES))
    if unknown:
        raise bad_request(f"Unknown capability {unknown[0][:60]!r}")
    name = fields.text("keyName")
    if not _NAME.fullmatch(name):
        raise bad_request("keyName must have 1 to 100 letters, digits and '-'")
    bucket_ids = _bucket_ids(call)
    prefix = fields.optional_text("namePrefix") or None
    if prefix is not None:
        naming.name_prefix(prefix)
        if bucket_ids is None:
            raise bad_request("namePrefix needs a bucket")
    if bucket_ids is not None and _ACCOUNT_ONLY & set(capabilities):
        raise bad_request("A key restricted to buckets cannot have rights on keys")
    duration_s = fields.optional_integer("validDurationInSeconds", 1, MAX_DURATION_S)
    expires_ms = None if duration_s is None else world.now_ms() + duration_s * 1000
    key_id, secret = add_key(world, name, capabilities, bucket_ids, prefix, expires_ms)
    row = world.database.one("SELECT * FROM keys WHERE id = ?", key_id)
    if row is None:
        raise Refusal(400, "bad_request", "The key was deleted at once")
    return as_json(row, call) | {"applicationKey": secret}


def add_key(
    world: World,
    name: str,
    capabilities: list[str],
    bucket_ids: list[str] | None,
    prefix: str | None,
    expires_ms: int | None,
) -> tuple[str, str]:
    """Store a key and return its id and secret; at most so many as fit the id's ten digits."""
    secret = "K005" + secrets.token_urlsafe(20)
    with world.database.transaction():
        number = int(world.database.fact("last_key", "0")) + 1
        world.database.set_fact("last_key", str(number))
        key_id = f"005{world.account_id}{number:010d}"
        world.database.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            key_id,
            secret,
            name,
            json.dumps(sorted(set(capabilities))),
            None if bucket_ids is None else json.dumps(bucket_ids),
            prefix,
            expires_ms,
        )
    return key_id, secret


def list_keys(call: Call) -> Json:
    """List all keys but the master key, a page at a time; before v4 without those of several buckets."""
    fields = call.fields
    count = fields.integer("maxKeyCount", 100, 1, 10_000)
    start = fields.optional_text("startApplicationKeyId") or ""
    sql = "SELECT * FROM keys WHERE is_master = 0 AND id >= ? AND (expires_ms IS NULL OR expires_ms > ?)"
    if call.version < 4:
        sql += " AND coalesce(json_array_length(bucket_ids), 1) <= 1"
    rows = call.world.database.all(sql + " ORDER BY id LIMIT ?", start, call.world.now_ms(), count + 1)
    return {
        "keys": [as_json(row, call) for row in rows[:count]],
        "nextApplicationKeyId": rows[count]["id"] if len(rows) > count else None,
    }


def delete_key(call: Call) -> Json:
    """Remove a key; its tokens end with it.

    Raises:
        Refusal: 400, there is no such key, or it is the master key.
    """
    key_id = call.fields.text("applicationKeyId")
    with call.world.database.transaction():
        row = call.world.database.one("SELECT * FROM keys WHERE id = ? AND is_master = 0", key_id)
        if row is None:
            raise bad_request(f"application key does not exist: {key_id[:40]}")
        call.world.database.execute("DELETE FROM keys WHERE id = ?", key_id)
    return as_json(row, call)


def as_json(row: Row, call: Call) -> Json:
    """Show a key without its secret."""
    bucket_ids = None if row["bucket_ids"] is None else json.loads(row["bucket_ids"])
    scope: Json = {"bucketIds": bucket_ids}
    if call.version < 4:
        scope = {"bucketId": bucket_ids[0] if bucket_ids else None}
    return scope | {
        "accountId": call.world.account_id,
        "applicationKeyId": row["id"],
        "capabilities": json.loads(row["capabilities"]),
        "expirationTimestamp": row["expires_ms"],
        "keyName": row["name"],
        "namePrefix": row["name_prefix"],
        "options": ["s3"],
    }


def _bucket_ids(call: Call) -> list[str] | None:
    if call.version >= 4:
        bucket_ids = call.fields.texts("bucketIds")
    else:
        bucket_id = call.fields.optional_text("bucketId")
        bucket_ids = None if bucket_id is None else [bucket_id]
    if bucket_ids is None:
        return None
    if not bucket_ids:
        raise bad_request("bucketIds must not be empty")
    for bucket_id in bucket_ids:
        bucket_store.by_id(call.world.database, bucket_id)
    return list(dict.fromkeys(bucket_ids))
