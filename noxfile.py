#!/usr/bin/env python3
"""What can be done with this repository; each verb is a session.

    python3 noxfile.py                              list the verbs
    python3 noxfile.py lint types                   run one, or several
    python3 noxfile.py tests -p 3.12 -- -k ranges   options for nox; after the dashes, for the verb's own tool
    python3 noxfile.py demo -- --check

Nothing has to be installed first: without nox, this file puts nox and uv into `.nox/` and starts again
there. Who has nox may as well say `nox -s tests`. Only `format`, `schema` and `constraints` write what git keeps.
"""

import hashlib
import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
SCHEMA = ROOT / "schemas" / "b2router-1.schema.json"
OLDEST_PYTHON = (3, 11)


def bootstrap() -> None:
    """Start this file again in an environment of its own that has nox and uv.

    The environment is created empty and filled by the pip of this Python, which needs neither ensurepip
    (Debian ships it separately) nor permission to touch the system's packages. A Python without pip, as in
    an environment that uv made, has ensurepip put one into the new environment.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"b2router needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer; this is "
            f"{sys.version.split()[0]} ({sys.executable}). Start noxfile.py with a newer python3."
        )
    environment = ROOT / ".nox" / "bootstrap-{}.{}".format(*sys.version_info)
    python = environment / "bin" / "python"
    stamp = environment / "ready"
    wanted = hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing nox and uv into {environment.relative_to(ROOT)} (once) ...", flush=True)
        trust_what_python_trusts()
        create = [sys.executable, "-m", "venv", "--clear", environment]
        pip = [python, "-m", "pip"]
        if importlib.util.find_spec("pip"):
            create.append("--without-pip")
            pip = [sys.executable, "-m", "pip", "--python", python]
        install = [*pip, "install", "--disable-pip-version-check", "-q", "-c", CONSTRAINTS, "nox[uv]"]
        if any(subprocess.run(command).returncode for command in (create, install)):
            sys.exit(
                f"Could not set up nox with {sys.executable}. It takes pip 22.3 or newer (Debian, Ubuntu: "
                "apt-get install python3-pip) and a package index that this machine can reach."
            )
        stamp.write_text(wanted)
    os.execv(python, [str(python), str(Path(__file__).resolve()), *sys.argv[1:]])


def trust_what_python_trusts() -> None:
    """Let pip and uv accept this machine's certificates: it may sit behind a proxy, or use a mirror."""
    bundle = ssl.get_default_verify_paths().cafile
    if bundle and ssl.create_default_context().get_ca_certs():
        os.environ.setdefault("PIP_CERT", bundle)
        os.environ.setdefault("UV_SYSTEM_CERTS", "true")


try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    bootstrap()

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types", "docs"]

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
DJANGO = {"5.2": "django>=5.2,<5.3", "6.0": "django>=6.0,<6.1", "6.1": "django>=6.1,<6.2"}
MATRIX = [
    ("3.11", "5.2"),
    *[("3.12", django) for django in ("5.2", "6.0", "6.1")],
    *[("3.13", django) for django in ("5.2", "6.0", "6.1")],
]
HOME_PYTHON = "{}.{}".format(*sys.version_info)
DIAGONAL = [("3.11", "5.2"), ("3.12", "6.0"), ("3.13", "6.1")]  # every Python and every Django once
if sys.version_info[:2] > (3, 13):  # newer than all that is tried regularly: let it be tried here, rather than nothing
    DIAGONAL.append((HOME_PYTHON, "6.1"))
DEPRECATIONS_ARE_ERRORS = ["-W", "error::DeprecationWarning", "-W", "error::PendingDeprecationWarning"]


