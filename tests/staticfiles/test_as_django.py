"""collectstatic to B2 leaves what it leaves on a disk, whatever its options: Django's own storages are the oracle."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError

from tests.staticfiles.conftest import MANIFEST, PLAIN, Use, collect, restart

ON_DISK = {
    PLAIN: "django.contrib.staticfiles.storage.StaticFilesStorage",
    MANIFEST: "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"ignore_patterns": ["*.png"]},
    {"ignore_patterns": ["vendor*"]},
    {"ignore_patterns": ["css/base.css", "*.js"]},
    {"use_default_ignore_patterns": False},
    {"post_process": False},
    {"dry_run": True},
    {"clear": True},
    {"clear": True, "ignore_patterns": ["note.txt"]},
    {"clear": True, "dry_run": True},
    {"clear": True, "post_process": False},
]


def contents(storage: Any, folder: str = "") -> dict[str, Any]:
    """Every file, by name."""
    folders, files = storage.listdir(folder)
    found = {}
    for name in files:
        with storage.open(f"{folder}{name}") as file:
            found[f"{folder}{name}"] = json.load(file) if name.endswith(".json") else file.read()
    for inner in folders:
        found |= contents(storage, f"{folder}{inner}/")
    return found


def told(output: str) -> list[str]:
    """What was said of each file, in any order, and how many it were; without where they lie."""
    lines = [re.sub(r"'[^']*/source/|'$", "", line) for line in output.splitlines()]
    each = sorted(line for line in lines if re.match(r"Copying|Pretending|Skipping|Deleting|Post-processed", line))
    return each + [re.sub(r" to '.*?'|\.$", "", line) for line in lines if re.search(r"static files? copied", line)]


@pytest.fixture(params=[PLAIN, MANIFEST], ids=["plain", "manifest"])
def runs(
    request: pytest.FixtureRequest, use: Use, settings: Any, source: Path, tmp_path: Path
) -> Iterator[Callable[..., list[tuple[dict[str, Any], list[str]]]]]:
    """Runs collectstatic to both, with the options given for each run, and tells what is there and what was said."""

    def on_disk() -> None:
        use(request.param)
        settings.STATIC_ROOT = tmp_path / "root"
        settings.STATIC_ROOT.mkdir()
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": ON_DISK[request.param]}}

    def run(*runs: dict[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
        found = []
        for begin in (on_disk, lambda: use(request.param)):
            begin()
            lay_out(source)
            said: list[str] = []
            for number, options in enumerate(runs):
                if number:
                    change(source)
                restart()
                try:
                    said = told(collect(**{"verbosity": 2, **deepcopy(options)}))
                except (ValueError, CommandError) as error:  # a style sheet refers to what was ignored
                    said = [str(error).partition(" with ")[0]]
            restart()
            found.append((contents(storages["staticfiles"]), said))
        return found

    yield run


def lay_out(source: Path) -> None:
    for name, text in {
        "css/app.css": '@import "base.css";\nbody { background: url(../dot.png) }\n',
        "css/base.css": "p { margin: 0 }\n",
        "note.txt": "hello\n",
        "vendor/a.js": "let a = 1\n",
        "vendor/deep/b.js": "let b = 2\n",
        ".hidden": "h\n",
        "CVS": "c\n",
        "gone.txt": "gone\n",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    (source / "new.txt").unlink(missing_ok=True)


def change(source: Path) -> None:
    (source / "css" / "base.css").write_text("p { margin: 1px }\n")
    os.utime(source / "css" / "base.css", (4_000_000_000, 4_000_000_000))  # on a disk, times are what is compared
    (source / "new.txt").write_text("new\n")
    (source / "gone.txt").unlink(missing_ok=True)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_first_run(options: dict[str, Any], runs: Callable[..., Any]) -> None:
    on_disk, at_b2 = runs(options)
    assert at_b2[1] == on_disk[1]
    if "not be found" not in on_disk[1][0]:  # then Django leaves half of them there
        assert at_b2[0] == on_disk[0]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_run_after_a_change(options: dict[str, Any], runs: Callable[..., Any]) -> None:
    on_disk, at_b2 = runs({}, options)
    assert at_b2[1] == on_disk[1]
    if "not be found" not in on_disk[1][0]:  # then Django leaves half of them there
        assert at_b2[0] == on_disk[0]


def test_a_file_that_is_left_out_again(runs: Callable[..., Any]) -> None:
    """The manifest of the run before knows nothing of it any more."""
    left_out = {"ignore_patterns": ["css/base.css"]}
    on_disk, at_b2 = runs({}, left_out, left_out)
    assert at_b2 == on_disk
