"""B2 calls per operation, counted by the emulator; one gunicorn worker, so that every process is the same one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from benchmarks import servers, transfers
from benchmarks.processes import BenchmarkError
from benchmarks.servers import Running, Site
from benchmarks.stage import SMALL, Stage

NAME = "calls"
WARM_GETS = 10


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of the table.

    Args:
        label: what is done.
        act: does it.
        is_cold: whether the site is started anew for it, with an empty state.
    """

    label: str
    act: Callable[[Running], None]
    is_cold: bool = False


def count(stage: Stage, site: Site) -> dict[str, dict[str, int]]:
    """The calls of each operation; operations that are not cold follow in one process.

    Raises:
        BenchmarkError: an answer is not what the operation should give.
    """
    found: dict[str, dict[str, int]] = {}
    runs: list[list[Operation]] = []
    for operation in OPERATIONS:
        if operation.is_cold:
            runs.append([])
        runs[-1].append(operation)
    for operations in runs:
        stage.reset_calls()  # before the start: what the start costs belongs to the first operation
        with servers.run_site(stage, site, "gunicorn", workers=1) as server:
            for operation in operations:
                operation.act(server)
                found[operation.label] = stage.calls()
                stage.reset_calls()
    stage.remove_uploads()
    return found


def _get(name: str, *, times: int = 1, method: str = "GET", expected: tuple[int, ...] = (200,)) -> _Action:
    return _Action(name, times, method, expected)


@dataclass(frozen=True, slots=True)
class _Action:
    name: str
    times: int
    method: str
    expected: tuple[int, ...]

    def __call__(self, server: Running) -> None:
        for _ in range(self.times):
            status, _body = transfers.request(server.address, server.files + self.name, self.method)
            if status not in self.expected:
                raise BenchmarkError(f"{self.method} of {self.name} was answered with {status}.")


def _denied(server: Running) -> None:
    status, _ = transfers.request(server.address, f"{server.members_files}{SMALL[0]}")
    if status not in (302, 401, 403):
        raise BenchmarkError(f"A file for staff was answered with {status} to a stranger.")


def _do(operation: str, name: str = "", *, result: object = None) -> Callable[[Running], None]:
    """Ask the site to use its storage, and look at what it returned, unless any result will do."""

    def act(server: Running) -> None:
        status, body = transfers.request(server.address, f"/bench/do/{operation}/?name={quote(name)}")
        if status != 200 or (result is not None and json.loads(body)["result"] != result):
            raise BenchmarkError(f"{operation} of {name!r} was answered with {status}: {body[:200]!r}")

    return act


OPERATIONS = (
    Operation("start, build every storage", _do("build"), is_cold=True),
    Operation("start, 100 × url()", _do("urls", "new.txt", result=100), is_cold=True),
    Operation("start, first GET", _get(SMALL[0]), is_cold=True),
    Operation(f"{WARM_GETS} × GET, warm", _get(SMALL[0], times=WARM_GETS)),
    Operation("HEAD, warm", _get(SMALL[0], method="HEAD")),
    Operation("GET of a missing file", _get("missing.txt", expected=(404,))),
    Operation("GET that is denied", _denied),
    Operation("build every storage, warm", _do("build")),
    Operation("exists(), first time", _do("exists", SMALL[1], result=True)),
    Operation("exists(), again", _do("exists", SMALL[1], result=True)),
    Operation("size(), after exists()", _do("size", SMALL[1])),
    Operation("exists() of a missing file", _do("exists", "missing.txt", result=False)),
    Operation("100 × url(), warm", _do("urls", "new.txt", result=100)),
    Operation("save(), first of the process", _do("save", "uploads/first.txt", result="uploads/first.txt")),
    Operation("save(), new name", _do("save", "uploads/new.txt", result="uploads/new.txt")),
    Operation("save(), taken name", _do("save", "uploads/new.txt")),
    Operation("overwrite through open()", _do("overwrite", "uploads/new.txt")),
)
