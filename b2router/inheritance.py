"""What a profile gets from `defaults` and from the profiles that it extends; pure. Called by `declaration`, after the
layers are merged and before anything is validated: models, isolation proof and router know complete profiles only.

Lowest to highest: `defaults`, the extended profiles in their order, the profile itself. A permission is one value, and
so is a delivery that names its mode: the nearest one counts, whole. A route is never inherited, because no two
profiles can have the same; nor is who else may read the files, which is to be said where it is meant.
"""

from __future__ import annotations

import re

from b2router.errors import Problem
from b2router.layers import Path, Written, is_another_kind, merge
from b2router.values import near

__all__ = ["DEFAULTS", "EXTENDS", "OWN_KEYS", "inherit"]

DEFAULTS, EXTENDS = "defaults", "extends"

OWN_KEYS = (EXTENDS, "readable_through", "route")
"""Keys of a profile that no other one inherits, and that make no sense in `defaults`."""


def inherit(root: Written, problems: list[Problem]) -> Written:
    """The configuration with complete profiles.

    Args:
        root: all layers, merged.
        problems: gets what is wrong with `defaults` and `extends`.
    """
    problems += _problems_of_defaults(root)
    defaults = root.parts.get(DEFAULTS)
    profiles = root.parts.get("profiles")
    bare = root.without(DEFAULTS)
    if profiles is None or not isinstance(profiles.value, dict):
        return bare
    complete: dict[str, Written] = {}
    for name in profiles.parts:
        _complete(name, (), profiles, complete, problems)
    if defaults is not None and isinstance(defaults.value, dict):
        below = defaults.without(*OWN_KEYS)
        complete = {name: _over(below, profile) for name, profile in complete.items()}
    return Written({**bare.parts, "profiles": Written(complete, profiles.layer, profiles.path)}, root.layer, root.path)


def _complete(
    name: str, heirs: Path, profiles: Written, complete: dict[str, Written], problems: list[Problem]
) -> Written:
    """A profile with what it inherits; `heirs` are the profiles on whose way it is asked for."""
    if name in complete:
        return complete[name]
    own = profiles.parts[name]
    inherited = Written({}, own.layer, own.path)
    for parent in _parents(own, name, problems):
        extends = own.parts[EXTENDS]
        if parent in (*heirs, name):
            way = " → ".join((*(*heirs, name)[(*heirs, name).index(parent) :], parent))
            problems.append(_problem(name, extends, f"{way}: a profile cannot extend itself."))
        elif parent not in profiles.parts:
            others = [other for other in profiles.parts if other != name]
            is_name = re.fullmatch(r"[a-z0-9_]{1,40}", parent)
            found = f"found '{parent}'{near(parent, others)}; " if is_name else ""
            listed = ", ".join(f"'{other}'" for other in others)
            expected = f"the other profiles are {listed}." if others else "there is no other profile."
            problems.append(_problem(name, extends, f"{found}{expected}"))
        else:
            below = _complete(parent, (*heirs, name), profiles, complete, problems)
            inherited = _over(inherited, below.without(*OWN_KEYS))
    complete[name] = _over(inherited, own.without(EXTENDS)) if isinstance(own.value, dict) else own
    return complete[name]


def _parents(own: Written, name: str, problems: list[Problem]) -> list[str]:
    extends = own.parts.get(EXTENDS)
    if extends is None or extends.value is None:
        return []
    named = [extends.value] if isinstance(extends.value, str) else extends.value
    if isinstance(named, list | tuple) and all(isinstance(parent, str) for parent in named):
        return list(named)
    problems.append(_problem(name, extends, "expected the name of a profile, or a list of names."))
    return []


def _over(low: Written, high: Written) -> Written:
    return merge(low, high, replaces=_is_whole, path=("profiles", "")) if isinstance(high.value, dict) else high


def _is_whole(path: Path, low: Written, high: Written) -> bool:
    """Other than between layers, a delivery that names its mode is a declaration of its own, also when the inherited
    one has the same mode: the address of somebody else's CDN is nothing to inherit by accident."""
    return (path[2:] == ("delivery",) and "mode" in high.parts) or is_another_kind(path, low, high)


def _problem(profile: str, extends: Written, message: str) -> Problem:
    where = f"profiles.{profile}.{EXTENDS}"
    return Problem("extends", where, message, "Change it there.", extends.place, extends.path)


def _problems_of_defaults(root: Written) -> list[Problem]:
    defaults = root.parts.get(DEFAULTS)
    if defaults is None:
        return []
    if not isinstance(defaults.value, dict):
        return [_misplaced(DEFAULTS, defaults, "expected an object with keys of a profile.")]
    return [
        _misplaced(f"{DEFAULTS}.{key}", part, "it belongs to one profile, so it cannot be shared.")
        for key, part in defaults.parts.items()
        if key in OWN_KEYS
    ]


def _misplaced(where: str, part: Written, message: str) -> Problem:
    return Problem("defaults", where, message, "Change it there.", part.place, part.path)
