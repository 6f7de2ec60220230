"""Which pages may show a file in a frame. Part of the configuration, carried out by `delivery`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Frames", "headers"]


_HOST = r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\]"
_ORIGIN = rf"https?://(?:{_HOST})(?::[0-9]{{1,5}})?"


def _origin(value: str) -> str:
    if not re.fullmatch(_ORIGIN, value):
        raise PydanticCustomError(
            "origin",
            "expected scheme and host in lower case, such as 'https://partner.example' or "
            "'https://*.partner.example', without a path",
        )
    return value


_Origin = Annotated[str, AfterValidator(_origin), WithJsonSchema({"type": "string", "pattern": f"^{_ORIGIN}$"})]


def _kind(value: Any) -> str | None:
    return "word" if isinstance(value, str) else "origins" if isinstance(value, (list, tuple)) else None


Frames = Annotated[
    Annotated[Literal["same-origin", "deny", "any"], Tag("word")]
    | Annotated[tuple[_Origin, ...], Field(min_length=1), Tag("origins")],
    Discriminator(
        _kind,
        custom_error_type="frames",
        custom_error_message="expected 'same-origin', 'deny', 'any' or a list of origins",
    ),
]
"""The site's own pages, none, all, or the site's own and those of the origins that are named."""


def headers(frames: Frames) -> dict[str, str]:
    """What tells browsers. X-Frame-Options can neither name origins nor allow all; where it is missing, Django's
    middleware would put in DENY, see `views`. Browsers that know `frame-ancestors` look at nothing else.

    Args:
        frames: of the profile.
    Returns:
        Content-Security-Policy with that one directive, and X-Frame-Options where it says the same.
    Source: Content Security Policy Level 3, 6.4.2; HTML standard, X-Frame-Options.
    """
    match frames:
        case "deny":
            return {"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
        case "same-origin":
            return {"Content-Security-Policy": "frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}
        case "any":
            return {"Content-Security-Policy": "frame-ancestors *"}
        case _:
            return {"Content-Security-Policy": " ".join(("frame-ancestors", "'self'", *frames))}
