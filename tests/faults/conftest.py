"""Pauses are noted and not made, so that tables of faults run fast."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of b2router and of b2sdk, in seconds."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made
