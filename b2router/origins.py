"""Every value of the configuration in force, where each was written, and what it would be without; pure. Asked by
`router` for `manage.py b2router explain`.

What is no default was written in some layer. On its way into a profile it may have passed an environment, `defaults`
and `extends`; its path in the layer tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from b2router.config import AllOf, AnyOf, BackblazeConfig, Not
from b2router.environments import ENVIRONMENT, ENVIRONMENTS
from b2router.inheritance import DEFAULTS
from b2router.layers import Path, Written

__all__ = ["HIDDEN", "Value", "values"]

HIDDEN = str(SecretStr("any"))
"""What stands in the place of a secret: the same for all, whatever their length."""

_WHOLE = (AllOf, AnyOf, Not)
"""Models that are one value: nobody overrides a part of a permission."""

_MIN_SECRET = 8
"""Shorter texts are stand-ins, such as "x": looking for them in other values would hide what is no secret."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value in force.

    Attributes:
        path: where it is in the configuration, such as ("profiles", "staff", "bucket").
        value: as the configuration has it, in plain types; `HIDDEN` for a secret that is there.
        default: what it would be if nothing was written; None also when it has to be written.
        is_secret: whether it is one.
        layer: kind of the layer that it was written in, as in `Layer.kind`; "default" when it was not.
        place: where it was written, in the words of whoever wants to change it; empty for a default.
        line: of the file, from 1; None when it is no file, or not known.
        by: how it came from there: "environment NAME", "defaults", "extends NAME".
    """

    path: Path
    value: Any
    default: Any
    is_secret: bool
    layer: str
    place: str
    line: int | None
    by: tuple[str, ...]


def values(config: BackblazeConfig, root: Written, environment: Written | None) -> list[Value]:
    """Every value in force; those of profiles last.

    Args:
        config: the configuration.
        root: what it was made of, with complete profiles.
        environment: what chose the environment, if one was chosen.
    """
    secrets = tuple(_secrets(config))
    found = [_value((ENVIRONMENT,), environment.value if environment else None, None, False, environment)]
    for path, value, default, is_secret in _leaves(config, (), None):
        plain = _plain(value)
        hidden = is_secret or any(secret in repr(plain) for secret in secrets)
        shown = HIDDEN if hidden and value is not None else plain
        found.append(_value(path, shown, _plain(default), hidden, root.at(path)))
    return sorted(found, key=lambda value: value.path[0] == "profiles")


def _value(path: Path, shown: Any, default: Any, is_secret: bool, source: Written | None) -> Value:
    if source is None:
        return Value(path, shown, default, is_secret, "default", "", None, ())
    layer = source.layer
    return Value(
        path, shown, default, is_secret, layer.kind, source.place, layer.line(source.path), _by(path, source.path)
    )


def _by(path: Path, written: Path) -> tuple[str, ...]:
    """What a value passed between its layer and its place in force."""
    by = []
    if written[:1] == (ENVIRONMENTS,):
        by.append(f"environment {written[1]}")
        written = written[2:]
    if written[:1] == (DEFAULTS,):
        by.append(DEFAULTS)
    elif path[:1] == written[:1] == ("profiles",) and path[1] != written[1]:
        by.append(f"extends {written[1]}")
    return tuple(by)


_Leaf = tuple[Path, Any, Any, bool]


def _leaves(model: BaseModel, path: Path, usual: Any) -> Iterator[_Leaf]:
    """What a model is made of, down to values of which no part has a place of its own.

    Args:
        model: to take apart.
        path: where it is.
        usual: what would be in its place by default.
    """
    for name, field in type(model).model_fields.items():
        default = getattr(usual, name, _default(field))
        yield from _below(getattr(model, name), (*path, field.alias or name), default, _is_secret(field))


def _below(value: Any, path: Path, default: Any, is_secret: bool) -> Iterator[_Leaf]:
    if isinstance(value, BaseModel) and not isinstance(value, _WHOLE):
        yield from _leaves(value, path, default)
    elif isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _below(part, (*path, key), None, is_secret)
    else:
        yield path, value, default, is_secret


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True, validated_data={})
    return None if default is PydanticUndefined else default


def _is_secret(field: FieldInfo) -> bool:
    """Whether it is declared as one: by its type, or by being left out of `repr`."""
    return not field.repr or SecretStr in (field.annotation, *get_args(field.annotation))


def _secrets(config: BackblazeConfig) -> Iterator[str]:
    for _, value, _, is_secret in _leaves(config, (), None):
        text = value.get_secret_value() if isinstance(value, SecretStr) else value if is_secret else None
        if text is not None and len(text) >= _MIN_SECRET:
            yield text


def _plain(value: Any) -> Any:
    """As it would be written; of rules, only what they say."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
