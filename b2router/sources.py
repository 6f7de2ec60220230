"""Reads what the layers hold: deployment file, .env, secrets directory, environment variables. Called by `settings`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path as FilePath

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    JsonConfigSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from b2router import documents, secret_files
from b2router.config import BackblazeConfig, BucketProfile
from b2router.documents import Document, Unparsable
from b2router.errors import ConfigError, Problem
from b2router.layers import ENVIRONMENT_PREFIX, NESTING, Layer, Path

__all__ = ["PLACES", "dotenv", "environment", "file", "misspelt_secrets", "secrets", "unknown_variables"]

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
        env_parse_none_str="null",
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
    try:
        values = reader(_Shape, _existing(name))()
        if not values and not isinstance(_document(name).values, dict | None):
            raise ConfigError(_unreadable(name, "found a list or a single value, expected an object with 'profiles'."))
        if repeated := list(_repeated(name)):
            raise ConfigError(*repeated)
        return Layer(name, values, "file", line=_lines(name))
    except ImportError:
        raise ConfigError(_unreadable(name, "needs PyYAML: pip install 'b2router[yaml]'.")) from None
    except ConfigError:
        raise
    except Exception as error:  # every reader has its own exceptions; their texts may quote the file, secrets included
        raise ConfigError(_unparsable(name, error)) from None


def dotenv(name: str) -> Layer:
    """A `.env` file; other applications' variables in it are left alone, and those that name layers.

    Raises:
        ConfigError: it cannot be read.
    """
    found = _layer(partial(DotEnvSettingsSource, _Shape, env_file=_existing(name)), name, "dotenv")
    places = {place.removeprefix(ENVIRONMENT_PREFIX).lower() for place in PLACES}
    return replace(found, values={key: value for key, value in found.values.items() if key not in places})


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
            stem = first.removesuffix("_FILE")  # as other programs name the file of a secret
            near = [stem] if stem in known else get_close_matches(first, known, n=1)
            yield variable, (ENVIRONMENT_PREFIX + near[0] + nested + rest) if near else None


def misspelt_secrets(directory: str) -> Iterator[tuple[str, str]]:
    """Files of a secrets directory that hold nothing for b2router, but are called almost as if they did.

    Yields:
        The file and the nearest right name.
    """
    return secret_files.misspelt(FilePath(directory), _Shape.model_fields)


def _secrets_source(directory: FilePath) -> EnvSettingsSource:
    source = EnvSettingsSource(_Shape, env_prefix="")
    source.env_vars = dict(secret_files.texts(directory, _Shape.model_fields))
    return source


def _environment_source() -> EnvSettingsSource:
    source = EnvSettingsSource(_Shape)
    source.env_vars = dict(sorted(source.env_vars.items()))  # JSON for a whole profile first, then its single values
    return source


def _existing(name: str) -> FilePath:
    path = FilePath(name)
    if not path.exists():
        raise ConfigError(_unreadable(name, "does not exist."))
    return path


def _unreadable(name: str, what: str, hint: str = "Mend it, or the setting or variable that names it.") -> Problem:
    return Problem("layer", name, what, hint)


def _unparsable(name: str, error: Exception) -> Problem:
    """What is wrong with the text of a file, and where; without a value that stands there."""
    try:
        _document(name)
    except Unparsable as found:
        place = ":".join([name, *map(str, found.position or ())])
        return _unreadable(place, f"{found}.", "Mend the file.")
    except UnicodeError:
        return _unreadable(name, "is not text in UTF-8.", "Mend the file.")
    except OSError:
        pass
    return _unreadable(name, f"cannot be read ({type(error).__name__}).")


def _repeated(name: str) -> Iterator[Problem]:
    """Keys that stand twice: readers of YAML and JSON drop all but the last, be it a permission. TOML has none."""
    if documents.form_of(name) == "toml":
        return
    for path, position in _document(name).repeated:
        found = documents.twice(path)
        yield replace(found, where=f"{name}:{position.line}:{position.column}, {found.where}")


def _document(name: str) -> Document:
    return documents.read(FilePath(name).read_text("utf-8"), documents.form_of(name) or "json")


def _lines(name: str) -> Callable[[Path], int | None]:
    """Finds lines in a file, which is read once more when somebody asks, and only then."""

    @cache
    def document() -> Document | None:
        try:
            return _document(name)
        except (Unparsable, OSError, UnicodeError):
            return None

    def line(path: Path) -> int | None:
        found = document()
        position = found.position(path, key=True) if found is not None else None
        return None if position is None else position.line

    return line


def _layer(make: Callable[[], EnvSettingsSource], name: str, kind: str) -> Layer:
    """What a source of variables holds: the environment, a `.env` file, a secrets directory."""
    empty = Layer(name, {}, kind)
    try:
        source = make()
        empty = replace(empty, names=_names(source, name, kind))
        return replace(empty, values=source())
    except SettingsError as error:
        field = re.search(r'"(\w+)"', str(error))
        places = [empty.locate(path) for path in _not_json(source, field[1])] if field else []
        what = "expected JSON, because the value is a list or an object."
        raise ConfigError(_unreadable(", ".join(places) or name, what, "Mend its text.")) from None
    except ConfigError:
        raise
    except NotADirectoryError:
        what = "cannot be read: expected a directory, with a small file for each value."
        raise ConfigError(_unreadable(name, what)) from None
    except Exception as error:  # every reader has its own exceptions, whose texts may quote secrets
        raise ConfigError(_unreadable(name, f"cannot be read ({type(error).__name__}).")) from None


def _names(source: EnvSettingsSource, name: str, kind: str) -> Collection[str]:
    match kind:
        case "environment":
            return [variable for variable in os.environ if variable.upper().startswith(ENVIRONMENT_PREFIX)]
        case "dotenv":
            return [variable.upper() for variable in source.env_vars]
        case _:
            return secret_files.names(FilePath(name), _Shape.model_fields)


def _not_json(source: EnvSettingsSource, field: str) -> Iterator[Path]:
    """The paths of variables that should be JSON and are not."""
    for variable, text in source.env_vars.items():
        path = tuple(variable.removeprefix(source.env_prefix.lower()).split(NESTING))
        if path[0] == field and (len(path) == 1 or str(text).lstrip()[:1] in ("{", "[")):
            try:
                json.loads(str(text))
            except ValueError:
                yield path
