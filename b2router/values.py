"""The kinds of values that a configuration is made of: names, addresses, realms; used by its models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

__all__ = [
    "NAMED_REALMS",
    "SEGMENTS",
    "WHOLE",
    "Model",
    "Name",
    "Number",
    "Realm",
    "Truth",
    "WebAddress",
    "Whole",
    "error_at",
    "is_loopback",
    "located",
    "near",
]

NAMED_REALMS = ("production", "staging")
"""Realms that b2sdk knows by name, but for "dev", whose plain http would carry the key in clear."""


class Model(BaseModel):
    """The strictness that every model shares: frozen, no unknown keys, no values in error texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$", max_length=40)]
"""Lower case, digits, single underscores: so that `__` in an environment variable can only be a separator."""


SEGMENTS = r"(?:(?:\.?[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*/)+"
"""Pattern of URL segments that each end with "/", none of them "." or ".."; without look-around, for any engine."""


def _no_truth(kind: Literal["int_type", "float_type"]) -> BeforeValidator:
    """Python and pydantic take True for 1; the schema does not."""

    def checked(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticKnownError(kind)
        return value

    return BeforeValidator(checked)


WHOLE = _no_truth("int_type")
Whole = Annotated[int, WHOLE]
"""A whole number."""

Number = Annotated[float, _no_truth("float_type")]
"""A number."""


def _no_number(value: Any) -> Any:
    """Pydantic takes 0 and 1 for truth; the schema does not. Of text, as variables have it, there is no other."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticKnownError("bool_type")
    return value


Truth = Annotated[bool, BeforeValidator(_no_number)]
"""True or false."""


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address means this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


_OF_IRI = re.compile("[^\x00-\x7f]+")


def _escaped(found: re.Match[str]) -> str:
    return quote(found[0])


def _web_address(value: str) -> str:
    """An absolute http(s) address without credentials, query or fragment, ending with a slash; in ASCII, as it travels.

    Source: RFC 3987, 3.1, of an IRI the URI.
    """
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and not re.search(r"[\x00-\x20\x7f\s\\<>\"@?#]", value)
        if usable and not value.isascii():
            host = parts.netloc.encode("idna").decode("ascii")
            value = f"{parts.scheme}://{host}{_OF_IRI.sub(_escaped, parts.path)}"
    except ValueError:
        usable = False
    if not usable:
        raise PydanticCustomError(
            "web_address", "expected an absolute address such as 'https://cdn.example.com/', without query or login"
        )
    return value if value.endswith("/") else value + "/"


_AUTHORITY = r"""([^\s\\<>"@?#/:\[\]]+|\[[^\s\\<>"@?#/\[\]]+\])(:[0-9]*)?"""
WEB_ADDRESS_PATTERN = rf"""^[Hh][Tt][Tt][Pp][Ss]?://{_AUTHORITY}(/[^\s\\<>"@?#]*)?$"""
"""What a schema can say of a web address; ports and the insides of hosts are looked at by the validator."""

WebAddress = Annotated[
    str, AfterValidator(_web_address), WithJsonSchema({"type": "string", "pattern": WEB_ADDRESS_PATTERN})
]


def _realm(value: str) -> str:
    if value in NAMED_REALMS:
        return value
    try:
        address = _web_address(value).rstrip("/")
    except PydanticCustomError:
        raise PydanticCustomError("realm", "expected 'production' or the https address of another B2") from None
    if urlsplit(address).scheme != "https" and not is_loopback(urlsplit(address).hostname):
        raise PydanticCustomError("realm", "expected https: plain http carries the key in clear, so only loopback may")
    return address


Realm = Annotated[
    str,
    AfterValidator(_realm),
    WithJsonSchema(
        {"type": "string", "anyOf": [{"enum": list(NAMED_REALMS)}, {"type": "string", "pattern": WEB_ADDRESS_PATTERN}]}
    ),
]


def near(found: str, names: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" when one of the names is nearly what was found, else nothing."""
    nearest = get_close_matches(found, list(names), n=1)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def error_at(code: str, loc: tuple[str | int, ...], text: str) -> InitErrorDetails:
    """One error at a place below the model that finds it, for `ValidationError.from_exception_data`."""
    return InitErrorDetails(type=PydanticCustomError(code, "{text}", {"text": text}), loc=loc, input=None)


def located(code: str, loc: tuple[str, ...], text: str) -> ValidationError:
    """A validation error at a place below the model that raises it."""
    return ValidationError.from_exception_data("", [error_at(code, loc, text)], hide_input=True)
