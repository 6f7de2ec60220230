"""Text in columns, for commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

__all__ = ["table"]


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart, under their heads.

    Args:
        head: of each column.
        rows: as many cells each; a cell may have several lines.
    """
    lines = [list(head)]
    for row in rows:
        lines += map(list, zip_longest(*(cell.split("\n") for cell in row), fillvalue=""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
