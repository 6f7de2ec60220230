"""What a run was made on: cores, load, versions; no host name, no path."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import b2router
from benchmarks import servers
from benchmarks.environments import versions_in

PACKAGES = ("b2sdk", "django", "gunicorn", "urllib3", "uvicorn")


def describe() -> dict[str, str]:
    """The machine as it is before the run."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1024**3:.0f} GiB",
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": platform.python_version(),
    }


def our_versions() -> dict[str, str]:
    """b2router's version, and those of what it runs with; the checkout need not be installed."""
    return {"b2router": b2router.__version__, **versions_in(Path(sys.executable), PACKAGES)}


def peer_versions(python: Path, package: str) -> dict[str, str]:
    """The same for a package in an environment of its own."""
    return versions_in(python, (package, *PACKAGES))


def storage_versions(python: Path) -> dict[str, str]:
    """The same for django-storages, which has no servers beside it."""
    return versions_in(python, ("django-storages", "boto3", "django", "urllib3"))


def nginx_version() -> str | None:
    """The version of nginx, if it is installed."""
    program = servers.nginx()
    if program is None:
        return None
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"nginx/([\d.]+)", said)
    return found[1] if found else "unknown"


def wait_for_quiet(limit: float, patience_s: float) -> None:
    """Wait until the machine has little else to do, or patience ends."""
    deadline = time.monotonic() + patience_s
    while os.getloadavg()[0] >= limit and time.monotonic() < deadline:
        print(f"Load average is {os.getloadavg()[0]:.2f}; waiting for less than {limit:g} ...", file=sys.stderr)
        time.sleep(min(15.0, patience_s))


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else "unknown"
