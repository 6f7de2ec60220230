"""Files to B2: in one request, or in parts that travel side by side; called by `objects`.

Nothing is visible under the key before all of a file is stored, and no more of it is in memory than a block for each
part under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import IO, Any

from b2sdk.v3.exception import BucketIdNotFound

from b2router.b2 import budget, large, sending, sources
from b2router.b2.contents import Content, OwnError, owned
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.b2.sources import Source, Stream
from b2router.b2.stored import StoredFile, from_answer
from b2router.uploading import MAX_PARTS, MIN_PART_BYTES, Upload

__all__ = ["Progress", "upload"]

Progress = Callable[[int], None]
"""Told how many bytes of the file B2 has stored so far; by any thread, by one at a time."""


def upload(
    session: Session,
    bucket: str,
    key: str,
    source: IO[bytes] | Source,
    options: UploadOptions,
    *,
    how: Upload,
    size_bytes: int | None = None,
    path: str | None = None,
    progress: Progress | None = None,
) -> StoredFile:
    """Store a file.

    Args:
        session: of the account.
        bucket: its name.
        key: of the file; its name has passed the gate.
        source: read from where it stands to its end, unless there is a path.
        options: what is said about the file.
        how: it is cut and sent.
        size_bytes: of the source as far as known; a wrong one does no harm.
        path: the same bytes as a file on the local disk.
        progress: is told how it goes.
    Returns:
        What B2 now knows about the file.
    Raises:
        ValueError: B2 does not take such options, or so large a file.
        BackendError: B2 refused or failed.
        Exception: what the source raised.
    """
    options.check(key)
    try:
        with sources.opened(source, path) as bytes_:
            bucket_id = session.bucket(bucket).id_
            with session.calling("upload", budget.of_upload(session.limits), is_own=True):
                file = _File(session, bucket, bucket_id, key, options, how, progress)
                return from_answer(key, file.store(bytes_, size_bytes or 0))
    except OwnError as own:
        raise own.error from None


class _File:
    """One file on its way."""

    def __init__(
        self,
        session: Session,
        bucket: str,
        bucket_id: str,
        key: str,
        options: UploadOptions,
        how: Upload,
        progress: Progress | None,
    ) -> None:
        self._session = session
        self._bucket = bucket
        self._bucket_id = bucket_id
        self._key = key
        self._options = options
        self._how = how
        self._progress = progress

    def store(self, bytes_: Content | Stream, size_bytes: int) -> dict[str, Any]:
        """Send all of it, and give B2's answer.

        Args:
            size_bytes: of a stream, as far as known.
        """
        if isinstance(bytes_, Content):
            if bytes_.size_bytes <= self._how.part_bytes:
                return self._in_one(bytes_)
            sizes = _even(bytes_.size_bytes, self._how.part_bytes)
            return self._in_parts(_cut(bytes_, sizes), sizes, self._how.threads)
        sizes = _growing(size_bytes, self._how.part_bytes)
        with closing(bytes_.take(sizes(1))) as first:
            if first.size_bytes < sizes(1) or bytes_.is_over:
                return self._in_one(first)
            # Half as many, because each lies on the disk, and who reads a source once has to wait for it anyway.
            return self._in_parts(_taken(bytes_, first, sizes), sizes, max(1, self._how.threads // 2))

    def _in_one(self, content: Content) -> dict[str, Any]:
        addresses = self._session.uploads.of_bucket(self._bucket_id, self._address)
        answer = sending.send(self._session, addresses, content, self._options.headers(self._key))
        if self._progress is not None:
            with owned():
                self._progress(content.size_bytes)
        return answer

    def _in_parts(self, parts: Iterator[Content], sizes: _Sizes, threads: int) -> dict[str, Any]:
        try:
            file = large.begun(
                self._session, self._bucket_id, self._key, self._options, self._how, sizes, self._progress
            )
        except BucketIdNotFound:
            self._session.forget_bucket(self._bucket)
            raise
        return file.store(parts, threads)

    def _address(self) -> dict[str, Any]:
        try:
            return dict(self._session.api.session.get_upload_url(self._bucket_id))
        except BucketIdNotFound:  # it was deleted, and perhaps made anew
            self._session.forget_bucket(self._bucket)
            raise


_Sizes = Callable[[int], int]
"""The size of the part of a number, counted from 1, unless it is the last."""


def _even(size_bytes: int, part_bytes: int) -> _Sizes:
    """As few parts as there have to be, all of one size, so that they end together."""
    parts = min(MAX_PARTS, -(-size_bytes // part_bytes))
    even = max(MIN_PART_BYTES, -(-size_bytes // parts))
    return lambda number: even


def _growing(size_bytes: int, part_bytes: int) -> _Sizes:
    """Small parts first, so that sending begins soon after reading; all of one size where one is expected to do.

    Args:
        size_bytes: as far as known, else 0.
    """
    most = max(part_bytes, -(-size_bytes // (MAX_PARTS - 2)))
    if 0 < size_bytes <= part_bytes:
        return lambda number: most
    return lambda number: max(MIN_PART_BYTES, min(most, number * most // 4))


def _cut(content: Content, sizes: _Sizes) -> Iterator[Content]:
    first = 0
    for number in count(1):
        size_bytes = min(sizes(number), content.size_bytes - first)
        if not size_bytes:
            return
        yield content.part(first, size_bytes)
        first += size_bytes


def _taken(stream: Stream, first: Content, sizes: _Sizes) -> Iterator[Content]:
    yield first
    for number in count(2):
        if stream.is_over:
            return
        yield stream.take(sizes(number))
