"""CPU time and memory of processes, as Linux counts them under /proc; asked around every measurement."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KIB = 1024


def is_available() -> bool:
    """Whether this system counts as Linux does."""
    return (PROC / "self" / "clear_refs").exists()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def cpu_s(pids: list[int]) -> float:
    """CPU seconds that the processes have used so far, in user and system mode."""
    ticks = 0
    for pid in pids:
        if fields := _stat(pid):
            ticks += int(fields[11]) + int(fields[12])  # utime, stime: proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class MemoryMark:
    """Resident memory of some processes at a moment; their peak counts from there."""

    resident: dict[int, int]  # bytes by process

    @classmethod
    def set(cls, pids: list[int]) -> MemoryMark:
        """Begin to watch: the peak that the kernel remembers is brought down to what is resident now."""
        for pid in pids:
            with suppress(OSError):  # it has ended
                (PROC / str(pid) / "clear_refs").write_text("5")  # resets VmHWM: proc(5)
        return cls({pid: size for pid in pids if (size := _status(pid, "VmRSS")) is not None})

    def growth_bytes(self) -> int:
        """How far the process that grew most has risen above the mark at its peak."""
        peaks = {pid: _status(pid, "VmHWM") for pid in self.resident}
        return max((peak - self.resident[pid] for pid, peak in peaks.items() if peak is not None), default=0)


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on; empty when it has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before may hold blanks


def _status(pid: int, name: str) -> int | None:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith(f"{name}:")), None)
