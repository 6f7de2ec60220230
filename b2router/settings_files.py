"""Finds `BACKBLAZE_CONFIG` in a settings module: in its text, which is not run, or as Django has it. For the console
script.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from b2router.seed_options import snake

__all__ = ["Found", "in_django", "in_text"]

SETTING = "BACKBLAZE_CONFIG"
SECRETS = ("application_key_id", "application_key")


@dataclass(frozen=True, slots=True)
class Found:
    """A configuration that was found.

    Attributes:
        values: what the setting holds; for an application key that the text computes, None.
        variables: application key → the environment variable that it was taken from, where the text says so.
    """

    values: Mapping[str, Any] = field(repr=False)
    variables: dict[str, str] = field(default_factory=dict)


def in_text(source: bytes) -> Found:
    """The configuration that a settings file spells out, without running the file.

    Args:
        source: of the file.
    Raises:
        ValueError: there is none, or only running the file would tell; the text says where.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ValueError("it is not Python" + (f" (line {line})." if line else ".")) from None
    return _entries(_assigned(module))


def in_django() -> Found:
    """The configuration of the settings module that DJANGO_SETTINGS_MODULE names, by running it as the site does.

    Raises:
        ValueError: there is none, or it is no dict; or the settings cannot be loaded.
    """
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    sys.path.insert(0, str(Path.cwd()))  # as manage.py has it
    try:
        given = getattr(settings, SETTING, None)
    except (ImportError, ImproperlyConfigured) as error:
        raise ValueError(f"they cannot be loaded: {error}") from None
    except Exception as error:  # its text may hold what the settings hold
        raise ValueError(f"they cannot be loaded: {type(error).__name__}.") from None
    finally:
        sys.path.pop(0)
    if not isinstance(given, Mapping):
        raise ValueError(f"{SETTING} is {'missing' if given is None else type(given).__name__}; expected a dict.")
    return Found({str(key): value for key, value in given.items()})


def _assigned(module: ast.Module) -> ast.expr:
    """The one expression that the setting gets."""
    values = [
        statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name) and target.id == SETTING and statement.value is not None
    ]
    uses = [node for node in ast.walk(module) if isinstance(node, ast.Name) and node.id == SETTING]
    if not uses:
        raise ValueError(f"{SETTING} is not in it. If it comes from another module, name that one, or {_OTHERWISE}")
    changed = [node.lineno for node in ast.walk(module) if isinstance(node, ast.expr) and _changes(node)]
    stored = [node.lineno for node in uses if not isinstance(node.ctx, ast.Load)]
    if len(values) != 1 or len(stored) != 1 or changed:
        line = max([*changed, *stored], default=uses[0].lineno)
        raise ValueError(f"line {line}: {SETTING} is put together of several parts; {_OTHERWISE}")
    return values[0]


def _changes(node: ast.expr) -> bool:
    """Whether something of the setting is changed in place: an entry is set, or a method that is no reader called."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name == SETTING
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
            return name == SETTING and method not in ("get", "items", "keys", "values", "copy")
    return False


def _entries(value: ast.expr) -> Found:
    if not isinstance(value, ast.Dict):
        raise ValueError(f"line {value.lineno}: {SETTING} is not spelt out as a dict; {_OTHERWISE}")
    entries: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for key, part in zip(value.keys, value.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise ValueError(f"line {part.lineno}: a key of {SETTING} is not spelt out; {_OTHERWISE}")
        if snake(key.value) in SECRETS:
            entries[key.value] = part.value if isinstance(part, ast.Constant) else None
            if variable := _variable(part):
                variables[snake(key.value)] = variable
            continue
        try:
            entries[key.value] = ast.literal_eval(part)
        except (ValueError, TypeError, MemoryError, RecursionError):
            raise ValueError(f"line {part.lineno}: '{key.value}' is not spelt out; {_OTHERWISE}") from None
    return Found(entries, variables)


def _variable(value: ast.expr) -> str | None:
    """The name in `os.environ["NAME"]`, `os.getenv("NAME")`, `env("NAME")` and their like."""
    match value:
        case ast.Subscript(slice=ast.Constant(value=str(name))) | ast.Call(args=[ast.Constant(value=str(name)), *_]):
            return name if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else None
    return None


_OTHERWISE = "run the settings by --django."
