"""What a run of collectstatic says about its uploads: a bar where tqdm is installed and somebody looks, else lines."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

__all__ = ["Lines", "Progress", "Quiet", "shown"]

EVERY_S = 5.0
"""Between two lines."""


class Output(Protocol):
    """Where text goes: a stream, or the wrapper that Django's commands have around one."""

    def write(self, text: str, /) -> Any:
        """Write it."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""


class Quiet:
    """Says nothing."""

    def found(self, count: int) -> None:
        """So many files are at B2 before the run."""

    def wanted(self) -> None:
        """One file more is to be uploaded."""

    def uploaded(self, size_bytes: int) -> None:
        """One file is uploaded; told by any thread."""

    def close(self) -> None:
        """The run is over, or has failed."""


Progress = Quiet


class Lines(Quiet):
    """A line every few seconds, and one at the end.

    Args:
        output: where they go.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._count = self._bytes = 0
        self._said_at = time.monotonic()

    def found(self, count: int) -> None:
        """Say it."""
        self._output.write(f"B2 has {count} file{'' if count == 1 else 's'} there.")

    def uploaded(self, size_bytes: int) -> None:
        """Count it."""
        with self._lock:
            self._count += 1
            self._bytes += size_bytes
            if time.monotonic() - self._said_at >= EVERY_S:
                self._say()

    def close(self) -> None:
        """Say what it came to."""
        with self._lock:
            self._say()

    def _say(self) -> None:
        self._said_at = time.monotonic()
        plural = "" if self._count == 1 else "s"
        self._output.write(f"{self._count} file{plural} uploaded, {self._bytes:,} bytes.")


class Bar(Quiet):
    """A bar of tqdm, which grows as files turn out to be uploaded.

    Args:
        tqdm: the class.
        output: where it is drawn.
    """

    def __init__(self, tqdm: Any, output: Output) -> None:
        self._lock = threading.Lock()
        self._bar = tqdm(total=0, unit="file", desc="Uploading", file=output, leave=True)

    def wanted(self) -> None:
        """Make it longer."""
        with self._lock:
            self._bar.total += 1
            self._bar.refresh()

    def uploaded(self, size_bytes: int) -> None:
        """Move it."""
        with self._lock:
            self._bar.update(1)

    def close(self) -> None:
        """Leave it as it is."""
        self._bar.close()


def shown(output: Output, errors: Output, verbosity: int) -> Progress:
    """What fits the verbosity of a command and whoever looks.

    Args:
        output: of the command; lines go there.
        errors: of the command; a bar goes there, if it is a terminal.
        verbosity: 0 is quiet; from 2 on, the command names each file, among which a bar would be in the way.
    """
    if verbosity < 1:
        return Quiet()
    if verbosity == 1 and errors.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            return Lines(output)
        return Bar(tqdm, errors)
    return Lines(output)
