"""Other people's test suites, fetched at run time into a temporary folder; skipped unless B2ROUTER_SUITES=1.

They take a minute and need a package index. With B2ROUTER_REQUIRE=all a missing archive is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from b2router.emulator import Emulator
from tests.emulator.clients.conftest import missing

ROOT = Path(__file__).parents[2]
PACKAGES = ("django", "django-cleanup")

Run = Callable[..., str]
said = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the source archives of the installed versions are unpacked, by package."""
    if os.environ.get("B2ROUTER_SUITES") != "1" and os.environ.get("B2ROUTER_REQUIRE") != "all":
        pytest.skip("set B2ROUTER_SUITES=1 to fetch and run the suites of Django and django-cleanup")
    try:
        wanted = [f"{name}=={version(name)}" for name in PACKAGES]
    except PackageNotFoundError as error:
        missing(f"not installed: {error.name}")
    folder = tmp_path_factory.mktemp("suites")
    fetch = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    done = subprocess.run([sys.executable, *fetch, *wanted], capture_output=True, text=True, cwd=folder)
    if done.returncode:
        missing(f"the package index does not give {', '.join(wanted)}: {done.stderr[-300:]}")
    for path in folder.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    return {
        name: next(path for path in folder.glob(f"{name.replace('-', '_')}-*") if path.is_dir()) for name in PACKAGES
    }


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a suite against a fresh B2; it has to pass. Returns its output."""
    with Emulator(buckets=("acme-suite:public",)) as b2:

        def runner(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
            done = subprocess.run(
                [sys.executable, *(str(word) for word in command)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
                cwd=cwd,
                env={
                    **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
                    "PYTHONPATH": os.pathsep.join((str(cwd), str(ROOT), os.environ.get("PYTHONPATH", ""))),
                    "BACKBLAZE_APPLICATION_KEY_ID": b2.key_id,
                    "BACKBLAZE_APPLICATION_KEY": b2.key,
                    "BACKBLAZE_REALM": b2.url,
                    **(env or {}),
                },
            )
            assert done.returncode == 0, done.stdout[-8000:]
            assert b2.calls().get("b2_upload_file", 0) > 0, "The suite has not touched B2."
            return done.stdout

        yield runner


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Put a line into the summary."""
    return pytestconfig.stash.setdefault(said, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """How many tests the suites are."""
    for line in config.stash.get(said, []):
        terminalreporter.write_line(line)
