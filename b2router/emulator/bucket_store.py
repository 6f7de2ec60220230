"""Buckets as stored values; read by nearly every operation, changed by `buckets` and `notifications`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from b2router.emulator.answers import Refusal, not_found
from b2router.emulator.database import Database, Row

PUBLIC, PRIVATE = "allPublic", "allPrivate"


@dataclass(slots=True)
class Bucket:
    """One bucket; the settings are in the shapes in which the API carries them."""

    id: str
    name: str
    type: str
    revision: int = 1
    info: dict[str, str] = field(default_factory=dict)
    cors_rules: list[dict[str, Any]] = field(default_factory=list)
    lifecycle_rules: list[dict[str, Any]] = field(default_factory=list)
    encryption: dict[str, Any] = field(default_factory=lambda: {"algorithm": None, "mode": None})
    lock_enabled: bool = False
    retention: dict[str, Any] = field(default_factory=lambda: {"mode": None, "period": None})
    replication: dict[str, Any] | None = None
    notification_rules: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_public(self) -> bool:
        """True if anyone may download by name and id."""
        return self.type == PUBLIC

    @property
    def replicates(self) -> bool:
        """True if the bucket is the source of a replication."""
        return bool(self.replication and self.replication.get("asReplicationSource"))


_SETTINGS = (
    "info", "cors_rules", "lifecycle_rules", "encryption", "lock_enabled", "retention", "replication",
    "notification_rules",
)  # fmt: skip


def by_id(database: Database, bucket_id: str) -> Bucket:
    """Return a bucket.

    Raises:
        Refusal: 400 bad_bucket_id.
    """
    row = database.one("SELECT * FROM buckets WHERE id = ?", bucket_id)
    if row is None:
        raise Refusal(400, "bad_bucket_id", f"Bucket does not exist: {bucket_id[:64]}")
    return _from_row(row)


def by_name(database: Database, name: str) -> Bucket:
    """Return a bucket by its name, as in a download address; capitals count as small letters.

    Raises:
        Refusal: 404 not_found.
    """
    row = database.one("SELECT * FROM buckets WHERE folded_name = ?", name.lower())
    if row is None:
        raise not_found(f"Bucket does not exist: {name[:64]}")
    return _from_row(row)


def every(database: Database) -> list[Bucket]:
    """Return all buckets in the order of their names."""
    return [_from_row(row) for row in database.all("SELECT * FROM buckets ORDER BY name")]


def insert(database: Database, bucket: Bucket) -> None:
    """Store a new bucket.

    Raises:
        Refusal: 400 duplicate_bucket_name.
    """
    with database.transaction():
        if database.one("SELECT 1 FROM buckets WHERE folded_name = ?", bucket.name.lower()) is not None:
            raise Refusal(400, "duplicate_bucket_name", "Bucket name is already in use.")
        database.execute(
            "INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)",
            bucket.id,
            bucket.name,
            bucket.name.lower(),
            bucket.type,
            bucket.revision,
            _settings(bucket),
        )


def update(database: Database, bucket: Bucket) -> None:
    """Store changed settings under the next revision."""
    bucket.revision += 1
    with database.transaction():
        database.execute(
            "UPDATE buckets SET type = ?, revision = ?, settings = ? WHERE id = ?",
            bucket.type,
            bucket.revision,
            _settings(bucket),
            bucket.id,
        )


def delete(database: Database, bucket: Bucket) -> None:
    """Remove an empty bucket.

    Raises:
        Refusal: 400 cannot_delete_non_empty_bucket; unfinished large files and hide markers count.
    """
    with database.transaction():
        if database.one("SELECT 1 FROM versions WHERE bucket_id = ? LIMIT 1", bucket.id) is not None:
            raise Refusal(400, "cannot_delete_non_empty_bucket", "Cannot delete non-empty bucket")
        database.execute("DELETE FROM buckets WHERE id = ?", bucket.id)


def _settings(bucket: Bucket) -> str:
    return json.dumps({name: getattr(bucket, name) for name in _SETTINGS})


def _from_row(row: Row) -> Bucket:
    return Bucket(row["id"], row["name"], row["type"], row["revision"], **json.loads(row["settings"]))
