"""The one gate for file names: every name passes here before anything else looks at it; pure.

Asked by views, storage and commands. A name that passes is used as it is, byte for byte: what the predicate judged,
what B2 is asked for and what the response header says are one string. Nothing is normalised, because two spellings
of one file are a way around a rule.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from b2router.errors import InvalidName

__all__ = ["MAX_KEY_BYTES", "MAX_SEGMENT_BYTES", "Name", "check", "key", "of_path"]

Name = str | os.PathLike[str]
"""What a site hands over as a file name: Django's storages take paths, too."""

MAX_KEY_BYTES = 1024
"""UTF-8 bytes of location + name. Source: B2 documentation, "Files", file names."""

MAX_SEGMENT_BYTES = 250
"""UTF-8 bytes between two slashes. Source: what b2sdk accepts in an upload."""

_CONTROL = re.compile("[\x00-\x1f\x7f]")


def of_path(name: Name) -> str:
    """A file name as text, with "/" between segments; what is no path is not touched."""
    if isinstance(name, str) or not isinstance(name, os.PathLike):
        return name
    return PurePath(name).as_posix()


def check(name: str) -> str:
    """Let a file name pass, or refuse it.

    Args:
        name: a Django file name, relative to the location of its profile, with "/" between segments.
    Returns:
        The same name, unchanged.
    Raises:
        InvalidName: the name is empty, too long, not text, holds a control character, or has an empty, "." or ".."
            segment, which HTTP clients would resolve to another file.
    Source: B2 documentation, "Files", file names; RFC 3986, 5.2.4 for the dot segments.
    """
    if not isinstance(name, str):
        raise InvalidName(f"A file name is text, not {type(name).__name__}.")
    if not name:
        raise InvalidName("A file name cannot be empty.")
    if _CONTROL.search(name):
        raise InvalidName("A file name cannot hold control characters.")
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidName("A file name must be valid Unicode text.") from None
    if size_bytes > MAX_KEY_BYTES:
        raise InvalidName(f"A file name has at most {MAX_KEY_BYTES} bytes in UTF-8; this one has {size_bytes}.")
    for segment in name.split("/"):
        if segment in ("", ".", ".."):
            raise InvalidName("A file name cannot have an empty, '.' or '..' segment, nor begin or end with '/'.")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise InvalidName(f"A segment of a file name has at most {MAX_SEGMENT_BYTES} bytes in UTF-8.")
    return name


def key(location: str, name: Name) -> str:
    """The key of a file in its bucket: what B2 sees.

    Args:
        location: the profile's key prefix, empty or ending with "/".
        name: a file name, which passes the gate here.
    Raises:
        InvalidName: see `check`; or location and name together are too long for B2.
    """
    full = location + check(of_path(name))
    if len(full.encode()) > MAX_KEY_BYTES:
        raise InvalidName(
            f"Location and name together have at most {MAX_KEY_BYTES} bytes in UTF-8; these have {len(full.encode())}."
        )
    return full
