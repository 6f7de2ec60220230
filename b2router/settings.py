"""Where a site's values come from: deployment file, Django settings, .env, secrets directory, environment; read here.

Called by `router` on first use and by `checks`. Each layer is a named dict; a later one wins, value by value. An
error says which layer the value came from, and never shows a secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from b2router import origins, seed, seed_options, sources
from b2router.config import BackblazeConfig
from b2router.declaration import build, environment, resolve
from b2router.errors import ConfigError, Problem
from b2router.layers import Layer, Written, written
from b2router.origins import Value
from b2router.sources import unknown_variables

__all__ = [
    "SETTINGS",
    "Layer",
    "build",
    "layers",
    "load",
    "misspelt_secrets",
    "place_of",
    "seed_warnings",
    "unknown_variables",
    "values",
]

SETTINGS = ("BACKBLAZE_CONFIG", *sources.PLACES)
"""The Django settings that b2router reads. All but the first may be environment variables instead."""


def load(settings: object) -> BackblazeConfig:
    """The configuration of a site, from all its layers.

    Args:
        settings: Django's settings object, of which `SETTINGS` are read. A `BACKBLAZE_CONFIG` that is a ready-made
            `BackblazeConfig` is final: no other layer is read.
    Raises:
        ConfigError: with every problem that was found, each with its layer.
    """
    given = getattr(settings, "BACKBLAZE_CONFIG", None)
    if isinstance(given, BackblazeConfig):
        return given
    return build(layers(settings))


def values(settings: object, config: BackblazeConfig) -> list[Value]:
    """Every value in force, and where it was written.

    Args:
        settings: Django's settings object.
        config: what `load` made of it.
    Raises:
        ConfigError: a layer cannot be read.
    """
    return origins.values(config, *_written(settings))


def place_of(settings: object, where: str) -> str:
    """Where a value, or a part of the configuration, was written; empty when it was not.

    Args:
        settings: Django's settings object.
        where: its path, such as "profiles.staff.bucket".
    """
    try:
        found = _written(settings)[0].at(tuple(where.split(".")))
    except ConfigError:
        return ""
    return found.place if found is not None else ""


def _written(settings: object) -> tuple[Written, Written | None]:
    """What is written in all layers, and what chose the environment."""
    given = getattr(settings, "BACKBLAZE_CONFIG", None)
    if isinstance(given, BackblazeConfig):
        return written(Layer("settings.BACKBLAZE_CONFIG", _plain(given), "instance")), None
    stack = layers(settings)
    return resolve(stack)[0], environment(stack)


def layers(settings: object) -> list[Layer]:
    """The layers that are present, lowest first.

    Raises:
        ConfigError: a layer was named but cannot be read.
    """
    found = []
    found += _named(settings, "BACKBLAZE_CONFIG_FILE", sources.file)
    given = getattr(settings, "BACKBLAZE_CONFIG", None)
    if given is not None:
        if not isinstance(given, Mapping):
            raise ConfigError(
                Problem(
                    "invalid",
                    "BACKBLAZE_CONFIG",
                    f"found {type(given).__name__}, expected a dict or a BackblazeConfig.",
                    "Mend the setting.",
                    "settings.BACKBLAZE_CONFIG",
                )
            )
        found.append(_from_settings(_plain(given)))
    found += _named(settings, "BACKBLAZE_ENV_FILE", sources.dotenv)
    found += _named(settings, "BACKBLAZE_SECRETS_DIR", sources.secrets)
    variables = sources.environment()
    if variables.values:
        found.append(variables)
    return found


def misspelt_secrets(settings: object) -> list[tuple[str, str]]:
    """Files of the secrets directory whose names are almost those of values, and the names that are meant.

    Args:
        settings: Django's settings object.
    """
    directory = os.environ.get("BACKBLAZE_SECRETS_DIR") or getattr(settings, "BACKBLAZE_SECRETS_DIR", None)
    return [*sources.misspelt_secrets(str(directory))] if directory else []


def seed_warnings(settings: object) -> tuple[Problem, ...]:
    """What is different from now on for a site whose `BACKBLAZE_CONFIG` is that of django-backblaze-b2."""
    given = getattr(settings, "BACKBLAZE_CONFIG", None)
    if not isinstance(given, Mapping) or seed_options.shape(given) != "seed":
        return ()
    return seed.translate(given).warnings


def _from_settings(values: dict[str, Any]) -> Layer:
    """The dict as a layer; one that django-backblaze-b2 took, in our words."""
    name = "BACKBLAZE_CONFIG"
    match seed_options.shape(values):
        case "ours":
            return Layer(name, values, "settings")
        case "seed":
            return seed.layer(name, values)
        case "mixed":
            theirs, ours = seed_options.apart(values)
            raise ConfigError(
                Problem(
                    "mixed",
                    name,
                    f"found '{theirs}', a key of django-backblaze-b2, beside '{ours}', one of b2router; expected one "
                    "kind of configuration.",
                    "Print the former in the words of b2router, by b2router import-seed, and keep one of them.",
                    f"settings.{name}",
                )
            )


def _named(settings: object, name: str, read: Callable[[str], Layer]) -> list[Layer]:
    """The layer that a variable or a setting names, if one does."""
    variable, setting = os.environ.get(name), getattr(settings, name, None)
    if not variable and not setting:
        return []
    try:
        return [read(str(variable or setting))]
    except ConfigError as error:
        place = f"environment variable {name}" if variable else f"settings.{name}"
        raise ConfigError(*(replace(problem, layer=place) for problem in error.problems)) from None


def _plain(value: Any) -> Any:
    """Models inside the settings dict as dicts of what was set, so that upper layers merge instead of replacing."""
    if isinstance(value, BaseModel):
        set_ = value.model_fields_set
        fields = type(value).model_fields
        return {(f.alias or name): _plain(getattr(value, name)) for name, f in fields.items() if name in set_}
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
