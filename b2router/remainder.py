"""What else is wrong with a configuration of which some values cannot be used: its other parts are judged without them,
so that one run says as much as it can. Called by `declaration`.

Nothing is said that mending those values could make untrue: a profile or an account with such a value keeps its name,
so that others may refer to it, and is compared with nothing. What may be the name of another one, or hold further
ones, leaves open what others may refer to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from b2router.config import BackblazeConfig
from b2router.errors import Problem
from b2router.layers import Path, Written
from b2router.leaks import isolation_problems
from b2router.problems import explain

__all__ = ["further_problems"]

_NAMED = ("profiles", "accounts", "storages")
"""Keys at the top under which every name is a part of its own."""

_REFERRING = (("accounts", "unknown_account"), ("profiles", "unknown_profile"))
"""Parts that others refer to, and the code of a problem that says that they lack one."""


def further_problems(root: Written, error: ValidationError) -> Iterator[Problem]:
    """The problems of what is left when all that an error names is left out.

    Args:
        root: the values that were validated.
        error: why they are no configuration.
    """
    replaced: set[Path] = set()
    open_questions: set[str] = set()
    while broken := _broken(root, error):
        open_questions |= {code for part, code in _REFERRING if _may_have_others(root, part, error)}
        replaced |= _misnamed(error)
        for path in sorted(broken):
            root = _without(root, path, has_stand_in=path not in replaced)
        replaced |= broken
        if "profiles" not in root.parts or not root.parts["profiles"].parts:
            return  # what is left says nothing
        try:
            config = BackblazeConfig.model_validate(root.plain())
        except ValidationError as next_error:
            error = next_error
            yield from (problem for problem in explain(error, root) if problem.code not in open_questions)
        else:
            yield from (_located(problem, root) for problem in isolation_problems(config))
            return


def _broken(root: Written, error: ValidationError) -> set[Path]:
    """The parts of the configuration that an error is about, and that are there."""
    found: set[Path] = set()
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        path = tuple(str(part) for part in detail["loc"])
        is_part = path[:1] and path[0] in _NAMED and root.at(path[:2]) is not None
        found.add(path[:2] if is_part else path[:1])
    return {path for path in found if path and root.at(path) is not None}


def _misnamed(error: ValidationError) -> set[Path]:
    """The parts whose names are none."""
    locations = [tuple(map(str, detail["loc"])) for detail in error.errors(include_input=False, include_url=False)]
    return {path[:2] for path in locations if path[-1:] == ("[key]",) and path[0] in _NAMED}


def _may_have_others(root: Written, part: str, error: ValidationError) -> bool:
    """Whether profiles, or accounts, may go by other names once what an error is about is mended."""
    unknown = {
        str(detail["loc"][0])
        for detail in error.errors(include_input=False, include_url=False)
        if len(detail["loc"]) == 1 and detail["type"] == "extra_forbidden"
    }
    is_misspelt = any(root.parts[key].parts for key in unknown)
    is_none = part in root.parts and not isinstance(root.parts[part].value, dict)
    return is_misspelt or is_none or any(path[0] == part for path in _misnamed(error))


def _without(root: Written, path: Path, *, has_stand_in: bool) -> Written:
    """The same values without a part; if wished with one in its place that goes with all others."""
    top, *name = path
    if not name:
        return root.without(top)
    old, key = root.parts[top], name[0]
    stand_in = _stand_in(top, key) if has_stand_in else {}
    was = old.parts[key]
    values = {part: Written(value, was.layer, (*was.path, part)) for part, value in stand_in.items()}
    parts = {**old.parts, key: Written(values, was.layer, was.path)} if stand_in else old.without(key).parts
    return Written({**root.parts, top: Written(parts, old.layer, old.path)}, root.layer, root.path)


def _stand_in(top: str, name: str) -> dict[str, str]:
    match top:
        case "profiles":
            return {"bucket": f"stand-in-{name[:40].replace('_', '-')}", "permission": "superuser"}
        case "accounts":
            return {"application_key_id": name, "application_key": name}
        case _:
            return {}


def _located(problem: Problem, root: Written) -> Problem:
    """The same problem with the place where the part that it is about was written."""
    layer, source = root.source(tuple(problem.where.split(".")))
    return replace(problem, layer=layer.locate(source), path=source)
