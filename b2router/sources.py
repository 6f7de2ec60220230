"""Reads what the layers hold: deployment file, .env, secrets directory, environment variables. Called by `settings`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path as FilePath

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    JsonConfigSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from b2router.config import BackblazeConfig, BucketProfile
from b2router.errors import ConfigError, Problem
from b2router.layers import ENVIRONMENT_PREFIX, NESTING, Layer

__all__ = ["PLACES", "dotenv", "environment", "file", "secrets", "unknown_variables"]

PLACES = ("BACKBLAZE_CONFIG_FILE", "BACKBLAZE_ENV_FILE", "BACKBLAZE_SECRETS_DIR")
"""Variables that name a layer instead of holding values."""


class _Profile(BucketProfile):
    """A profile as it is written, before it inherits."""

    extends: str | tuple[str, ...] | None = None


class _Shape(BackblazeConfig, BaseSettings):
    """Tells the sources which fields exist; never instantiated."""

    environment: str | None = None
    defaults: _Profile | None = None
    profiles: dict[str, _Profile]  # type: ignore[assignment]  # never instantiated

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=NESTING,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        dotenv_filtering="match_prefix",
    )


_READERS: dict[
    str, type[TomlConfigSettingsSource] | type[YamlConfigSettingsSource] | type[JsonConfigSettingsSource]
] = {
    ".toml": TomlConfigSettingsSource,
    ".yaml": YamlConfigSettingsSource,
    ".yml": YamlConfigSettingsSource,
    ".json": JsonConfigSettingsSource,
}


def file(name: str) -> Layer:
    """A deployment file.

    Raises:
        ConfigError: it cannot be read.
    """
    reader = _READERS.get(FilePath(name).suffix.lower())
    if reader is None:
        raise ConfigError(_unreadable(name, f"expected a file that ends with one of {', '.join(_READERS)}."))
    return _layer(lambda: reader(_Shape, _existing(name)), name, "file")


def dotenv(name: str) -> Layer:
    """A `.env` file; other applications' variables in it are left alone, and those that name layers.

    Raises:
        ConfigError: it cannot be read.
    """
    found = _layer(partial(DotEnvSettingsSource, _Shape, env_file=_existing(name)), name, "dotenv")
    places = {place.removeprefix(ENVIRONMENT_PREFIX).lower() for place in PLACES}
    return Layer(name, {key: value for key, value in found.values.items() if key not in places}, "dotenv")


def secrets(name: str) -> Layer:
    """A directory with a file for every value, as Docker and Kubernetes make them.

    Raises:
        ConfigError: it cannot be read.
    """
    return _layer(partial(_secrets_source, _existing(name)), name, "secrets")


def environment() -> Layer:
    """The environment variables of this process.

    Raises:
        ConfigError: one of them should be JSON and is not.
    """
    return _layer(_environment_source, "environment", "environment")


def unknown_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Environment variables that begin with BACKBLAZE_ but mean nothing here.

    Yields:
        The variable and the nearest known one, if any is near.
    """
    known = [field.upper() for field in _Shape.model_fields]
    for variable in sorted(environ):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or variable in PLACES:
            continue
        first, nested, rest = variable.upper().removeprefix(ENVIRONMENT_PREFIX).partition(NESTING)
        if first not in known:
            near = get_close_matches(first, known, n=1)
            yield variable, (ENVIRONMENT_PREFIX + near[0] + nested + rest) if near else None


def _secrets_source(directory: FilePath) -> NestedSecretsSettingsSource:
    return NestedSecretsSettingsSource(
        SecretsSettingsSource(_Shape, secrets_dir=directory),
        secrets_prefix="",
        secrets_nested_delimiter=NESTING,
        secrets_dir_missing="error",
    )


def _environment_source() -> EnvSettingsSource:
    source = EnvSettingsSource(_Shape)
    source.env_vars = dict(sorted(source.env_vars.items()))  # JSON for a whole profile first, then its single values
    return source


def _existing(name: str) -> FilePath:
    path = FilePath(name)
    if not path.exists():
        raise ConfigError(_unreadable(name, "does not exist."))
    return path


def _unreadable(name: str, what: str) -> Problem:
    return Problem("layer", name, what, "Mend it, or the setting or variable that names it.")


def _layer(make: Callable[[], PydanticBaseSettingsSource], name: str, kind: str) -> Layer:
    try:
        return Layer(name, make()(), kind)
    except SettingsError as error:
        where = re.search(r'"(\w+)"', str(error))
        names = sorted(v for v in os.environ if where and v.lower().startswith(f"backblaze_{where[1]}"))
        what = f"{', '.join(names) or 'a value'}: expected JSON for a value that is a list or an object."
        raise ConfigError(_unreadable(name, what)) from None
    except ImportError:
        raise ConfigError(_unreadable(name, "needs PyYAML: pip install 'b2router[yaml]'.")) from None
    except ConfigError:
        raise
    except Exception as error:  # every reader has its own exceptions; their texts may quote the file, secrets included
        mark = getattr(error, "problem_mark", None)  # YAML counts lines from 0
        line = mark.line + 1 if mark is not None else getattr(error, "lineno", None)
        at = re.search(r"line \d+", str(error))
        place = f" near line {line}" if isinstance(line, int) else f" near {at[0]}" if at else ""
        raise ConfigError(_unreadable(name, f"cannot be read{place} ({type(error).__name__}).")) from None
