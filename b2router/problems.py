"""What is wrong with a configuration, in words: each of pydantic's errors as a `Problem` with its path, what was
found (never a secret), what is expected, and where the value was written. Called by `declaration`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from b2router.config import BackblazeConfig
from b2router.environments import ENVIRONMENT, ENVIRONMENTS
from b2router.errors import Problem
from b2router.inheritance import DEFAULTS, EXTENDS
from b2router.layers import Path, Written

__all__ = ["LAYER_KEYS", "explain"]

LAYER_KEYS = (DEFAULTS, ENVIRONMENT, ENVIRONMENTS)
"""Keys at the top that say how values are shared; gone in a `BackblazeConfig`, as is `extends` of a profile."""

_SHOWN = frozenset({"bucket", "cache", "frames", "location", "max_age_s", "on_denied", "owner", "permission", "route"})
"""Keys of a profile whose values an error may show. Others may hold a secret that was put into the wrong place."""


def explain(error: ValidationError, root: Written) -> list[Problem]:
    """The problems that a validation found, each with the place to mend.

    Args:
        error: of `BackblazeConfig`.
        root: the values that were validated.
    """
    values = root.plain()
    problems = []
    for detail in error.errors(include_input=False, include_url=False):
        kind, loc, context = detail["type"], detail["loc"], detail.get("ctx", {})
        path = _path_in(values, loc, missing=kind == "missing")
        layer, source = root.source(path)
        place = layer.locate(source) if path else ""
        if kind == "missing":
            hint = f"Add it, for example as {place}." if place else "Add it."
            problems.append(Problem(kind, ".".join(path), "found nothing, expected a value.", hint, path=source))
            continue
        code, hint = kind, "Change it there."
        if kind == "extra_forbidden":
            problems.append(_unknown_key(path, place, source))
            continue
        if kind == "union_tag_invalid":
            expected = context["expected_tags"]
            found = "" if _holds_secret(context["tag"], values) else f"found {context['tag']!r} as its "
            message = f"{found}{context['discriminator']}; expected one of {expected}."
        elif loc[-1:] == ("[key]",):
            message = "expected a name of lower-case letters, digits and single underscores, such as 'logged_in'."
        else:
            message = f"{_shown(path, values)}{detail['msg'][0].lower()}{detail['msg'][1:]}."
        problems.append(Problem(code, ".".join(path), message, hint, place, source))
    deepest = {problem.where for problem in problems}
    return [
        problem
        for problem in problems  # a list whose items are wrong also counts as too short: say only what is wrong inside
        if problem.code != "too_short" or not any(where.startswith(problem.where + ".") for where in deepest)
    ]


def _unknown_key(path: Path, place: str, source: Path) -> Problem:
    """A key that means nothing, with the nearest one that does."""
    known = _known_keys(path[:-1])
    near = get_close_matches(path[-1], known, n=1)
    message = f"unknown key; did you mean '{near[0]}'?" if near else f"unknown key; known are {', '.join(known)}."
    return Problem("unknown_key", ".".join(path), message, "Correct or remove it there.", place, source)


def _path_in(values: Any, loc: tuple[int | str, ...], *, missing: bool) -> Path:
    """The path of an error in the user's own values: without the union tags that pydantic puts in between."""
    path: list[str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, (list, tuple)) and isinstance(part, int):
            values = values[part] if part < len(values) else None
        elif part == "[key]" or not (last and missing):
            continue
        path.append(str(part))
    return tuple(path)


def _shown(path: Path, values: Any) -> str:
    """ "found 'x'; ", when x is short plain text that is no secret."""
    found = values
    for part in path:
        found = found[int(part)] if isinstance(found, (list, tuple)) else found.get(part)
    harmless = len(path) > 2 and path[0] == "profiles" and path[2] in _SHOWN and isinstance(found, str)
    if not (harmless or isinstance(found, (int, float))) or _holds_secret(found, values):
        return ""
    return f"found {found!r}; "


def _holds_secret(found: object, values: Any) -> bool:
    """Whether a value is, or may well be, something that no text should show."""
    text = repr(found)
    return len(text) > 80 or any(secret in text for secret in _secrets(values))


def _secrets(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key in ("application_key", "secret"):
                yield value.get_secret_value() if isinstance(value, SecretStr) else str(value) or "\0"
            yield from _secrets(value)


def _known_keys(path: Path) -> list[str]:
    """The keys that the model at this path has."""
    models: list[Any] = [BackblazeConfig]
    for part in path:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if not annotations:
            continue
        below = [argument for annotation in annotations for argument in getattr(annotation, "__args__", ())]
        models = [argument for argument in below if isinstance(argument, type) and issubclass(argument, BaseModel)]
    shared = LAYER_KEYS if not path else (EXTENDS,) if len(path) == 2 and path[0] == "profiles" else ()
    if len(models) == 1:
        return [*models[0].model_fields, *shared]
    return sorted({name for model in models for name in model.model_fields})
