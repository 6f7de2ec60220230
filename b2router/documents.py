"""A deployment file as text: its values, and at which line and column each of them stands. Called by `validation`.

The libraries that read TOML, YAML and JSON for a site give values only. Here the same libraries give the values, and
the text is walked once more for the places.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from b2router import json_places, toml_places
from b2router.errors import Problem
from b2router.layers import Path

__all__ = ["FORMS", "Document", "Position", "Unparsable", "form_of", "guess", "read", "twice"]

FORMS = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
"""Ending of a file's name → its language."""

MAX_VALUES = 100_000
"""More values than any declaration has: what YAML's references can blow a small text up to ends here."""

_MARK = "\ufeff"
"""What some editors on Windows put before a text. It is not seen, and YAML alone allows it."""


class Position(NamedTuple):
    """A place in a text; both numbers count from 1, columns in characters."""

    line: int
    column: int


class Unparsable(Exception):
    """A text is not what it should be; `position` says where, when that is known."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, and where.

    Attributes:
        values: the values; of a well-formed deployment file, a dict.
        keys: where the key of each value stands; of an item in a list, where the item stands.
        starts: where each value begins.
        repeated: keys that stand more than once in their object, of which a reader would drop all but the last.
    """

    values: Any
    keys: dict[Path, Position]
    starts: dict[Path, Position]
    repeated: tuple[tuple[Path, Position], ...]

    def position(self, path: Path, *, key: bool = False) -> Position | None:
        """Where to point for a path: at the value, or at its key; what is not there is pointed at by what it misses in.

        Args:
            path: of the value.
            key: whether the key itself is meant.
        """
        if path in self.starts and not key:
            return self.starts[path]
        return next((self.keys[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.keys), None)


def twice(path: Path) -> Problem:
    """What is wrong with a key that stands twice, be it a permission."""
    return Problem(
        "repeated_key",
        ".".join(path),
        "it stands there twice, and readers drop all but the last.",
        "Keep one of them.",
        path=path,
    )


def form_of(name: str) -> str | None:
    """The language of a file, by the end of its name."""
    return next((form for ending, form in FORMS.items() if name.lower().endswith(ending)), None)


def guess(text: str) -> str:
    """The language of a text that has no name: by its first line that says something."""
    lines = (line.strip() for line in text.removeprefix(_MARK).splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith("{"):
        return "json"
    return "toml" if re.match(r"""\[|[\w."'$-]+\s*=""", first) else "yaml"


def read(text: str, form: str) -> Document:
    """Read a text.

    Args:
        text: of the whole file.
        form: "toml", "yaml" or "json".
    Raises:
        Unparsable: it is not of this language, or larger than any declaration.
        ImportError: PyYAML is not installed.
    """
    if text.startswith(_MARK) and form != "yaml":
        raise Unparsable("it begins with a byte order mark: save it as UTF-8 without one", Position(1, 1))
    try:
        values, found = {"toml": _toml, "yaml": _yaml, "json": _json}[form](text)
        return _placed(text, values, found)
    except RecursionError:
        raise Unparsable("it is nested too deeply, or refers to itself") from None


def _placed(text: str, values: Any, found: Iterator[tuple[Path, int, int]]) -> Document:
    lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    keys: dict[Path, Position] = {}
    starts: dict[Path, Position] = {}
    repeated: dict[Path, Position] = {}
    for count, (path, key, start) in enumerate(found):
        if count > MAX_VALUES:
            raise Unparsable(f"it holds more than {MAX_VALUES:,} values")
        if start < 0:
            keys.setdefault(path, _position(lines, key))
            continue
        if path in starts and not any(path[:n] in repeated for n in range(len(path))):
            repeated[path] = _position(lines, key)
        keys[path], starts[path] = _position(lines, key), _position(lines, start)
    return Document(values, keys, starts, tuple(repeated.items()))


def _position(lines: list[int], index: int) -> Position:
    line = bisect_right(lines, index)
    return Position(line, index - lines[line - 1] + 1)


def _toml(text: str) -> tuple[Any, Iterator[tuple[Path, int, int]]]:
    try:
        return tomllib.loads(text), toml_places.places(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        numbers = [int(number) for number in re.findall(r"\d+", place)]
        end = Position(text.count("\n") + 1, 1)
        raise Unparsable(f"it is not TOML: {message}", Position(*numbers) if len(numbers) == 2 else end) from None


def _json(text: str) -> tuple[Any, Iterator[tuple[Path, int, int]]]:
    try:
        return json.loads(text), json_places.places(text)
    except json.JSONDecodeError as error:
        raise Unparsable(f"it is not JSON: {error.msg}", Position(error.lineno, error.colno)) from None


def _yaml(text: str) -> tuple[Any, Iterator[tuple[Path, int, int]]]:
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return yaml.safe_load(text), _yaml_places(node, ())
    except yaml.MarkedYAMLError as error:  # its text may quote a value
        mark = error.problem_mark or error.context_mark
        raise Unparsable("it is not YAML", Position(mark.line + 1, mark.column + 1) if mark else None) from None
    except yaml.YAMLError:
        raise Unparsable("it is not YAML") from None


def _yaml_places(node: Any, path: Path) -> Iterator[tuple[Path, int, int]]:
    parts = node.value if node is not None and node.id in ("mapping", "sequence") else []
    for index, part in enumerate(parts):
        if node.id == "sequence":
            below = (*path, str(index))
            yield below, part.start_mark.index, part.start_mark.index
            yield from _yaml_places(part, below)
            continue
        key, value = part
        below = (*path, str(key.value))
        if key.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if value.id == "sequence" else [value]:
                yield from ((inner, at, -1) for inner, at, _ in _yaml_places(merged, path))
            continue
        yield below, key.start_mark.index, value.start_mark.index
        yield from _yaml_places(value, below)
