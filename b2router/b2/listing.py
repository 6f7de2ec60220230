"""Everything below a prefix, in one listing; called by staticfiles, which compares it with the local disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from b2router.b2 import budget
from b2router.b2.objects import PAGE_FILES, bucket_for
from b2router.b2.place import Place

__all__ = ["ListedFile", "list_all"]

_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file, as a listing shows it.

    Attributes:
        sha1: of the content, 40 hex digits; None when B2 does not know it.
        content_type: as stored.
        info: file information, keys in lower case, those that begin with "b2-" included.
        uploaded_at: aware, UTC.
    """

    sha1: str | None
    content_type: str
    info: Mapping[str, str]
    uploaded_at: datetime


def list_all(place: Place, prefix: str) -> dict[str, ListedFile]:
    """The files below a prefix, by what their keys have after it; one call for every 1,000 of them.

    Args:
        prefix: empty, or ending with "/".
    Raises:
        BackendError: B2 refused or failed; never a part of the list.
    """
    session, found = place.session, {}
    limit = budget.of_listing(session.limits)
    with bucket_for(session, place.bucket, "list", limit) as target:
        for version, _ in target.ls(prefix, recursive=True, fetch_count=PAGE_FILES):
            limit.begin()  # a page came: the next one has all its tries
            found[version.file_name.removeprefix(prefix)] = _listed(version)
    return found


def _listed(version: Any) -> ListedFile:
    info = {name.lower(): text for name, text in (version.file_info or {}).items()}
    sha1 = str(version.content_sha1 or "")
    if not _SHA1.fullmatch(sha1):  # B2 computes none of a large file; who uploaded it may have told
        sha1 = info.get("large_file_sha1", "")
    return ListedFile(
        sha1=sha1 if _SHA1.fullmatch(sha1) else None,
        content_type=version.content_type or "",
        info=info,
        uploaded_at=datetime.fromtimestamp(version.upload_timestamp / 1000, tz=UTC),
    )
