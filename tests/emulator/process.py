"""The emulator as a process of its own, for tests of its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from tests.emulator.wire import Wire

KEY = ("master-key", "master-secret")


class Process:
    """An emulator in a process of its own."""

    started: ClassVar[list[Process]] = []  # ended after each test, should it have forgotten

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "b2router.emulator", "--data", str(folder), "--port", "0", "--quiet"]
        command += ["--key", ":".join(KEY), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(self)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[3].rstrip(",")

    def wire(self) -> Wire:
        return Wire(self.url, *KEY)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return exit code and standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors

    def kill(self) -> None:
        """End it if it still runs."""
        if self.process.returncode is None:
            self.end(signal.SIGKILL)
