"""What is wrong with a configuration, in words: each of pydantic's errors as a `Problem` with its path, what was
found (never a secret), what is expected, and where the value was written. Called by `declaration`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from b2router import expectations
from b2router.config import BackblazeConfig
from b2router.environments import ENVIRONMENT, ENVIRONMENTS
from b2router.errors import Problem
from b2router.inheritance import DEFAULTS, EXTENDS
from b2router.layers import NESTING, Path, Written

__all__ = ["LAYER_KEYS", "explain"]

LAYER_KEYS = (DEFAULTS, ENVIRONMENT, ENVIRONMENTS)
"""Keys at the top that say how values are shared; gone in a `BackblazeConfig`, as is `extends` of a profile."""

_SHOWN = frozenset(
    {
        *("bucket", "cache", "frames", "legal_hold", "location", "max_age_s", "metadata_ttl_s", "missing_ttl_s"),
        *("naming", "on_delete", "on_denied", "owner", "permission", "read_only", "retention", "route", "upload"),
    }
)
"""Keys of a profile whose values an error may show. Others may hold a secret that was put into the wrong place."""

_SHOWN_OF_DELIVERIES = frozenset({"expires_in_s", "internal", "path", "signer"})

_SHOWN_AT_THE_TOP = frozenset({"limits", "max_streams"})

_WORD = re.compile("[a-z0-9_-]{1,20}", re.IGNORECASE)
_LIKE_A_KEY = re.compile("K[0-9]{3}[A-Za-z0-9+/]{27}")
"""How B2 makes application keys: one may stand where it does not belong, and nowhere else."""

_HIDDEN = frozenset({"application_key", "application_key_id", "secret"})


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
            hint += _perhaps_misspelt(path, values)
            if path == ("profiles",) and layer.kind == "settings":
                hint += " A configuration of django-backblaze-b2 has to name its bucket: 'bucket': 'django'."
            problems.append(Problem(kind, ".".join(path), "found nothing, expected a value.", hint, path=source))
            continue
        code, hint = kind, "Change it there."
        if kind == "extra_forbidden":
            problems.append(_unknown_key(path, values, place, source))
            continue
        if kind == "union_tag_invalid":
            expected = context["expected_tags"]
            tag, role = context["tag"], f"as its {context['discriminator']}"
            is_harmless = _WORD.fullmatch(tag) is not None and not _holds_secret(tag, values)
            message = f"found {tag!r} {role}; expected one of {expected}."
            message = message if is_harmless else f"expected one of {expected} {role}."
        elif loc[-1:] == ("[key]",):
            message = f"{expectations.NAME}."
        else:
            expected = expectations.expectation(kind, path[-1] if path else "", context, detail["msg"])
            found = _shown(path, values, kind)
            message = f"{expected}." if found and expected.startswith(found[6:-2]) else f"{found}{expected}."
        problems.append(Problem(code, ".".join(path), message, hint, place, source))
    deepest = {problem.where for problem in problems}
    return [
        problem
        for problem in problems  # a list whose items are wrong also counts as too short: say only what is wrong inside
        if problem.code != "too_short" or not any(where.startswith(problem.where + ".") for where in deepest)
    ]


def _perhaps_misspelt(path: Path, values: Any) -> str:
    """A profile that lacks its bucket may be another one with a wrong letter in its name."""
    if len(path) != 3 or path[0] != "profiles":
        return ""
    near = get_close_matches(path[1], [name for name in values["profiles"] if name != path[1]], n=1)
    return f" Or did you mean the profile '{near[0]}'?" if near else ""


def _unknown_key(path: Path, values: Any, place: str, source: Path) -> Problem:
    """A key that means nothing, with the nearest one that does."""
    known, kind = _known_keys(path[:-1], values)
    first, *rest = path[-1].split(NESTING)  # a variable of a `.env` file stands there as one key when it begins wrong
    near = get_close_matches(first, known, n=1)
    message = f"unknown key{kind}; known are {', '.join(known)}."
    if near:
        message = f"unknown key; did you mean '{NESTING.join([near[0], *rest])}'?"
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


def _shown(path: Path, values: Any, kind: str) -> str:
    """ "found 'x'; ", when x is short plain text that is no secret; else its kind, where that is what is wrong."""
    found = values
    for part in path:
        found = found[int(part)] if isinstance(found, (list, tuple)) else found.get(part)
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool) and not _HIDDEN & {*path}
    if (is_number or (isinstance(found, str) and _is_harmless(path))) and not _holds_secret(found, values):
        broken = ", which begins like JSON but is none" if str(found)[:1] in ("{", "[") else ""
        return f"found {found!r}{broken}; "
    return f"found {_kind_of(found)}; " if kind in expectations.KINDS else ""


def _is_harmless(path: Path) -> bool:
    match path:
        case ("profiles", _, "delivery", key):
            return key in _SHOWN_OF_DELIVERIES
        case ("profiles", _, key, *_) | (key, *_):
            return key in _SHOWN or key in _SHOWN_AT_THE_TOP
    return False


def _kind_of(found: object) -> str:
    match found:
        case None:
            return "nothing"
        case bool():
            return str(found).lower()
        case str() | SecretStr():
            return "text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case int() | float():
            return "a number"
        case _:
            return f"a {type(found).__name__}"


def _holds_secret(found: object, values: Any) -> bool:
    """Whether a value is, or may well be, something that no text should show."""
    text = repr(found)
    return len(text) > 80 or _LIKE_A_KEY.search(text) is not None or any(secret in text for secret in _secrets(values))


def _secrets(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key in ("application_key", "secret"):
                yield value.get_secret_value() if isinstance(value, SecretStr) else str(value) or "\0"
            yield from _secrets(value)


def _known_keys(path: Path, values: Any) -> tuple[list[str], str]:
    """The keys that the model at this path has, and which of several it is, such as " with the mode 'accel'"."""
    models: list[Any] = [BackblazeConfig]
    found, kind = values, ""
    for index, part in enumerate(path):
        found = found[int(part)] if isinstance(found, (list, tuple)) else found.get(part)
        if index == 1 and path[0] in ("profiles", "accounts"):
            continue  # a name, that may well be a key's
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if annotations:
            below = [argument for annotation in annotations for argument in _arguments(annotation)]
            models = [argument for argument in below if isinstance(argument, type) and issubclass(argument, BaseModel)]
        models, kind = _of_that_kind(models, found)
    shared = LAYER_KEYS if not path else (EXTENDS,) if len(path) == 2 and path[0] == "profiles" else ()
    return [*dict.fromkeys(name for model in models for name in model.model_fields), *shared], kind


def _arguments(annotation: Any) -> Iterator[Any]:
    """The types that an annotation names, at any depth."""
    yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _arguments(argument)


def _of_that_kind(models: list[Any], found: Any) -> tuple[list[Any], str]:
    """Those of several models that a value means by its `mode` or `kind`."""
    if len(models) > 1 and isinstance(found, Mapping):
        for tag in ("mode", "kind"):
            tagged = [(model, model.model_fields[tag]) for model in models if tag in model.model_fields]
            for model, field in tagged:
                if (chosen := found.get(tag, field.default)) in get_args(field.annotation):
                    return [model], f" with the {tag} '{chosen}'"
    return models, ""
