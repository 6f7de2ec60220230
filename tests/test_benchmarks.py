"""The benchmarks: they start, count and present what they should; the numbers themselves are nobody's promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import command, contenders, paths, processors, report, servers, storages
from benchmarks.contenders import ACCEL, NGINX, OURS, PEER, SDK, STORAGES
from benchmarks.figures import Metric, Results, Who
from benchmarks.stage import Plan

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


def test_each_section_has_a_table_of_its_own_subjects_and_ratios():
    """A way to a file is no column of the big table, and the other way round."""
    server, view, plain = Who(OURS, "gunicorn"), Who("view, urllib3", "gunicorn"), Who(SDK, "")
    results = Results({})
    results.add(server, {RATE.key: 600.0, paths.RATE.key: 500.0})
    results.add(plain, {RATE.key: 300.0, paths.RATE.key: 250.0})
    results.add(view, {paths.RATE.key: 750.0})
    performance, ways = report.tables(results).split("## Ways to a file\n")
    assert "view, urllib3" not in performance
    assert "## Performance, ratios to plain b2sdk" in performance
    assert [[cell.strip() for cell in line.split("|")[2:-1]] for line in ways.splitlines() if "×" in line] == [
        ["more", "2.00 ×", "3.00 ×"]
    ]


def test_who_takes_part_in_which_section(monkeypatch):
    monkeypatch.setattr(servers, "nginx", lambda: Path("nginx"))
    site = servers.Site("b2router_site.settings", Path(sys.executable))
    found = contenders.all_of({OURS: site, PEER: site, STORAGES: site}, [OURS, PEER, NGINX, SDK, STORAGES])
    sections: dict[str, list[str]] = {}
    for contender in found:
        for section in contender.sections:
            sections.setdefault(section, []).append(str(contender.who))
    servers_ = [f"{subject}, {server}" for server in ("gunicorn", "uvicorn") for subject in (OURS, PEER)]
    assert sections == {
        "small": [*servers_, ACCEL, NGINX, SDK],
        "download": [*servers_, ACCEL, NGINX, SDK],
        "upload": [*servers_, SDK],
        "tls": [f"{OURS}, gunicorn", f"{OURS}, uvicorn", NGINX],
        "storage": [SDK, OURS, PEER, STORAGES],
        "paths": [SDK, *(f"{view}, gunicorn" for view in paths.VIEWS), f"{OURS}, gunicorn"],
        "paths_alone": [SDK, *(f"{view}, gunicorn" for view in paths.ALONE_VIEWS), f"{OURS}, gunicorn"],
        "paths_large": [NGINX, f"{paths.STREAMED}, gunicorn", f"{OURS}, gunicorn"],
    }


@pytest.mark.parametrize(("saves", "rounds"), [(False, 3), (True, 2)])
def test_everybody_has_a_turn_in_every_round_and_nobody_is_always_the_first(saves, rounds):
    asked: list[str] = []
    running: list[str] = []

    class Asked:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> "Asked":
            running.append(self.name)
            return self

        def __exit__(self, *_: object) -> None:
            running.remove(self.name)

        def sample(self, number: int) -> dict[str, float]:
            assert running == [self.name]
            asked.append(f"{self.name}{number}")
            return {RATE.key: 1.0}

    stage = SimpleNamespace(plan=Plan(large_bytes=1, small_s=0.1, rounds=3, rounds_of_saving=2))
    field = [
        contenders.Contender(Who(name, ""), lambda stage, measurement, name=name: Asked(name), {"all"})
        for name in ("a", "b")
    ]
    measurement = contenders.Measurement("all", (RATE,), None, saves=saves)
    assert command._measure_section(stage, field, measurement, Results({})) == 0
    assert asked == ["a0", "b0", "b1", "a1", "a2", "b2"][: 2 * rounds]


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        ["b2router", "nginx", "download"],
        pytest.param(
            ["b2router", "b2sdk", "paths"],
            marks=pytest.mark.skipif(not os.environ.get("B2ROUTER_BENCH"), reason="a minute; set B2ROUTER_BENCH=1"),
        ),
    ],
    ids=" ".join,
)
def test_every_contender_of_a_section_answers(chosen, tmp_path):
    """Servers, nginx before a site, short views and the script: all start and give whole files."""
    found = _run(["--quick", *(word for name in chosen for word in ("--only", name))], tmp_path)
    assert found["notes"] == []
    if chosen[-1] == "paths":
        assert set(found["figures"]) == {SDK, *(f"{view}, gunicorn" for view in paths.VIEWS), f"{OURS}, gunicorn"}
        for who, lines in found["figures"].items():
            assert lines["paths_requests_per_s"]["value"] > 0
            assert who == SDK or lines["paths_failed_requests"]["value"] == 0
    elif servers.nginx() is not None:
        assert set(found["figures"]) == {f"{OURS}, gunicorn", f"{OURS}, uvicorn", ACCEL, NGINX}


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="takes two processors")
def test_a_server_has_a_processor_for_itself_as_long_as_it_is_measured():
    whole = os.sched_getaffinity(0)
    server = subprocess.Popen(["sleep", "60"])
    try:
        with processors.apart([server.pid], [os.getpid()]):
            assert os.sched_getaffinity(server.pid) == {min(whole)}
            assert os.sched_getaffinity(0) == whole - {min(whole)}
        assert os.sched_getaffinity(server.pid) == os.sched_getaffinity(0) == whole
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("B2ROUTER_BENCH"), reason="a minute; set B2ROUTER_BENCH=1")
def test_storages_need_no_more_calls_and_memory_than_they_promise(tmp_path):
    """All but speed is the same on any machine; growth is of a process of its own for each source."""
    found = _run(
        ["--quick", *(word for name in ("b2router", "b2sdk", "storage") for word in ("--only", name))], tmp_path
    )
    assert found["notes"] == []
    assert set(found["figures"]) == {OURS, SDK}
    ours = {key: line["value"] for key, line in found["figures"][OURS].items()}
    assert set(ours) == {metric.key for metric in storages.METRICS}
    assert ours["storage_head_calls"] == 1
    assert ours["storage_head_mib"] <= 1
    assert ours["storage_after_save_calls"] == 0
    assert ours["storage_new_calls"] == 2
    assert ours["save_calls"] <= 9
    assert ours["save_class_c_calls"] == 0
    assert max(ours[metric.key] for metric in storages.MEMORIES.values()) <= 8
    assert max(ours[metric.key] for metric in storages.LARGE_MEMORIES.values()) <= 8


@pytest.mark.slow
def test_b2router_needs_no_more_b2_calls_than_it_promises(tmp_path):
    """Runs the command itself, on a real server and the emulator."""
    found = _run(["--quick", "--only", "b2router", "--only", "calls"], tmp_path)
    calls = {operation: sum(counted.values()) for operation, counted in found["b2_calls"]["b2router"].items()}
    assert calls["start, build every storage"] == 0
    assert calls["start, 100 × url()"] == 0
    assert found["b2_calls"]["b2router"]["start, first GET"] == {"b2_authorize_account": 1, "download": 1}
    assert found["b2_calls"]["b2router"]["10 × GET, warm"] == {"download": 10}
    assert calls["GET that is denied"] == 0
    assert calls["HEAD, warm"] <= 1
    assert found["notes"] == []


def _run(options, folder):
    """The command's JSON."""
    result = subprocess.run(
        [sys.executable, "benchmarks/run.py", *options, "--json", str(folder / "found.json")],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads((folder / "found.json").read_text())
