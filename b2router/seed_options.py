"""The options of django-backblaze-b2: one table, and what a dict says by its words; pure.

Asked by `seed`, which says the same in ours, and by `legacy`, whose storages take these options. Loads nothing of
pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from b2router.errors import Problem
from b2router.layers import Layer, Path

__all__ = ["OPTIONS", "OURS", "Said", "apart", "is_option", "place", "read", "shape", "snake", "wrong"]

OPTIONS: dict[str, tuple[type | None, str]] = {
    "application_key_id": (None, "`application_key_id`"),
    "application_key": (None, "`application_key`"),
    "realm": (None, "`realm`"),
    "bucket": (None, "`bucket` of each profile"),
    "specific_bucket_names.public": (None, "`profiles.public.bucket`"),
    "specific_bucket_names.logged_in": (None, "`profiles.logged_in.bucket`"),
    "specific_bucket_names.staff": (None, "`profiles.staff.bucket`"),
    "allow_file_overwrites": (bool, "`naming`"),
    "default_file_info": (dict, "`file_info`"),
    "account_info.type": (str, "`account_info.kind`"),
    "account_info.cache": (None, "`account_info.cache`, `metadata_cache`"),
    "account_info.database_path": (None, "`account_info.path`"),
    "forbid_file_property_caching": (bool, "`metadata_ttl_s`"),
    "cdn_config.base_url": (str, "`profiles.public.delivery.base_url`"),
    "cdn_config.include_bucket_url_segments": (bool, "`profiles.public.delivery.path`"),
    "authorize_on_init": (bool, ""),
    "validate_on_init": (bool, ""),
    "non_existent_bucket_details": (dict, ""),
    "audiences": (list, "which profiles there are"),
    "accept_shared_buckets": (bool, "`readable_through`"),
}
"""Option → what it has to be, where no model judges, and what it becomes; nothing for what has no successor. The last
two are no options of django-backblaze-b2: they say in its dict what it leaves open."""

OURS = frozenset(
    {
        "accounts",
        "defaults",
        "environment",
        "environments",
        "limits",
        "max_streams",
        "metadata_cache",
        "profiles",
        "storages",
    }
)
"""Keys that a configuration of b2router has and one of django-backblaze-b2 has not."""

_SHARED = frozenset({"application_key_id", "application_key", "realm", "account_info", "$schema"})
_GROUPS = {name.partition(".")[0] for name in OPTIONS if "." in name}
_EXPECTED = {bool: "True or False", dict: "a dict", str: "text", list: "a list"}
_TOP = {name.partition(".")[0] for name in OPTIONS}


@dataclass(frozen=True, slots=True)
class Said:
    """The options that are given, by their names in the table.

    Attributes:
        values: option → value; what is None is not given.
        paths: option, or group of options → where it stands, as it is spelt there.
        problems: what is wrong with them.
    """

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    paths: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def shape(given: Mapping[str, Any]) -> Literal["ours", "seed", "mixed"]:
    """Whose words a dict speaks. One that has only what both have in common counts as ours."""
    theirs, ours = apart(given)
    return "ours" if theirs is None else "seed" if ours is None else "mixed"


def apart(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """A key of a dict that only django-backblaze-b2 has, and one that only b2router has; None where there is none."""
    account_info = given.get("account_info")
    inside = account_info if isinstance(account_info, Mapping) else {}
    theirs = [str(key) for key in given if key not in _SHARED and snake(key) in _TOP]
    ours = [str(key) for key in given if key in OURS]
    theirs += ["account_info.type"] if "type" in inside else []
    ours += ["account_info.kind"] if "kind" in inside else []
    return next(iter(theirs), None), next(iter(ours), None)


def read(given: Mapping[str, Any], name: str = "BACKBLAZE_CONFIG") -> Said:
    """Look every option up in the table, in whatever spelling.

    Args:
        given: option → value; snake case or camel case.
        name: what to call the place.
    """
    said = Said()
    _read(given, (), "", name, said)
    if "cdn_config.include_bucket_url_segments" in said.values and "cdn_config.base_url" not in said.paths:
        flag = said.paths["cdn_config.include_bucket_url_segments"]
        base_url = "baseUrl" if flag[-1] != flag[-1].lower() else "base_url"
        missing = (*said.paths["cdn_config"], base_url)
        said.problems.append(wrong("missing", missing, name, "found nothing, expected the address of the CDN."))
    return said


def is_option(name: str) -> bool:
    """Whether a dict can have this, in snake case, at its top."""
    return name in _TOP


def snake(key: object) -> str:
    """An option's name in snake case, by which the table knows it."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda found: f"_{found[0].lower()}", str(key))


def wrong(code: str, path: Path, name: str, message: str) -> Problem:
    """A problem with what stands at a path of the dict of this name."""
    return Problem(code, ".".join(path), message, "Correct or remove it there.", place(name, path), path)


def place(name: str, path: Path) -> str:
    """Where in the dict of this name something stands, in the words of whoever has to mend it."""
    return Layer(name, {}, "settings").locate(path)


def _read(given: Mapping[str, Any], path: Path, group: str, name: str, said: Said) -> None:
    for key, value in given.items():
        here, option = (*path, str(key)), group + snake(key)
        if option == "$schema":
            continue
        if option not in OPTIONS and option not in _GROUPS:
            said.problems.append(_unknown(here, group, name))
        elif option in said.paths:
            said.problems.append(
                wrong("invalid", here, name, f"it is given twice, as '{said.paths[option][-1]}' and '{key}'.")
            )
        elif value is not None:
            said.paths[option] = here
            if (expected := dict if option in _GROUPS else OPTIONS[option][0]) and not _is(value, expected):
                said.problems.append(wrong("invalid", here, name, f"expected {_EXPECTED[expected]}."))
            elif option in _GROUPS:
                _read(value, here, f"{option}.", name, said)
            else:
                said.values[option] = value


def _is(value: Any, expected: type) -> bool:
    if expected is dict:
        return isinstance(value, Mapping)
    return isinstance(value, (list, tuple) if expected is list else expected)


def _unknown(path: Path, group: str, name: str) -> Problem:
    known = [option.removeprefix(group) for option in (*_GROUPS, *OPTIONS) if option.startswith(group)]
    known = sorted(option for option in known if "." not in option)
    near = get_close_matches(snake(path[-1]), known, n=1)
    is_camel = path[-1] != path[-1].lower()
    word = re.sub(r"_([a-z])", lambda found: found[1].upper(), near[0]) if near and is_camel else "".join(near)
    message = f"unknown option; did you mean '{word}'?" if near else f"unknown option; known are {', '.join(known)}."
    return wrong("unknown_key", path, name, message)
