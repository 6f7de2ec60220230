"""File versions as stored values and as the API shows them; used by all operations on files."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from b2router.emulator.answers import Json, Slice, bad_request, not_found
from b2router.emulator.database import Database, Row

if TYPE_CHECKING:
    from b2router.emulator.access import Caller
    from b2router.emulator.blobs import Blobs

UPLOAD, START, HIDE = "upload", "start", "hide"
HIDE_TYPE = "application/x-bz-hide-marker"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client says about a file besides its name and content."""

    content_type: str = "application/octet-stream"
    info: dict[str, str] | None = None
    sse_mode: str | None = None  # "SSE-B2", "SSE-C"
    sse_key_md5: str | None = None
    retention_mode: str | None = None  # "governance", "compliance"
    retain_until_ms: int | None = None
    legal_hold: str | None = None  # "on", "off"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a file, a hide marker, or an unfinished large file."""

    id: str
    seq: int
    bucket_id: str
    name: str
    action: str
    uploaded_ms: int
    size: int = 0
    sha1: str | None = None  # hex, "unverified:" and hex, or "none"
    md5: str | None = None
    attributes: Attributes = Attributes()
    replication: str | None = None
    slices: tuple[Slice, ...] = ()

    @property
    def info(self) -> dict[str, str]:
        """The file info."""
        return self.attributes.info or {}


def file_id(bucket_id: str, seq: int, uploaded_ms: int, *, large: bool = False) -> str:
    """Make a file id of the shape of B2's; b2sdk tells small from large by the digit after "_f"."""
    at = time.strftime("d%Y%m%d_m%H%M%S", time.gmtime(min(uploaded_ms // 1000, 253402300799)))
    return f"4_z{bucket_id}_f{2 if large else 1}{seq:015x}_{at}_c001_v0001000_t0000_u{uploaded_ms:014d}"


def position(version_id: str) -> tuple[int, int]:
    """Return upload time and sequence number out of a file id.

    Raises:
        Refusal: 400, not a file id.
    """
    parts = version_id.split("_")
    try:
        if len(parts) == 9 and version_id.isascii():
            return int(parts[8].removeprefix("u")), int(parts[2][2:], 16)
    except ValueError:
        pass
    raise bad_request(f"Invalid fileId: {version_id[:120]}")


def bucket_of(version_id: str) -> str:
    """Return the bucket id out of a file id.

    Raises:
        Refusal: 400, not a file id.
    """
    position(version_id)
    return version_id.split("_")[1].removeprefix("z")


def find(database: Database, version_id: str) -> Version:
    """Return a version by its id.

    Raises:
        Refusal: 400, not a file id; 404 not_found.
    """
    position(version_id)
    row = database.one("SELECT * FROM versions WHERE id = ?", version_id)
    if row is None:
        raise not_found(f"file_state_none: {version_id}")
    return from_row(row)


def latest(database: Database, bucket_id: str, name: str) -> Version | None:
    """Return the newest version of a name, be it a hide marker; None when there is none."""
    row = database.one(
        "SELECT * FROM versions WHERE bucket_id = ? AND name = ? AND action != 'start'"
        " ORDER BY uploaded_ms DESC, seq DESC LIMIT 1",
        bucket_id,
        name,
    )
    return None if row is None else from_row(row)


def insert(database: Database, blobs: Blobs, version: Version) -> None:
    """Store a new version; inside the transaction that kept its content."""
    said = version.attributes
    database.execute(
        f"INSERT INTO versions VALUES ({', '.join('?' * 18)})",  # noqa: S608 - only question marks
        version.id,
        version.seq,
        version.bucket_id,
        version.name,
        version.action,
        version.uploaded_ms,
        version.size,
        version.sha1,
        version.md5,
        said.content_type,
        json.dumps(version.info),
        said.sse_mode,
        said.sse_key_md5,
        said.retention_mode,
        said.retain_until_ms,
        said.legal_hold,
        version.replication,
        slices_to_text(version.slices),
    )
    blobs.use(version.slices)


def delete(database: Database, blobs: Blobs, version: Version) -> None:
    """Remove a version with its parts and, after the commit, contents that nobody else uses."""
    with database.transaction():
        for row in database.all("SELECT slices FROM parts WHERE file_id = ?", version.id):
            blobs.release(slices_from_text(row["slices"]))
        database.execute("DELETE FROM parts WHERE file_id = ?", version.id)
        if database.execute("DELETE FROM versions WHERE id = ?", version.id):
            blobs.release(version.slices)


def with_lock(version: Version, *, mode: str | None, until_ms: int | None, hold: str | None) -> Version:
    """Return the version with another retention and legal hold."""
    said = replace(version.attributes, retention_mode=mode, retain_until_ms=until_ms, legal_hold=hold)
    return replace(version, attributes=said)


def slices_to_text(slices: Sequence[Slice]) -> str:
    """Write slices for a column."""
    return json.dumps([[part.address, part.offset, part.length] for part in slices], separators=(",", ":"))


def slices_from_text(text: str) -> tuple[Slice, ...]:
    """Read slices from a column."""
    return tuple(Slice(*part) for part in json.loads(text))


def from_row(row: Row) -> Version:
    """Read a version from its row; a listing leaves the slices out."""
    said = Attributes(
        row["content_type"],
        json.loads(row["info"]),
        row["sse_mode"],
        row["sse_key_md5"],
        row["retention_mode"],
        row["retain_until_ms"],
        row["legal_hold"],
    )
    return Version(
        row["id"],
        row["seq"],
        row["bucket_id"],
        row["name"],
        row["action"],
        row["uploaded_ms"],
        row["size"],
        row["sha1"],
        row["md5"],
        said,
        row["replication"],
        slices_from_text(row["slices"]) if "slices" in row.keys() else (),  # noqa: SIM118 - a Row is no mapping
    )


def as_json(version: Version, account_id: str, caller: Caller, *, api_version: int = 4) -> Json:
    """Show a version as all operations on files do.

    Retention and legal hold are shown to keys that may read them; hide markers have none.
    """
    said = version.attributes
    result: Json = {
        "accountId": account_id,
        "action": version.action,
        "bucketId": version.bucket_id,
        "contentLength": version.size,
        "contentMd5": version.md5,
        "contentSha1": version.sha1,
        "contentType": said.content_type,
        "fileId": version.id,
        "fileInfo": version.info,
        "fileName": version.name,
        "replicationStatus": version.replication,
        "serverSideEncryption": {"algorithm": None, "mode": None},
        "uploadTimestamp": version.uploaded_ms,
    }
    if api_version == 1:
        result["size"] = version.size  # version 1 had it beside contentLength; rclone 1.60 reads it
    if said.sse_mode is not None:
        result["serverSideEncryption"] = {"algorithm": "AES256", "mode": said.sse_mode}
        if said.sse_key_md5 is not None:
            result["serverSideEncryption"]["customerKeyMd5"] = said.sse_key_md5
    if version.action != HIDE:
        retention = {"mode": said.retention_mode, "retainUntilTimestamp": said.retain_until_ms}
        result["fileRetention"] = _guarded(retention, caller.may("readFileRetentions"))
        result["legalHold"] = _guarded(said.legal_hold, caller.may("readFileLegalHolds"))
    return result


def _guarded(value: object, may_read: bool) -> Json:
    return {"isClientAuthorizedToRead": may_read, "value": value if may_read else None}
