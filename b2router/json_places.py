"""Where the keys and values of a JSON text stand. Called by `documents`, with a text that is known to be JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Generator

from b2router.layers import Path

__all__ = ["places"]

_GAP = re.compile(r"[ \t\r\n]*")
_SCALARS = json.JSONDecoder()


def places(text: str) -> Generator[tuple[Path, int, int]]:
    """Every value below the top, in the order of the text.

    Args:
        text: valid JSON.
    Yields:
        Its path, and the indexes of its key and of itself; of an item in a list, both are its own.
    """
    yield from _below(text, _after_gap(text, 0), ())


def _after_gap(text: str, index: int) -> int:
    gap = _GAP.match(text, index)
    return gap.end() if gap else index


def _below(text: str, index: int, path: Path) -> Generator[tuple[Path, int, int], None, int]:
    """What a value holds; returns the index after it."""
    if text[index] not in "{[":
        return _SCALARS.raw_decode(text, index)[1]
    is_object = text[index] == "{"
    count = 0
    index = _after_gap(text, index + 1)
    while text[index] not in "}]":
        key, name = index, str(count)
        if is_object:
            name, index = _SCALARS.raw_decode(text, index)
            index = _after_gap(text, _after_gap(text, index) + 1)  # the colon
        yield (*path, name), key, index
        index = yield from _below(text, index, (*path, name))
        index = _after_gap(text, index)
        if text[index] == ",":
            index = _after_gap(text, index + 1)
        count += 1
    return index + 1
