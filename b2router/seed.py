"""What a configuration of django-backblaze-b2 says, in the words of b2router; pure.

Asked by `settings` and `aliases` about a dict of that shape, by `import_seed`, which prints the translation, and by
`legacy`, whose storages take the same options. Loads nothing of pydantic.

Each of its classes becomes a profile: `BackblazeB2Storage`, whose files no view serves, is "default"; the others have
the names that `specific_bucket_names` gives them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from b2router.errors import ConfigError, Problem
from b2router.layers import Layer, Path
from b2router.seed_options import Said, place, read, snake, wrong

__all__ = ["AUDIENCES", "BASE", "Translation", "bucket_of", "delivery_of", "layer", "profile_values", "translate"]

BASE = "default"
"""The profile of the files that `BackblazeB2Storage` keeps."""

AUDIENCES = {"public": ("b2/", "public"), "logged_in": ("b2l/", "authenticated"), "staff": ("b2s/", "staff")}
"""Profile → its route and its permission, the loosest first."""

_KINDS = {"django-cache": "cache", "sqlite": "sqlite", "memory": "memory"}
DEFAULT_BUCKET = "django"
DEFAULT_CACHE = "django-backblaze-b2"


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration in our words.

    Attributes:
        values: the configuration, not validated.
        origins: path of a value → where it stood before.
        problems: what makes it unusable.
        shared: which audiences have one bucket, unless that is accepted: nobody may start like this.
        warnings: what is different from now on.
    """

    values: dict[str, Any] = field(repr=False)
    origins: dict[Path, Path]
    problems: tuple[Problem, ...]
    shared: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def layer(name: str, given: Mapping[str, Any]) -> Layer:
    """A dict of that shape as a layer of the configuration, whose errors name its own keys.

    Args:
        name: what to call the place.
        given: the dict.
    Raises:
        ConfigError: it says what no configuration can, or gives several audiences one bucket.
    """
    made = translate(given, name)
    if made.problems or made.shared:
        raise ConfigError(*made.problems, *made.shared)
    return Layer(name, made.values, "settings", origins=made.origins)


def translate(given: Mapping[str, Any], name: str = "BACKBLAZE_CONFIG") -> Translation:
    """Say the same in our words.

    Args:
        given: the dict, as django-backblaze-b2 took it.
        name: what to call it in problems.
    """
    said = read(given, name)
    made = _Made()
    for key in ("application_key_id", "application_key", "realm"):
        if key in said.values:
            made.put((key,), said.values[key], said.paths[key])
    _put_account_info(said, name, made)
    for key, (value, option) in profile_values(said).items():
        made.put(("defaults", key), value, said.paths[option])
    shared = _put_profiles(said, name, made)
    if (delivery := delivery_of(said)) is not None and "public" in made.values["profiles"]:
        made.put(("profiles", "public", "delivery"), delivery, said.paths["cdn_config"])
        made.origins["profiles", "public", "delivery", "base_url"] = said.paths["cdn_config.base_url"]
    return Translation(
        made.values, made.origins, tuple(said.problems), tuple(shared), tuple(_warnings(said, name, delivery))
    )


def profile_values(said: Said) -> dict[str, tuple[Any, str]]:
    """What the options say about every profile: key of a profile → value and the option that says so."""
    values: dict[str, tuple[Any, str]] = {}
    if "allow_file_overwrites" in said.values:
        is_overwritten = said.values["allow_file_overwrites"]
        values["naming"] = ("overwrite" if is_overwritten else "suffix", "allow_file_overwrites")
    if said.values.get("default_file_info"):
        values["file_info"] = (said.values["default_file_info"], "default_file_info")
    if said.values.get("forbid_file_property_caching"):
        option = "forbid_file_property_caching"
    elif said.values.get("account_info.type") in ("memory", "sqlite"):  # which remember logins only
        option = "account_info.type"
    else:
        return values
    return values | {"metadata_ttl_s": (0, option)}


def delivery_of(said: Said) -> dict[str, Any] | None:
    """What `cdn_config` says about public files; None without one."""
    address = said.values.get("cdn_config.base_url")
    if address is None:
        return None
    host = re.sub(r"^https?://", "", address.strip(), flags=re.IGNORECASE)
    segments = "file/{bucket}/" if said.values.get("cdn_config.include_bucket_url_segments") else ""
    return {"mode": "cdn", "base_url": f"https://{host}", "path": segments + "{location}{name}"}


def bucket_of(said: Said, audience: str) -> tuple[str, str]:
    """The bucket of a class, and the option that says so."""
    option = f"specific_bucket_names.{audience}"
    if said.values.get(option):
        return said.values[option], option
    return said.values.get("bucket", DEFAULT_BUCKET), "bucket"


