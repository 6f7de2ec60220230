"""Typed reading of an operation's JSON fields; every wrong type is a 400; used by all operations."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from b2router.emulator.answers import Refusal, bad_request, out_of_range

MAX_JSON_BYTES = 4 * 1024 * 1024


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


class Fields:
    """The fields of one call, from a JSON body or from a query string."""

    def __init__(self, values: dict[str, Any], *, as_text: bool = False) -> None:
        self._values = values
        self._as_text = as_text  # a query string carries numbers as text

    @classmethod
    def parse(cls, body: bytes) -> Fields:
        """Read a JSON object.

        Raises:
            Refusal: 400 bad_json, not a JSON object.
        """
        try:
            values = json.loads(body.decode("utf-8"), parse_constant=_no_constant) if body else {}
        except (ValueError, RecursionError):
            raise Refusal(400, "bad_json", "The request body is not valid JSON") from None
        if not isinstance(values, dict):
            raise Refusal(400, "bad_json", "The request body is not a JSON object")
        return cls(values)

    def has(self, name: str) -> bool:
        """True if the field is present and not null."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """Return a required text field."""
        value = self.optional_text(name)
        if value is None:
            raise bad_request(f"required field {name} is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text field, or None when absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise bad_request(f"field {name} must be a string")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise bad_request(f"field {name} is not valid Unicode") from None
        return value

    def integer(self, name: str, default: int | None, low: int, high: int) -> int:
        """Return a number between low and high, both inclusive.

        Raises:
            Refusal: 400, missing without a default, not a number, or out_of_range.
        """
        value = self._values.get(name)
        if value is None:
            if default is None:
                raise bad_request(f"required field {name} is missing")
            return default
        if self._as_text and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_request(f"field {name} must be an integer")
        if not low <= value <= high:
            raise out_of_range(f"{name} must be between {low} and {high}")
        return value

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """Return a number between low and high, or None when absent or null."""
        return self.integer(name, None, low, high) if self.has(name) else None

    def flag(self, name: str, default: bool | None = False) -> bool | None:
        """Return a boolean field."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise bad_request(f"field {name} must be a boolean")
        return value

    def texts(self, name: str) -> list[str] | None:
        """Return a list of texts, or None when absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if self._as_text and isinstance(value, str):
            return value.split(",")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise bad_request(f"field {name} must be a list of strings")
        return value

    def mapping(self, name: str) -> Fields | None:
        """Return a nested object, or None when absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise bad_request(f"field {name} must be an object")
        return Fields(value)

    def mappings(self, name: str) -> list[Fields] | None:
        """Return a list of objects, or None when absent or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise bad_request(f"field {name} must be a list of objects")
        return [Fields(item) for item in value]

    def text_mapping(self, name: str) -> dict[str, str] | None:
        """Return an object whose values are all texts, or None when absent or null."""
        inner = self.mapping(name)
        if inner is None:
            return None
        result = {}
        for key in inner.names():
            value = inner.text(key)
            try:
                key.encode("utf-8")
            except UnicodeEncodeError:
                raise bad_request(f"a key of {name} is not valid Unicode") from None
            result[key] = value
        return result

    def names(self) -> list[str]:
        """Return the names of all fields given."""
        return list(self._values)
