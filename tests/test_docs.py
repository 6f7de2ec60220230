"""The manual tells the truth: its Python blocks run, its configurations validate, its links lead somewhere."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest
from b2sdk.v3 import B2Api, InMemoryAccountInfo
from django.core.management import call_command, load_command_class
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import b2router
from b2router import errors, signals, testing
from b2router.cli import command_parser
from b2router.emulator import Emulator
from b2router.isolation import leaks
from b2router.settings import load
from b2router.sources import secrets, unknown_variables
from b2router.validation import judge

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
WALKED = ROOT / "docs" / "tutorial.md"  # its blocks are files and commands, which tests/test_tutorial.py makes and runs


def run_declaration(example: Any, form: str) -> None:
    """A deployment file: every rule holds, and the isolation proof. Secrets may be missing."""
    assert judge("the manual", example.parsed, form).findings == ()


def run_yaml(example: Any) -> None:
    values = pytest.importorskip("yaml").safe_load(example.parsed)
    if {"services", "kind"} & set(values):
        run_manifest(values)
    else:
        run_declaration(example, "yaml")


def run_manifest(values: dict[str, Any]) -> None:
    """What a manifest for Docker or Kubernetes gives to a site means something there: variables, and files by name."""
    variables, files = [], list(values.get("stringData", {}))
    for service in values.get("services", {}).values():
        variables += service["environment"]
        files += [one if isinstance(one, str) else one["target"] for one in service["secrets"]]
        sources = {one if isinstance(one, str) else one["source"] for one in service["secrets"]}
        assert sources == set(values["secrets"])
    pod = values.get("spec", {}).get("template", values).get("spec", {})
    for container in pod.get("containers", ()):
        variables += [one["name"] for one in container["env"]]
        files += [one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one]
    assert variables or files
    mean_something(variables, files)


def mean_something(variables: list[str], files: list[str]) -> None:
    assert [*unknown_variables(dict.fromkeys(variables, ""))] == []
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            Path(folder, name).write_text("a value\n")
        assert set(secrets(folder).values) == set(files)


def run_ini(example: Any) -> None:
    """A unit of systemd."""
    mean_something(
        re.findall(r"^Environment=(\w+)=", example.parsed, re.MULTILINE),
        re.findall(r"^LoadCredential=(\w+):", example.parsed, re.MULTILINE),
    )


def run_console(example: Any) -> None:
    """Commands of b2router parse, and verbs of the noxfile exist."""
    for line in example.parsed.splitlines():
        words = shlex.split(line.removeprefix("$ ").partition("#")[0]) if line.startswith("$ ") else []
        if "noxfile.py" in words:
            verb = words[words.index("noxfile.py") + 1]
            assert f"def {verb}(" in (ROOT / "noxfile.py").read_text(), verb
        if words[:3] == ["python", "manage.py", "b2router"]:
            run_manage(words[3 : words.index(">")] if ">" in words else words[3:])
        if words[:1] == ["b2router"] and words[1] in ("import-seed", "schema", "validate"):
            command_parser().parse_args(words[1:])
        if "--cors-rules" in words:
            run_cors_rules(words[words.index("--cors-rules") + 1])
        if words[:1] == ["b2router"] and words[1] == "emulator":
            options = [word for word in words if word.startswith("--")]
            source = (ROOT / "b2router" / "emulator" / "__main__.py").read_text()
            assert all(f'"{option}"' in source for option in options), options


def run_cors_rules(rules: str) -> None:
    """B2 takes them."""
    with Emulator(buckets=["acme-videos"]) as emulator:
        api = B2Api(InMemoryAccountInfo())
        api.authorize_account(emulator.key_id, emulator.key, emulator.url)
        api.get_bucket_by_name("acme-videos").update(cors_rules=json.loads(rules))


def run_manage(words: list[str]) -> None:
    """`manage.py b2router …` has these options."""
    parser = load_command_class("b2router", "b2router").create_parser("manage.py", "b2router")
    parser.parse_args(words)


def run_nginx(example: Any) -> None:
    """nginx, where there is one, accepts the block with what the commands before it print."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if nginx is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for context in ("http", "server"):
            printed = StringIO()
            call_command("b2router", "nginx", context=context, ca_file=certifi.where(), stdout=printed)
            Path(folder, f"b2router-{context}.conf").write_text(printed.getvalue())
        temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        block = example.parsed.replace(
            "http {", f"http {{ access_log off; client_body_temp_path {folder}/body; {temporary}", 1
        )
        Path(folder, "nginx.conf").write_text(f"pid {folder}/pid; events {{}}\n{block}")
        command = [nginx, "-t", "-q", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/log"]
        said = subprocess.run(command, capture_output=True, text=True)
        assert (said.returncode, said.stdout) == (0, ""), said.stderr


SYBIL = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser(language="toml", evaluator=partial(run_declaration, form="toml")),
        CodeBlockParser(language="json", evaluator=partial(run_declaration, form="json")),
        CodeBlockParser(language="yaml", evaluator=run_yaml),
        CodeBlockParser(language="ini", evaluator=run_ini),
        CodeBlockParser(language="console", evaluator=run_console),
        CodeBlockParser(language="nginx", evaluator=run_nginx),
    ]
)