def prepare_environment() -> None:
    """Let sessions find the interpreters that pyenv keeps, and none of the developer's own configuration."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept_by_pyenv = sorted(str(path) for path in versions.glob("3.*/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *kept_by_pyenv])
    os.environ["UV_PYTHON_DOWNLOADS"] = "never"
    trust_what_python_trusts()
    for name in list(os.environ):
        if name.startswith("BACKBLAZE_") or name in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "PYTHONHOME"):
            del os.environ[name]


prepare_environment()


def group(*names: str) -> list[str]:
    """The requirements of dependency groups in pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def install(session: nox.Session, *requirements: str) -> None:
    """Install at the versions that constraints.txt records."""
    session.install("--constraint", str(CONSTRAINTS), *requirements)


@nox.session
@nox.parametrize(["python", "django"], DIAGONAL)
def tests(session: nox.Session, django: str) -> None:
    """Run the tests on every Python and every Django once, the slow ones here only; missing Pythons are skipped.

    Those of `deployment` are a session of their own, and the other pairs of Python and Django are `matrix`.
    """
    install(session, "--editable", ".[encrypt,prometheus,yaml]", *group("test"), DJANGO[django])
    # Coverage once, on the interpreter that is always there; a selection of tests has no total worth judging.
    home = session.python == HOME_PYTHON
    measured = home and not session.posargs
    plain = ["-m", "pytest"]
    runner = ["-m", "coverage", "run", *plain] if measured else plain
    if measured:
        session.run("coverage", "erase", silent=True)
    # Fast tests wait more than they compute, so four run side by side; the slow ones start whole servers, so it is two.
    # The emulator knows no Django, and is tried on one Python only.
    fast, slow = "not browser and not slow", "not browser and not deployment and slow"
    if session.posargs:
        runs = [[*runner, "-m", "not browser and not deployment" if home else fast, *session.posargs]]
    else:
        side_by_side = ["--dist", "loadfile", "-n"]
        runs = [[*runner, *side_by_side, "4", "-m", fast, *([] if home else ["--ignore", "tests/emulator"])]]
        if home:  # without coverage, which would be measured in every process of every server
            runs.append([*plain, *side_by_side, "2", "-m", slow])
    for command in runs:
        session.run("python", *DEPRECATIONS_ARE_ERRORS, *command)
    if measured:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


@nox.session
@nox.parametrize(["python", "django"], [pair for pair in MATRIX if pair not in DIAGONAL])
def matrix(session: nox.Session, django: str) -> None:
    """Run the tests, but for the slow ones, on the pairs of Python and Django that `tests` leaves out."""
    install(session, "--editable", ".[encrypt,prometheus,yaml]", *group("test"), DJANGO[django])
    chosen = ["-n", "4", "--dist", "loadfile", "-m", "not browser and not slow", *session.posargs]
    session.run("python", *DEPRECATIONS_ARE_ERRORS, "-m", "pytest", *chosen)


