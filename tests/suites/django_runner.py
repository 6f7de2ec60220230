"""The test runner of `django_settings`: what `django_exceptions.toml` lists has to fail, everything else to pass."""

from __future__ import annotations

import tomllib
import unittest
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import django
from django.test.runner import DiscoverRunner
from packaging.specifiers import SpecifierSet

EXCEPTIONS = Path(__file__).with_name("django_exceptions.toml")


def listed() -> list[str]:
    """The exceptions of the installed Django."""
    groups = tomllib.loads(EXCEPTIONS.read_text())["exceptions"]
    return [
        pattern
        for group in groups
        if SpecifierSet(group.get("django", "")).contains(django.__version__)
        for pattern in group["tests"]
    ]


class Runner(DiscoverRunner):
    """Django's own, with exceptions."""

    def build_suite(self, *args: Any, **options: Any) -> Any:
        suite = super().build_suite(*args, **options)
        tests = {test.id(): test for test in _flat(suite)}
        for pattern in listed():
            found = [name for name in tests if fnmatchcase(name, pattern)]
            if not found:
                raise LookupError(f"{EXCEPTIONS.name} lists {pattern}, and there is no such test.")
            for name in found:
                tests[name].__unittest_expecting_failure__ = True
        return suite


def _flat(suite: unittest.TestSuite) -> Iterator[Any]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test
