"""Large files that were begun and neither finished nor cancelled; `large` looks here for one to go on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from b2router.b2.options import CustomerKey, UploadOptions
from b2router.b2.session import Session

__all__ = ["Part", "Unfinished", "found_again"]

_PAGE_FILES = 100
_PAGE_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A part that B2 has.

    Attributes:
        size_bytes: its length.
        sha1: 40 hex digits.
    """

    size_bytes: int
    sha1: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A large file without its end.

    Attributes:
        file_id: B2's.
        parts: what B2 has of it, by number from 1.
    """

    file_id: str
    parts: Mapping[int, Part]


def found_again(
    session: Session, bucket_id: str, key: str, options: UploadOptions, size_of: Callable[[int], int]
) -> Unfinished | None:
    """The unfinished file of this name about which the same was said, the one that was begun last, if it is cut alike;
    else None. Two calls, and one more for each 1,000 parts.

    A file with retention or hold is never gone on with: the time that was asked for has changed meanwhile.

    Args:
        size_of: the size of the part of a number, unless it is the last, in bytes.
    Raises:
        B2Error: of b2sdk.
    Source: B2 documentation, "b2_list_unfinished_large_files" and "b2_list_parts".
    """
    if options.retention is not None or options.legal_hold is not None:
        return None
    api = session.api.session
    files = api.list_unfinished_large_files(bucket_id, max_file_count=_PAGE_FILES, prefix=key)["files"]
    alike = [file for file in files if file["fileName"] == key and _is_said_of(file, options)]
    if not alike:
        return None
    file_id = max(alike, key=lambda file: int(file["uploadTimestamp"]))["fileId"]
    parts: dict[int, Part] = {}
    first: int | None = 1
    while first is not None:
        page = api.list_parts(file_id, first, _PAGE_PARTS)
        parts |= {
            int(part["partNumber"]): Part(int(part["contentLength"]), str(part["contentSha1"]))
            for part in page["parts"]
        }
        first = page["nextPartNumber"]
    is_cut_alike = all(part.size_bytes == size_of(number) for number, part in parts.items() if number < max(parts))
    return Unfinished(file_id, parts) if is_cut_alike else None


def _is_said_of(file: Mapping[str, Any], options: UploadOptions) -> bool:
    encryption = (file.get("serverSideEncryption") or {}).get("mode")
    asked = "SSE-C" if isinstance(options.encryption, CustomerKey) else options.encryption
    info = {name.lower(): text for name, text in options.large_info().items()}
    return (
        (file["contentType"], file["fileInfo"]) == (options.content_type, info)
        and (asked is None or encryption == asked)
        and (encryption != "SSE-C" or asked == "SSE-C")
    )
