"""Validates deployment files away from a site: the model's every rule and the isolation proof, in every environment
that a file declares. Called by the console script.

Nothing but the file is read. What only the environment brings may be missing: application keys and other secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from b2router import documents
from b2router.declaration import resolve, validate
from b2router.documents import Document, Position, Unparsable
from b2router.environments import ENVIRONMENT, ENVIRONMENTS
from b2router.errors import ConfigError, Problem
from b2router.layers import Layer, Path, Written
from b2router.leaks import isolation_problems

__all__ = ["Finding", "Verdict", "judge"]

SECRETS = ("application_key_id", "application_key", "secret")
"""Keys whose values a file may leave to the environment, and that no output shows."""

_STAND_IN = "set-in-the-environment"
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a file, with its place in the text.

    Attributes:
        problem: what is wrong.
        position: where; None when that is nowhere in particular.
        environments: in which environments it is wrong; empty when the file is as it stands.
    """

    problem: Problem
    position: Position | None
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """One value that a profile has in the end.

    Attributes:
        where: its path, such as "profiles.staff.permission".
        value: the value; None for a secret.
        is_secret: whether it is one.
        source: where in the file it was written.
        environment: the environment that it is seen in; empty for the file as it stands.
    """

    where: str
    value: Any
    is_secret: bool
    source: str
    environment: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say about a file.

    Attributes:
        file: its name.
        findings: what is wrong, by position; empty when it is valid.
        resolved: every value of every profile, once inheritance is resolved, where that could be done.
    """

    file: str
    findings: tuple[Finding, ...]
    resolved: tuple[Value, ...] = ()


def judge(file: str, text: str, form: str, environments: Sequence[str] = ()) -> Verdict:
    """Validate the text of a deployment file.

    Args:
        file: what to call it.
        text: what it says.
        form: "toml", "yaml" or "json".
        environments: those to validate it in; by default as it stands, and in each that it declares.
    Raises:
        ImportError: YAML needs PyYAML.
    """
    try:
        document = documents.read(text, form)
        return _judge(file, document, environments)
    except Unparsable as error:
        problem = Problem("syntax", "", f"{error}.", "Mend it there.")
        return Verdict(file, (Finding(problem, error.position),))


def _judge(file: str, document: Document, environments: Sequence[str]) -> Verdict:
    if not isinstance(document.values, dict):
        problem = Problem("invalid", "", "expected an object with 'profiles'.", "Declare your buckets in it.")
        return Verdict(file, (Finding(problem, Position(1, 1)),))
    seen: dict[tuple[str, str, Path], tuple[Problem, list[str]]] = {}
    resolved: list[Value] = []
    for environment in environments or _declared(document.values):
        for problem in _problems(file, document.values, environment, resolved):
            key = (problem.message, problem.hint, problem.path or (problem.where,))
            seen.setdefault(key, (problem, []))[1].append(environment)
    findings = [
        Finding(problem, _point(document, problem), () if "" in where else tuple(where))
        for problem, where in seen.values()
    ]
    findings += [Finding(documents.twice(path), position) for path, position in document.repeated]
    findings.sort(key=lambda finding: finding.position or Position(0, 0))
    return Verdict(file, tuple(findings), tuple(resolved))


def _declared(values: dict[str, Any]) -> list[str]:
    """The environments to look at; "" is the file as it stands."""
    declared = values.get(ENVIRONMENTS)
    return ["", *map(str, declared)] if isinstance(declared, dict) else [""]


def _problems(file: str, values: dict[str, Any], environment: str, resolved: list[Value]) -> Iterator[Problem]:
    chosen = {**values, ENVIRONMENT: environment} if environment else values
    try:
        root, problems = resolve([Layer(file, chosen, "file")])
        resolved += _values(root, environment)
        config = validate(_with_secrets(root, ()), problems)
    except ConfigError as error:
        for problem in error.problems:
            is_missing = problem.code == "missing"
            yield replace(problem, hint="Add it here, or leave it to a layer above.") if is_missing else problem
        return
    for problem in isolation_problems(config):
        _, source = root.source(tuple(problem.where.split(".")))
        yield Problem(problem.code, problem.where, problem.message, problem.hint, problem.layer, source)


def _with_secrets(value: Written, path: Path) -> Written:
    """The same values, with stand-ins for secrets that are not there."""
    if not isinstance(value.value, dict):
        return value
    parts = {key: _with_secrets(part, (*path, key)) for key, part in value.parts.items()}
    needed: tuple[str, ...] = ()
    match path:
        case ("accounts", _):
            needed = SECRETS[:2]
        case ("profiles", _, "delivery", "signing"):
            needed = SECRETS[2:]
    stand_ins = {key: Written(_STAND_IN, value.layer, (*value.path, key)) for key in needed if key not in parts}
    return Written({**parts, **stand_ins}, value.layer, value.path)


def _secrets(value: Written) -> Iterator[str]:
    """The secrets that are written out, but for stand-ins such as "x"."""
    for key, part in value.parts.items():
        if key in SECRETS and isinstance(part.value, str) and len(part.value) >= _SHORTEST:
            yield part.value
        yield from _secrets(part)


def _values(root: Written, environment: str) -> Iterator[Value]:
    secrets = tuple(_secrets(root))

    def below(value: Written, path: Path) -> Iterator[Value]:
        if value.parts:
            for key, part in value.parts.items():
                yield from below(part, (*path, key))
        elif len(path) > 2:
            is_secret = path[-1] in SECRETS or any(secret in repr(value.plain()) for secret in secrets)
            shown = None if is_secret else value.plain()
            yield Value(".".join(path), shown, is_secret, ".".join(value.path), environment)

    profiles = root.parts.get("profiles")
    return below(profiles, ("profiles",)) if profiles is not None else iter(())


def _point(document: Document, problem: Problem) -> Position | None:
    found = document.values
    for part in problem.path:
        inner = found.get(part) if isinstance(found, dict) else None
        found = found[int(part)] if isinstance(found, list) and part.isdecimal() and int(part) < len(found) else inner
    return document.position(problem.path, key=problem.code == "unknown_key" or isinstance(found, dict))
