"""Draws docs/images/architecture.svg from the import contract in pyproject.toml. Called by `generate`.

The picture is plain SVG, so that code-hosting sites, the built manual and a browser without a network show it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

WIDTH, MARGIN = 1000, 24
ROOM_HEIGHT, ROOM_GAP, LAYER_GAP = 28, 8, 6
LETTER_WIDTH = 8.4
"""Of one letter at 14 px in a monospaced font."""

STYLE = """\
  .ground { fill: #ffffff }
  .layer { fill: #f3f4f6 }
  .room { fill: #ffffff; stroke: #6b7280 }
  .folder { fill: #dbeafe; stroke: #1d4ed8 }
  .outside { fill: #fee2e2; stroke: #b91c1c; stroke-dasharray: 4 3 }
  .arrow { stroke: #6b7280; stroke-width: 2; fill: none }
  text { font: 14px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #111827; text-anchor: middle }
  .note { font: 13px system-ui, sans-serif; fill: #4b5563; text-anchor: start }
"""


@dataclass(frozen=True, slots=True)
class Room:
    """A module or folder of the package.

    Attributes:
        name: of the module.
        purpose: the first sentence of its docstring.
        is_folder: whether it has modules of its own.
        knows: packages outside that nothing else may import.
    """

    name: str
    purpose: str
    is_folder: bool
    knows: tuple[str, ...]

    @property
    def width(self) -> float:
        """Of its box, in pixels."""
        return round(len(self.name) * LETTER_WIDTH + 22)


def layers(contracts: list[dict[str, object]]) -> list[list[Room]]:
    """The rooms, layer by layer, those that nothing imports first."""
    (flow,) = (contract for contract in contracts if contract["type"] == "layers")
    rows = [[name.strip().strip("()") for name in str(layer).split("|")] for layer in _texts(flow["layers"])]
    found = [[_room(name, contracts) for name in row if not name.startswith("_")] for row in rows]
    return [row for row in found if row]


def _room(name: str, contracts: list[dict[str, object]]) -> Room:
    folder = ROOT / "b2router" / name
    source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text())) or name
    knows = [
        package
        for contract in contracts
        if contract["type"] == "protected" and _texts(contract["allowed_importers"]) == [f"b2router.{name}"]
        for package in _texts(contract["protected_modules"])
        if not package.startswith("b2router")
    ]
    return Room(name, " ".join(docstring.partition("\n\n")[0].split()), folder.is_dir(), tuple(knows))


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def picture() -> str:
    """The whole SVG."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = configuration["tool"]["importlinter"]["contracts"]
    top, body = float(MARGIN), []
    for rooms in layers(contracts):
        drawn, height = _layer(rooms, top)
        body += drawn
        top += height + LAYER_GAP
    foot = top - LAYER_GAP
    note = "Imports point downward; rooms of one layer do not import each other. Blue is a folder, red is not ours."
    height = round(foot + 2 * MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>The rooms of b2router, layer by layer</title>",
            f"<style>\n{STYLE}</style>",
            '<marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z" fill="#6b7280"/></marker>',
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            f'<path class="arrow" d="M{MARGIN - 8},{MARGIN} V{foot:.0f}" marker-end="url(#head)"/>',
            *body,
            f'<text class="note" x="{MARGIN}" y="{foot + MARGIN + 6:.0f}">{note}</text>',
            "</svg>\n",
        ]
    )


def _layer(rooms: list[Room], top: float) -> tuple[list[str], float]:
    """One layer, in as many lines as it takes: what is drawn, and how high it is."""
    lines: list[list[tuple[str, str, str, float]]] = [[]]
    for room in rooms:
        boxes = [(room.name, "folder" if room.is_folder else "room", room.purpose, room.width)]
        boxes += [(name, "outside", f"Nothing but {room.name} imports it.", Room(name, "", False, ()).width)
                  for name in room.knows]  # fmt: skip
        if lines[-1] and _width([*lines[-1], *boxes]) > WIDTH - 2 * MARGIN - 2 * ROOM_GAP:
            lines.append([])
        lines[-1] += boxes
    height = len(lines) * (ROOM_HEIGHT + ROOM_GAP) + ROOM_GAP
    body = [f'<rect class="layer" x="{MARGIN}" y="{top:.0f}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="6"/>']
    for number, line in enumerate(lines):
        left, y = float(MARGIN + ROOM_GAP), top + ROOM_GAP + number * (ROOM_HEIGHT + ROOM_GAP)
        for name, kind, purpose, width in line:
            body.append(
                f'<g><title>{escape(purpose)}</title><rect class="{kind}" x="{left:.0f}" y="{y:.0f}" '
                f'width="{width:.0f}" height="{ROOM_HEIGHT}" rx="4"/>'
                f'<text x="{left + width / 2:.0f}" y="{y + 19:.0f}">{escape(name)}</text></g>'
            )
            left += width + ROOM_GAP
        if len(line) == 1:  # there is space to say what it is for
            body.append(f'<text class="note" x="{left + 4:.0f}" y="{y + 19:.0f}">{escape(_short(line[0][2]))}</text>')
    return body, height


def _short(purpose: str) -> str:
    """What comes before the first stop."""
    return re.split(r"[.:;](?: |$)", purpose)[0]


def _width(boxes: list[tuple[str, str, str, float]]) -> float:
    return sum(width + ROOM_GAP for *_, width in boxes) - ROOM_GAP
