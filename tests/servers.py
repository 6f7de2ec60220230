"""Real servers for tests: the test project under gunicorn or uvicorn, in a process of its own, and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from b2router.emulator import Emulator
from tests.processes import daemon, free_port, listens

ROOT = Path(__file__).parents[1]

UVICORN = ["uvicorn", "tests.project.asgi:application", "--lifespan=off"]
COMMANDS = {
    "gunicorn": ["gunicorn", "tests.project.wsgi", "--worker-class=gthread"],
    "gunicorn sync": ["gunicorn", "tests.project.wsgi", "--worker-class=sync"],
    "gunicorn 32 threads": ["gunicorn", "tests.project.wsgi", "--worker-class=gthread", "--threads=32"],
    "uvicorn": [*UVICORN, "--http=h11", "--log-level=warning"],
    "uvicorn httptools": [*UVICORN, "--http=httptools", "--log-level=warning"],
    "uvicorn 2 workers": [*UVICORN, "--http=h11", "--workers=2"],
}


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def worker(self) -> int:
        """Process id of the one that answers: gunicorn's only child, or uvicorn itself."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> bytes:
        connection = self.connect()
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    @contextmanager
    def growth(self) -> Iterator[list[int]]:
        """Collects by how many bytes the worker's memory grew at its peak inside."""
        collected: list[int] = []
        Path(f"/proc/{self.worker}/clear_refs").write_text("5")  # resets the peak to what is in use now
        before = self._peak()
        yield collected
        collected.append(self._peak() - before)

    def _peak(self) -> int:
        status = Path(f"/proc/{self.worker}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@contextmanager
def serving(
    kind: str,
    emulator: Emulator,
    folder: Path,
    port: int | None = None,
    workers: int = 1,
    threads: int = 8,
    /,
    *,
    give_up_s: float | None = None,
    **variables: str,
) -> Iterator[Server]:
    """Run the test project on the emulator.

    Args:
        kind: one of `COMMANDS`.
        folder: where its log goes.
        port: to listen on; None for a free one.
        workers: processes that answer.
        threads: in each worker of "gunicorn"; uvicorn makes its own.
        give_up_s: listen on a socket of `examples/listen.py`, which gives up visitors who stop reading.
        variables: of the environment, in addition.
    """
    port = port or free_port()
    is_gunicorn = kind.startswith("gunicorn")
    before: list[str] = []
    if give_up_s is not None:
        before = [str(ROOT / "examples/listen.py"), f"127.0.0.1:{port}", f"--give-up={give_up_s}", "--", sys.executable]
        bind = ["--bind=fd://{fd}"] if is_gunicorn else ["--fd={fd}"]
    else:
        bind = [f"--bind=127.0.0.1:{port}"] if is_gunicorn else ["--host=127.0.0.1", f"--port={port}"]
    argv = [sys.executable, *before, "-m", *COMMANDS[kind], *bind]
    if kind != "uvicorn 2 workers":
        argv.append(f"--workers={workers}")
    if kind == "gunicorn":
        argv.append(f"--threads={threads}")
    log = folder / f"{kind.replace(' ', '-')}-{port}.log"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "BACKBLAZE_REALM": emulator.url,
        "BACKBLAZE_APPLICATION_KEY_ID": emulator.key_id,
        "BACKBLAZE_APPLICATION_KEY": emulator.key,
        **variables,
    }
    with daemon(argv, log, lambda: listens(port), environment=environment, cwd=ROOT) as process:
        yield Server(port, process, log)
