"""What is told of an operation that has ended: its record, as a signal and as a log line; made by `operations`.

A record has numbers and fixed words, so there is nothing in it that could hold a secret.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Literal

from b2router.signals import operation_finished

__all__ = ["CLASSES", "FIELDS", "OK", "CacheOutcome", "Record", "drop", "emit", "emit_dropped"]

logger = logging.getLogger("b2router.operations")

OK = "ok"
"""The status of a storage call that raised nothing."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "download": "B",
        "head": "B",
        "b2_authorize_account": "C",
        "b2_cancel_large_file": "A",
        "b2_copy_file": "C",
        "b2_copy_part": "C",
        "b2_create_bucket": "C",
        "b2_create_key": "C",
        "b2_delete_bucket": "A",
        "b2_delete_file_version": "A",
        "b2_delete_key": "A",
        "b2_finish_large_file": "A",
        "b2_get_bucket_notification_rules": "C",
        "b2_get_download_authorization": "C",
        "b2_get_file_info": "B",
        "b2_get_upload_part_url": "A",
        "b2_get_upload_url": "A",
        "b2_hide_file": "A",
        "b2_list_buckets": "C",
        "b2_list_file_names": "C",
        "b2_list_file_versions": "C",
        "b2_list_keys": "C",
        "b2_list_parts": "C",
        "b2_list_unfinished_large_files": "C",
        "b2_set_bucket_notification_rules": "C",
        "b2_start_large_file": "A",
        "b2_update_bucket": "C",
        "b2_update_file_legal_hold": "A",
        "b2_update_file_retention": "A",
        "b2_upload_file": "A",
        "b2_upload_part": "A",
    }
)
"""Call → price class. Downloads by name and by id are one, GET ("download") and HEAD ("head") are two.
Source: Backblaze, "Transaction pricing". A call that is not here is counted as "other", without a class."""

CacheOutcome = Literal["hit", "miss", "negative"]
"""What the metadata cache knew: the file, nothing, or that there is no such file."""


@dataclass(frozen=True, slots=True)
class Record:
    """An operation that has ended.

    Attributes:
        profile: whose files.
        verb: of an answer GET, HEAD, OPTIONS or OTHER; of a storage the name of its method, with "open" for reading
            and "write" for a file that is opened to be written.
        status: the HTTP status; of a storage "ok" or the name of the exception's class.
        error: class of what went wrong at B2, also where a visitor got 502 or 503 for it, or fewer bytes than
            promised; None when nothing did.
        is_complete: False when a visitor got fewer bytes than promised: left, or B2 broke off.
        bytes_out: bytes of the body that were handed to the server, or that the site's code has read.
        bytes_in: bytes that were stored.
        duration_ms: from the beginning to the end: the last byte, or the file being closed.
        first_byte_ms: until there was something to hand on: a body's first block, or the answer.
        calls: requests that reached B2, by operation.
        retries: how many of these repeated one that had failed.
        cache: what the metadata cache knew; None when it was not asked.
        name: of the file, with what does not print escaped; None when there is none. It may say something about a
            person: logs have it as a field of its own, nothing else has it.
    """

    profile: str
    verb: str
    status: str
    error: str | None
    is_complete: bool
    bytes_out: int
    bytes_in: int
    duration_ms: float
    first_byte_ms: float
    calls: Mapping[str, int]
    retries: int
    cache: CacheOutcome | None
    name: str | None = field(default=None, repr=False)

    @property
    def classes(self) -> dict[str, int]:
        """The calls by price class: "A", "B", "C"."""
        found: Counter[str] = Counter()
        for call, count in self.calls.items():
            if price_class := CLASSES.get(call):
                found[price_class] += count
        return dict(found)


FIELDS = (
    "profile",
    "verb",
    "status",
    "error",
    "is_complete",
    "bytes_out",
    "bytes_in",
    "duration_ms",
    "first_byte_ms",
    "calls",
    "classes",
    "retries",
    "cache",
    "name",
)
"""What a log record has as attributes, each with "b2_" before it: loggers have names of their own."""

_dropped: SimpleQueue[Record] = SimpleQueue()  # its put may interrupt itself


def emit(record: Record) -> None:
    """Tell whoever listens. Raises nothing: a log or a metric that fails breaks no download."""
    try:
        operation_finished.send_robust(Record, record=record)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s %s %s: %d bytes out, %d in, %.1f ms, %d calls on B2",
                record.profile,
                record.verb,
                record.status,
                record.bytes_out,
                record.bytes_in,
                record.duration_ms,
                sum(record.calls.values()),
                extra={f"b2_{name}": getattr(record, name) for name in FIELDS},
            )
    except Exception:
        logger.exception("An operation of profile %s could not be reported.", record.profile)


def drop(record: Record) -> None:
    """Tell it later: the garbage collector may call this at any moment, within any lock."""
    _dropped.put(record)


def emit_dropped() -> None:
    """Tell what was put off."""
    while not _dropped.empty():
        try:
            record = _dropped.get_nowait()
        except Empty:
            return
        emit(record)