@pytest.mark.parametrize("page", [page for page in PAGES if page != WALKED], ids=lambda page: page.stem)
def test_what_the_page_shows_works(page: Path, settings: Any) -> None:
    """Blocks of one page share their names, as a reader does. `BACKBLAZE_CONFIG` has to be a sound configuration."""
    document = SYBIL.parse(page)
    document.namespace["__name__"] = f"tests.project.{page.stem.replace('-', '_')}"  # models need an installed app
    for example in document.examples():
        example.evaluate()
        if "BACKBLAZE_CONFIG" in document.namespace:
            config = document.namespace.pop("BACKBLAZE_CONFIG")
            assert leaks(load(SimpleNamespace(BACKBLAZE_CONFIG=config))) == []
            settings.BACKBLAZE_CONFIG = config


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_what_is_made_from_the_code_is_current() -> None:
    made = subprocess.run([sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")


def test_the_picture_of_the_architecture_needs_nothing_from_elsewhere() -> None:
    """A page that shows it fetches nothing, and its names are those of the package."""
    picture = (ROOT / "docs/images/architecture.svg").read_text()
    assert set(re.findall(r"https?://[^\s\"]+", picture)) == {"http://www.w3.org/2000/svg"}
    rooms = {
        path.stem for path in (ROOT / "b2router").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(re.findall(r"<text x=[^>]*>(\w+)</text>", picture)) == rooms - {"__init__", "__main__"} | {"b2sdk"}


def test_the_python_api_has_every_public_name() -> None:
    page = (ROOT / "docs/api.md").read_text()
    shown = set(re.findall(r"^\.\. (?:auto)?\w+:: ([\w.]+)", page, re.MULTILINE))
    for module in (b2router, errors, signals):
        assert {f"{module.__name__}.{name}" for name in module.__all__} - shown == set()
    own = {name for cls in b2router.B2Storage.__mro__ if cls.__module__.startswith("b2router") for name in vars(cls)}
    (members,) = re.findall(r"autoclass:: b2router\.B2Storage.*\n   :members: (.+)", page)
    assert {name for name in own if not name.startswith("_")} == {*members.split(", "), "deconstruct"}
    for name in testing.__all__:
        assert f"`{name}" in (ROOT / "docs/testing.md").read_text()


def commands(parser: argparse.ArgumentParser) -> dict[str, list[tuple[str, ...]]]:
    """The options of each command, in all their spellings."""
    (chosen,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {
        name: [tuple(action.option_strings) for action in one._actions if action.option_strings]
        for name, one in chosen.choices.items()
    }


def test_the_commands_are_described_with_their_options() -> None:
    page, manual = (ROOT / "docs/commands.md").read_text(), "".join(page.read_text() for page in PAGES)
    of_site = commands(load_command_class("b2router", "b2router").create_parser("manage.py", "b2router"))
    alone = commands(command_parser())
    assert set(re.findall(r"^\| `(\w+)(?: .*?)?` \|", page, re.MULTILINE)) - {"b2router"} == set(of_site)
    assert set(re.findall(r"^\| `b2router (\w[\w-]*)", page, re.MULTILINE)) == set(alone)
    options = {spellings for found in (*of_site.values(), *alone.values()) for spellings in found} - {("-h", "--help")}
    assert [one for one in options if not any(re.search(rf"{spelling}\b", manual) for spelling in one)] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
