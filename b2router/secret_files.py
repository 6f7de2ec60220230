"""The files of a secrets directory: those that hold values are read, those of other programs are not opened. Called by
`sources` and `checks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path

from b2router.errors import ConfigError, Problem
from b2router.layers import ENVIRONMENT_PREFIX, NESTING

__all__ = ["misspelt", "names", "texts"]

_KEYS = ("application_key", "application_key_id")
"""Names that no other program is likely to have; a file that is called almost so is meant to be one of them."""

_NEAR_KEY, _NEAR_PART = 0.9, 0.8
"""How alike names must be, from 0 to 1: other programs may have an "application" or an "account"."""


def names(directory: Path, known: Collection[str]) -> list[str]:
    """The files that hold values, by name; hidden ones, folders and those of other programs are none.

    Args:
        directory: a secrets directory.
        known: keys at the top of a configuration.
    Raises:
        OSError: it is no directory, or cannot be read.
    """
    return sorted(name for name in _files(directory) if _first(name) in known)


def texts(directory: Path, known: Collection[str]) -> dict[str, str]:
    """What these files hold, without the white space around it; by their names in lower case.

    Args:
        directory: a secrets directory.
        known: keys at the top of a configuration.
    Raises:
        ConfigError: a file cannot be read.
        OSError: the directory cannot be read.
    """
    found = {}
    for name in names(directory, known):
        try:
            found[name.lower()] = (directory / name).read_text("utf-8-sig").strip()
        except (OSError, UnicodeError) as error:
            why = "is not text in UTF-8" if isinstance(error, UnicodeError) else f"cannot be read ({_kind(error)})"
            place = f"secrets directory {directory}, file {name}"
            raise ConfigError(Problem("layer", place, f"{why}.", "Mend the file, or its rights.")) from None
    return found


def misspelt(directory: Path, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Files that hold nothing for b2router, but are called almost as if they did.

    Args:
        directory: a secrets directory; one that cannot be read has none.
        known: keys at the top of a configuration.
    Yields:
        The file's name, and the right one.
    """
    try:
        files = sorted(_files(directory))
    except OSError:
        return
    for name in files:
        plain = name.lower().removeprefix(ENVIRONMENT_PREFIX.lower()).removesuffix(".txt")
        first, nested, rest = plain.partition(NESTING)
        if _first(name) in known:
            continue
        if first in known:
            yield name, plain
        elif near := get_close_matches(
            first.replace("-", "_"), known if nested else _KEYS, n=1, cutoff=_NEAR_PART if nested else _NEAR_KEY
        ):
            yield name, near[0] + nested + rest


def _files(directory: Path) -> Iterator[str]:
    for entry in directory.iterdir():
        if not entry.name.startswith(".") and entry.is_file():
            yield entry.name


def _first(name: str) -> str:
    return name.lower().partition(NESTING)[0]


def _kind(error: Exception) -> str:
    return type(error).__name__
