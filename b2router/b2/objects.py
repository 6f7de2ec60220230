"""Upload, hide and list, through b2sdk; called by storage and files. Reading is in `download`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

from b2sdk.v3 import Bucket
from b2sdk.v3.exception import BucketIdNotFound, FileAlreadyHidden, FileNotPresent

from b2router import content_types
from b2router.b2 import budget
from b2router.b2.circuit import Kind
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile
from b2router.errors import InvalidName

__all__ = ["PART_BYTES", "Source", "bucket_for", "hide", "list_folder", "stored_from_upload", "upload"]

PART_BYTES = 8 * 1024 * 1024
"""Size of the parts of a large file; two of them are in memory when the source is a stream."""

MAX_PARTS = 10_000
"""Source: B2 documentation, "Large files"."""

PAGE_FILES = 1000
"""Files in a page of a listing: what B2 charges as one call. Source: B2 documentation, "b2_list_file_names"."""


class Source(Protocol):
    """Where the bytes of an upload come from: any binary file object."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes, empty at the end."""


def upload(
    session: Session,
    bucket: str,
    key: str,
    source: IO[bytes] | Source,
    *,
    content_type: str,
    file_info: Mapping[str, str],
    size_bytes: int | None = None,
    path: str | None = None,
) -> StoredFile:
    """Store a file; memory is bounded by the parts in flight. Nothing is visible under the key before all of it is.

    Args:
        source: read from where it stands to its end, unless `path` is given.
        content_type: what B2 stores as Content-Type.
        file_info: further headers and values that B2 stores.
        size_bytes: of the source, None when unknown.
        path: the same bytes as a file on the local disk, which saves a copy of each part.
    Returns:
        What B2 now knows about the file.
    Raises:
        InvalidName: B2 could hold this key, but b2sdk uploads none like it.
        BackendError: B2 refused or failed.
    """
    if "\\" in key:
        raise InvalidName("b2sdk uploads no name with a backslash, because other clients read it as a folder.")
    stored_as = {"content_type": _sendable(content_type), "file_info": dict(file_info)}
    part_bytes = max(PART_BYTES, -(-(size_bytes or 0) // MAX_PARTS))
    watched = _Watched(source)
    limit = budget.of_upload(session.limits)
    with watched.errors_are_its_own(), bucket_for(session, bucket, "upload", limit, is_own=True) as target:
        if path is not None and Path(path).stat().st_size:
            return stored_from_upload(key, target.upload_local_file(path, key, **stored_as))
        beginning = watched.read_up_to(part_bytes + 1)  # sizes that files tell are not always those of their content
        if len(beginning) <= part_bytes:
            return stored_from_upload(key, target.upload_bytes(beginning, key, **stored_as))
        watched.unread(beginning)
        del beginning
        made = target.upload_unbound_stream(
            watched,
            key,
            recommended_upload_part_size=part_bytes,
            min_part_size=part_bytes,
            read_size=min(part_bytes, 1024 * 1024),
            **stored_as,
        )
        return stored_from_upload(key, made)


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


def stored_from_upload(key: str, made: Any) -> StoredFile:
    """What b2sdk says about an upload, as a download would say it."""
    sha1, info = str(made.content_sha1), {name.lower(): text for name, text in made.file_info.items()}
    return StoredFile(
        key=key,
        file_id=made.id_,
        size_bytes=made.size,
        content_type=made.content_type or "",
        sha1=sha1 if re.fullmatch(r"[0-9a-f]{40}", sha1) else None,
        uploaded_at=datetime.fromtimestamp(made.upload_timestamp / 1000, tz=UTC),
        content_encoding=info.get("b2-content-encoding"),
        info={name: text for name, text in info.items() if not name.startswith("b2-")},
    )


class _SourceFailed(BaseException):
    """The source of an upload failed. No `Exception`: it says nothing about B2, and neither b2sdk nor the circuit is to
    take it for an answer."""


class _Watched:
    """The source of an upload: gives back what was read too early, and remembers its own failure."""

    def __init__(self, source: IO[bytes] | Source) -> None:
        self._source = source
        self._beginning = memoryview(b"")
        self._error: Exception | None = None

    def read(self, size: int) -> bytes:
        if self._beginning:
            block, self._beginning = bytes(self._beginning[:size]), self._beginning[size:]
            return block
        try:
            return self._source.read(size) or b""
        except Exception as error:
            self._error = error
            raise _SourceFailed from None

    def read_up_to(self, size: int) -> bytes:
        """So many bytes, or fewer at the end: a pipe gives what it has."""
        blocks, left = [], size
        while left and (block := self.read(left)):
            blocks.append(block)
            left -= len(block)
        return b"".join(blocks)

    def unread(self, beginning: bytes) -> None:
        """Let the next reads give these bytes again."""
        self._beginning = memoryview(beginning)

    @contextmanager
    def errors_are_its_own(self) -> Iterator[None]:
        """A failing source raises its own exception, whatever b2sdk makes of it."""
        try:
            yield
        except _SourceFailed:
            raise cast("Exception", self._error) from None


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


def list_folder(session: Session, bucket: str, prefix: str) -> tuple[list[str], list[str]]:
    """The folders and files directly below a prefix, names only, in B2's order.

    Args:
        prefix: empty, or ending with "/".
    Raises:
        BackendError: B2 refused or failed; never a part of the list.
    """
    folders: list[str] = []
    files: list[str] = []
    limit = budget.of_listing(session.limits)
    with bucket_for(session, bucket, "list", limit) as target:
        for version, folder in target.ls(prefix, fetch_count=PAGE_FILES):
            limit.begin()  # a page came: the next one has all its tries
            if folder is not None:
                folders.append(folder.removeprefix(prefix).rstrip("/"))
            elif name := version.file_name.removeprefix(prefix):
                files.append(name)
    return folders, files
