"""What B2 said about one file version, to a download or an upload; asked by delivery and storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from b2router.errors import UnexpectedAnswer

__all__ = ["StoredFile", "from_answer", "from_headers", "from_version"]

_INFO = "x-bz-info-"
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file version in B2.

    Attributes:
        key: location and name.
        file_id: B2's id of this version; no two versions share one.
        size_bytes: length of the whole file.
        content_type: as stored, unchecked: an uploader chose it.
        sha1: of the whole file, 40 hex digits; None when B2 does not know it.
        uploaded_at: aware, UTC.
        content_encoding: as stored; None when the bytes are plain.
        info: file information, keys in lower case.
    """

    key: str
    file_id: str
    size_bytes: int
    content_type: str
    sha1: str | None
    uploaded_at: datetime
    content_encoding: str | None = None
    info: Mapping[str, str] = field(default_factory=dict)


def from_headers(key: str, headers: Mapping[str, str]) -> StoredFile:
    """Read the headers of a download (GET or HEAD, whole or range).

    Args:
        key: what was asked for.
        headers: of the answer, names in any case.
    Raises:
        UnexpectedAnswer: what answered did not speak B2, such as the login page of a network.
    Source: B2 documentation, "b2_download_file_by_name", response headers.
    """
    given: dict[str, str] = {}
    info: dict[str, str] = {}
    for given_name, text in headers.items():
        given[name := given_name.lower()] = text
        if name.startswith(_INFO):
            info[name.removeprefix(_INFO)] = unquote_plus(text)
    try:
        size = given["content-length"]
        if "content-range" in given:
            size = given["content-range"].rpartition("/")[2]
        if not size.isdigit() or "transfer-encoding" in given:
            raise ValueError("a download of B2 has a length, and that is the length of its body")
        if unquote_plus(given.get("x-bz-file-name", key)) != key:
            raise ValueError("the answer to another question")
        sha1 = given.get("x-bz-content-sha1", "none")
        return StoredFile(
            key=key,
            file_id=given["x-bz-file-id"],
            size_bytes=int(size),
            content_type=given.get("content-type", ""),
            sha1=sha1 if _SHA1.fullmatch(sha1) else None,
            uploaded_at=datetime.fromtimestamp(int(given["x-bz-upload-timestamp"]) / 1000, tz=UTC),
            content_encoding=given.get("content-encoding"),
            info=info,
        )
    except (KeyError, ValueError, OverflowError, OSError):
        raise UnexpectedAnswer("A download was answered without the headers that B2 sends.") from None


def from_answer(key: str, answer: Mapping[str, Any]) -> StoredFile:
    """Read what B2 answers when a file is complete, as a download would tell it.

    Args:
        key: of the file.
        answer: of b2_upload_file, b2_finish_large_file or b2_get_file_info.
    Raises:
        UnexpectedAnswer: what answered did not speak B2.
    Source: B2 documentation, "b2_upload_file", response.
    """
    try:
        sha1 = str(answer["contentSha1"])
        info = {str(name).lower(): str(text) for name, text in answer["fileInfo"].items()}
        return StoredFile(
            key=key,
            file_id=str(answer["fileId"]),
            size_bytes=int(answer["contentLength"]),
            content_type=str(answer["contentType"] or ""),
            sha1=sha1 if _SHA1.fullmatch(sha1) else None,
            uploaded_at=datetime.fromtimestamp(int(answer["uploadTimestamp"]) / 1000, tz=UTC),
            content_encoding=info.get("b2-content-encoding"),
            info={name: text for name, text in info.items() if not name.startswith("b2-")},
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise UnexpectedAnswer("An upload was answered without the facts that B2 sends.") from None


def from_version(key: str, version: Any) -> StoredFile:
    """Read what b2sdk says about a file version.

    Args:
        key: of the file.
        version: b2sdk's `FileVersion`.
    """
    return from_answer(
        key,
        {
            "fileId": version.id_,
            "contentLength": version.size,
            "contentType": version.content_type,
            "contentSha1": version.content_sha1,
            "uploadTimestamp": version.upload_timestamp,
            "fileInfo": version.file_info,
        },
    )
