"""Where a site's values come from: deployment file, Django settings, .env, secrets directory, environment; read here.

Called by `router` on first use and by `checks`. Each layer is a named dict; a later one wins, value by value. An
error says which layer the value came from, and never shows a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from b2router import sources
from b2router.config import BackblazeConfig
from b2router.declaration import build
from b2router.errors import ConfigError, Problem
from b2router.layers import Layer
from b2router.sources import unknown_variables

__all__ = ["SETTINGS", "Layer", "build", "layers", "load", "unknown_variables"]

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


def layers(settings: object) -> list[Layer]:
    """The layers that are present, lowest first.

    Raises:
        ConfigError: a layer was named but cannot be read.
    """
    found = []
    if name := _place(settings, "BACKBLAZE_CONFIG_FILE"):
        found.append(sources.file(name))
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
        found.append(Layer("BACKBLAZE_CONFIG", _plain(given), "settings"))
    if name := _place(settings, "BACKBLAZE_ENV_FILE"):
        found.append(sources.dotenv(name))
    if name := _place(settings, "BACKBLAZE_SECRETS_DIR"):
        found.append(sources.secrets(name))
    environment = sources.environment()
    if environment.values:
        found.append(environment)
    return found


def _place(settings: object, name: str) -> str | None:
    value = os.environ.get(name) or getattr(settings, name, None)
    return str(value) if value else None


def _plain(value: Any) -> Any:
    """Models inside the settings dict as dicts of what was set, so that upper layers merge instead of replacing."""
    if isinstance(value, BaseModel):
        set_ = value.model_fields_set
        fields = type(value).model_fields
        return {(f.alias or name): _plain(getattr(value, name)) for name, f in fields.items() if name in set_}
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
