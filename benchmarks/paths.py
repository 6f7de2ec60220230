"""The ways to a file that b2router could have gone: requests a second on small files, and what a request costs. The
way of a large file is measured as every large file is."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from benchmarks import processors, small
from benchmarks.figures import Metric, Sample
from benchmarks.servers import Running
from benchmarks.stage import Stage

NAME = "paths"
RATE = Metric("paths_requests_per_s", "1 KiB files: requests a second", "1/s", True, "median")
CPU = Metric("paths_cpu_ms_per_request", "1 KiB files: server CPU for a request", "ms", False, "median")
FAILED = Metric("paths_failed_requests", "1 KiB files: failed requests", "", False, "worst")
METRICS = (RATE, CPU, FAILED)

VIEWS = {
    "view, b2sdk anew": "/new/",
    "view, b2sdk kept": "/kept/",
    "view, requests": "/requests/",
    "view, urllib3": "/urllib3/",
}
"""The views of `sites/paths_site`, and where each answers."""

STREAMED = "view, urllib3 streamed"
STREAMED_PREFIX = "/streamed/"

SmallFiles = partial(small.SmallFiles, metrics=METRICS)

ALONE = "paths_alone"
ALONE_RATE, ALONE_CPU, ALONE_FAILED = ALONE_METRICS = tuple(
    replace(metric, key=metric.key.replace(NAME, ALONE), label=f"{metric.label}, worker with its own processor")
    for metric in METRICS
)
ALONE_VIEWS = ("view, b2sdk kept", "view, urllib3")


class Alone(small.SmallFiles):
    """The load on one worker that need not share its processor with those who ask, nor with B2."""

    def __init__(self, server: Running, stage: Stage) -> None:
        super().__init__(server, stage, (ALONE_RATE, ALONE_CPU, ALONE_FAILED), workers=1)
        self._others = [os.getpid(), stage.emulator_pid]

    def sample(self, number: int) -> Sample:
        """Apply the load once."""
        with processors.apart(self._server.pids, self._others):
            return super().sample(number)
