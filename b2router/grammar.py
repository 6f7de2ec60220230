"""How a permission is written: words, `group:NAME`, `perm:app.codename`, dotted paths; `any`, `all`, `not` of these.

Part of the configuration; what a permission means is in `permissions`, and what follows from one in `isolation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from b2router.values import Model

__all__ = ["AllOf", "AnyOf", "Not", "Permission", "words"]

PERMISSION_WORDS = ("public", "authenticated", "staff", "superuser")


def _permission_word(value: str) -> str:
    kind, colon, rest = value.partition(":")
    if value in PERMISSION_WORDS or (kind == "group" and rest) or (kind == "perm" and re.fullmatch(r"\w+\.\w+", rest)):
        return value
    if not colon and re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", value):
        return value  # whether it can be imported is for the system check to say: importing here would load models
    raise PydanticCustomError(
        "permission",
        "expected public, authenticated, staff, superuser, group:NAME, perm:app.codename "
        "or the dotted path of a callable",
    )


_WORD_SCHEMA = {
    "type": "string",
    "anyOf": [
        {"enum": list(PERMISSION_WORDS)},
        {"type": "string", "pattern": r"^group:[\s\S]+$"},
        {"type": "string", "pattern": r"^perm:[^\s.:]+\.[^\s.:]+$"},
        {"type": "string", "pattern": r"^[^\s.:0-9][^\s.:]*(?:\.[^\s.:0-9][^\s.:]*)+$"},
    ],
}


class AnyOf(Model):
    """Allowed if one of these is."""

    any: tuple[Permission, ...] = Field(min_length=1)
    """Permissions of which one is enough."""


class AllOf(Model):
    """Allowed if all of these are."""

    all: tuple[Permission, ...] = Field(min_length=1)
    """Permissions that are needed together."""


class Not(Model):
    """Allowed if this is not."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    not_: Permission = Field(alias="not")
    """The permission that must not hold."""


def _permission_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    for kind, model in (("any", AnyOf), ("all", AllOf), ("not", Not)):
        if isinstance(value, model) or (isinstance(value, Mapping) and kind in value):
            return kind
    return None


Permission = Annotated[
    Annotated[str, AfterValidator(_permission_word), WithJsonSchema(_WORD_SCHEMA), Tag("word")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[Not, Tag("not")],
    Discriminator(
        _permission_kind,
        custom_error_type="permission",
        custom_error_message="expected a word such as 'staff', or {'any': [...]}, {'all': [...]}, {'not': ...}",
    ),
]
"""Who may read: a word, `group:NAME`, `perm:app.codename`, a dotted path, or `any`, `all`, `not` of these."""


def parts(permission: Permission) -> Sequence[Permission]:
    """What a combinator combines; nothing for a word."""
    match permission:
        case AnyOf():
            return permission.any
        case AllOf():
            return permission.all
        case Not():
            return (permission.not_,)
        case _:
            return ()


def words(permission: Permission | None) -> Iterator[str]:
    """The words that a permission is made of, combinators left out."""
    if isinstance(permission, str):
        yield permission
    elif permission is not None:
        for part in parts(permission):
            yield from words(part)
