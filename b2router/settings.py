"""Where values come from: deployment file, Django settings, .env, secrets directory, environment; merged once, here.

Called by `router` on first use and by `checks`. Each layer is a named dict; a later one wins, value by value. An
error says which layer the value came from, and never shows a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
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

from b2router.config import BackblazeConfig
from b2router.errors import ConfigError, Problem

__all__ = ["ENVIRONMENT_PREFIX", "SETTINGS", "Layer", "build", "layers", "load", "unknown_variables"]

ENVIRONMENT_PREFIX = "BACKBLAZE_"
NESTING = "__"

SETTINGS = ("BACKBLAZE_CONFIG", "BACKBLAZE_CONFIG_FILE", "BACKBLAZE_ENV_FILE", "BACKBLAZE_SECRETS_DIR")
"""The Django settings that b2router reads. All but the first may be environment variables instead."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place.

    Attributes:
        name: what to call the place, such as "settings.BACKBLAZE_CONFIG".
        values: nested dicts, as that place gave them.
        kind: "file", "settings", "dotenv", "secrets" or "environment".
    """

    name: str
    values: Mapping[str, Any]
    kind: str

    def locate(self, path: Path) -> str:
        """Where in this layer a value stands, in the words of whoever has to mend it."""
        if self.kind == "environment":
            return f"environment variable {_variable(path, os.environ)}"
        if self.kind == "dotenv":
            return f"{self.name}, variable {(ENVIRONMENT_PREFIX + NESTING.join(path)).upper()}"
        if self.kind == "secrets":
            return f"secrets directory {self.name}, file {NESTING.join(path)}"
        keys = "".join(f"[{part!r}]" for part in path)
        return f"{self.name}{keys}" if self.kind == "settings" else f"file {self.name}, {'.'.join(path)}"


class _Shape(BackblazeConfig, BaseSettings):
    """Tells the sources which fields exist; never instantiated."""

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
        found.append(_file_layer(FilePath(name)))
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
        dotenv = _source_layer(partial(DotEnvSettingsSource, _Shape, env_file=_existing(name)), name, "dotenv")
        places = {setting.removeprefix(ENVIRONMENT_PREFIX).lower() for setting in SETTINGS[1:]}
        found.append(Layer(name, {k: v for k, v in dotenv.values.items() if k not in places}, "dotenv"))
    if name := _place(settings, "BACKBLAZE_SECRETS_DIR"):
        found.append(_source_layer(partial(_secrets_source, _existing(name)), name, "secrets"))
    environment = _source_layer(_environment_source, "environment", "environment")
    if environment.values:
        found.append(environment)
    return found


def build(stack: Iterable[Layer]) -> BackblazeConfig:
    """Merge layers, lowest first, and validate the whole.

    Raises:
        ConfigError: with every problem that was found, each with its layer.
    """
    values: dict[str, Any] = {}
    origin: dict[Path, Layer] = {}
    for layer in stack:
        values = _merge(values, layer.values, layer, origin)
    if not values:
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
    try:
        return BackblazeConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_problems(error, values, origin)) from None


def unknown_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Environment variables that begin with BACKBLAZE_ but mean nothing here.

    Yields:
        The variable and the nearest known one, if any is near.
    """
    known = [field.upper() for field in BackblazeConfig.model_fields]
    for variable in sorted(environ):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or variable in SETTINGS[1:]:
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


def _place(settings: object, name: str) -> str | None:
    value = os.environ.get(name) or getattr(settings, name, None)
    return str(value) if value else None


def _existing(name: str) -> FilePath:
    path = FilePath(name)
    if not path.exists():
        raise ConfigError(_unreadable(name, "does not exist."))
    return path


def _unreadable(name: str, what: str) -> Problem:
    return Problem("layer", name, what, "Mend it, or the setting or variable that names it.")


def _file_layer(path: FilePath) -> Layer:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(_unreadable(str(path), f"expected a file that ends with one of {', '.join(_READERS)}."))
    layer = _source_layer(lambda: reader(_Shape, _existing(str(path))), str(path), "file")
    return Layer(layer.name, {key: value for key, value in layer.values.items() if key != "$schema"}, "file")


def _source_layer(make: Callable[[], PydanticBaseSettingsSource], name: str, kind: str) -> Layer:
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


def _plain(value: Any) -> Any:
    """Models inside the settings dict as dicts of what was set, so that upper layers merge instead of replacing."""
    if isinstance(value, BaseModel):
        set_ = value.model_fields_set
        fields = type(value).model_fields
        return {(f.alias or name): _plain(getattr(value, name)) for name, f in fields.items() if name in set_}
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _merge(
    low: Mapping[str, Any], high: Mapping[str, Any], layer: Layer, origin: dict[Path, Layer], path: Path = ()
) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        here = (*path, key)
        below = merged.get(key)
        origin[here] = layer
        if isinstance(value, Mapping):
            lower = below if isinstance(below, Mapping) and not _replaces(here, below, value) else {}
            merged[key] = _merge(lower, value, layer, origin, here)
        else:
            merged[key] = value
    return merged


