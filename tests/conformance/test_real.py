"""That what is said of the emulator was also tried at B2."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import ON_B2, REAL


@pytest.mark.real_b2
def test_the_suite_is_run_at_b2_too() -> None:
    if len(ON_B2) == 1:
        pytest.skip(f"set {', '.join(f'B2ROUTER_REAL_{name}' for name in REAL)} to run tests/conformance at B2, too")
