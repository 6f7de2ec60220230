"""From layers to a configuration: laid on each other, the environment picked, inheritance resolved, and validated as
one. Called by `settings` for a site and by `validation` for a file.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from b2router.config import BackblazeConfig
from b2router.environments import chosen, in_force
from b2router.errors import ConfigError, Problem
from b2router.inheritance import EXTENDS, inherit
from b2router.layers import Layer, Written, merge, written
from b2router.problems import explain
from b2router.remainder import further_problems

__all__ = ["SCHEMA_KEY", "build", "environment", "resolve", "validate"]

SCHEMA_KEY = "$schema"
"""Tells editors what a file is; means nothing to b2router."""


def resolve(stack: Iterable[Layer]) -> tuple[Written, list[Problem]]:
    """All layers as one: in the environment that is chosen, with complete profiles; not validated.

    Args:
        stack: the layers, lowest first.
    Returns:
        The values, each with its place, and what is wrong with how they are shared.
    Raises:
        ConfigError: there are no values at all.
    """
    layers = [written(layer).without(SCHEMA_KEY) for layer in stack]
    if not any(layer.parts for layer in layers):
        raise ConfigError(
            Problem(
                "no_configuration",
                "BACKBLAZE_CONFIG",
                "found no configuration at all.",
                "Declare your buckets in the setting BACKBLAZE_CONFIG, for example {'profiles': {'public': "
                "{'bucket': 'acme-public', 'route': 'b2/', 'permission': 'public'}}}, in a file that "
                "BACKBLAZE_CONFIG_FILE names, or in BACKBLAZE_ environment variables.",
            )
        )
    problems: list[Problem] = []
    first, *others = in_force(layers, problems)
    for layer in others:
        first = merge(first, layer)
    return inherit(first, problems), problems


def environment(stack: Iterable[Layer]) -> Written | None:
    """What chose the environment that is in force; None when none was chosen.

    Args:
        stack: the layers, lowest first.
    """
    return chosen([written(layer) for layer in stack])


def build(stack: Iterable[Layer]) -> BackblazeConfig:
    """The configuration that layers make.

    Args:
        stack: the layers, lowest first.
    Raises:
        ConfigError: with every problem that was found, each with its layer.
    """
    return validate(*resolve(stack))


def validate(root: Written, problems: list[Problem]) -> BackblazeConfig:
    """The configuration of resolved values.

    Args:
        root: the values.
        problems: what is known to be wrong with them.
    Raises:
        ConfigError: with these and every other problem, each once, however many profiles inherit the value.
    """
    try:
        config = BackblazeConfig.model_validate(root.plain())
    except ValidationError as error:
        is_resolved = not problems  # else it is not known what the values are
        further = further_problems(root, error) if is_resolved else ()
        problems = [*problems, *explain(error, root), *further]
    else:
        if not problems:
            return config
    raise ConfigError(*_once(problems)) from None


def _once(problems: list[Problem]) -> list[Problem]:
    """Each problem at its place once; what a profile lacks only when it is known what it extends."""
    unfinished = {problem.where.removesuffix(f".{EXTENDS}") for problem in problems if problem.code == "extends"}
    kept: dict[object, Problem] = {}
    for problem in problems:
        if problem.code != "missing" or problem.where.rpartition(".")[0] not in unfinished:
            place = problem.path or problem.where
            kept.setdefault((problem.message, problem.hint, problem.layer, place), problem)
    return list(kept.values())