@nox.session(reuse_venv=False)
def lowest(session: nox.Session) -> None:
    """Run the tests on the oldest versions that pyproject.toml promises to work with."""
    session.install("uv")
    here = ["--python", str(Path(session.bin) / "python")]
    session.run(
        "uv", "pip", "install", *here, "--resolution", "lowest-direct", "--editable", ".[encrypt,prometheus,yaml]"
    )
    session.run("uv", "pip", "install", *here, *group("test"))  # leaves alone what is installed and fits
    session.run("uv", "pip", "list", *here)
    session.run("python", "-m", "pytest", "-m", "not browser and not slow", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Drive the example site with a real Chromium, which the system has to provide."""
    if not any(map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))):
        session.error("No Chromium found. Debian, Ubuntu: apt-get install chromium-headless-shell")
    install(session, "--editable", ".[encrypt,prometheus,yaml]", *group("browser"))
    session.run(
        "python", "-m", "pytest", "-m", "browser",
        "-W", "ignore::pytest.PytestRemovedIn10Warning",  # what pytest-playwright brings
        *session.posargs,
        env={"DJANGO_ALLOW_ASYNC_UNSAFE": "true"},  # playwright's own event loop runs in the tests' thread
    )  # fmt: skip


@nox.session
def deployment(session: nox.Session) -> None:
    """Run several processes behind nginx, on Redis, Memcached and PostgreSQL, and let all of these go wrong.

    What is not installed is skipped, unless B2ROUTER_REQUIRE names it. B2ROUTER_LOAD_S=60 makes the load last longer,
    and B2ROUTER_REPORT names a folder for what was measured.
    """
    install(session, "--editable", ".[encrypt,prometheus,yaml]", *group("test"))
    session.run("python", *DEPRECATIONS_ARE_ERRORS, "-m", "pytest", "-m", "deployment", "-s", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Run the b2 command, rclone and b2sdk's own integration tests on the emulator; they are fetched for it."""
    if not shutil.which("rclone"):
        session.error("No rclone found. Debian, Ubuntu: apt-get install rclone")
    install(session, "--editable", ".[yaml]", *group("test"))
    session.run("python", "-m", "pytest", "tests/emulator/clients", *session.posargs, env={"B2ROUTER_REQUIRE": "all"})


@nox.session(reuse_venv=False)
def django_suites(session: nox.Session) -> None:
    """Run Django's and django-cleanup's own tests with files in B2 instead of on the disk; they are fetched for it."""
    install(session, "--editable", ".[yaml]", *group("suites"), DJANGO[dict(DIAGONAL)[HOME_PYTHON]])
    session.run("python", "-m", "pytest", "tests/suites", *session.posargs, env={"B2ROUTER_REQUIRE": "all"})


@nox.session
def staticfiles(session: nox.Session) -> None:
    """Run Django's own tests of static files on the emulator; they are fetched for it."""
    install(session, "--editable", ".[yaml]", *group("test"), DJANGO[dict(DIAGONAL)[HOME_PYTHON]])
    session.run("python", "-m", "pytest", "tests/staticfiles", *session.posargs, env={"B2ROUTER_REQUIRE": "all"})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and which module may import which; writes nothing."""
    install(session, *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")


@nox.session
def format(session: nox.Session) -> None:
    """Rewrite the Python files in the house format and apply the safe fixes."""
    install(session, *group("lint"))
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    install(session, "--editable", ".[encrypt,prometheus,yaml]", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session
def schema(session: nox.Session) -> None:
    """Write JSON Schema, generated pages and picture; with `-- --check`, compare, and let other tools judge them."""
    install(session, "--editable", ".[yaml]", *group("schema"))
    published = SCHEMA.relative_to(ROOT)
    session.run("b2router", "schema", "-o", str(published), *session.posargs)
    session.run("python", "docs/generate.py", *session.posargs)
    examples = sorted(path for path in (ROOT / "examples/deployment").iterdir() if path.suffix != ".md")
    files = [str(path.relative_to(ROOT)) for path in examples]
    session.run("b2router", "validate", *files)
    session.run("check-jsonschema", "--check-metaschema", str(published))
    session.run("check-jsonschema", "--schemafile", str(published), *files)
    toml = [file for file in files if file.endswith(".toml")]
    session.run("taplo", "check", "--schema", SCHEMA.as_uri(), *toml)
    if shutil.which("npx"):
        ajv = ["npx", "--yes", "--package", "ajv-cli@5", "ajv", "validate", "--spec=draft2020", "--strict=true"]
        data = [option for file in files if file not in toml for option in ("-d", file)]
        session.run(*ajv, "-s", str(published), *data, external=True)
    else:
        session.warn("SKIPPED: ajv in strict mode, for want of npx (Debian, Ubuntu: apt-get install npm)")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the manual into docs/_build/html; a warning is an error."""
    install(session, "--editable", ".[prometheus,yaml]", *group("docs"))
    session.run("sphinx-build", "--quiet", "-W", "--keep-going", "-E", "docs", "docs/_build/html")
    session.log("Built: docs/_build/html/index.html")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the example site on an emulated B2; with `-- --check`, try it without a person."""
    install(session, "--editable", ".[yaml]")
    session.run("python", "examples/site/demo.py", *session.posargs, interrupt_timeout=10.0)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure b2router on the emulator, side by side with django-backblaze-b2."""
    install(session, "--editable", ".[yaml]", *group("bench"))
    session.run("python", "benchmarks/run.py", *session.posargs, interrupt_timeout=10.0)


@nox.session
def package(session: nox.Session) -> None:
    """Build the sdist, the wheel from it, and try the wheel in a clean environment."""
    install(session, *group("package"))
    dist = Path(session.create_tmp()).resolve() / "dist"
    clean = dist.parent / "clean"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(dist), silent=True)
    (wheel,) = dist.glob("*.whl")
    missing = package_files() - set(zipfile.ZipFile(wheel).namelist())
    if missing:
        session.error(f"{wheel.name} lacks {', '.join(sorted(missing))}")

    session.run("uv", "venv", "--quiet", "--clear", "--python", str(Path(session.bin) / "python"), str(clean))
    python = str(clean / "bin" / "python")
    at_recorded_versions = ["--quiet", "--python", python, "--constraint", str(CONSTRAINTS)]
    session.run("uv", "pip", "install", *at_recorded_versions, str(wheel))
    with session.chdir(clean):  # away from the source, which a flat layout would import instead
        session.run(python, "-I", "-c", INSTALLED, external=True)
        session.run(str(clean / "bin" / "b2router"), "--version", external=True)
        session.run(python, "-I", "-c", CARRIED, external=True)
    session.log(f"{wheel.name} holds {len(package_files())} files of b2router/ and works installed")


