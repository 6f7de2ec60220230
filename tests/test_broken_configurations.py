"""What broken configurations print: each row of the manual's table is made again, by loading what is broken."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from b2router.checks import IDS

ROOT = Path(__file__).parents[1]


def script() -> ModuleType:
    """`docs/broken.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("broken", ROOT / "docs/broken.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BROKEN = script()
PAGE = BROKEN.PAGE.read_text()


@pytest.mark.parametrize("broken", BROKEN.BROKEN, ids=lambda broken: broken.what)
def test_the_page_says_what_is_printed(broken: object) -> None:
    if "YAML" in broken.what:  # type: ignore[attr-defined]
        pytest.importorskip("yaml")
    assert BROKEN.row(broken) in PAGE.splitlines()


def test_the_page_has_every_row_once_and_no_other() -> None:
    rows = PAGE.removeprefix(BROKEN.HEAD).splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [broken.what for broken in BROKEN.BROKEN]
    assert len(rows) >= 20


def test_every_message_names_an_id_and_what_to_do() -> None:
    for row in PAGE.removeprefix(BROKEN.HEAD).splitlines():
        printed = row.split(" | ")[2]
        assert set(re.findall(r"b2router\.[EW]\d+", printed)) <= set(IDS.values())
        assert printed.count("(b2router.") == printed.count("HINT: ") > 0


def test_what_is_sound_is_not_taken_for_broken() -> None:
    with pytest.raises(ValueError, match="found 0 lines"):
        BROKEN.printed(BROKEN.Broken("nothing"))


def test_a_text_that_shows_the_key_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BROKEN, "KEY", "unknown key")
    with pytest.raises(ValueError, match="without a secret"):
        BROKEN.printed(BROKEN.Broken("a key", profile={"routte": "x/"}))
