"""What the repository promises about itself: one version, honest classifiers, nothing of one machine."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import b2router

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def kept_files() -> list[Path]:
    """Every file that git keeps or would keep."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git work tree")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def matches(pattern: str) -> list[str]:
    """Where a pattern occurs in the kept text files, as "path:line"."""
    found = []
    for path in kept_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        lines = (text.count("\n", 0, match.start()) + 1 for match in re.finditer(pattern, text))
        found += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    return found


def requirements() -> list[Requirement]:
    """What the package needs, extras included."""
    project = PYPROJECT["project"]
    texts = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in texts for text in group]


def test_version_is_written_once():
    project = PYPROJECT["project"]
    assert ("version" in project, project["dynamic"]) == (False, ["version"])
    assert PYPROJECT["tool"]["hatch"]["version"] == {"path": "b2router/__init__.py"}
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", b2router.__version__)


def test_installed_metadata_carries_the_version():
    assert importlib.metadata.version("b2router") == b2router.__version__


def test_changelog_knows_this_version_or_collects_for_the_next():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings
    assert headings[0] in ("Unreleased", b2router.__version__)


def test_public_names_are_listed_and_all_there():
    listed = b2router.__all__
    assert list(listed) == sorted(set(listed))
    assert [name for name in listed if not hasattr(b2router, name)] == []
    assert "__version__" in listed


def test_classifiers_name_exactly_what_the_matrix_runs():
    subjects = ("Programming Language :: Python :: ", "Framework :: Django :: ")
    classifiers = PYPROJECT["project"]["classifiers"]
    declared = {
        version
        for text in classifiers
        for subject in subjects
        if re.fullmatch(r"\d\.\d+", version := text.removeprefix(subject))
    }
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    (matrix,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["MATRIX"]
    )
    run = {node.value for node in ast.walk(matrix) if isinstance(node, ast.Constant)}
    assert declared == run


def test_constraints_record_a_version_in_range_for_every_dependency():
    """Except for Django, which the test matrix chooses."""
    recorded = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.lstrip().startswith("#"):
            name, version = re.fullmatch(r"([a-z0-9._-]+)==(\S+)(?: ; .+)?", line).groups()
            recorded.setdefault(name, []).append(version)
    out_of_range = {
        requirement.name: recorded.get(requirement.name)
        for requirement in requirements()
        if requirement.name != "django"
        and not all(version in requirement.specifier for version in recorded.get(requirement.name, ["none"]))
    }
    assert (out_of_range, "django" in recorded) == ({}, False)


def test_whatever_the_package_imports_is_declared():
    """Else an update of the library that happened to bring it takes it away."""
    imported = set()
    for path in (ROOT / "b2router").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    homes = importlib.metadata.packages_distributions()
    own_or_python = {"b2router", "_typeshed", *sys.stdlib_module_names}
    needed = {homes.get(name, [name])[0].lower().replace("_", "-") for name in imported - own_or_python}
    declared = {requirement.name for requirement in requirements()}
    by_the_manuals_of_django_and_pydantic = {"asgiref", "pydantic-core"}
    for_those_who_have_it = {"pytest"}  # b2router.testing is its plugin
    assert needed - declared - by_the_manuals_of_django_and_pydantic - for_those_who_have_it == set()


def test_package_is_marked_as_typed():
    assert (ROOT / "b2router" / "py.typed").read_bytes() == b""


def test_no_lock_of_one_machines_mirror():
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock"}
    assert locks.isdisjoint(path.name for path in kept_files())


def test_no_address_of_a_package_index():
    hosts = "|".join(("py" + "pi", "files" + r"\.pythonhosted", "registry" + r"\.npmjs", "deb" + r"\.debian"))
    assert matches(rf"(?i)\b(?:{hosts})\.(?:org|com)\b|--(?:extra-)?index-url") == []


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(r"\bK00\d(?!canary)[A-Za-z0-9/+]{27}\b", id="application key"),
        pytest.param(r"-----BEGIN [A-Z ]*" + "PRIVATE KEY-----", id="private key"),
    ],
)
def test_no_secret_by_its_shape(shape):
    assert matches(shape) == []
