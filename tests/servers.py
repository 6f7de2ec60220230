"""Real servers for tests: the test project under gunicorn or uvicorn, in a process of its own, and its memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from b2router.emulator import Emulator

ROOT = Path(__file__).parents[1]

COMMANDS = {
    "gunicorn": ["gunicorn", "tests.project.wsgi", "--workers=1", "--threads=8", "--worker-class=gthread"],
    "gunicorn sync": ["gunicorn", "tests.project.wsgi", "--workers=1", "--worker-class=sync"],
    "gunicorn 32 threads": ["gunicorn", "tests.project.wsgi", "--workers=1", "--threads=32", "--worker-class=gthread"],
    "uvicorn": ["uvicorn", "tests.project.asgi:application", "--lifespan=off", "--log-level=warning"],
    "uvicorn 2 workers": ["uvicorn", "tests.project.asgi:application", "--lifespan=off", "--workers=2"],
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
    kind: str, emulator: Emulator, folder: Path, *, give_up_s: float | None = None, **variables: str
) -> Iterator[Server]:
    """Run the test project on the emulator, with further environment variables; with `give_up_s`, on a socket of
    `examples/listen.py`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bind = [f"--bind=127.0.0.1:{port}"] if kind.startswith("gunicorn") else ["--host=127.0.0.1", f"--port={port}"]
    before: list[str] = []
    if give_up_s is not None:
        bind = ["--bind=fd://{fd}"] if kind.startswith("gunicorn") else ["--fd={fd}"]
        before = [str(ROOT / "examples/listen.py"), f"127.0.0.1:{port}", f"--give-up={give_up_s}", "--", sys.executable]
    log = folder / f"{kind}.log"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "BACKBLAZE_REALM": emulator.url,
        "BACKBLAZE_APPLICATION_KEY_ID": emulator.key_id,
        "BACKBLAZE_APPLICATION_KEY": emulator.key,
        **variables,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *before, "-m", *COMMANDS[kind], *bind],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, port, log)
            yield Server(port, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
