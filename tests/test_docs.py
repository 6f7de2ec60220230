"""The manual tells the truth: its Python blocks run, its configurations validate, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import certifi
import pytest
from django.core.management import call_command, load_command_class
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from b2router.cli import command_parser
from b2router.config import BackblazeConfig
from b2router.settings import Layer, build

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def valid(values: dict[str, Any]) -> BackblazeConfig:
    values.pop("$schema", None)
    return build([Layer("the manual", values, "file")])


def run_toml(example: Any) -> None:
    valid(tomllib.loads(example.parsed))


def run_json(example: Any) -> None:
    valid(json.loads(example.parsed))


def run_yaml(example: Any) -> None:
    valid(pytest.importorskip("yaml").safe_load(example.parsed))


def run_console(example: Any) -> None:
    """Commands of b2router parse, and verbs of the noxfile exist."""
    for line in example.parsed.splitlines():
        words = shlex.split(line.removeprefix("$ ").partition("#")[0]) if line.startswith("$ ") else []
        if "noxfile.py" in words:
            verb = words[words.index("noxfile.py") + 1]
            assert f"def {verb}(" in (ROOT / "noxfile.py").read_text(), verb
        if words[:3] == ["python", "manage.py", "b2router"]:
            run_manage(words[3 : words.index(">")] if ">" in words else words[3:])
        if words[:1] == ["b2router"] and words[1] in ("schema", "validate"):
            command_parser().parse_args(words[1:])
        if words[:1] == ["b2router"] and words[1] == "emulator":
            options = [word for word in words if word.startswith("--")]
            source = (ROOT / "b2router" / "emulator" / "__main__.py").read_text()
            assert all(f'"{option}"' in source for option in options), options


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
        CodeBlockParser(language="toml", evaluator=run_toml),
        CodeBlockParser(language="json", evaluator=run_json),
        CodeBlockParser(language="yaml", evaluator=run_yaml),
        CodeBlockParser(language="console", evaluator=run_console),
        CodeBlockParser(language="nginx", evaluator=run_nginx),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_what_the_page_shows_works(page: Path, settings: Any) -> None:
    """Blocks of one page share their names, as a reader does. `BACKBLAZE_CONFIG` has to be a sound configuration."""
    document = SYBIL.parse(page)
    document.namespace["__name__"] = f"tests.project.{page.stem.replace('-', '_')}"  # models need an installed app
    for example in document.examples():
        example.evaluate()
        if "BACKBLAZE_CONFIG" in document.namespace:
            config = document.namespace.pop("BACKBLAZE_CONFIG")
            valid(dict(config))
            settings.BACKBLAZE_CONFIG = config


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("script", ["reference.py", "architecture.py"])  # from the models, and from the import contract
def test_what_is_made_is_current(script: str) -> None:
    made = subprocess.run([sys.executable, ROOT / "docs" / script, "--check"], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")


def test_the_picture_of_the_architecture_needs_nothing_from_elsewhere() -> None:
    """A page that shows it fetches nothing, and its names are those of the package."""
    picture = (ROOT / "docs/images/architecture.svg").read_text()
    assert set(re.findall(r"https?://[^\s\"]+", picture)) == {"http://www.w3.org/2000/svg"}
    rooms = {
        path.stem for path in (ROOT / "b2router").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(re.findall(r"<text x=[^>]*>(\w+)</text>", picture)) == rooms - {"__init__", "__main__"} | {"b2sdk"}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
