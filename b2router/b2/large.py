"""A large file: begun or found again, its parts side by side, finished or cancelled; called by `uploads`."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

from b2sdk.v3.exception import BadRequest

from b2router.b2 import budget, faults, sending
from b2router.b2.addresses import Addresses
from b2router.b2.contents import Content, OwnError, owned
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.b2.unfinished import Part, found_again
from b2router.errors import B2RouterError, BackendError
from b2router.uploading import MAX_PARTS, Upload

__all__ = ["THREADS", "LargeFile", "begun"]

logger = logging.getLogger("b2router.b2")

THREADS = 16
"""Parts that a process sends at the same time, of all its files together."""


def begun(
    session: Session,
    bucket_id: str,
    key: str,
    options: UploadOptions,
    how: Upload,
    size_of: Callable[[int], int],
    progress: Callable[[int], None] | None,
) -> LargeFile:
    """Begin a large file at B2, or go on with one that failed.

    Args:
        size_of: the size of the part of a number, unless it is the last, in bytes.
    Raises:
        B2Error: of b2sdk.
    """
    found = found_again(session, bucket_id, key, options, size_of) if how.resume else None
    if found is None:
        started = session.api.session.start_large_file(bucket_id, key, **options.of_large_file())
        return LargeFile(session, started["fileId"], {}, options, how, progress)
    return LargeFile(session, found.file_id, found.parts, options, how, progress)


class LargeFile:
    """A file that B2 does not show yet.

    Args:
        session: of the account.
        file_id: B2's.
        stored: parts that B2 has already, by number.
        options: what is said about the file.
        how: it is sent.
        progress: is told how many bytes are stored.
    """

    def __init__(
        self,
        session: Session,
        file_id: str,
        stored: Mapping[int, Part],
        options: UploadOptions,
        how: Upload,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._session = session
        self._file_id = file_id
        self._stored = stored
        self._headers = options.part_headers()
        self._stays = how.resume
        self._progress = progress
        self._addresses = Addresses(session.uploads, lambda: session.api.session.get_upload_part_url(file_id))
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._sha1s: dict[int, str] = {}
        self._done_bytes = 0

    def store(self, parts: Iterator[Content], threads: int) -> dict[str, Any]:
        """Send the parts, and make a file of them.

        Args:
            parts: in order; each is asked for when there is room to send it, by the calling thread.
            threads: how many are sent at the same time.
        Returns:
            What B2 answered.
        Raises:
            BackendError, B2Error, OwnError: nothing is visible, and nothing stays at B2 unless it is to be resumed.
        """
        try:
            self._send_all(parts, threads)
            if self._stored.keys() - self._sha1s.keys():
                self._cancel()  # else the next upload would find it again
                raise BackendError("The unfinished file to go on with was a longer one. It is cancelled; upload again.")
            return self._finish()
        except BaseException:
            if not self._stays:
                self._cancel()
            raise

    def _send_all(self, parts: Iterator[Content], threads: int) -> None:
        under_way: dict[Future[None], Content] = {}
        try:
            for number in range(1, MAX_PARTS + 2):
                while len(under_way) >= threads:
                    _wait_for_one(under_way)
                part = next(parts, None)
                if part is None:
                    break
                if number > MAX_PARTS:
                    part.close()
                    raise OwnError(ValueError(_TOO_LARGE))
                # In a context of its own, as a copy of the caller's: what the site keeps there goes along.
                under_way[_threads().submit(copy_context().run, self._send, number, part)] = part
            while under_way:
                _wait_for_one(under_way)
        finally:  # none is left, unless one has failed
            self._stop.set()
            wait([future for future in under_way if not future.cancel()])
            for part in under_way.values():
                part.close()

    def _send(self, number: int, part: Content) -> None:
        stored = self._stored.get(number)
        if stored is None or stored.sha1 != part.hashed():
            headers = {"X-Bz-Part-Number": str(number), **self._headers}
            answer = sending.send(self._session, self._addresses, part, headers, self._stop)
            self._sha1s[number] = answer["contentSha1"]
        else:
            self._sha1s[number] = stored.sha1
        with self._lock:
            self._done_bytes += part.size_bytes
            if self._progress is not None:
                with owned():
                    self._progress(self._done_bytes)

    def _finish(self) -> dict[str, Any]:
        api, sha1s = self._session.api.session, [self._sha1s[number] for number in sorted(self._sha1s)]
        try:
            return dict(api.finish_large_file(self._file_id, sha1s))
        except BadRequest:  # so B2 answers to a second try, when the answer to the first was lost
            known = dict(api.get_file_info_by_id(self._file_id))
            if known.get("action") != "upload":
                raise
            return known

    def _cancel(self) -> None:
        """Give up what is stored so far; what B2 has finished meanwhile stays."""
        try:
            with budget.limited(budget.of_request(self._session.limits), is_own=True), faults.translated():
                self._session.api.session.cancel_large_file(self._file_id)
        except B2RouterError as error:
            logger.warning("Parts of a file that failed stay at B2 as file id %s: %s", self._file_id, error)


_TOO_LARGE = (
    f"The source has more than {MAX_PARTS} parts, which is all that B2 takes. Raise 'part_bytes' in the profile's "
    "'upload', or give the source a size."
)


def _wait_for_one(under_way: dict[Future[None], Content]) -> None:
    """Until at least one part is stored, or has failed."""
    ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
    for future in ended:
        under_way.pop(future).close()
    for future in ended:
        future.result()


_executor: ThreadPoolExecutor | None = None
_executor_lock = threading.Lock()


def _begin_anew_after_fork() -> None:
    """The threads stayed in the parent, and one of them may have held the lock."""
    global _executor, _executor_lock
    _executor, _executor_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


def _threads() -> ThreadPoolExecutor:
    global _executor
    with _executor_lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(THREADS, thread_name_prefix="b2router-upload")
        return _executor
