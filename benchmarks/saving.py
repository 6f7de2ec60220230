"""`storage.save()` of a large file, from every kind of source: speed, CPU, memory and calls; no form around it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from benchmarks import transfers, usage
from benchmarks.figures import Metric, Sample
from benchmarks.processes import BenchmarkError
from benchmarks.servers import Running
from benchmarks.stage import MIB, Stage

NAME = "save"
GIB = 1024 * MIB
SOURCES = {
    "temporary": "upload on disk",
    "plain": "open file",
    "pipe": "pipe",
    "generator": "generator",
}
"""The site makes them, by these names; see `sites/common/saving.py`."""

SPEEDS = {
    source: Metric(f"save_{source}_mb_per_s", f"save() of 200 MiB, {label}: speed", "MB/s", True)
    for source, label in SOURCES.items()
}
CALLS = Metric("save_calls", "save() of 200 MiB: most B2 calls", "", False, "worst")
CLASS_C = Metric("save_class_c_calls", "save() of 200 MiB: of these, class C", "", False, "worst")
MEMORY = Metric("save_memory_mib", "save() of 200 MiB: worker's peak growth", "MiB", False, "worst")
CPU = Metric("save_cpu_s_per_gib", "save() of 200 MiB, upload on disk: server CPU", "s/GiB", False)
LARGE_SPEED = Metric("save_large_mb_per_s", "save() of the large file, upload on disk: speed", "MB/s", True)
METRICS = (*SPEEDS.values(), CALLS, CLASS_C, MEMORY, CPU, LARGE_SPEED)


class Saving:
    """Each source once a round, by one worker; it has saved a small file before, so no first use is measured."""

    def __init__(self, server: Running, stage: Stage) -> None:
        self._server = server
        self._stage = stage
        self._save("temporary", stage.small_file)
        self._pids = server.pids
        self._mark = usage.MemoryMark.set(self._pids)

    def sample(self, number: int) -> Sample:
        """Save the file from every source; what a package cannot save is left out."""
        stage = self._stage
        size_bytes, found = stage.medium_file.stat().st_size, Sample()
        for source, metric in SPEEDS.items():
            stage.reset_calls()
            used_s = usage.cpu_s(self._pids)
            if (seconds := self._save(source, stage.medium_file)) is None:
                continue
            if source == "temporary":
                found[CPU.key] = (usage.cpu_s(self._pids) - used_s) * GIB / size_bytes
            found[metric.key] = size_bytes / 1e6 / seconds
            found[CALLS.key] = max(found.get(CALLS.key, 0), sum(stage.calls().values()))
            found[CLASS_C.key] = max(found.get(CLASS_C.key, 0), stage.classes().get("C", 0))
            stage.remove_uploads()
        found[MEMORY.key] = self._mark.growth_bytes() / MIB
        if (seconds := self._save("temporary", stage.local_file)) is not None:
            found[LARGE_SPEED.key] = stage.local_file.stat().st_size / 1e6 / seconds
        stage.remove_uploads()
        return found

    def _save(self, source: str, file: Path) -> float | None:
        """Seconds that `save()` took; None when it raised."""
        path = f"/bench/save/{source}/?path={quote(str(file))}"
        status, said = transfers.request(self._server.address, path)
        if status != 200:
            raise BenchmarkError(f"save() was answered with {status}.")
        seconds = json.loads(said)["seconds"]
        return None if seconds is None else float(seconds)
