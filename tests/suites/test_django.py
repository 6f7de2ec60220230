"""Django's own tests of storages, file fields, uploads and forms, with files in B2 instead of on the disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import django

from tests.suites.conftest import Run

LABELS = [
    "file_storage",
    "file_uploads",
    "files",
    "forms_tests",
    "model_fields.test_filefield",
    "model_fields.test_imagefield",
    "model_forms",
    "admin_widgets",
]


def test_djangos_own_tests_pass(sources: dict[str, Path], run: Run, say: Callable[[str], None]) -> None:
    """But for those that are listed in `django_exceptions.toml`, each of which has to fail."""
    settings = "--settings=tests.suites.django_settings"
    output = run("-W", "ignore", "runtests.py", settings, "--parallel=1", *LABELS, cwd=sources["django"] / "tests")
    found = re.search(r"^Ran (\d+) tests.*?^OK \((.*?)\)$", output, re.MULTILINE | re.DOTALL)
    assert found, output[-3000:]
    assert int(found[1]) > 1500
    say(f"Django {django.__version__}: {found[1]} tests, {found[2]}")
