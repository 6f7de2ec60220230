"""What one place says, and how places are laid on each other; pure. Used by `sources`, `environments`, `inheritance`
and `declaration`.

Every value keeps where it was written, so that an error can name that place however far the value has travelled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ENVIRONMENT_PREFIX", "NESTING", "Layer", "Path", "Written", "merge", "written"]

ENVIRONMENT_PREFIX = "BACKBLAZE_"
NESTING = "__"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place.

    Attributes:
        name: what to call the place, such as "BACKBLAZE_CONFIG" or the path of a file.
        values: nested dicts, as that place gave them.
        kind: "file", "settings", "instance", "dotenv", "secrets" or "environment".
        names: what the variables, or the files of a secrets directory, are called there.
        line: finds the line of a file that a value stands in, from 1; None when it is not known.
        origins: path of a value → where it stood before the layer was put into our words; empty when it was in them.
    """

    name: str
    values: Mapping[str, Any] = field(repr=False)
    kind: str
    names: Collection[str] = field(default=(), repr=False)
    line: Callable[[Path], int | None] = field(default=lambda path: None, repr=False, compare=False)
    origins: Mapping[Path, Path] = field(default_factory=dict, repr=False)

    def locate(self, path: Path) -> str:
        """Where in this layer a value stands, in the words of whoever has to mend it."""
        match self.kind:
            case "environment":
                return f"environment variable {self._holder(path, ENVIRONMENT_PREFIX)}"
            case "dotenv":
                return f"{self.name}, variable {self._holder(path, ENVIRONMENT_PREFIX)}"
            case "secrets":
                return f"secrets directory {self.name}, file {self._holder(path, '')}"
            case "settings":
                return self.name + "".join(f"[{key!r}]" for key in self._keys(path))
            case "instance":
                return f"the BackblazeConfig in {self.name}"
            case _:
                line = self.line(path)
                return f"file {self.name}{'' if line is None else f':{line}'}, {'.'.join(path)}"

    def _holder(self, path: Path, prefix: str) -> str:
        """The variable or file that holds the value at a path: JSON holds all below it; several may hold an object."""
        known = {name.lower(): name for name in self.names}
        for length in range(len(path), 0, -1):
            name = prefix + NESTING.join(path[:length])
            if name.lower() in known:
                return known[name.lower()]
        name = prefix + NESTING.join(path)
        below = sorted(known[one] for one in known if one.startswith(f"{name}{NESTING}".lower()))
        if below:
            return " and ".join(below)
        return name.upper() if prefix else name

    def _keys(self, path: Path) -> list[str | int]:
        """The same path as Python has it: an item of a list has a number."""
        keys: list[str | int] = []
        found: Any = self.values
        for part in path:
            is_item = isinstance(found, Sequence) and not isinstance(found, str) and part.isdecimal()
            keys.append(int(part) if is_item else part)
            inner = found.get(part) if isinstance(found, Mapping) else None
            found = found[int(part)] if is_item and int(part) < len(found) else inner
        return keys


@dataclass(frozen=True, slots=True)
class Written:
    """A value, and where it was written.

    Attributes:
        value: for an object a dict of further `Written`, else the value itself.
        layer: the layer that it comes from; of a merged object, the highest one.
        path: where it stands in that layer.
    """

    value: Any = field(repr=False)
    layer: Layer
    path: Path

    @property
    def place(self) -> str:
        """Where it was written, in the words of whoever has to mend it."""
        return self.layer.locate(self.path)

    @property
    def parts(self) -> dict[str, Written]:
        """What an object is made of; empty for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """The value as plain dicts, without places."""
        return {key: part.plain() for key, part in self.parts.items()} if isinstance(self.value, dict) else self.value

    def source(self, path: Path) -> tuple[Layer, Path]:
        """The layer that a value below this one comes from, and where it stands, or would stand, in that layer."""
        here = self
        for index, key in enumerate(path):
            if key not in here.parts:
                return here.layer, (*here.path, *path[index:])
            here = here.parts[key]
        return here.layer, here.path

    def at(self, path: Path) -> Written | None:
        """What is written at a path below this; None when nothing is. The keys of `file_info` come in any case."""
        here = self
        for key in path:
            name = next((name for name in here.parts if name == key), None)
            name = name or next((name for name in here.parts if name.lower() == key), None)
            if name is None:
                return None
            here = here.parts[name]
        return here

    def without(self, *keys: str) -> Written:
        """The same object without some of its keys."""
        return Written({key: part for key, part in self.parts.items() if key not in keys}, self.layer, self.path)


Replaces = Callable[[Path, Written, Written], bool]


def written(layer: Layer) -> Written:
    """The values of a layer, each with its place."""

    def plant(value: Any, path: Path) -> Written:
        if isinstance(value, Mapping):
            value = {str(key): plant(part, (*path, str(key))) for key, part in value.items()}
        return Written(value, layer, layer.origins.get(path, path))

    return plant(layer.values, ())


def is_another_kind(path: Path, low: Written, high: Written) -> bool:
    """Whether a value is one whole: a permission always, a delivery or account_info when its kind changes."""
    match path:
        case ("account_info",):
            return _kind(high, "kind") not in (None, _kind(low, "kind") or "cache")
        case ("profiles", _, "permission") | ("defaults", "permission"):
            return True
        case ("profiles", _, "delivery") | ("defaults", "delivery"):
            return _kind(high, "mode") not in (None, _kind(low, "mode") or "proxy")
    return False


def merge(low: Written, high: Written, *, replaces: Replaces = is_another_kind, path: Path = ()) -> Written:
    """Lay one value over another: objects are merged key by key, any other value wins as it is.

    Args:
        low: what is there.
        high: what is laid over it.
        replaces: whether an object at a path replaces another one instead of being merged with it.
        path: where the two stand in the configuration.
    """
    if not isinstance(low.value, dict) or not isinstance(high.value, dict) or replaces(path, low, high):
        return high
    parts = dict(low.parts)
    for key, part in high.parts.items():
        parts[key] = merge(parts[key], part, replaces=replaces, path=(*path, key)) if key in parts else part
    return Written(parts, high.layer, high.path)


def _kind(value: Written, key: str) -> Any:
    return value.parts[key].value if key in value.parts else None
