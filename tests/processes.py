"""Programs that tests start: on free ports of loopback, waited for, and ended by the id that they were started with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0
END_S = 15.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def daemon(
    argv: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    stop: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the caller is done with it; what it started ends with it.

    Args:
        log: where its output goes, after what stands there.
        is_ready: asked until it is true; if the program ends or the time is up before, the test fails with the log.
        stop: the signal that asks it to end.
        environment: its whole environment; None for ours.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{argv[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield process
    finally:
        end(process, stop)


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal, and make an end of the whole group of the process if that does not."""
    process.send_signal(number)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left, as it should be
