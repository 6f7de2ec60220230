"""Every value in force, where it was written, and its default where that is another: as a table and as JSON. Used by
`explain`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandError

from b2router.management.tables import table
from b2router.origins import Value
from b2router.router import current_router, current_values

__all__ = ["text"]

_WIDTH = 48
"""Of a value in the table, in characters; what is longer goes on in the next line."""

_NOTHING = "–"


def text(key: str | None, *, as_json: bool) -> str:
    """The values, as the command prints them.

    Args:
        key: which; a profile or an alias, a value of it, or a value at the top with a dot before it; None for all.
        as_json: whether programs read it.
    Raises:
        CommandError: there is no such value.
    """
    found = {_spelled(value.path): value for value in current_values()}
    if key is not None:
        found = _chosen(found, key, current_router().aliases)
    if as_json:
        return json.dumps([_fields(key, value) for key, value in found.items()], indent=2, ensure_ascii=False)
    return table(("key", "value", "default", "from"), [_row(key, value) for key, value in found.items()])


def _spelled(path: Sequence[str]) -> str:
    """How to ask for a value: a profile's begins with its name, which is never empty, all others with a dot."""
    return ".".join(path[1:] if path[0] == "profiles" else ("", *path))


def _chosen(found: Mapping[str, Value], key: str, aliases: Mapping[str, str]) -> dict[str, Value]:
    head, dot, rest = key.partition(".")
    wanted = aliases.get(head, head) + dot + rest
    chosen = {name: value for name, value in found.items() if f"{name}.".startswith(f"{wanted.rstrip('.')}.")}
    if chosen:
        return chosen
    meant = {".".join(value.path): name for name, value in found.items()}
    for name in (*aliases, *found):
        parts = name.split(".")
        meant |= {part: part for part in (".".join(parts[:n]) for n in range(1, len(parts) + 1)) if part}
    near = get_close_matches(wanted, meant, n=1) or get_close_matches(f".{wanted}", meant, n=1)
    if head in aliases:
        what = f"The profile '{aliases[head]}' has no value '{rest}'"
    elif head:
        what = f"There is no profile '{head}'"
    else:
        what = f"There is no value '{key}' at the top of the configuration"
    listed = ", ".join(sorted(aliases))
    known = f"the profiles and aliases are {listed}."
    if not head:
        known = f"there are {', '.join(dict.fromkeys('.' + name.split('.')[1] for name in found if name[0] == '.'))}."
    hint = f"did you mean '{meant[near[0]]}'?" if near else known
    raise CommandError(f"{what}; {hint}")


def _row(key: str, value: Value) -> tuple[str, str, str, str]:
    source = f"{value.place} ({', '.join(value.by)})" if value.by else value.place or "default"
    differs = value.value != value.default
    return key, _cell(value.value), _cell(value.default) if differs else "", source


def _fields(key: str, value: Value) -> dict[str, Any]:
    return {
        "key": key,
        "where": ".".join(value.path),
        "value": value.value,
        "secret": value.is_secret,
        "default": value.default,
        "layer": value.layer,
        "from": value.place or None,
        "line": value.line,
        "by": list(value.by),
    }


def _cell(value: Any) -> str:
    """As a file has it; a list with a line, or several, for each item."""
    if value in (None, "", [], {}):
        return _NOTHING
    parts = value if isinstance(value, list) else [value]
    return "\n".join(line for part in parts for line in _lines(part))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_plain = isinstance(value, str) and value.isprintable()
    one = value if is_plain else json.dumps(value, ensure_ascii=False)
    yield from textwrap.wrap(one, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
