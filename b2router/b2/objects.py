"""Upload, hide and list, through b2sdk; called by storage and files. Reading is in `download`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from b2sdk.v3.exception import FileAlreadyHidden, FileNotPresent

from b2router import content_types
from b2router.b2 import budget, faults
from b2router.b2.session import Session
from b2router.errors import B2RouterError, InvalidName

__all__ = ["PART_BYTES", "Source", "hide", "list_folder", "upload"]

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
) -> None:
    """Store a file; memory is bounded by the parts in flight. Nothing is visible under the key before all of it is.

    Args:
        source: read from where it stands to its end, unless `path` is given.
        content_type: what B2 stores as Content-Type.
        file_info: further headers and values that B2 stores.
        size_bytes: of the source, None when unknown.
        path: the same bytes as a file on the local disk, which saves a copy of each part.
    Raises:
        InvalidName: B2 could hold this key, but b2sdk uploads none like it.
        BackendError: B2 refused or failed.
    """
    if "\\" in key:
        raise InvalidName("b2sdk uploads no name with a backslash, because other clients read it as a folder.")
    target = session.bucket(bucket)
    stored_as = {"content_type": _sendable(content_type), "file_info": dict(file_info)}
    part_bytes = max(PART_BYTES, -(-(size_bytes or 0) // MAX_PARTS))
    watched = _Watched(source)
    with budget.limited(budget.of_upload(), is_own=True), watched.errors_are_its_own(), faults.translated():
        if path is not None and Path(path).stat().st_size:
            target.upload_local_file(path, key, **stored_as)
            return
        beginning = watched.read_up_to(part_bytes + 1)  # sizes that files tell are not always those of their content
        if len(beginning) <= part_bytes:
            target.upload_bytes(beginning, key, **stored_as)
            return
        watched.unread(beginning)
        del beginning
        target.upload_unbound_stream(
            watched,
            key,
            recommended_upload_part_size=part_bytes,
            min_part_size=part_bytes,
            read_size=min(part_bytes, 1024 * 1024),
            **stored_as,
        )


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
            raise

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
        except B2RouterError:
            if self._error is not None:
                raise self._error from None
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
    target = session.bucket(bucket)
    with budget.limited(budget.of_storage_call()) as limit, faults.translated():
        limit.begin()
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
    target = session.bucket(bucket)
    folders: list[str] = []
    files: list[str] = []
    with budget.limited(budget.of_listing()) as limit, faults.translated():
        limit.begin()
        for version, folder in target.ls(prefix, fetch_count=PAGE_FILES):
            limit.begin()  # a page came: the next one has all its tries
            if folder is not None:
                folders.append(folder.removeprefix(prefix).rstrip("/"))
            elif name := version.file_name.removeprefix(prefix):
                files.append(name)
    return folders, files
