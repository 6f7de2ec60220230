"""What is expected in the place of a wrong value, in words; pure. Called by `problems`.

Pydantic's own texts speak of tuples, patterns and items after validation, to somebody who wrote TOML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["KINDS", "NAME", "expectation"]

NAME = "expected a name of lower-case letters, digits and single underscores, such as 'logged_in'"

KINDS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected an object",
    "finite_number": "expected a number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "model_attributes_type": "expected an object",
    "model_type": "expected an object",
    "string_type": "expected text",
    "tuple_type": "expected a list",
}
"""Kinds of errors about the kind of a value: what was found then says as much as the value itself."""

_BOUNDS = {
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected at least {min_length} characters",
    "too_long": "expected at most {max_length} of them",
    "too_short": "expected at least {min_length} of them",
}

_EXAMPLES = {
    "account_info": "{'kind': 'cache'}",
    "delivery": "{'mode': 'redirect'}",
    "encryption": "{'mode': 'sse_b2'}",
    "profiles": "{'staff': {'bucket': 'acme-staff'}}",
    "retention": "{'mode': 'governance', 'days': 30}",
}
"""Last key of a path → an object that can stand there."""

_FORMS = {
    "bucket": "expected letters, digits and '-', and no '-' at the beginning",
    "file_info_from": "expected the dotted path of a callable, such as 'library.uploads.file_info'",
    "frames": "expected 'same-origin', 'deny', 'any' or a list of origins",
    "key": "expected the dotted path of a callable, such as 'library.secrets.file_key'",
    "owner": "expected 'app_label.Model.field', the model field that holds the file's name",
}
"""Last key of a path → how its value is written."""


def expectation(kind: str, key: str, context: Mapping[str, Any], message: str) -> str:
    """What is expected, without a full stop.

    Args:
        kind: of pydantic's error.
        key: the last of the value's path.
        context: of pydantic's error: its bounds.
        message: pydantic's, for kinds that have no words here; those of our own validators are good as they are.
    """
    if kind == "string_pattern_mismatch" or (kind == "literal_error" and key in _FORMS):
        return _FORMS.get(key, NAME)
    if kind == "too_short" and context.get("field_type") == "Value":  # a secret; how long it is, is nobody's business
        kind = "string_too_short"
    if kind in _BOUNDS:
        text = _BOUNDS[kind].format(**{name: _bound(bound) for name, bound in context.items()})
        return _ONE.get(text, text)
    if (text := KINDS.get(kind, "")) == "expected an object" and key in _EXAMPLES:
        return f"{text}, such as {_EXAMPLES[key]}"
    return text or f"{message[0].lower()}{message[1:]}".removesuffix(".")


def _bound(bound: Any) -> Any:
    """The bound of a number as people write it: 0, not 0.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


_ONE = {
    "expected at least 1 characters": "expected some text, found none",
    "expected at least 1 of them": "expected at least one",
}
