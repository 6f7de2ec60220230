"""Who calls and what their key allows; asked by every operation before it looks for anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2router.emulator.answers import Refusal, unauthorized

if TYPE_CHECKING:
    from b2router.emulator.database import Row
    from b2router.emulator.world import World

CAPABILITIES = (
    "listKeys", "writeKeys", "deleteKeys",
    "listBuckets", "listAllBucketNames", "readBuckets", "writeBuckets", "deleteBuckets",
    "readBucketEncryption", "writeBucketEncryption",
    "readBucketRetentions", "writeBucketRetentions",
    "readFileRetentions", "writeFileRetentions", "readFileLegalHolds", "writeFileLegalHolds",
    "readBucketReplications", "writeBucketReplications", "bypassGovernance",
    "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles",
    "readBucketNotifications", "writeBucketNotifications",
    "readBucketLogging", "writeBucketLogging", "readBucketLifecycleRules", "writeBucketLifecycleRules",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """The rights of the key behind a token."""

    key_id: str
    capabilities: frozenset[str]
    bucket_ids: tuple[str, ...] | None  # None: every bucket
    name_prefix: str | None
    is_master: bool = False
    expires_ms: int | None = None

    @classmethod
    def nobody(cls) -> Caller:
        """Return a caller without any right."""
        return cls("", frozenset(), (), None)

    def may(self, capability: str) -> bool:
        """True if the key has the capability."""
        return capability in self.capabilities

    def require(self, *capabilities: str) -> None:
        """Go on if the key has one of the capabilities.

        Raises:
            Refusal: 401 unauthorized.
        """
        if not any(map(self.may, capabilities)):
            raise unauthorized(f"the key lacks the capability {' or '.join(capabilities)}")

    def reaches(self, bucket_id: str) -> bool:
        """True if the key is not restricted to other buckets."""
        return self.bucket_ids is None or bucket_id in self.bucket_ids

    def require_bucket(self, bucket_id: str) -> None:
        """Go on if the key is not restricted to other buckets.

        Raises:
            Refusal: 401 unauthorized; whether the bucket exists is not said.
        """
        if not self.reaches(bucket_id):
            raise unauthorized("the key is restricted to other buckets")

    def require_name(self, name: str) -> None:
        """Go on if a file name, or a listing's prefix, lies within the key's name prefix.

        Raises:
            Refusal: 401 unauthorized.
        """
        if self.name_prefix is not None and not name.startswith(self.name_prefix):
            raise unauthorized("the key is restricted to other file names")


def caller_from_row(row: Row) -> Caller:
    """Read the rights out of a stored key."""
    bucket_ids = None if row["bucket_ids"] is None else tuple(json.loads(row["bucket_ids"]))
    return Caller(
        row["id"],
        frozenset(json.loads(row["capabilities"])),
        bucket_ids,
        row["name_prefix"],
        bool(row["is_master"]),
        row["expires_ms"],
    )


def authenticate(world: World, token: str | None) -> Caller:
    """Find the caller behind an account token.

    Raises:
        Refusal: 401 missing_auth_token, bad_auth_token or expired_auth_token.
    """
    if not token:
        raise Refusal(401, "missing_auth_token", "An authorization token is required")
    facts = world.tokens.read(token, "acct", world.now_ms())
    return caller_of_key(world, str(facts["k"]))


def caller_of_key(world: World, key_id: str) -> Caller:
    """Find the rights of a key that may have been deleted or have expired meanwhile.

    Raises:
        Refusal: 401 bad_auth_token or expired_auth_token.
    """
    row = world.database.one("SELECT * FROM keys WHERE id = ?", key_id)
    if row is None:
        raise Refusal(401, "bad_auth_token", "The application key of this token does not exist")
    caller = caller_from_row(row)
    if caller.expires_ms is not None and caller.expires_ms <= world.now_ms():
        raise Refusal(401, "expired_auth_token", "The application key of this token has expired")
    return caller
