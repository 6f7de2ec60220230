"""The files of one profile at B2, and what is remembered of them; made by the router, asked by storage and delivery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from b2router.b2 import download
from b2router.b2.metadata import Metadata
from b2router.b2.options import CustomerKey
from b2router.b2.reservations import Reservations
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile
from b2router.errors import NotFound, RangeNotSatisfiable

__all__ = ["Place", "PlacedFile", "PlacedVersion"]


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, as one account reaches it.

    Attributes:
        session: of the account.
        bucket: its name.
        metadata: what is remembered about its files.
        secret_of: gives the key of a file, where files are encrypted with keys of the site.
    """

    session: Session
    bucket: str
    metadata: Metadata
    secret_of: Callable[[str], CustomerKey | None] | None = None

    def secret(self, key: str) -> CustomerKey | None:
        """The key of the site that a file is encrypted with; None for all others."""
        return None if self.secret_of is None else self.secret_of(key)

    @property
    def reservations(self) -> Reservations:
        """The names that somebody is about to take.

        Raises:
            BackendError: the process has no login yet, and gets none.
        """
        return Reservations(self.metadata.owner, self.metadata.shelf)

    def version(self, key: str, file_id: str, *, is_ours: bool = False) -> PlacedVersion:
        """One version of a file, newest or not; nothing is remembered of it.

        Args:
            key: location and name, which has passed the gate.
            file_id: of the version.
            is_ours: B2 has told that id of this file, so nobody has to look whether it is one of this bucket.
        """
        return PlacedVersion(self, key, file_id, is_ours=is_ours)

    def file(self, key: str) -> PlacedFile:
        """One file, to be asked about; what is remembered is looked up now, and B2 is asked nothing.

        Args:
            key: location and name, which has passed the gate.
        Raises:
            BackendError: the process has no login yet, and gets none.
        """
        return PlacedFile(self, key)


class PlacedFile:
    """One file, during one request or one call: what is remembered of it, and what B2 says.

    Args:
        place: where it is.
        key: of the file.
    """

    def __init__(self, place: Place, key: str) -> None:
        self._place = place
        self._key = key
        self._known = place.metadata.recall(key)

    @property
    def remembered(self) -> StoredFile | None:
        """What B2 said some time ago; None when nothing is remembered."""
        return self._known.stored

    @property
    def is_missing(self) -> bool:
        """Whether B2 said a moment ago that there is no such file. Not for decisions that can lose a file."""
        return self._known.is_missing

    def look(self) -> StoredFile:
        """What B2 says now; one call.

        Raises:
            NotFound: no such file.
            BackendError: B2 refused or failed.
        """
        place = self._place
        try:
            stored = download.stat(place.session, place.bucket, self._key, place.secret(self._key))
        except NotFound:
            place.metadata.was_missing(self._key, self._known)
            raise
        place.metadata.came(self._key, stored, self._known)
        return stored

    def open(self, span: download.Span | None = None) -> download.Download:
        """Its bytes; one call.

        Args:
            span: which; None for all.
        Raises:
            NotFound, RangeNotSatisfiable, BackendError: see `download.open_download`.
        """
        place = self._place
        try:
            body = download.open_download(place.session, place.bucket, self._key, span, place.secret(self._key))
        except NotFound:
            place.metadata.was_missing(self._key, self._known)
            raise
        except RangeNotSatisfiable:
            if self._known.stored is not None:
                place.metadata.forget(self._key)
            raise
        place.metadata.came(self._key, body.stored, self._known)
        body.on_wrong = partial(place.metadata.forget, self._key)
        return body


class PlacedVersion:
    """One version of a file, with the same questions.

    Args:
        place: where it is.
        key: of the file.
        file_id: of the version.
        is_ours: see `Place.version`.
    """

    def __init__(self, place: Place, key: str, file_id: str, *, is_ours: bool = False) -> None:
        self._place = place
        self._is_ours = is_ours
        self._session = place.session
        self._secret = place.secret(key)
        self._key = key
        self._file_id = file_id

    @property
    def remembered(self) -> None:
        """Nothing is."""
        return None

    def look(self) -> StoredFile:
        """What B2 says; one call.

        Raises:
            NotFound: no such version of this file.
            BackendError: B2 refused or failed.
        """
        self._check_bucket()
        return download.stat_version(self._session, self._key, self._file_id, self._secret)

    def open(self, span: download.Span | None = None) -> download.Download:
        """Its bytes; one call.

        Raises:
            NotFound, RangeNotSatisfiable, BackendError: see `download.open_download`.
        """
        self._check_bucket()
        return download.open_version(self._session, self._key, self._file_id, span, self._secret)

    def _check_bucket(self) -> None:
        """B2 opens whatever an id names, in all buckets of the account, and answers with the name of the file alone. So
        the id itself has to say that it is of this bucket. Source: B2 documentation, "Files", its ids."""
        if not self._is_ours and not self._file_id.startswith(f"4_z{self._session.bucket(self._place.bucket).id_}_"):
            raise NotFound("B2 has no such version of this file.")
