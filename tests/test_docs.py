"""The manual tells the truth: its Python blocks run, its configurations validate, its links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

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
        if words[:1] == ["b2router"] and words[1] == "emulator":
            options = [word for word in words if word.startswith("--")]
            source = (ROOT / "b2router" / "emulator" / "__main__.py").read_text()
            assert all(f'"{option}"' in source for option in options), options


SYBIL = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser(language="toml", evaluator=run_toml),
        CodeBlockParser(language="json", evaluator=run_json),
        CodeBlockParser(language="yaml", evaluator=run_yaml),
        CodeBlockParser(language="console", evaluator=run_console),
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


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
