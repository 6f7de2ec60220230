"""Retention and legal hold: who may set them, and what they forbid; asked by uploads and `files`.

Source: Backblaze docs, "Object Lock". Governance may be lifted by keys with bypassGovernance, compliance
only prolonged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from b2router.emulator.access import Caller
from b2router.emulator.answers import Refusal, bad_request
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.fields import Fields
from b2router.emulator.tokens import DAY_MS
from b2router.emulator.versions import Version

GOVERNANCE, COMPLIANCE = "governance", "compliance"
MAX_MS = 253_402_300_799_000  # the year 9999
_PERIOD_DAYS = {"days": 1, "years": 365}


@dataclass(frozen=True, slots=True)
class Lock:
    """Retention and legal hold as asked for."""

    mode: str | None = None
    until_ms: int | None = None
    hold: str | None = None
    asked: bool = False  # False: nothing was said, the bucket's default holds


def from_headers(headers: Mapping[str, str], now_ms: int) -> Lock:
    """Read the lock headers of an upload.

    Raises:
        Refusal: 400.
    """
    mode = headers.get("x-bz-file-retention-mode")
    until = headers.get("x-bz-file-retention-retain-until-timestamp")
    hold = headers.get("x-bz-file-legal-hold")
    until_ms = int(until) if until is not None and until.isascii() and until.isdigit() and len(until) < 16 else None
    return _checked(None if mode == "None" else mode, until_ms, hold, asked=mode is not None, now_ms=now_ms)


def from_fields(fields: Fields, now_ms: int) -> Lock:
    """Read fileRetention and legalHold of a start or a copy.

    Raises:
        Refusal: 400.
    """
    retention = fields.mapping("fileRetention")
    mode = retention.optional_text("mode") if retention else None
    until_ms = retention.optional_integer("retainUntilTimestamp", 0, MAX_MS) if retention else None
    return _checked(mode, until_ms, fields.optional_text("legalHold"), asked=retention is not None, now_ms=now_ms)


def settle(asked: Lock, bucket: Bucket, caller: Caller, uploaded_ms: int) -> Lock:
    """Return the lock of a new version in a bucket.

    Raises:
        Refusal: 401 unauthorized; 400 bucket_missing_file_lock.
    """
    if asked.mode is not None:
        caller.require("writeFileRetentions")
    if asked.hold is not None:
        caller.require("writeFileLegalHolds")
    if (asked.mode is not None or asked.hold == "on") and not bucket.lock_enabled:
        raise Refusal(400, "bucket_missing_file_lock", "The bucket is not file lock enabled")
    if asked.asked or not bucket.lock_enabled or bucket.retention.get("mode") is None:
        return asked
    period = bucket.retention["period"]
    until_ms = uploaded_ms + period["duration"] * _PERIOD_DAYS[period["unit"]] * DAY_MS
    return Lock(bucket.retention["mode"], min(until_ms, MAX_MS), asked.hold)


def require_deletable(version: Version, caller: Caller, bypass: bool, now_ms: int) -> None:
    """Go on if a version may be deleted.

    Raises:
        Refusal: 401 access_denied, held, or retained and not to be bypassed.
    """
    said = version.attributes
    if said.legal_hold == "on":
        raise Refusal(401, "access_denied", "The file version is under legal hold")
    if _retained(version, now_ms):
        if said.retention_mode == GOVERNANCE and bypass:
            caller.require("bypassGovernance")
            return
        raise Refusal(401, "access_denied", "The file version is retained")


def require_changeable(version: Version, new: Lock, caller: Caller, bypass: bool, now_ms: int) -> None:
    """Go on if the retention of a version may become another.

    Raises:
        Refusal: 403 access_denied, a shortening that its mode forbids.
    """
    if not _retained(version, now_ms):
        return
    said = version.attributes
    longer = (new.until_ms or 0) >= (said.retain_until_ms or 0)
    stricter = new.mode == COMPLIANCE or new.mode == said.retention_mode
    if longer and stricter:
        return
    if said.retention_mode == GOVERNANCE and bypass and caller.may("bypassGovernance"):
        return
    raise Refusal(403, "access_denied", "The retention of the file version cannot be shortened")


def _retained(version: Version, now_ms: int) -> bool:
    said = version.attributes
    return said.retention_mode is not None and (said.retain_until_ms or 0) > now_ms


def _checked(mode: str | None, until_ms: int | None, hold: str | None, *, asked: bool, now_ms: int) -> Lock:
    if mode not in (None, GOVERNANCE, COMPLIANCE):
        raise bad_request("The retention mode must be governance or compliance")
    if mode is not None and (until_ms is None or until_ms <= now_ms):
        raise bad_request("retainUntilTimestamp must be a time in the future")
    if hold not in (None, "on", "off"):
        raise bad_request("The legal hold must be on or off")
    return Lock(mode, until_ms if mode else None, hold, asked)
