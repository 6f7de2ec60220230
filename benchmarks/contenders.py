"""Who is compared, and how each is run: b2router and its peer as sites, nginx and plain b2sdk as yardsticks.

A further contender is a function that yields one, in `all_of`; a further measurement is a line in `MEASUREMENTS`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmarks import large, paths, processors, servers, small, storages
from benchmarks.environments import python_with
from benchmarks.figures import Metric, Sample, Who
from benchmarks.processes import BenchmarkError, Child, environment
from benchmarks.servers import Running, Site
from benchmarks.stage import ROOT, Plan, Stage

OURS, PEER, NGINX, SDK = "b2router", "django-backblaze-b2", "nginx proxy_pass", "plain b2sdk"
STORAGES = "django-storages S3"
ACCEL = "b2router, nginx accel"
SERVERS = ("gunicorn", "uvicorn")
BASELINES = (*(Who(PEER, server) for server in SERVERS), Who(NGINX, ""), Who(SDK, ""))
PEER_REQUIREMENTS = ["django-backblaze-b2>=7,<8", "gunicorn", "uvicorn"]
PEER_BELOW = {"django": 6, "b2sdk": 3}
STORAGES_REQUIREMENTS = ["django-storages>=1.14,<2", "boto3>=1.40"]


class Probe(Protocol):
    """A measurement of one server that is warm and ready."""

    def sample(self, number: int) -> Sample:
        """Measure once; the rounds are numbered from 0."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something that can be measured of a running server.

    Args:
        section: its name on the command line.
        metrics: the lines of the table that it fills.
        probe: warms the server up and makes ready to measure it; None where no server is measured.
        saves: whether its rounds are those of saving, which are long, and fewer.
    """

    section: str
    metrics: tuple[Metric, ...]
    probe: Callable[[Running, Stage], Probe] | None
    saves: bool = False

    def rounds(self, plan: Plan) -> int:
        """How often everybody has a turn."""
        return plan.rounds_of_saving if self.saves else plan.rounds


MEASUREMENTS = (
    Measurement(small.NAME, small.METRICS, small.SmallFiles),
    Measurement(large.DOWNLOAD, large.DOWN_METRICS, large.Download),
    Measurement(large.UPLOAD, large.UP_METRICS, large.Upload, saves=True),
    Measurement(large.TLS, large.TLS_METRICS, large.TlsDownload),
    Measurement(paths.NAME, paths.METRICS, paths.SmallFiles),
    Measurement(paths.ALONE, paths.ALONE_METRICS, paths.Alone),
    Measurement(large.PATHS, large.PATHS_METRICS, large.PathsDownload),
    Measurement(storages.NAME, storages.METRICS, None, saves=True),
)
METRICS = tuple(metric for measurement in MEASUREMENTS for metric in measurement.metrics)
TABLES = {
    "Performance": (*small.METRICS, *large.DOWN_METRICS, *large.UP_METRICS),
    "Performance, B2 over TLS": large.TLS_METRICS,
    "Storages": storages.METRICS,
    "Ways to a file": (*paths.METRICS, *paths.ALONE_METRICS, *large.PATHS_METRICS),
}
DOWN, ALL = {small.NAME, large.DOWNLOAD}, {small.NAME, large.DOWNLOAD, large.UPLOAD}


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to measure; `open` starts it afresh, for one of its sections."""

    who: Who
    open: Callable[[Stage, Measurement], AbstractContextManager[Probe]]
    sections: Collection[str]


def site_of(subject: str) -> Site:
    """The site of a subject, in an environment that has its package.

    Raises:
        BenchmarkError: the environment cannot be made.
    """
    if subject == OURS:
        return Site("b2router_site.settings", Path(sys.executable))
    if subject == STORAGES:
        return Site("s3_site.settings", python_with("storages", STORAGES_REQUIREMENTS, {}))
    return Site("peer_site.settings", python_with("peer", PEER_REQUIREMENTS, PEER_BELOW), needs_cache_table=True)


