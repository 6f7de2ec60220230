"""Prints what a site's django-backblaze-b2 configuration is in the words of b2router. Called by the console script.

A settings file is read, not run: its `BACKBLAZE_CONFIG` has to be a literal dict, of which only the application keys
may be anything. No key is printed, whatever the form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from b2router import seed
from b2router.declaration import build
from b2router.errors import ConfigError, Problem
from b2router.layers import Layer
from b2router.leaks import isolation_problems
from b2router.seed_options import shape, snake

__all__ = ["FORMS", "Imported", "imported"]

SECRETS = {name: f"BACKBLAZE_{name.upper()}" for name in ("application_key_id", "application_key")}
"""Option → the environment variable that takes its place."""

_HEAD = f"{' and '.join(SECRETS.values())} belong into the environment."
_WAYS_OUT = (
    "Say --audience for each that the site has; or give each a bucket in 'specific_bucket_names', and move its files "
    "there; or leave it as it was, by --accept-shared-buckets."
)
_STAND_IN = "set-in-the-environment"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it.

    Attributes:
        text: the configuration; None where there is none that could be used.
        refused: why a site would not start with it.
        warnings: what to know before it is used.
    """

    text: str | None
    refused: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def imported(given: Mapping[str, Any], form: str = "python") -> Imported:
    """Translate a configuration, prove what can be proved of it, and say it in a language.

    Args:
        given: the dict, as django-backblaze-b2 took it; of its keys, nothing is used.
        form: one of `FORMS`.
    Raises:
        ValueError: it is none of that package.
        ImportError: YAML needs PyYAML.
    """
    if (found := shape(given)) == "mixed" or (found == "ours" and set(map(snake, given)) - {*SECRETS, "realm"}):
        raise ValueError("BACKBLAZE_CONFIG is no configuration of django-backblaze-b2, but has keys of b2router.")
    name = "BACKBLAZE_CONFIG"
    open_ = {key: _STAND_IN if snake(key) in SECRETS and value is not None else value for key, value in given.items()}
    made = seed.translate(open_, name)
    values = {key: value for key, value in made.values.items() if key not in SECRETS}
    if made.problems:
        return Imported(None, made.problems, ())
    try:
        config = build([Layer(name, values, "settings", origins=made.origins)])
    except ConfigError as error:
        return Imported(None, error.problems, ())
    refused = [replace(problem, hint=_WAYS_OUT) for problem in made.shared] or isolation_problems(config)
    text = FORMS[form](values)
    secret = next((key for key, value in given.items() if snake(key) in SECRETS and value and str(value) in text), None)
    if secret is not None:
        problem = Problem("invalid", secret, "its value stands in another option too.", "Mend that option.")
        return Imported(None, (problem,), ())
    return Imported(text, tuple(refused), (*_of_shared(values), *made.warnings, *_of_public(values)))


def _of_shared(values: dict[str, Any]) -> Iterator[Problem]:
    """Which profiles are read through others, first of all."""
    for name, profile in values["profiles"].items():
        if readers := profile.get("readable_through"):
            yield Problem(
                "declared_leak",
                f"profiles.{name}",
                f"its files can be read through {', '.join(readers)}, with the same bucket '{profile['bucket']}'.",
                "Give it a bucket of its own, and take 'readable_through' out.",
            )


def _of_public(values: dict[str, Any]) -> Iterator[Problem]:
    profile = values["profiles"].get("public", {})
    if profile and "delivery" not in profile:
        yield Problem(
            "seed",
            "profiles.public.delivery",
            f"files have addresses at '{profile['route']}' from now on, also if the bucket '{profile['bucket']}' is "
            "public at B2; addresses at B2 that are out go on working.",
            'To give out those of B2, add {"mode": "direct", "base_url": "https://f….backblazeb2.com"} with the host '
            "of the account.",
        )


def _python(values: dict[str, Any]) -> str:
    return f"# {_HEAD}\nBACKBLAZE_CONFIG = {_literal(values, '')}\n"


def _literal(value: Any, indent: str) -> str:
    """Python as formatters write it: what fits stays on a line, but for what holds further dicts of its own."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            return f"[{', '.join(_literal(item, '') for item in value)}]"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and value.isprintable() else repr(value)
    parts = [f"{_literal(key, '')}: {_literal(part, indent + '    ')}" for key, part in value.items()]
    line = f"{{{', '.join(parts)}}}"
    if indent and len(indent + line) < _WIDTH and "\n" not in line and len(parts) < 4:
        return line
    return "{\n" + "".join(f"{indent}    {part},\n" for part in parts) + f"{indent}}}"


def _json(values: dict[str, Any]) -> str:
    return json.dumps({"$schema": "./b2router.schema.json", **values}, indent=2) + "\n"


def _toml(values: dict[str, Any]) -> str:
    lines = ["#:schema ./b2router.schema.json", f"# {_HEAD}"]
    lines += [f"{key} = {_inline(value)}" for key, value in values.items() if not isinstance(value, dict)]
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    profiles = tables.pop("profiles")
    for name, table in [*tables.items(), *((f"profiles.{profile}", table) for profile, table in profiles.items())]:
        lines += ["", f"[{name}]", *(f"{key} = {_inline(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        parts = (f"{_bare(key)} = {_inline(part)}" for key, part in value.items())
        return f"{{ {', '.join(parts)} }}" if value else "{}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    text = yaml.safe_dump(values, sort_keys=False)  # in ASCII: what it writes otherwise, it misreads
    return f"# yaml-language-server: $schema=b2router.schema.json\n# {_HEAD}\n{text}"


FORMS = {"python": _python, "json": _json, "toml": _toml, "yaml": _yaml}
"""Language → how it is written."""
