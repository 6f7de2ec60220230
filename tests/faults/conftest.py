"""Pauses are noted and not made, so that tables of faults run fast; and nothing is remembered of files, so that each
call meets its fault."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.conftest import Configure


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of b2router and of b2sdk, in seconds."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.fixture
def forgetful(configure: Configure, settings: Any) -> None:
    """A configuration in force that keeps no facts about files."""
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "metadata_cache": None}
