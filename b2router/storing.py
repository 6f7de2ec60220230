"""What B2 is told to keep with a file, beside its bytes: type, headers and information, by name; encryption, retention
and holds. Part of the configuration, carried out by `storage` and `b2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from b2router import caching
from b2router.values import Model, Whole

__all__ = [
    "KNOWN_HEADERS",
    "MAX_INFO_BYTES_LOCKED",
    "B2Encryption",
    "CustomerEncryption",
    "DottedPath",
    "Encryption",
    "FileInfo",
    "Retention",
    "StoredAs",
    "StoredRule",
    "StoredRules",
    "checked",
    "rule",
]

KNOWN_HEADERS = (
    "b2-cache-control",
    "b2-content-disposition",
    "b2-content-encoding",
    "b2-content-language",
    "b2-expires",
)
"""The keys with which B2 answers by a header of its own; all others that begin so are reserved. Source: B2
documentation, "b2_upload_file", X-Bz-Info."""

MAX_INFO_BYTES, MAX_INFO_BYTES_LOCKED = 7000, 2048
"""Of a file's name and information together; the second with encryption or file lock. Source: B2 documentation,
"Files"."""

_KEY = r"[A-Za-z0-9_.`~!#$%^&*'|+-]{1,50}"
_HEADER = "[ -~]{1,500}"
_MEDIA_TYPE = "[A-Za-z0-9_!#$&^.+-]{1,90}/[A-Za-z0-9_!#$&^.+-]{1,90}(?: *;[ -~]{0,100})?"


def checked(info: Mapping[Any, Any]) -> dict[str, str]:
    """File information that B2 takes, with keys as B2 keeps them: in lower case.

    Raises:
        ValueError: what was found, and what is expected.
    """
    found: dict[str, str] = {}
    for key, text in info.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ValueError(f"found {type(key).__name__} and {type(text).__name__}; expected texts as keys and values")
        name = key.lower()
        if not re.fullmatch(_KEY, key):
            raise ValueError(f"found the key {key[:60]!r}; expected 1 to 50 characters that an HTTP header allows")
        if name in found:
            raise ValueError(f"found the key {name!r} twice; case does not count")
        if name.startswith("b2-") and name not in KNOWN_HEADERS:
            raise ValueError(
                f"found the key {name!r}; of those that begin with 'b2-', B2 takes {_listed(KNOWN_HEADERS)}"
            )
        if name in KNOWN_HEADERS and not re.fullmatch(_HEADER, text):
            raise ValueError(f"the value of {name!r} becomes a header; expected 1 to 500 printable ASCII characters")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError(f"the value of {name!r} is not valid Unicode")
        found[name] = text
    if (size := sum(len(key.encode()) + len(text.encode()) for key, text in found.items())) > MAX_INFO_BYTES:
        raise ValueError(f"keys and values have {size} bytes together; expected at most {MAX_INFO_BYTES}")
    return found


def _file_info(value: dict[str, str]) -> dict[str, str]:
    try:
        return checked(value)
    except ValueError as error:
        raise PydanticCustomError("file_info", "{reason}", {"reason": str(error)}) from None


FileInfo = Annotated[
    dict[str, str],
    Field(max_length=50, json_schema_extra={"propertyNames": {"type": "string", "pattern": f"^{_KEY}$"}}),
    AfterValidator(_file_info),
]

DottedPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


def _header(value: str) -> str:
    if not re.fullmatch(_HEADER, value):
        raise PydanticCustomError("header", "expected 1 to 500 printable ASCII characters: it becomes a header")
    return value


def _media_type(value: str) -> str:
    if not re.fullmatch(_MEDIA_TYPE, value):
        raise PydanticCustomError("content_type", "expected a media type, such as 'text/csv; charset=utf-8'")
    return value


def _time(value: Any) -> Any:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise PydanticCustomError("expires", "expected a time with its zone, such as '2030-01-31T00:00:00Z'")
    return found


Header = Annotated[str, AfterValidator(_header), WithJsonSchema({"type": "string", "pattern": f"^{_HEADER}$"})]

MediaType = Annotated[
    str, AfterValidator(_media_type), WithJsonSchema({"type": "string", "pattern": f"^{_MEDIA_TYPE}$"})
]

Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": "string"})]


class StoredAs(Model):
    """What is said about a file when it is stored."""

    content_type: MediaType | None = None
    """The media type; without one, what the uploader declared, or what the name suggests."""
    cache_control: Header | None = None
    """Cache-Control, of answers that B2 gives by itself."""
    content_disposition: Header | None = None
    """Content-Disposition, of answers that B2 gives by itself, such as 'attachment; filename="may.pdf"'."""
    content_language: Header | None = None
    """Content-Language, such as "de"."""
    expires: Time | None = None
    """Expires, of answers that B2 gives by itself; a time with its zone."""
    file_info: FileInfo = Field(default_factory=dict)
    """Further keys and values that B2 keeps with the file."""

    def info(self) -> dict[str, str]:
        """All of it but the type, as B2's file information."""
        headers = {
            "b2-cache-control": self.cache_control,
            "b2-content-disposition": self.content_disposition,
            "b2-content-language": self.content_language,
            "b2-expires": None if self.expires is None else format_datetime(self.expires.astimezone(UTC), usegmt=True),
        }
        return {**self.file_info, **{name: text for name, text in headers.items() if text is not None}}


class StoredRule(StoredAs):
    """The same for the files with certain names."""

    match: caching.Pattern = "**"
    """Which names, as in a rule of `cache`."""


def _takes_all_of(earlier: StoredRule, later: StoredRule) -> bool:
    return caching.covers(earlier.match, later.match)


StoredRules = Annotated[tuple[StoredRule, ...], AfterValidator(caching.each_is_reached("stored_as", _takes_all_of))]
"""Rules of which the first that matches a name counts."""


def rule(rules: Iterable[StoredRule], name: str) -> StoredAs:
    """What the rule that counts for this name says; nothing, when none matches.

    Args:
        rules: of its profile.
        name: the file name, relative to the profile's location.
    """
    return next((rule for rule in rules if caching.matches(rule.match, name)), None) or StoredAs()


class B2Encryption(Model):
    """B2 encrypts files with keys of its own."""

    mode: Literal["sse_b2"]
    """SSE-B2."""


class CustomerEncryption(Model):
    """B2 encrypts files with the site's keys, which it forgets after each call. Whoever loses one has lost the file."""

    mode: Literal["sse_c"]
    """SSE-C."""
    key: DottedPath
    """Path of a callable of the site that takes the profile's and the file's name and gives 32 bytes."""


Encryption = Annotated[B2Encryption | CustomerEncryption, Field(discriminator="mode")]


class Retention(Model):
    """How long a file cannot be deleted, from its upload. The bucket needs file lock."""

    mode: Literal["governance", "compliance"]
    """"governance", which a key with that right may lift, or "compliance", which nobody can."""
    days: Whole = Field(ge=1, le=3000)
    """For so many days."""


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