def all_of(sites: dict[str, Site], subjects: Collection[str]) -> Iterator[Contender]:
    """The contenders of some subjects, in the order in which they are measured: peers under one server side by side."""
    for server in SERVERS:
        for subject, site in sites.items():
            if subject != STORAGES:  # it serves nothing
                yield Contender(Who(subject, server), partial(_open_site, site, server), ALL)
    for server in SERVERS if OURS in sites else ():
        yield Contender(Who(OURS, server), partial(_open_tls_site, sites[OURS], server), {large.TLS})
    has_nginx = servers.nginx() is not None
    if OURS in subjects and has_nginx:
        yield Contender(Who(ACCEL, ""), _open_accel, DOWN)
    if NGINX in subjects and has_nginx:
        yield Contender(Who(NGINX, ""), _open_nginx, DOWN | {large.PATHS})
        yield Contender(Who(NGINX, ""), _open_tls_nginx, {large.TLS})
    if SDK in subjects:
        yield Contender(Who(SDK, ""), _open_sdk, ALL | {paths.NAME, paths.ALONE, storages.NAME})
    for subject, site in sites.items():
        yield Contender(Who(subject, ""), partial(_open_storage, site), {storages.NAME})
    if OURS in sites:
        for view, prefix in paths.VIEWS.items():
            sections = {paths.NAME, paths.ALONE} if view in paths.ALONE_VIEWS else {paths.NAME}
            yield Contender(Who(view, "gunicorn"), partial(_open_view, prefix), sections)
        streamed = partial(_open_view, paths.STREAMED_PREFIX)
        yield Contender(Who(paths.STREAMED, "gunicorn"), streamed, {large.PATHS})
        ways = {paths.NAME, paths.ALONE, large.PATHS}
        yield Contender(Who(OURS, "gunicorn"), partial(_open_site, sites[OURS], "gunicorn"), ways)


def _workers(stage: Stage, measurement: Measurement) -> int:
    return 1 if measurement.section == paths.ALONE else stage.plan.workers


@contextmanager
def _open_site(site: Site, server: str, stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    with servers.run_site(stage, site, server, workers=_workers(stage, measurement)) as running:
        yield _probe(measurement, running, stage)


@contextmanager
def _open_tls_site(site: Site, server: str, stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    with servers.run_tls(stage) as tls, _open_site(replace(site, tls=tls), server, stage, measurement) as probe:
        yield probe


@contextmanager
def _open_tls_nginx(stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    with servers.run_tls(stage) as tls, servers.run_nginx(stage, tls) as running:
        yield _probe(measurement, running, stage)


@contextmanager
def _open_storage(site: Site, stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    needs_key = site.settings == "s3_site.settings"  # S3 takes no master key
    yield storages.Storing(replace(site, key=stage.ordinary_key()) if needs_key else site, stage)


@contextmanager
def _open_view(prefix: str, stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    site = Site("paths_site.settings", Path(sys.executable))
    with servers.run_site(stage, site, "gunicorn", workers=_workers(stage, measurement)) as running:
        yield _probe(measurement, replace(running, files=prefix), stage)


@contextmanager
def _open_accel(stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    site = Site("accel_site.settings", Path(sys.executable), key=stage.ordinary_key())
    with servers.run_accel(stage, site) as running:
        yield _probe(measurement, running, stage)


@contextmanager
def _open_nginx(stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    with servers.run_nginx(stage) as running:
        yield _probe(measurement, running, stage)


@contextmanager
def _open_sdk(stage: Stage, measurement: Measurement) -> Iterator[Probe]:
    yield _Script(stage, measurement.section)


def _probe(measurement: Measurement, running: Running, stage: Stage) -> Probe:
    if measurement.probe is None:
        raise BenchmarkError(f"{measurement.section} is not measured of servers.")
    return measurement.probe(running, stage)


class _Script:
    """Plain b2sdk: a process of its own for each round."""

    def __init__(self, stage: Stage, section: str) -> None:
        self._stage = stage
        self._section = section

    def sample(self, number: int) -> Sample:
        stage = self._stage
        if self._section == paths.ALONE:
            with processors.apart([], [stage.emulator_pid]):  # the script goes to the first by itself
                return self._run()
        return self._run()

    def _run(self) -> Sample:
        stage = self._stage
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.plain_sdk", self._section]
        argv += ["--large-file", stage.local_file, "--medium-file", stage.medium_file]
        argv += ["--small-s", str(stage.plan.small_s)]
        env = environment(
            PYTHONPATH=str(ROOT), BENCH_REALM=stage.emulator.url, BENCH_KEY_ID=stage.key_id, BENCH_KEY=stage.key
        )
        with Child(argv, stage.state_folder("sdk") / "script.log", env) as child:
            child.wait_for_end()
            said = child.output()
        stage.remove_uploads()
        try:
            return dict(json.loads(said))
        except ValueError as error:
            raise BenchmarkError(f"The script printed no sample:\n{said[-2000:]}") from error
