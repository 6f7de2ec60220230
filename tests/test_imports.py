"""What is loaded when: importing, setting up Django and building storages stay light; nothing goes online by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import b2router

ROOT = Path(__file__).parents[1]
HEAVY = "b2sdk", "requests", "urllib3", "pydantic", "pydantic_settings"


def loaded_after(code: str, **environment: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running the code."""
    program = f"{code}\nimport sys\nprint('loaded:', *{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.project.settings", **environment},
    )
    return set(result.stdout.rpartition("loaded:")[2].split())


def test_importing_the_package_loads_neither_django_nor_b2sdk() -> None:
    assert not {"django", *HEAVY} & loaded_after("import b2router")


def test_setting_up_django_loads_nothing_heavy() -> None:
    """Models with storages, apps and settings included."""
    assert not set(HEAVY) & loaded_after("import django; django.setup(); import tests.project.models")


def test_building_storages_loads_nothing_heavy() -> None:
    code = """
import django; django.setup()
import b2router
for alias in ("public", "staff", "avatars"):
    b2router.get_storage(alias)
b2router.django_storages({"profiles": {"public": {}}})
"""
    assert not set(HEAVY) & loaded_after(code)


def test_addresses_load_the_configuration_but_not_b2sdk() -> None:
    loaded = loaded_after("import django; django.setup(); import b2router; b2router.get_storage('staff').url('x')")
    assert "pydantic" in loaded
    assert not {"b2sdk", "requests", "urllib3"} & loaded


def test_checks_stay_offline() -> None:
    """A check that talked to B2 would make every deployment wait for it."""
    code = """
import socket
def refuse(*args, **kwargs): raise AssertionError("went online")
socket.socket.connect = refuse
import django; django.setup()
from django.core.checks import run_checks
from django.core.management import call_command
run_checks()
call_command("makemigrations", "--check", "--dry-run", "--skip-checks", verbosity=0)
"""
    assert "b2sdk" not in loaded_after(code)


def test_the_emulator_needs_nothing_but_the_standard_library() -> None:
    assert not {"django", *HEAVY} & loaded_after("from b2router.emulator import Emulator; Emulator()")


@pytest.mark.parametrize("name", b2router.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(b2router, name) is not None
    assert name in dir(b2router)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = b2router.nothing  # type: ignore[attr-defined]
