"""The command: reads the options, measures one thing after the other, shows and stores the results."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from types import FrameType

from benchmarks import calls, contenders, machine, report, servers, usage
from benchmarks.contenders import (
    BASELINES,
    MEASUREMENTS,
    METRICS,
    NGINX,
    OURS,
    PEER,
    SDK,
    STORAGES,
    Contender,
    Measurement,
)
from benchmarks.figures import Results
from benchmarks.processes import BenchmarkError
from benchmarks.servers import Site
from benchmarks.stage import Plan, Stage, open_stage

SUBJECTS = {"b2router": OURS, "peer": PEER, "nginx": NGINX, "b2sdk": SDK, "storages": STORAGES}
SECTIONS = (calls.NAME, *(measurement.section for measurement in MEASUREMENTS))
SITES = (OURS, PEER, STORAGES)
RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
QUIET_LOAD = 1.5
MISHAPS = (BenchmarkError, OSError, HTTPException)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure.

    Args:
        argv: arguments; None for those of the process.
    Returns:
        0 when all that was asked for was measured, 1 when something failed, 2 when nothing can be measured here.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(words)
    if not usage.is_available():
        print("The benchmarks read CPU time and memory from /proc, which takes Linux.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)  # so that the servers are ended, too
    chosen = set(options.only or ())
    subjects = [name for key, name in SUBJECTS.items() if not chosen & set(SUBJECTS) or key in chosen]
    sections = [name for name in SECTIONS if not chosen & set(SECTIONS) or name in chosen]
    machine.wait_for_quiet(QUIET_LOAD, options.wait)
    results = Results(_about(words))
    with tempfile.TemporaryDirectory(prefix="b2router-bench-") as folder:
        try:
            failures = _measure_all(Plan.quick() if options.quick else Plan.full(), folder, subjects, sections, results)
        except BenchmarkError as error:
            print(f"Could not start: {error}", file=sys.stderr)
            return 2
    results.about["load average after"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    print("\n" + report.as_markdown(results))
    if options.json:
        text = json.dumps(results.as_json(METRICS, BASELINES), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.record:
        RESULTS.write_text(report.as_markdown(results), encoding="utf-8")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks/run.py", description="Measure b2router beside its peers.")
    parser.add_argument("--quick", action="store_true", help="100 MiB instead of 1 GiB, and shorter loads")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[*SUBJECTS, *SECTIONS],
        help=f"a subject ({', '.join(SUBJECTS)}) or a section ({', '.join(SECTIONS)}); repeatable",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results there, samples included")
    parser.add_argument("--record", action="store_true", help="write benchmarks/RESULTS.md")
    parser.add_argument(
        "--wait", metavar="S", type=float, default=0.0, help=f"wait so long for a load below {QUIET_LOAD:g}"
    )
    return parser


def _about(words: Sequence[str]) -> dict[str, object]:
    shown = list(words)
    if "--json" in shown:
        place = shown.index("--json")
        del shown[place : place + 2]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python benchmarks/run.py", *shown]),
        **machine.describe(),
    }


def _measure_all(plan: Plan, folder: str, subjects: Sequence[str], sections: Sequence[str], results: Results) -> int:
    sites = _sites(subjects, results)
    failures = sum(name not in sites for name in SITES if name in subjects)
    if NGINX in subjects and servers.nginx() is None:
        results.notes.append("nginx is not installed: skipped.")
    results.about["large file"] = f"{plan.large_bytes // 1024**2} MiB"
    results.about["servers"] = (
        f"gunicorn {plan.workers} workers × {plan.threads} threads, uvicorn {plan.workers} workers; "
        f"{plan.clients} clients on small files, 1 on large ones"
    )
    print("Starting the emulator and filling it ...", flush=True)
    with open_stage(plan, Path(folder)) as stage:
        if calls.NAME in sections:
            failures += _count_calls(stage, sites, results)
        contestants = list(contenders.all_of(sites, subjects))
        for measurement in MEASUREMENTS:
            if measurement.section in sections:
                failures += _measure_section(stage, contestants, measurement, results)
        return failures


def _sites(subjects: Sequence[str], results: Results) -> dict[str, Site]:
    sites = {}
    for subject in SITES:
        if subject not in subjects:
            continue
        try:
            sites[subject] = contenders.site_of(subject)
            results.about[f"versions, {subject}"] = _versions(subject, sites[subject].python)
        except BenchmarkError as error:
            _note(results, f"{subject} was skipped. {error}")
    if NGINX in subjects and (version := machine.nginx_version()):
        results.about[f"versions, {NGINX}"] = f"nginx {version}"
    return sites


def _versions(subject: str, python: Path) -> dict[str, str]:
    if subject == OURS:
        return machine.our_versions()
    return machine.storage_versions(python) if subject == STORAGES else machine.peer_versions(python, subject)


def _count_calls(stage: Stage, sites: dict[str, Site], results: Results) -> int:
    failures = 0
    for subject, site in sites.items():
        if subject == STORAGES:
            continue
        print(f"{subject}: B2 calls ...", flush=True)
        try:
            results.calls[subject] = calls.count(stage, site)
        except MISHAPS as error:
            failures += 1
            _note(results, f"{subject}, calls: {error}")
    return failures


def _measure_section(stage: Stage, contestants: Sequence[Contender], measurement: Measurement, results: Results) -> int:
    """Measure in rounds, and every second one backwards, so that a slow minute of the machine meets all alike. Servers
    start afresh for each: by chance of its start one is faster than the next, for as long as it runs."""
    failures = 0
    field = [contender for contender in contestants if measurement.section in contender.sections]
    for number in range(measurement.rounds(stage.plan)):
        print(f"{measurement.section}, round {number + 1} (load {os.getloadavg()[0]:.2f}) ...", flush=True)
        for contender in field[:: -1 if number % 2 else 1]:
            try:
                with contender.open(stage, measurement) as probe:
                    results.add(contender.who, probe.sample(number))
            except MISHAPS as error:
                failures += 1
                _note(results, f"{contender.who}, {measurement.section}: {error}")
                field.remove(contender)
    return failures


def _note(results: Results, text: str) -> None:
    print(text, file=sys.stderr)
    lines = text.strip().splitlines()
    results.notes.append(" … ".join(dict.fromkeys((lines[0], lines[-1]))))


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
