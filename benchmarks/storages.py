"""Storages alone, without a server: calls, bytes, speed and memory of saving and reading, from every kind of source.

Each number is of a process of its own, `sites/common/storing.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Metric, Sample
from benchmarks.processes import BenchmarkError, Child
from benchmarks.servers import Site
from benchmarks.stage import HUNDRED, LARGE, MIB, Stage

NAME = "storage"
GIB = 1024 * MIB
SOURCES = {
    "temporary": "upload on disk",
    "plain": "open file",
    "memory": "upload in memory",
    "pipe": "pipe",
    "generator": "generator",
}
"""The sites make them, by these names; the bytes of a source in memory are there before its growth is counted."""

READS = {"chunks": "chunks()", "blocks": "read(1 MiB) until its end", "whole": "read()"}
"""Ways to read a file; the last gives all of it at once, hence takes memory for it."""

HEAD_CALLS = Metric("storage_head_calls", "open().read(100) of 100 MiB: B2 calls", "", False, "worst")
HEAD_MIB = Metric("storage_head_mib", "open().read(100) of 100 MiB: pulled", "MiB", False, "worst")
AFTER_SAVE_CALLS = Metric("storage_after_save_calls", "exists, size, url after save(): B2 calls", "", False, "worst")
NEW_CALLS = Metric("storage_new_calls", "save() of a new name: B2 calls", "", False, "worst")
SPEEDS = {
    source: Metric(f"save_{source}_mb_per_s", f"save() of 200 MiB, {label}: speed", "MB/s", True)
    for source, label in SOURCES.items()
}
MEMORIES = {
    source: Metric(f"save_{source}_mib", f"save() of 200 MiB, {label}: peak growth", "MiB", False, "worst")
    for source, label in SOURCES.items()
}
CALLS = Metric("save_calls", "save() of 200 MiB: most B2 calls", "", False, "worst")
CLASS_C = Metric("save_class_c_calls", "save() of 200 MiB: of these, class C", "", False, "worst")
CPU = Metric("save_cpu_s_per_gib", "save() of 200 MiB, upload on disk: CPU", "s/GiB", False)
LARGE_SPEEDS = {
    source: Metric(f"save_large_{source}_mb_per_s", f"save() of the large file, {label}: speed", "MB/s", True)
    for source, label in SOURCES.items()
}
LARGE_MEMORIES = {
    source: Metric(f"save_large_{source}_mib", f"save() of the large file, {label}: peak growth", "MiB", False, "worst")
    for source, label in SOURCES.items()
}
READ_SPEEDS = {
    way: Metric(f"read_{way}_mb_per_s", f"{label} of the large file: speed", "MB/s", True)
    for way, label in READS.items()
}
READ_MEMORIES = {
    way: Metric(f"read_{way}_mib", f"{label} of the large file: peak growth", "MiB", False, "worst")
    for way, label in READS.items()
}
METRICS = (
    *(HEAD_CALLS, HEAD_MIB, AFTER_SAVE_CALLS, NEW_CALLS),
    *(*SPEEDS.values(), *MEMORIES.values(), CALLS, CLASS_C, CPU),
    *(*LARGE_SPEEDS.values(), *LARGE_MEMORIES.values(), *READ_SPEEDS.values(), *READ_MEMORIES.values()),
)


class Storing:
    """A site's storage, asked for one thing after the other, each by a new process."""

    def __init__(self, site: Site, stage: Stage) -> None:
        self._site = site
        self._stage = stage

    def sample(self, number: int) -> Sample:
        """Do everything once; what a package cannot do is left out."""
        return {**self._calls(), **self._saved(), **self._large()}

    def _calls(self) -> Sample:
        stage, found = self._stage, Sample()
        for task, metric in (("read_head", HEAD_CALLS), ("ask_after_save", AFTER_SAVE_CALLS), ("save_new", NEW_CALLS)):
            if self._done(task, stage.small_file, HUNDRED):
                found[metric.key] = sum(stage.calls().values())
                if metric is HEAD_CALLS:
                    found[HEAD_MIB.key] = stage.bytes_out() / MIB
        return found

    def _saved(self) -> Sample:
        stage, found = self._stage, Sample()
        size_bytes = stage.medium_file.stat().st_size
        for source, metric in SPEEDS.items():
            if took := self._done(source, stage.medium_file):
                found[metric.key] = size_bytes / 1e6 / took["seconds"]
                found[MEMORIES[source].key] = took["growth_bytes"] / MIB
                found[CALLS.key] = max(found.get(CALLS.key, 0), sum(stage.calls().values()))
                found[CLASS_C.key] = max(found.get(CLASS_C.key, 0), stage.classes().get("C", 0))
                if source == "temporary":
                    found[CPU.key] = took["cpu_s"] * GIB / size_bytes
            stage.remove_uploads()
        return found

    def _large(self) -> Sample:
        stage, found = self._stage, Sample()
        for source, metric in LARGE_SPEEDS.items():
            if took := self._done(source, stage.local_file):
                found[metric.key] = stage.plan.large_bytes / 1e6 / took["seconds"]
                found[LARGE_MEMORIES[source].key] = took["growth_bytes"] / MIB
            stage.remove_uploads()
        for way, metric in READ_SPEEDS.items():
            if took := self._done(f"read_{way}", stage.small_file, LARGE):
                found[metric.key] = stage.plan.large_bytes / 1e6 / took["seconds"]
                found[READ_MEMORIES[way].key] = took["growth_bytes"] / MIB
        return found

    def _done(self, task: str, file: Path, name: str = "") -> dict[str, float]:
        """What a process took for a task; empty when the package raised."""
        folder = self._stage.state_folder("storing")
        env = servers.environment_of(self._stage, self._site, folder)
        if self._site.needs_cache_table:
            with Child([self._site.python, "-m", "django", "createcachetable"], folder / "setup.log", env) as setup:
                setup.wait_for_end()
        with Child([self._site.python, "-m", "common.storing", task, file, name], folder / "storing.log", env) as child:
            child.wait_for_end()
            said = child.output().strip()
        servers.remove(folder)
        try:
            return dict(json.loads(said.splitlines()[-1]))
        except (ValueError, IndexError) as error:
            raise BenchmarkError(f"{task} printed no sample:\n{said[-2000:]}") from error
