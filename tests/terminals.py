"""Terminals of a person who follows the manual: bash on a pseudo-terminal, one command after another, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

WAIT_S = 300.0
"""An installation from a package index is the longest that a command may take."""

_PROMPT = re.compile(r"<exit (\d+)>")


class Terminal:
    """A bash that has read no start-up file. Its prompt is the exit code of the last command.

    Args:
        folder: where it starts.
        environment: all of it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._end, theirs = pty.openpty()
        self._text = ""
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment, "PS1": "<exit $?>", "TERM": "dumb"},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._prompt()
        self.run("stty -echo")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._end)  # who is in the foreground gets SIGHUP, as when a window is closed
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    @property
    def text(self) -> str:
        """What was printed since the last command began."""
        self._read(0.0)
        return self._text

    def run(self, command: str) -> tuple[int, str]:
        """Type a command and wait for its end: its exit code, and what it printed."""
        self.begin(command)
        return self._prompt()

    def begin(self, command: str) -> None:
        """Type a command that goes on."""
        self._text = ""
        os.write(self._end, command.encode() + b"\n")

    def wait_for(self, text: str) -> None:
        """Wait until what goes on has printed this."""
        deadline = time.monotonic() + WAIT_S
        while text not in " ".join(self._text.split()):
            assert _PROMPT.search(self._text) is None, f"It ended before it printed {text!r}:\n{self._text}"
            assert time.monotonic() < deadline, f"It never printed {text!r}:\n{self._text}"
            self._read(0.2)

    def interrupt(self) -> int:
        """Press Ctrl-C: the exit code of what went on."""
        os.write(self._end, b"\x03")
        return self._prompt()[0]

    def _prompt(self) -> tuple[int, str]:
        deadline = time.monotonic() + WAIT_S
        while (found := _PROMPT.search(self._text)) is None:
            assert time.monotonic() < deadline, f"It does not end:\n{self._text}"
            self._read(0.2)
        return int(found[1]), self._text[: found.start()]

    def _read(self, wait_s: float) -> None:
        while select.select([self._end], [], [], wait_s)[0]:
            try:
                self._text += os.read(self._end, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                return
            wait_s = 0.0


def _take_terminal() -> None:
    """Make the pseudo-terminal the controlling one, so that Ctrl-C reaches what runs in its foreground; and end by it,
    as after a login. Whoever runs the tests in the background of a script has left word to ignore it."""
    import fcntl
    import termios

    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
