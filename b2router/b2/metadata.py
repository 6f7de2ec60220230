"""What the site remembers about files: size, time, type and version; facts, never who may read. Asked by delivery and
storage before B2 is, and told by them what B2 said.

A fact can be out of date, when somebody else changes the bucket. So it is used only where that does no harm: bytes
always go out under the headers that came with them. What this site writes and deletes is known to all its processes at
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from b2router import operations
from b2router.b2.session import Session
from b2router.b2.shelves import CacheShelf, place
from b2router.b2.stored import StoredFile
from b2router.errors import BackendError

__all__ = ["LOCAL_TTL_S", "NOTHING", "Known", "Metadata"]

LOCAL_TTL_S = 10
"""The most that is remembered in a cache which is this process's own: it never hears of what others write."""

UNSURE_S = 60
"""For so long nothing is remembered of a file that was changed in a way that does not tell what it is now: whoever
asked B2 before the change has its answer by then."""

_UNSURE = [0]
"""An entry that says nothing, and keeps others from adding what B2 said before."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered about one file.

    Attributes:
        stored: what B2 once said; None when nothing is remembered, or that there is no file.
        is_missing: whether B2 said that there is none.
    """

    stored: StoredFile | None = None
    is_missing: bool = False


NOTHING = Known()


class Metadata:
    """What is remembered about the files of one bucket.

    Args:
        session: of the account that the bucket belongs to.
        bucket: its name.
        cache: which of Django's caches remembers; None for none.
        ttl_s: for how long a fact is remembered, in seconds.
        missing_ttl_s: for how long it is remembered that there is no file.
    """

    def __init__(self, session: Session, bucket: str, cache: str | None, ttl_s: int, missing_ttl_s: int) -> None:
        self._session = session
        self._bucket = bucket
        self.shelf = None if cache is None else CacheShelf(cache)
        self._shelf = self.shelf if ttl_s or missing_ttl_s else None
        self._ttl_s = ttl_s
        self._missing_ttl_s = missing_ttl_s

    def recall(self, key: str) -> Known:
        """What is remembered about a file.

        Raises:
            BackendError: the process has no login yet and gets none; the account is part of an entry's name.
        """
        if self._shelf is None:
            return NOTHING
        known = self._entry(key)
        if (known.stored and not self._ttl_s) or (known.is_missing and not self._missing_ttl_s):
            known = NOTHING  # another profile of this bucket remembers it
        operations.note_cache("hit" if known.stored else "negative" if known.is_missing else "miss")
        return known

    def came(self, key: str, stored: StoredFile, known: Known) -> None:
        """B2 showed a file.

        Args:
            known: what was remembered before B2 was asked.
        """
        if self._shelf is None or not self._ttl_s:
            return
        if known.stored is None:
            # Whoever saved or deleted it since B2 was asked has written an entry, and knows better.
            self._shelf.add(self._place(key), _written(stored), self._lasts(self._ttl_s))
        elif stored.file_id == known.stored.file_id:
            if stored.size_bytes != known.stored.size_bytes:  # one of the two answers was wrong
                self._shelf.delete(self._place(key))
        elif stored.uploaded_at > known.stored.uploaded_at:
            if self._entry(key) == known:  # else this site has changed the file since B2 was asked
                self._shelf.set(self._place(key), _written(stored), self._lasts(self._ttl_s))
        else:  # the newer version was deleted, or this answer is the older one: the next question decides
            self._shelf.delete(self._place(key))

    def was_missing(self, key: str, known: Known) -> None:
        """B2 has no such file.

        Args:
            known: what was remembered before B2 was asked.
        """
        if self._shelf is None:
            return
        if known.stored is not None:
            self._shelf.delete(self._place(key))
        elif self._missing_ttl_s:
            self._shelf.add(self._place(key), [], self._lasts(self._missing_ttl_s))

    def saved(self, key: str, stored: StoredFile) -> None:
        """This site has stored a file; another process may have stored a newer version meanwhile."""
        if self.shelf is None:
            return
        if not self._ttl_s:
            self.changed(key)
            return
        newest = self._entry(key).stored
        if newest is None or newest.uploaded_at <= stored.uploaded_at:
            self.shelf.set(self._place(key), _written(stored), self._lasts(self._ttl_s))

    def deleted(self, key: str) -> None:
        """This site has deleted a file. That is remembered, so that an answer from before changes nothing."""
        if self.shelf is None:
            return
        if self._missing_ttl_s:
            self.shelf.set(self._place(key), [], self._lasts(self._missing_ttl_s))
        else:
            self.changed(key)

    def changed(self, key: str) -> None:
        """This site has changed a file, and B2 has to say what it is now."""
        if self.shelf is not None:
            self.shelf.set(self._place(key), _UNSURE, self._lasts(UNSURE_S))

    @contextmanager
    def changing(self, key: str) -> Iterator[None]:
        """This site changes a file inside. If that fails, it may have been done all the same."""
        try:
            yield
        except BackendError:
            with suppress(BackendError):  # of a login that is lost too
                self.changed(key)
            raise

    def forget(self, key: str) -> None:
        """What is remembered about a file turned out to be wrong."""
        if self._shelf is not None:
            self._shelf.delete(self._place(key))

    def _entry(self, key: str) -> Known:
        return NOTHING if self.shelf is None else _read(key, self.shelf.get(self._place(key)))

    def _lasts(self, ttl_s: int) -> int:
        return min(ttl_s, LOCAL_TTL_S) if self.shelf is not None and self.shelf.is_local else ttl_s

    @property
    def owner(self) -> tuple[str, str, str]:
        """What tells this bucket from all others: realm, account and name.

        Raises:
            BackendError: the process has no login yet, and gets none.
        """
        return self._session.account.realm, self._session.account_id, self._bucket

    def _place(self, key: str) -> str:
        return place("file", *self.owner, key)


def _written(stored: StoredFile) -> list[Any]:
    """Plain values, because caches pickle; an empty list stands for a file that is missing."""
    return [
        stored.file_id,
        stored.size_bytes,
        stored.content_type,
        stored.sha1,
        int(stored.uploaded_at.timestamp() * 1000),
        stored.content_encoding,
        dict(stored.info),
    ]


def _read(key: str, value: Any) -> Known:
    """What `_written` wrote; nothing when somebody else did."""
    if value == []:
        return Known(is_missing=True)
    try:
        file_id, size_bytes, content_type, sha1, uploaded_ms, content_encoding, info = value
        words = (file_id, content_type, sha1 or "", content_encoding or "", *info, *info.values())
        if size_bytes < 0 or not all(isinstance(word, str) for word in words):
            return NOTHING
        return Known(
            StoredFile(
                key=key,
                file_id=file_id,
                size_bytes=int(size_bytes),
                content_type=content_type,
                sha1=sha1,
                uploaded_at=datetime.fromtimestamp(uploaded_ms / 1000, tz=UTC),
                content_encoding=content_encoding,
                info=info,
            )
        )
    except (TypeError, ValueError, AttributeError, OverflowError, OSError):
        return NOTHING
