"""django-cleanup beside b2router: files of rows that are replaced or deleted go when the transaction is committed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.suites.conftest import Run

AROUND = Path(__file__).with_name("cleanup")


@pytest.mark.parametrize(
    ("app", "which"),
    [
        pytest.param("django_cleanup", "not cleanup_selected_config", id="all models"),
        pytest.param("django_cleanup.apps.CleanupSelectedConfig", "cleanup_selected_config", id="selected models"),
    ],
)
def test_its_own_tests_pass(
    app: str, which: str, sources: dict[str, Path], run: Run, say: Callable[[str], None], tmp_path: Path
) -> None:
    """Their archive holds the tests without what they stand on, which `cleanup` brings."""
    shutil.copytree(AROUND, tmp_path / "test", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("test_all.py", "testing_helpers.py"):
        shutil.copy(sources["django-cleanup"] / "test" / name, tmp_path / "test")
    (tmp_path / "test" / "fixtures.py").rename(tmp_path / "test" / "conftest.py")
    options = ["-q", "-rx", "-p", "no:cacheprovider", "-c", "/dev/null", "--ds=test.settings", f"--rootdir={tmp_path}"]
    output = run("-m", "pytest", *options, "-m", which, "test", cwd=tmp_path, env={"CLEANUP_APP": app})
    found = re.search(r"(\d+) passed.* in ", output)
    assert found, output[-3000:]
    print(output)
    say(f"django-cleanup, {app}: {found[0].removesuffix(' in ')}")