INSTALLED = """
import importlib.metadata, pathlib, b2router
assert "clean" in pathlib.Path(b2router.__file__).parts, b2router.__file__
assert b2router.__version__ == importlib.metadata.version("b2router")
for name in b2router.__all__:
    getattr(b2router, name)
"""


CARRIED = """
import importlib.resources
from b2router import schema
carried = importlib.resources.files("b2router") / "schemas" / schema.NAME
assert carried.read_text() == schema.text(), "the wheel carries another schema than its models make"
"""


def package_files() -> set[str]:
    """What the wheel has to hold: every file of the package, and the schemas."""
    files = (path for path in (ROOT / "b2router").rglob("*") if path.is_file())
    package = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    return package | {f"b2router/schemas/{path.name}" for path in (ROOT / "schemas").iterdir()}


@nox.session
def constraints(session: nox.Session) -> None:
    """Compile constraints.txt; `-- --upgrade` moves the versions, `-- --check` only compares."""
    session.install("uv")
    check = "--check" in session.posargs
    target = Path(session.create_tmp()).resolve() / "constraints.txt" if check else CONSTRAINTS
    if check:
        shutil.copy(CONSTRAINTS, target)  # what is recorded stays, as long as it satisfies pyproject.toml
    groups = [option for name in PYPROJECT["dependency-groups"] for option in ("--group", name)]
    session.run(
        "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "{}.{}".format(*OLDEST_PYTHON),
        "--all-extras", *groups,
        "--no-emit-package", "django",  # the matrix chooses it
        "--custom-compile-command", "python3 noxfile.py constraints",
        "--output-file", str(target), "pyproject.toml",
        *[argument for argument in session.posargs if argument != "--check"],
    )  # fmt: skip
    if check and target.read_text() != CONSTRAINTS.read_text():
        session.error("constraints.txt is not current; run `python3 noxfile.py constraints` and commit it.")


def main(arguments: list[str]) -> None:
    """Hand `NAME … [nox options] [-- what the session gets]` to nox."""
    names = []
    while arguments and not arguments[0].startswith("-"):
        names.append(arguments.pop(0))
    chosen = ["--session", *names] if names else [] if arguments else ["--list"]
    sys.argv = ["nox", "--noxfile", __file__, *chosen, "--no-error-on-missing-interpreters", *arguments]
    nox.main()


if __name__ == "__main__":
    main(sys.argv[1:])
