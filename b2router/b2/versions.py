"""All versions of a file, hidden ones included: list, restore, purge; and copies that B2 makes itself; called by
storage.

B2 keeps what is deleted until somebody deletes the version: deleting puts a marker on top of the versions, and the file
is back when the marker is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from b2sdk.v3 import NO_RETENTION_FILE_SETTING, FileRetentionSetting, LegalHold, RetentionMode
from b2sdk.v3.exception import AccessDenied, FileNotPresent, Unauthorized

from b2router.b2 import budget, faults
from b2router.b2.objects import bucket_for
from b2router.b2.options import Retention, UploadOptions
from b2router.b2.place import Place
from b2router.b2.stored import StoredFile, from_version
from b2router.errors import NotFound

__all__ = ["FileVersion", "copy_to", "delete_newest", "hold", "info_of", "list_versions", "purge", "restore", "retain"]

COPY_BYTES = 5_000_000_000
"""The most that B2 copies in one call; more is copied in parts. Source: B2 documentation, "b2_copy_file"."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of a file, or the marker that hides those below it.

    Attributes:
        id: B2's id of this version.
        uploaded_at: aware, UTC; of a marker, when the file was deleted.
        is_deletion: whether it is a marker, without content.
        size_bytes: length; 0 for a marker.
        content_type: as stored, empty for a marker.
        sha1: of the content, 40 hex digits; None when B2 does not know it.
    """

    id: str
    uploaded_at: datetime
    is_deletion: bool
    size_bytes: int
    content_type: str
    sha1: str | None


def list_versions(place: Place, key: str) -> list[FileVersion]:
    """All versions of a file, the newest first; empty when there never was one, or all are purged.

    Raises:
        BackendError: B2 refused or failed.
    """
    session = place.session
    with bucket_for(session, place.bucket, "list", budget.of_listing(session.limits)) as target:
        found = target.list_file_versions(key)
        return [_version(entry) for entry in found if entry.action in ("upload", "hide")]


def delete_newest(place: Place, key: str) -> None:
    """Delete the newest version of a file for good; the one below, if any, is the file then. Quiet when there is none.

    Raises:
        Locked: it is to be kept.
        BackendError: B2 refused or failed.
    """
    found = list_versions(place, key)
    if found and not found[0].is_deletion:
        _delete(place, key, found[0].id)


def purge(place: Place, key: str, *, keep_newest: bool = False) -> int:
    """Delete versions of a file for good: what that deletes, nobody brings back.

    Args:
        keep_newest: leave the file as it is, and delete what is below.
    Returns:
        How many versions and markers were deleted.
    Raises:
        Locked: a version is to be kept; older ones may be gone then.
        BackendError: B2 refused or failed; some versions may be gone then.
    """
    found = list_versions(place, key)
    doomed = found[1:] if keep_newest else found
    for version in reversed(doomed):  # the oldest first: if it breaks off, no older version comes back as the file
        _delete(place, key, version.id)
    return len(doomed)


def restore(place: Place, key: str) -> None:
    """Bring a deleted file back, as it was. Quiet when it is there.

    Raises:
        NotFound: there is no version to bring back.
        BackendError: B2 refused or failed.
    """
    found = list_versions(place, key)
    markers = []
    for version in found:
        if not version.is_deletion:
            break
        markers.append(version)
    if len(markers) == len(found):
        raise NotFound("B2 has no version of this file that could be restored.")
    for marker in reversed(markers):
        _delete(place, key, marker.id)


def copy_to(
    place: Place, version: StoredFile, target: Place, key: str, options: UploadOptions | None = None
) -> StoredFile:
    """Copy a file version within B2, with its type and information; no byte passes this process.

    Args:
        place: where the version is.
        version: which.
        target: where the copy goes; of the same account.
        key: of the copy.
        options: encryption by B2, retention and hold of the copy; type and information are those of the version.
    Returns:
        What B2 now knows about the copy.
    Raises:
        NotFound: the version is gone.
        BackendError: B2 refused or failed.
    """
    session = target.session
    with bucket_for(session, target.bucket, "upload", budget.of_upload(session.limits), is_own=True) as bucket:
        said: dict[str, Any] = {} if options is None else options.of_large_file()
        kept = {name: said[name] for name in ("file_retention", "legal_hold") if said.get(name) is not None}
        if (encryption := said.get("server_side_encryption")) is not None:
            kept["destination_encryption"] = encryption
        if version.size_bytes <= COPY_BYTES:
            return from_version(key, bucket.copy(version.file_id, key, **kept))
        kept |= {"source_content_type": version.content_type, "source_file_info": dict(version.info)}
        return from_version(key, bucket.copy(version.file_id, key, length=version.size_bytes, **kept))


def info_of(place: Place, version: StoredFile) -> dict[str, str]:
    """The file information of a version, with what B2 answers as headers of their own; one call.

    Raises:
        NotFound: the version is gone.
        BackendError: B2 refused or failed.
    """
    session = place.session
    with session.calling("download", budget.of_storage_call(session.limits)):
        session.login()
        return dict(session.api.session.get_file_info_by_id(version.file_id)["fileInfo"])


def retain(place: Place, key: str, file_id: str, retention: Retention | None, *, bypass: bool = False) -> None:
    """Say until when a version cannot be deleted, or that it can.

    Args:
        retention: None lifts it.
        bypass: use the key's right to shorten or lift one of governance.
    Raises:
        NotFound: there is no such version.
        Locked: it cannot be shortened or lifted, or not without `bypass`.
        BackendError: B2 refused or failed; as the key lacks a right, or the bucket has no file lock.
    """
    wanted = NO_RETENTION_FILE_SETTING if retention is None else _setting(retention)
    with _changing(place):
        place.session.api.update_file_retention(file_id, key, wanted, bypass)


def hold(place: Place, key: str, file_id: str, *, is_held: bool) -> None:
    """Keep a version from being deleted, or no longer.

    Raises:
        NotFound: there is no such version.
        BackendError: B2 refused or failed; as the key lacks a right, or the bucket has no file lock.
    """
    with _changing(place):
        place.session.api.update_file_legal_hold(file_id, key, LegalHold.ON if is_held else LegalHold.OFF)


def _setting(retention: Retention) -> FileRetentionSetting:
    return FileRetentionSetting(RetentionMode(retention.mode), int(retention.until.timestamp() * 1000))


@contextmanager
def _changing(place: Place) -> Iterator[None]:
    session = place.session
    with session.calling("upload", budget.of_storage_call(session.limits)):
        session.login()
        yield


def _delete(place: Place, key: str, file_id: str) -> None:
    session = place.session
    with bucket_for(session, place.bucket, "upload", budget.of_storage_call(session.limits)) as target:
        try:
            target.delete_file_version(file_id, key)
        except FileNotPresent:  # another process was faster
            return
        except (AccessDenied, Unauthorized) as error:
            if isinstance(error, Unauthorized) and error.code != "access_denied":  # the key lacks the right
                raise
            raise faults.locked("b2_delete_file_version") from None


def _version(entry: Any) -> FileVersion:
    is_deletion = entry.action == "hide"
    sha1 = entry.content_sha1 or ""
    return FileVersion(
        id=entry.id_,
        uploaded_at=datetime.fromtimestamp(entry.upload_timestamp / 1000, tz=UTC),
        is_deletion=is_deletion,
        size_bytes=0 if is_deletion else entry.size,
        content_type="" if is_deletion else entry.content_type,
        sha1=sha1 if len(sha1) == 40 and sha1.isalnum() else None,
    )
