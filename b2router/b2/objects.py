"""Upload, hide and list; called by storage. Reading is in `download`, and how bytes get to B2 in `uploads`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

from b2sdk.v3 import Bucket
from b2sdk.v3.exception import BucketIdNotFound, FileAlreadyHidden, FileNotPresent

from b2router import content_types
from b2router.b2 import budget, uploads
from b2router.b2.circuit import Kind
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.b2.sources import Source
from b2router.b2.stored import StoredFile
from b2router.uploading import Upload

__all__ = ["Entry", "bucket_for", "hide", "list_folder", "pages_of_folder", "upload"]

PAGE_FILES = 1000
"""Files in a page of a listing: what B2 charges as one call. Source: B2 documentation, "b2_list_file_names"."""


_USUAL_UPLOAD = Upload()


def upload(
    session: Session,
    bucket: str,
    key: str,
    source: IO[bytes] | Source,
    options: UploadOptions,
    *,
    size_bytes: int | None = None,
    path: str | None = None,
    how: Upload = _USUAL_UPLOAD,
) -> StoredFile:
    """Store a file; memory is bounded by the parts in flight. Nothing is visible under the key before all of it is.

    Args:
        source: read from where it stands to its end, unless `path` is given.
        options: what B2 stores beside the bytes; a type that no header can hold is left out.
        size_bytes: of the source, as far as known.
        path: the same bytes as a file on the local disk.
        how: it is cut and sent.
    Returns:
        What B2 now knows about the file.
    Raises:
        ValueError: B2 does not take such options.
        BackendError: B2 refused or failed.
        Exception: what the source raised.
    """
    options = replace(options, content_type=_sendable(options.content_type))
    return uploads.upload(session, bucket, key, source, options, how=how, size_bytes=size_bytes, path=path)


@contextmanager
def bucket_for(
    session: Session, name: str, kind: Kind, limit: budget.Budget, *, is_own: bool = False
) -> Iterator[Bucket]:
    """b2sdk's bucket, for calls inside. An id that is no longer right is forgotten, so that the next call looks."""
    target = session.bucket(name)
    with session.calling(kind, limit, is_own=is_own):
        try:
            yield target
        except BucketIdNotFound:
            session.forget_bucket(name)
            raise


def _sendable(content_type: str) -> str:
    """A content type as a header can hold it; an uploader declared it."""
    is_header = content_type.isascii() and content_type.isprintable() and len(content_type) <= 200
    return content_type if is_header and "/" in content_type else content_types.UNKNOWN


def hide(session: Session, bucket: str, key: str) -> None:
    """Make a file disappear; its versions stay. Quiet when there is none.

    Raises:
        BackendError: B2 refused or failed.
    """
    with bucket_for(session, bucket, "upload", budget.of_storage_call(session.limits)) as target:
        try:
            target.hide_file(key)
        except (FileNotPresent, FileAlreadyHidden):
            return


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list tells about a folder, or about a file in it.

    Attributes:
        name: without the path of the folder that was listed.
        is_folder: whether it stands for all files below it.
        size_bytes: length of the file; 0 for a folder.
        uploaded_at: aware, UTC; None for a folder.
    """

    name: str
    is_folder: bool
    size_bytes: int = 0
    uploaded_at: datetime | None = None


def list_folder(session: Session, bucket: str, prefix: str) -> tuple[list[str], list[str]]:
    """The folders and files directly below a prefix, names only, in B2's order.

    Args:
        prefix: empty, or ending with "/".
    Raises:
        BackendError: B2 refused or failed; never a part of the list.
    """
    entries = [entry for page in pages_of_folder(session, bucket, prefix) for entry in page]
    return [entry.name for entry in entries if entry.is_folder], [
        entry.name for entry in entries if not entry.is_folder
    ]


def pages_of_folder(session: Session, bucket: str, prefix: str) -> Iterator[list[Entry]]:
    """What is directly below a prefix, in B2's order; each page is asked for when it is wanted.

    Args:
        prefix: empty, or ending with "/".
    Raises:
        BackendError: B2 refused or failed; from the page that it concerns.
    """
    listing: Iterator[Any] | None = None
    while True:
        limit = budget.of_listing(session.limits)
        with bucket_for(session, bucket, "list", limit) as target:
            if listing is None:
                listing = target.ls(prefix, fetch_count=PAGE_FILES)
            page = []
            for version, folder in islice(listing, PAGE_FILES):
                limit.begin()  # a page came: the next one has all its tries
                page.append((version, folder))
        if not page:
            return
        entries = [_entry(version, folder, prefix) for version, folder in page]
        yield [entry for entry in entries if entry.name not in ("", ".", "..")]  # of other programs: no names here


def _entry(version: Any, folder: str | None, prefix: str) -> Entry:
    if folder is not None:
        return Entry(folder.removeprefix(prefix).rstrip("/"), is_folder=True)
    uploaded_at = datetime.fromtimestamp(version.upload_timestamp / 1000, tz=UTC)
    return Entry(version.file_name.removeprefix(prefix), False, version.size, uploaded_at)
