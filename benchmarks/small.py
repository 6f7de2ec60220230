"""Requests a second on small files, and what a request costs the server."""

from __future__ import annotations

from benchmarks import load, usage
from benchmarks.figures import Metric, Sample
from benchmarks.servers import Running
from benchmarks.stage import SMALL, SMALL_BYTES, Stage

NAME = "small"
RATE = Metric("small_requests_per_s", "1 KiB files: requests a second", "1/s", True, "median")
CPU = Metric("small_cpu_ms_per_request", "1 KiB files: server CPU for a request", "ms", False, "median")
FAILED = Metric("small_failed_requests", "1 KiB files: failed requests", "", False, "worst")
METRICS = (RATE, CPU, FAILED)
WARM_UP_S = 1.5


class SmallFiles:
    """The load on one server, after a warm-up that reaches every worker: no import and no login is measured.

    Args:
        server: which answers.
        stage: what it asks.
        metrics: the lines for rate, CPU and failures.
        workers: how many of them share the clients of the plan.
    """

    def __init__(
        self,
        server: Running,
        stage: Stage,
        metrics: tuple[Metric, Metric, Metric] = METRICS,
        workers: int | None = None,
    ) -> None:
        self._server = server
        self._metrics = metrics
        self._plan = stage.plan
        self._clients = stage.plan.clients * (workers or stage.plan.workers) // stage.plan.workers
        self._apply(WARM_UP_S)

    def sample(self, number: int) -> Sample:
        """Apply the load once."""
        pids = self._server.pids
        used_s = usage.cpu_s(pids)
        seen = self._apply(self._plan.small_s)
        used_s = usage.cpu_s(pids) - used_s
        rate, cpu, failed = self._metrics
        return {
            rate.key: seen.per_second,
            cpu.key: 1000 * used_s / max(1, seen.answered + seen.failed),
            failed.key: seen.failed,
        }

    def _apply(self, seconds: float) -> load.Load:
        paths = [self._server.files + name for name in SMALL]
        return load.apply(self._server.address, paths, self._clients, seconds, SMALL_BYTES)