def _replaces(path: Path, low: Mapping[str, Any], high: Mapping[str, Any]) -> bool:
    """Whether a value is one whole: a permission always, a delivery or account_info when its kind changes."""
    if path == ("account_info",):
        return "kind" in high and high["kind"] != low.get("kind", "cache")
    if len(path) != 3 or path[0] != "profiles":
        return False
    other_mode = "mode" in high and high["mode"] != low.get("mode", "proxy")
    return path[2] == "permission" or (path[2] == "delivery" and other_mode)


def _problems(error: ValidationError, values: dict[str, Any], origin: Mapping[Path, Layer]) -> list[Problem]:
    problems = []
    for detail in error.errors(include_input=False, include_url=False):
        kind, loc, context = detail["type"], detail["loc"], detail.get("ctx", {})
        path = _path_in(values, loc, missing=kind == "missing")
        layer = next((origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin), None)
        place = layer.locate(path) if layer else ""
        if kind == "missing":
            hint = f"Add it, for example as {place}." if place else "Add it."
            problems.append(Problem(kind, ".".join(path), "found nothing, expected a value.", hint))
            continue
        code, hint = kind, "Change it there."
        if kind == "extra_forbidden":
            known = _known_keys(path[:-1])
            near = get_close_matches(path[-1], known, n=1)
            message = (
                f"unknown key; did you mean '{near[0]}'?" if near else f"unknown key; known are {', '.join(known)}."
            )
            code, hint = "unknown_key", "Correct or remove it there."
        elif kind == "union_tag_invalid":
            expected = context["expected_tags"]
            message = f"found {context['tag']!r} as its {context['discriminator']}; expected one of {expected}."
        elif loc[-1:] == ("[key]",):
            message = "expected a name of lower-case letters, digits and single underscores, such as 'logged_in'."
        else:
            message = f"{_shown(path, values)}{detail['msg'][0].lower()}{detail['msg'][1:]}."
        problems.append(Problem(code, ".".join(path), message, hint, place))
    deepest = {problem.where for problem in problems}
    return [
        problem
        for problem in problems  # a list whose items are wrong also counts as too short: say only what is wrong inside
        if problem.code != "too_short" or not any(where.startswith(problem.where + ".") for where in deepest)
    ]


def _path_in(values: Any, loc: tuple[int | str, ...], *, missing: bool) -> Path:
    """The path of an error in the user's own values: without the union tags that pydantic puts in between."""
    path: list[str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(values, (list, tuple)) and isinstance(part, int):
            values = values[part] if part < len(values) else None
        elif part == "[key]" or not (last and missing):
            continue
        path.append(str(part))
    return tuple(path)


_SHOWN = frozenset({"bucket", "cache", "frames", "location", "max_age_s", "on_denied", "owner", "permission", "route"})
"""Keys of a profile whose values an error may show. Others may hold a secret that was put into the wrong place."""


def _shown(path: Path, values: Any) -> str:
    """ "found 'x'; ", when x is short plain text that is no secret."""
    secrets = set(_secrets(values))
    for part in path:
        values = values[int(part)] if isinstance(values, (list, tuple)) else values.get(part)
    text = repr(values)
    harmless = len(path) > 2 and path[0] == "profiles" and path[2] in _SHOWN
    if not harmless or not isinstance(values, (str, int)) or len(text) > 80 or any(s in text for s in secrets):
        return ""
    return f"found {text}; "


def _secrets(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key in ("application_key", "secret"):
                yield value.get_secret_value() if isinstance(value, SecretStr) else str(value) or "\0"
            yield from _secrets(value)


def _known_keys(path: Path) -> list[str]:
    """The keys that the model at this path has."""
    models: list[Any] = [BackblazeConfig]
    for part in path:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if not annotations:
            continue
        below = [argument for annotation in annotations for argument in getattr(annotation, "__args__", ())]
        models = [argument for argument in below if isinstance(argument, type) and issubclass(argument, BaseModel)]
    if len(models) == 1:
        return list(models[0].model_fields)
    return sorted({name for model in models for name in model.model_fields})


def _variable(path: Path, environ: Mapping[str, str]) -> str:
    """The environment variable that holds the value at a path; a JSON variable holds all below it."""
    names = {name.upper(): name for name in environ}
    for length in range(len(path), 0, -1):
        name = (ENVIRONMENT_PREFIX + NESTING.join(path[:length])).upper()
        if name in names:
            return names[name]
    return (ENVIRONMENT_PREFIX + NESTING.join(path)).upper()