class _Made:
    """A configuration under way."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Path, Path] = {}

    def put(self, path: Path, value: Any, origin: Path) -> None:
        node = self.values
        for length, key in enumerate(path[:-1], 1):
            node = node.setdefault(key, {})
            self.origins.setdefault(path[:length], ())
        node[path[-1]] = value
        self.origins[path] = origin
        if isinstance(value, Mapping):
            for key in value:
                self.origins[*path, str(key)] = (*origin, str(key))


def _put_account_info(said: Said, name: str, made: _Made) -> None:
    here = said.paths.get("account_info", ("account_info",))
    kind = said.values.get("account_info.type", None if "account_info" in said.paths else "django-cache")
    if kind not in _KINDS:
        if not any(problem.where.startswith(".".join(here)) for problem in said.problems):
            wanted = ", ".join(f"'{word}'" for word in _KINDS)
            said.problems.append(wrong("invalid", (*here, "type"), name, f"expected one of {wanted}."))
        return
    made.put(("account_info", "kind"), _KINDS[kind], (*here, "type"))
    made.origins["account_info",] = here
    if kind == "django-cache":
        cache = said.values.get("account_info.cache", DEFAULT_CACHE)
        origin = said.paths.get("account_info.cache", (*here, "cache"))
        made.put(("account_info", "cache"), cache, origin)
        made.put(("metadata_cache",), cache, origin)
    elif kind == "sqlite" and "account_info.database_path" in said.values:
        path = said.values["account_info.database_path"]
        path = os.fspath(path) if isinstance(path, os.PathLike) else path
        made.put(("account_info", "path"), path, said.paths["account_info.database_path"])
    elif kind == "sqlite":
        said.problems.append(wrong("missing", (*here, "database_path"), name, "found nothing, expected a path."))


def _put_profiles(said: Said, name: str, made: _Made) -> list[Problem]:
    audiences = _audiences(said, name)
    is_accepted = said.values.get("accept_shared_buckets", False)
    of: dict[str, list[str]] = {}
    for profile in (BASE, *audiences):
        bucket, option = bucket_of(said, profile)
        at = said.paths.get(option, (option,))
        made.put(("profiles", profile, "bucket"), bucket, at)
        if profile in AUDIENCES:
            route, permission = AUDIENCES[profile]
            made.put(("profiles", profile, "route"), route, at)
            made.put(("profiles", profile, "permission"), permission, at)
            of.setdefault(str(bucket).lower(), []).append(profile)
    for sharing in of.values():
        for index, profile in enumerate(sharing[1:], 1):
            if is_accepted:
                origin = said.paths["accept_shared_buckets"]
                made.put(("profiles", profile, "readable_through"), sharing[:index], origin)
    bucket, option = bucket_of(said, BASE)
    if readers := of.get(str(bucket).lower()):  # that class has never promised anything about who may read
        made.put(("profiles", BASE, "readable_through"), readers, said.paths.get(option, (option,)))
    together = [sharing for sharing in of.values() if len(sharing) > 1]
    return [] if is_accepted else [_shared(sharing, said, name) for sharing in together]


def _audiences(said: Said, name: str) -> list[str]:
    wanted = said.values.get("audiences", list(AUDIENCES))
    named = [snake(word) if isinstance(word, str) else "" for word in wanted]
    if set(named) - set(AUDIENCES):
        known = ", ".join(f"'{word}'" for word in AUDIENCES)
        said.problems.append(wrong("invalid", said.paths["audiences"], name, f"expected some of {known}."))
    return [audience for audience in AUDIENCES if audience in named]


def _shared(sharing: list[str], said: Said, name: str) -> Problem:
    bucket, option = bucket_of(said, sharing[-1])
    at = said.paths.get(option, (option,))
    found = f"found '{bucket}'" if at in said.paths.values() else f"found '{bucket}', as no other is named"
    if (secret := str(said.values.get("application_key", ""))) and secret in str(bucket):
        found = "found the same"
    loosest, *stricter = sharing
    routes = f"'{AUDIENCES[loosest][0]}' would serve the files of {_listed(stricter)} too"
    return Problem(
        "leak",
        ".".join(at),
        f"{found}, as the bucket of {_listed(sharing)} together: {routes}.",
        f"Name the audiences that the site has, such as 'audiences': ['{sharing[-1]}']; or give each a bucket in "
        "'specific_bucket_names', and move its files there; or leave it as it was, by 'accept_shared_buckets': True.",
        place(name, at),
        at,
    )


def _warnings(said: Said, name: str, delivery: dict[str, Any] | None) -> Iterator[Problem]:
    if delivery is not None:
        at = said.paths["cdn_config.base_url"]
        yield _seed(
            at,
            name,
            f"public files now have addresses at '{delivery['base_url']}'. Between the options of a site, it had no "
            "effect before.",
            "See that the CDN reaches the bucket, or take the option out; 'b2/' leads visitors there, too.",
        )
        if said.values["cdn_config.base_url"].strip().lower().startswith("http://"):
            yield _seed(at, name, "addresses begin with https, as before, whatever it says.", "Write https.")
    if said.values.get("account_info.type") == "sqlite":
        at = said.paths.get("account_info.database_path", ("account_info",))
        yield _seed(
            at,
            name,
            "a file that django-backblaze-b2 has made holds the application key.",
            "Name another one, and delete the old.",
        )
    if "non_existent_bucket_details" in said.values:
        yield _seed(
            said.paths["non_existent_bucket_details"],
            name,
            "b2router makes no buckets.",
            "See that each is there, then take the option out.",
        )


def _seed(at: Path, name: str, message: str, hint: str) -> Problem:
    return Problem("seed", ".".join(at), message, hint, place(name, at), at)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
