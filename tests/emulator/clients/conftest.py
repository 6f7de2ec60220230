"""Other people's clients, fetched at run time into a temporary folder; skipped unless B2ROUTER_CLIENTS=1.

They take a minute and need a package index. With B2ROUTER_REQUIRE=all a missing client is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


def missing(reason: str) -> None:
    """Skip visibly, or fail where everything is required."""
    if os.environ.get("B2ROUTER_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _only_when_asked() -> None:
    if os.environ.get("B2ROUTER_CLIENTS") != "1" and os.environ.get("B2ROUTER_REQUIRE") != "all":
        pytest.skip("set B2ROUTER_CLIENTS=1 to fetch and run other people's clients")


@pytest.fixture(scope="session")
def tools(_only_when_asked: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the b2 command and what b2sdk's integration tests need."""
    folder = tmp_path_factory.mktemp("clients")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    wanted = ["b2", "tenacity", "pytest", "pytest-timeout"]
    done = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    if done.returncode:
        missing(f"the package index does not give {', '.join(wanted)}: {done.stderr[-300:]}")
    return folder / "bin"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command that has to succeed, and return its standard output."""

    def runner(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=cwd or tmp_path,
            env={**os.environ, "HOME": str(tmp_path), **(env or {})},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    return runner


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with small files, odd names and one file of three parts."""
    folder = tmp_path / "source"
    (folder / "sub dir").mkdir(parents=True)
    for name in ("a.txt", "ü é.txt", "plus+percent%.txt", "sub dir/b.txt"):
        (folder / name).write_text(f"content of {name}\n")
    (folder / "big.bin").write_bytes(os.urandom(12_000_000))
    return folder


@pytest.fixture
def rclone() -> str:
    """The rclone command."""
    found = shutil.which("rclone")
    if found is None:
        missing("rclone is not installed (Debian: apt-get install rclone)")
    return found or ""
