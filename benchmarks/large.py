"""A large file down and up: time to its first byte, speed, CPU, and the memory that a worker takes for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from benchmarks import load, transfers, usage
from benchmarks.figures import Metric, Sample
from benchmarks.servers import Running
from benchmarks.stage import LARGE, MIB, SMALL, SMALL_BYTES, Stage

DOWNLOAD, UPLOAD, TLS, PATHS = "download", "upload", "tls", "paths_large"
FIRST_BYTE = Metric("download_first_byte_ms", "large download: first byte after", "ms", False, "median")
DOWN_SPEED = Metric("download_mb_per_s", "large download: speed", "MB/s", True, "median")
DOWN_CPU = Metric("download_cpu_s_per_gib", "large download: server CPU", "s/GiB", False, "median")
DOWN_MEMORY = Metric("download_memory_mib", "large download: worker's peak growth", "MiB", False, "worst")
UP_SPEED = Metric("upload_mb_per_s", "large upload and save: speed", "MB/s", more_is_better=True)
UP_CPU = Metric("upload_cpu_s_per_gib", "large upload and save: server CPU", "s/GiB", more_is_better=False)
UP_MEMORY = Metric("upload_memory_mib", "large upload and save: worker's peak growth", "MiB", False, "worst")
TLS_METRICS = tuple(
    replace(metric, key=f"tls_{metric.key}") for metric in (FIRST_BYTE, DOWN_SPEED, DOWN_CPU, DOWN_MEMORY)
)
PATHS_METRICS = tuple(
    replace(metric, key=f"paths_{metric.key}") for metric in (FIRST_BYTE, DOWN_SPEED, DOWN_CPU, DOWN_MEMORY)
)
DOWN_METRICS = (FIRST_BYTE, DOWN_SPEED, DOWN_CPU, DOWN_MEMORY)
UP_METRICS = (UP_SPEED, UP_CPU, UP_MEMORY)
WARM_UP_S = 1.0
WHOLE = 3
"""So many read the whole file in each round, one after the other: a single one is chance."""
WHOLE_S = 2.0
"""As long as they take no longer than that together; one does in any case."""
FIRST_BYTES = 9
"""So many ask for the first byte alone after that."""
FIRST_BYTES_S = 1.0
"""As long as they take no longer than that together."""
PAUSE_S = 0.03
"""For the server to notice that a client has left."""


class Download:
    """The large file, read by one client at a time.

    Args:
        server: which answers.
        stage: what it asks.
        metrics: the lines for first byte, speed, CPU and memory.
    """

    def __init__(self, server: Running, stage: Stage, metrics: tuple[Metric, ...] = DOWN_METRICS) -> None:
        self._server = server
        self._path = server.files + LARGE
        self._meter = Meter(server, stage)
        self._metrics = metrics

    def sample(self, number: int) -> Sample:
        """Some download it; then some more ask for it, and leave with the first byte."""
        first_byte, speed, cpu, memory = self._metrics
        self._meter.begin()
        timings = list(self._timings())
        found = self._meter.end(timings, speed, cpu, memory)
        waits_s = [*(timing.first_byte_s for timing in timings), *self._waits_s()]
        return {first_byte.key: 1000 * statistics.median(waits_s), **found}

    def _timings(self) -> Iterator[transfers.Timing]:
        """Of whole files; few, where each takes long."""
        deadline = time.monotonic() + WHOLE_S
        for _ in range(WHOLE):
            yield transfers.download(self._server.address, self._path, self._meter.size_bytes)
            if time.monotonic() > deadline:
                break

    def _waits_s(self) -> Iterator[float]:
        """For the first byte; few, where each takes long."""
        deadline = time.monotonic() + FIRST_BYTES_S
        for _ in range(FIRST_BYTES):
            time.sleep(PAUSE_S)
            yield transfers.first_byte_s(self._server.address, self._path)
            if time.monotonic() > deadline:
                break


TlsDownload = partial(Download, metrics=TLS_METRICS)
PathsDownload = partial(Download, metrics=PATHS_METRICS)


class Upload:
    """The large file, sent through a form by one client at a time and saved by the storage."""

    def __init__(self, server: Running, stage: Stage) -> None:
        self._server = server
        self._stage = stage
        self._meter = Meter(server, stage)

    def sample(self, number: int) -> Sample:
        """Upload it once."""
        name = f"upload-{self._server.address.port}-{number}.bin"
        self._meter.begin()
        timing = transfers.upload(self._server.address, "/bench/upload/", self._stage.local_file, name)
        found = self._meter.end([timing], UP_SPEED, UP_CPU, UP_MEMORY)
        self._stage.remove_uploads()
        return found


class Meter:
    """CPU and memory of a server around transfers; its workers have served small files before."""

    def __init__(self, server: Running, stage: Stage) -> None:
        paths = [server.files + name for name in SMALL]
        load.apply(server.address, paths, stage.plan.clients, WARM_UP_S, SMALL_BYTES)
        self.size_bytes = stage.plan.large_bytes
        self._pids = server.pids

    def begin(self) -> None:
        """The first transfer begins."""
        self._mark = usage.MemoryMark.set(self._pids)
        self._used_s = usage.cpu_s(self._pids)

    def end(self, timings: Sequence[transfers.Timing], speed: Metric, cpu: Metric, memory: Metric) -> Sample:
        """The last one is over."""
        used_s = usage.cpu_s(self._pids) - self._used_s
        return {
            speed.key: self.size_bytes / 1e6 / statistics.median(timing.total_s for timing in timings),
            cpu.key: used_s * 1024 * MIB / self.size_bytes / len(timings),
            memory.key: self._mark.growth_bytes() / MIB,
        }
