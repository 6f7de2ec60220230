"""Which environment of a declaration is in force, such as "staging", and what it changes; pure. For `declaration`.

An environment stands in the same file or dict as what it changes, and is laid right over it: it is part of that layer,
so the layers above still win.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from b2router.errors import Problem
from b2router.layers import Written, merge
from b2router.values import near

__all__ = ["ENVIRONMENT", "ENVIRONMENTS", "chosen", "declared", "in_force"]

ENVIRONMENT, ENVIRONMENTS = "environment", "environments"


def declared(stack: Iterable[Written]) -> list[str]:
    """The names of all environments, in the order in which they are declared."""
    names = (name for layer in stack for name in _part(layer).parts)
    return list(dict.fromkeys(names))


def chosen(stack: Iterable[Written]) -> Written | None:
    """What names the environment: of the highest layer that does; None when none does.

    Args:
        stack: the layers, lowest first.
    """
    named = [layer.parts[ENVIRONMENT] for layer in stack if ENVIRONMENT in layer.parts]
    named = [choice for choice in named if choice.value not in (None, "")]  # an empty variable names none
    return named[-1] if named else None


def in_force(stack: list[Written], problems: list[Problem]) -> list[Written]:
    """The layers as they are in the environment that the highest one names; without one, as they are.

    Args:
        stack: the layers, lowest first.
        problems: gets what is wrong with the choice, or with the environments.
    """
    problems += [problem for layer in stack for problem in _misshapen(layer)]
    choice = chosen(stack)
    bare = [layer.without(ENVIRONMENT, ENVIRONMENTS) for layer in stack]
    if choice is None:
        return bare
    names = declared(stack)
    if choice.value not in names:
        problems.append(_unknown(choice, names))
        return bare
    overlays = [_part(layer).parts.get(choice.value) for layer in stack]
    return [
        merge(layer, overlay) if overlay is not None else layer for layer, overlay in zip(bare, overlays, strict=True)
    ]


def _part(layer: Written) -> Written:
    return layer.parts.get(ENVIRONMENTS, Written({}, layer.layer, (ENVIRONMENTS,)))


def _misshapen(layer: Written) -> Iterator[Problem]:
    for part in (_part(layer), *_part(layer).parts.values()):
        if not isinstance(part.value, dict):
            yield Problem(
                "environment",
                ".".join(part.path),
                "expected an object of environments by name, each with the values that it changes.",
                "Change it there.",
                part.place,
                part.path,
            )


def _unknown(choice: Written, names: list[str]) -> Problem:
    """A wrong name is shown when it looks like one: it may be anything that got into the wrong variable."""
    name = str(choice.value)
    found = f"found '{name}'{near(name, names)}; " if re.fullmatch(r"[a-z0-9_]{1,40}", name) else ""
    listed = ", ".join(f"'{name}'" for name in names)
    expected = f"the environments are {listed}" if names else "but no environments are declared"
    message = f"{found}{expected}." if found or names else "it names an environment, but none is declared."
    return Problem(
        "environment",
        ENVIRONMENT,
        message,
        f"Name one that exists, or declare it under '{ENVIRONMENTS}'.",
        choice.place,
        choice.path,
    )
