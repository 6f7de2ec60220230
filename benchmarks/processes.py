"""Child processes: started here, waited for, and ended by the id that they were started with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 60.0
END_S = 15.0
WORK_S = 1800.0


class BenchmarkError(Exception):
    """Something that is measured, or that measures, does not work; the text says what."""


class Child:
    """A process in a group of its own, so that all it starts ends with it.

    Args:
        argv: the command.
        log: where its output goes.
        env: its whole environment; None for ours.
    """

    def __init__(self, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=log.parent,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until the process works.

        Raises:
            BenchmarkError: it ended, or did not begin to work in time; with the end of its log.
        """
        deadline = time.monotonic() + START_S
        while not is_ready():
            if self._process.poll() is not None:
                raise BenchmarkError(f"It ended with code {self._process.returncode}:\n{self.output()[-2000:]}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"It did not start within {START_S:.0f} s:\n{self.output()[-2000:]}")
            time.sleep(0.05)

    def wait_for_end(self) -> None:
        """Wait until the process has done its work.

        Raises:
            BenchmarkError: it failed; with the end of its log.
        """
        if self._process.wait(WORK_S):
            raise BenchmarkError(f"It ended with code {self._process.returncode}:\n{self.output()[-2000:]}")

    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        """Ask it to end, then make it; what it started and left behind goes too."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nothing is left, as it should be


def run(argv: Sequence[str | Path], what: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        BenchmarkError: it failed; `what` says what it was for.
    """
    words = [str(word) for word in argv]
    result = subprocess.run(words, capture_output=True, text=True, env=None if env is None else dict(env))
    if result.returncode:
        raise BenchmarkError(f"{what} failed:\n{(result.stdout + result.stderr).strip()[-2000:]}")
    return result.stdout


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment(**values: str) -> dict[str, str]:
    """Our environment without what could configure a measured package, and with `values`."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BACKBLAZE_", "B2_", "DJANGO_", "GUNICORN_", "UVICORN_", "PYTHON", "WEB_CONCURRENCY"))
    }
    return ours | values
