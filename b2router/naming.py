"""Which name a new file gets, by the profile's strategy; pure, but for chance. Called by storage.

Django's own strategy, a suffix where a name is taken, is Django's and not here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from pathlib import PurePosixPath

from django.core.exceptions import SuspiciousFileOperation

from b2router.errors import InvalidName
from b2router.names import MAX_SEGMENT_BYTES

__all__ = ["DIGEST_DIGITS", "by_content", "digest_of", "root_with_room", "unique"]

DIGEST_DIGITS = 32
"""Of the SHA-256 of a file, in its name: enough that nobody can make another file of the same name."""

_MAX_EXTENSION = 20
_SUFFIX_BYTES = 8


def unique(name: str, max_length: int | None = None) -> str:
    """A name that nobody has: "invoices/may.pdf" becomes "invoices/3f2a…9c.pdf", with 32 digits by chance.

    Args:
        name: as the site wants it; its folder and extension are kept.
        max_length: the most characters that it may have; None for no bound.
    Raises:
        InvalidName: no file can have this name.
        SuspiciousFileOperation: the name does not fit.
    """
    folder, _, extension = _parts(name)
    return _fitting(folder, uuid.uuid4().hex, extension, name, max_length)


def by_content(name: str, digest: str, max_length: int | None = None) -> str:
    """A name that stands for the content: "css/app.css" becomes "css/app.55e7cbb9….css". Of a stem that is too long for
    B2 the end is left out.

    Args:
        name: as the site wants it.
        digest: hexadecimal, of the content.
        max_length: the most characters that it may have; None for no bound.
    Raises:
        InvalidName: no file can have this name.
        SuspiciousFileOperation: the name does not fit, however much of its stem is left out.
    """
    folder, stem, extension = _parts(name)
    digits = digest[:DIGEST_DIGITS]
    stem = _cut(stem, MAX_SEGMENT_BYTES - _size_bytes(f".{digits}{extension}"))
    if max_length is not None:
        room = max_length - len(str(folder / f".{digits}{extension}"))
        stem = stem[: max(room, 0)]
    return _fitting(folder, f"{stem}.{digits}" if stem else digits, extension, name, max_length)


def root_with_room(root: str, extension: str) -> str:
    """A name without its extension, cut so that Django's suffix fits behind it: "_" and seven letters.

    Args:
        root: of the name that is taken, with its folder.
        extension: what follows the suffix.
    """
    folder, slash, stem = root.rpartition("/")
    return f"{folder}{slash}{_cut(stem, MAX_SEGMENT_BYTES - _SUFFIX_BYTES - _size_bytes(extension))}"


def digest_of(blocks: Iterable[bytes | str]) -> str:
    """The digest that `by_content` wants; of text, that of its UTF-8."""
    found = hashlib.sha256()
    for block in blocks:
        found.update(block.encode() if isinstance(block, str) else block)
    return found.hexdigest()


def _size_bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _cut(stem: str, room_bytes: int) -> str:
    """The beginning of a stem that has room, whole characters."""
    stem = stem[: max(room_bytes, 0)]
    while _size_bytes(stem) > room_bytes and stem:
        stem = stem[:-1]
    return stem


def _parts(name: str) -> tuple[PurePosixPath, str, str]:
    name = name.replace("\\", "/")
    if any(segment in ("", ".", "..") for segment in name.split("/")):  # a path would resolve it
        raise InvalidName("A file name cannot have an empty, '.' or '..' segment, nor begin or end with '/'.")
    path = PurePosixPath(name)
    extension = path.suffix if len(path.suffix) <= _MAX_EXTENSION else ""
    return path.parent, path.name.removesuffix(extension), extension


def _fitting(folder: PurePosixPath, stem: str, extension: str, name: str, max_length: int | None) -> str:
    made = str(folder / f"{stem}{extension}")
    if max_length is not None and len(made) > max_length:
        raise SuspiciousFileOperation(
            f"No name of at most {max_length} characters can be made for '{name}': it would have {len(made)}. "
            'Check that the corresponding file field allows sufficient "max_length".'
        )
    return made
