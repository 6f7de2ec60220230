"""A virtual environment for a package that must not share ours; made once, and kept under .nox/benchmarks."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.processes import BenchmarkError, run
from benchmarks.stage import ROOT

CACHE = ROOT / ".nox" / "benchmarks"
SHARED = (
    *(
        "asgiref",
        "b2sdk",
        "boto3",
        "botocore",
        "certifi",
        "charset-normalizer",
        "click",
        "django",
        "gunicorn",
        "h11",
        "idna",
    ),
    *("requests", "sqlparse", "urllib3", "uvicorn"),
)
_LIST = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def python_with(name: str, requirements: list[str], below: dict[str, int]) -> Path:
    """The interpreter of an environment that has the requirements, and else the versions that we run with ourselves.

    Args:
        name: of the environment's folder.
        requirements: what to install.
        below: major versions that a package must stay below, though we may run with a newer one.
    Raises:
        BenchmarkError: it cannot be made, for example because there is no way to a package index.
    """
    limits = _limits(below)
    recipe = json.dumps([sys.version, platform.machine(), requirements, limits])
    folder = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists() and python.exists():
        return python
    print(f"Installing {requirements[0]} into an environment of its own (once) ...", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    constraints = CACHE / f"{folder.name}.txt"
    constraints.write_text("\n".join(limits) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    _make(folder, python, [*requirements, "-c", str(constraints)])
    (folder / "ready").touch()
    return python


def versions_in(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Which versions of packages an environment has."""
    return dict(json.loads(run([python, "-c", _LIST, *packages], "Asking for versions")))


def _make(folder: Path, python: Path, install: list[str]) -> None:
    what = f"Installing {install[0]}"
    if (uv := _uv()) is not None:
        run([*uv, "venv", "--quiet", "--python", sys.executable, folder], what)
        run([*uv, "pip", "install", "--quiet", "--python", python, *install], what)
    elif importlib.util.find_spec("pip"):
        run([sys.executable, "-m", "venv", "--without-pip", folder], what)
        run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *install], what)
    elif importlib.util.find_spec("ensurepip"):
        run([sys.executable, "-m", "venv", folder], what)
        run([python, "-m", "pip", "install", "--quiet", *install], what)
    else:
        raise BenchmarkError(f"{what} takes uv or pip; {sys.executable} has neither.")


def _uv() -> list[str] | None:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv") or next(iter(sorted((ROOT / ".nox").glob("bootstrap-*/bin/uv"))), None)
    return None if found is None else [str(found)]


def _limits(below: dict[str, int]) -> list[str]:
    limits = []
    for package in SHARED:
        try:
            ours = version(package)
        except PackageNotFoundError:
            ours = ""
        highest = below.get(package)
        if ours and (highest is None or int(ours.split(".")[0]) < highest):
            limits.append(f"{package}=={ours}")
        elif highest is not None:
            limits.append(f"{package}<{highest}")
    return limits
