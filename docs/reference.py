"""What docs/reference.md says, from the published schema, so from the models. Called by `generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from b2router import schema

PAGE = Path(__file__).with_name("reference.md")

HEAD = """\
# Settings reference

Every key of a configuration, made from the models by `python3 noxfile.py schema`. What they are for is told in
[Configuration](configuration.md). Each value can come from an environment variable too: its path in upper case, with
`__` between the parts, as in `BACKBLAZE_PROFILES__STAFF__DELIVERY__EXPIRES_IN_S=60`.

Whole numbers, numbers and truth values may be written as text, as environment variables have them; the JSON Schema
wants them as they are.
"""

RULES = """
## Rules that the schema does not state

`b2router validate` knows them, and so do `manage.py check` and the site itself; an editor that has only
[the JSON Schema](configuration.md#editors) does not. The code is that of `b2router validate --format json`.

The other way round, the schema is stricter in two ways. It also judges what is never in force: a value of `defaults`
that every profile replaces by one of its own, or one that the environment replaces. And it takes no text for a number
or a truth value, such as `"5"` or `"yes"`, which are read as what they mean, because variables hold nothing else.

| code | rule |
|---|---|
"""

SECTIONS = {
    "At the top": None,
    "`profiles.NAME`": "BucketProfile",
    "`profiles.NAME.delivery`": "Delivery",
    "`profiles.NAME.delivery.signing`": "CdnSigning",
    "`accounts.NAME`": "Account",
    "`account_info`": "account_info",
    "`limits`": "Limits",
}
"""Heading → definition of the schema, or key at the top that is one of several objects."""


def page() -> str:
    """The whole page."""
    built = schema.build()
    parts = [HEAD]
    for heading, name in SECTIONS.items():
        part = built if name is None else built["$defs"].get(name) or built["properties"][name]
        parts.append(f"\n## {heading}\n\n{_sentence(part)}\n")
        members = [built["$defs"][one["$ref"].rpartition("/")[2]] for one in part.get("oneOf", [])]
        if not members:
            parts.append(_table(part))
        for member in members:
            ((tag, chosen),) = ((key, one) for key, one in member["properties"].items() if "const" in one)
            default = ", the default" if chosen.get("default") else ""
            parts.append(f"\n### `{tag}: {chosen['const']}`{default}\n\n{_sentence(member)}\n")
            parts.append(_table(member, without=tag))
    rules = "".join(f"| `{code}` | {rule} |\n" for code, rule in schema.BEYOND.items())
    return "".join([*parts, RULES, rules])


def _sentence(part: dict[str, Any]) -> str:
    return str(part["description"])


def _table(part: dict[str, Any], without: str = "") -> str:
    rows = [
        f"| `{key}` | {_values(one)} | {_default(one, key in part.get('required', []))} | {_cell(_meaning(one))} |\n"
        for key, one in part["properties"].items()
        if key not in (without, "$schema")
    ]
    return "".join(["\n| key | values | default | meaning |\n|---|---|---|---|\n", *rows]) if rows else ""


def _meaning(one: dict[str, Any]) -> str:
    return str(one.get("description", ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _default(one: dict[str, Any], is_needed: bool) -> str:
    if "default" not in one or (isinstance(one["default"], dict) and len(one["default"]) > 3):
        return "needed" if is_needed else ""
    return "" if one["default"] in (None, "") else f"`{json.dumps(one['default']).strip(chr(34))}`"


def _values(one: dict[str, Any]) -> str:
    if "enum" in one:
        return ", ".join(f"`{choice}`" for choice in one["enum"])
    if choices := one.get("anyOf") or one.get("oneOf"):
        words = [word for part in choices if part.get("type") != "null" for word in _values(part).split(", ")]
        return ", ".join(dict.fromkeys(words))
    if "$ref" in one or "if" in one:
        return "object"
    kind = one.get("type")
    if kind in ("integer", "number"):
        low = one.get("minimum", f"above {one.get('exclusiveMinimum', '')}")
        bounds = f", {low} to {one['maximum']}" if "maximum" in one else f", from {low}"
        return f"{'whole number' if kind == 'integer' else 'number'}{bounds}"
    names = {"string": "text", "boolean": "`true`, `false`", "array": "list", "object": "object"}
    return names.get(kind if isinstance(kind, str) else "string", "text")
