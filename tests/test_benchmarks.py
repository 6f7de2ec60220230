"""The benchmarks: they start, count and present what they should; the numbers themselves are nobody's promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.contenders import OURS, PEER
from benchmarks.figures import Metric, Results, Who

ROOT = Path(__file__).resolve().parent.parent
RATE = Metric("small_requests_per_s", "rate", "1/s", more_is_better=True)


@pytest.mark.parametrize(
    ("pick", "more_is_better", "expected"),
    [("best", True, 3.0), ("best", False, 1.0), ("worst", True, 1.0), ("worst", False, 3.0), ("median", True, 2.0)],
)
def test_one_number_stands_for_several_samples(pick, more_is_better, expected):
    assert Metric("key", "label", "", more_is_better, pick).value([2.0, 1.0, 3.0]) == expected


def test_ratio_is_ours_divided_by_theirs_and_missing_when_there_is_nothing_to_divide_by():
    ours, theirs, nobody = Who(OURS, "gunicorn"), Who(PEER, "gunicorn"), Who("nginx", "")
    results = Results({})
    results.add(ours, {RATE.key: 600.0})
    results.add(theirs, {RATE.key: 200.0})
    results.add(nobody, {RATE.key: 0.0})
    assert results.ratio(ours, theirs, RATE) == 3.0
    assert results.ratio(ours, nobody, RATE) is None
    assert results.as_json([RATE], [theirs])["figures"][str(ours)][RATE.key]["ratio_to"] == {str(theirs): 3.0}
    assert "3.00 ×" in report.tables(results)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.012"), (1.5, "1.50"), (45.678, "45.7"), (682.4, "682"), (12345.6, "12 346")],
)
def test_numbers_have_three_digits_that_count(value, shown):
    assert report.number(value) == shown


@pytest.mark.slow
def test_b2router_needs_no_more_b2_calls_than_it_promises(tmp_path):
    """Runs the command itself, on a real server and the emulator."""
    command = [sys.executable, "benchmarks/run.py", "--quick", "--only", "b2router", "--only", "calls"]
    result = subprocess.run(
        [*command, "--json", str(tmp_path / "found.json")],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    calls = {operation: sum(counted.values()) for operation, counted in found["b2_calls"]["b2router"].items()}
    assert calls["start, build every storage"] == 0
    assert calls["start, 100 × url()"] == 0
    assert found["b2_calls"]["b2router"]["start, first GET"] == {"b2_authorize_account": 1, "download": 1}
    assert found["b2_calls"]["b2router"]["10 × GET, warm"] == {"download": 10}
    assert calls["GET that is denied"] == 0
    assert calls["HEAD, warm"] <= 1
    assert found["notes"] == []
