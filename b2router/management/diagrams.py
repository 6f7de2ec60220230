"""The routes of a site as a diagram, for Mermaid, which forges render in Markdown, and Graphviz; used by `routes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["dot", "mermaid"]


def mermaid(rows: Iterable[Mapping[str, Any]]) -> str:
    """A flowchart: who reads → URL → profile → bucket. Source: Mermaid documentation, "Flowcharts"."""
    lines = ["flowchart LR"]
    for number, row in enumerate(rows):
        lines += [
            f'  who{number}(["{_mermaid(_readers(row))}"]) -->|"{_mermaid(row["delivery"])}"| '
            f'url{number}["{_mermaid(row["url"] or "no URL")}"]',
            f'  url{number} --> profile{number}["{_mermaid(_named(row))}"] --> '
            f'bucket{number}[("{_mermaid(_place(row))}")]',
        ]
    return "\n".join(lines)


def dot(rows: Iterable[Mapping[str, Any]]) -> str:
    """The same as a digraph. Source: Graphviz documentation, "DOT language"."""
    lines = ["digraph b2router {", "  rankdir=LR;", "  node [shape=box];"]
    for number, row in enumerate(rows):
        lines += [
            f"  who{number} [label={_dot(_readers(row))}, shape=oval];",
            f"  url{number} [label={_dot(row['url'] or 'no URL')}];",
            f"  profile{number} [label={_dot(_named(row))}];",
            f"  bucket{number} [label={_dot(_place(row))}, shape=cylinder];",
            f"  who{number} -> url{number} [label={_dot(row['delivery'])}];",
            f"  url{number} -> profile{number} -> bucket{number};",
        ]
    return "\n".join([*lines, "}"])


def _readers(row: Mapping[str, Any]) -> str:
    return f"{row['permission']}, if {row['owner']} names the file" if row["owner"] else str(row["permission"])


def _named(row: Mapping[str, Any]) -> str:
    aliases = ", ".join(row["aliases"])
    return f"{row['profile']} ({aliases})" if aliases else str(row["profile"])


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['bucket']}/{row['location']}" if row["location"] else str(row["bucket"])


def _mermaid(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _dot(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
