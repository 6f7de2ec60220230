"""Links on the site's own route that open one file for a while to whoever has them; made by storage, read by views.

A link is signed with the site's `SECRET_KEY`, so it is checked without asking anybody, outlives a change of the key
as long as the old one is among `SECRET_KEY_FALLBACKS`, and cannot be taken back alone. The signature covers the file,
which stands before it in the address; what is carried is only when it ends and what to save as.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.signing import BadSignature, Signer

__all__ = ["MAX_LIFE_S", "PARAMETER", "Share", "read", "token"]

PARAMETER = "share"
"""The query parameter that carries a link's token."""

MAX_LIFE_S = 31_536_000
"""The longest that a link works: a year."""

_SALT = "b2router.shares"


@dataclass(frozen=True, slots=True)
class Share:
    """What a valid link says.

    Attributes:
        ends_at: when it ends, in Unix seconds.
        download_as: the name to save the file under; None for its own.
    """

    ends_at: int
    download_as: str | None = None


def token(profile: str, name: str, expires_in_s: int, download_as: str | None = None) -> str:
    """What makes a link: it opens this one file, by this profile's route.

    Args:
        profile: the profile's name.
        name: the file name, relative to the profile's location; it has passed the gate.
        expires_in_s: how long it works, in seconds; 1 to `MAX_LIFE_S`.
        download_as: the name to save the file under; None for its own.
    Raises:
        ValueError: the time is out of bounds.
    """
    if not 1 <= expires_in_s <= MAX_LIFE_S:
        raise ValueError(f"Found {expires_in_s} s, expected an expiry of 1 to {MAX_LIFE_S} seconds.")
    return _signer(profile, name).sign_object([int(time.time()) + expires_in_s, download_as], compress=True)


def read(token: str | None, profile: str, name: str) -> Share | None:
    """What a link opens; None when it is not valid, not for this file as a whole name, or over.

    Args:
        token: as the request brought it; None when it brought none.
        profile: the name of the profile that is asked.
        name: the file name that is asked, which has passed the gate.
    """
    if not token:
        return None
    try:
        ends_at, download_as = _signer(profile, name).unsign_object(token)
        return Share(ends_at, download_as) if time.time() < ends_at else None
    except (BadSignature, TypeError, ValueError):  # signed for links, but none
        return None


def _signer(profile: str, name: str) -> Signer:
    """Another key for each file; neither profiles nor names hold the separator."""
    return Signer(salt=f"{_SALT}\n{profile}\n{name}")
