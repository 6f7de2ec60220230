"""Where the keys and values of a TOML text stand. Called by `documents`, with a text that is known to be TOML.

Python's own reader says nothing about places, and the libraries that keep a document's style do not either.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from b2router.layers import Path

__all__ = ["places"]

_TOKENS = re.compile(
    r'''
      (?P<gap> [ \t]+ | \#[^\n]* )
    | (?P<line> \r?\n )
    | (?P<text> """(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?\'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )
    | (?P<sign> [\[\]{}=,] )
    | (?P<bare> [^\s\[\]{}=,\#"']+ )
    ''',
    re.VERBOSE | re.DOTALL,
)

Place = tuple[Path, int, int]


def places(text: str) -> Iterator[Place]:
    """Every table, key and item, in the order of the text.

    Args:
        text: valid TOML.
    Yields:
        Its path, and the indexes of its key and of its value; -1 for the value where a table is opened only.
    """
    return _Walk(text).document()


class _Walk:
    """One pass over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.tokens = [match for match in _TOKENS.finditer(text) if match.lastgroup != "gap"]
        self.at = 0
        self.lists: dict[Path, int] = {}

    def sign(self) -> str:
        """The token here, if it is a sign or the end of a line; else nothing."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None:
            return "end"
        return token[0] if token.lastgroup == "sign" else "line" if token.lastgroup == "line" else ""

    def document(self) -> Iterator[Place]:
        table: Path = ()
        while (sign := self.sign()) != "end":
            if sign == "line":
                self.at += 1
            elif sign == "[":
                self.at += 1
                is_item = self.sign() == "["
                self.at += is_item
                start = self.tokens[self.at].start()
                name = tuple(part for part, _ in self.key())
                self.at += 1 + is_item
                table = self.table(name, is_item=is_item)
                yield from ((table[:n], start, -1) for n in range(1, len(table) + 1))
            else:
                yield from self.pair(table)

    def table(self, name: Path, *, is_item: bool) -> Path:
        """The path of a table by the name in its header: items of lists are counted, not named."""
        path: Path = ()
        for index, part in enumerate(name):
            path = (*path, part)
            if is_item and index == len(name) - 1:
                self.lists[path] = self.lists.get(path, -1) + 1
            if path in self.lists:
                path = (*path, str(self.lists[path]))
        return path

    def key(self) -> list[tuple[str, int]]:
        """A key, dotted or not, up to the sign after it: its parts and where they begin."""
        parts = []
        while not self.sign():
            token = self.tokens[self.at]
            if token.lastgroup == "text":
                parts.append((str(tomllib.loads(f"key = {token[0]}")["key"]), token.start()))
            else:
                parts += [(part[0], token.start() + part.start()) for part in re.finditer(r"[^.]+", token[0])]
            self.at += 1
        return parts

    def pair(self, table: Path) -> Iterator[Place]:
        """`key = value`."""
        *outer, (last, start) = self.key()
        self.at += 1
        for part, where in outer:
            table = (*table, part)
            yield table, where, -1
        yield (*table, last), start, self.tokens[self.at].start()
        yield from self.value((*table, last))

    def value(self, path: Path) -> Iterator[Place]:
        """What a value holds; afterwards, the walk stands behind it."""
        opening = self.sign()
        if opening not in ("[", "{"):
            while not self.sign():  # dates may have a space in them
                self.at += 1
            return
        self.at += 1
        count = 0
        while self.sign() not in ("]", "}"):
            if self.sign() in (",", "line"):
                self.at += 1
            elif opening == "{":
                yield from self.pair(path)
            else:
                item = (*path, str(count))
                yield item, self.tokens[self.at].start(), self.tokens[self.at].start()
                yield from self.value(item)
                count += 1
        self.at += 1
