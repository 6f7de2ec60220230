"""The content type of a name: from our own table alone, so that all hosts and all Pythons say the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from b2router.content_types import UNKNOWN, of_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a.PNG", "image/png", id="upper case"),
        pytest.param("a.rtf", "application/rtf", id="Pythons differ: text/rtf, or none"),
        pytest.param("a.rst", "text/x-rst", id="Python 3.13 has it, 3.11 has not"),
        pytest.param("a.markdown", "text/markdown", id="the same"),
        pytest.param("a.svg", "image/svg+xml", id="known to all"),
        pytest.param("a.csv.gz", "application/gzip", id="packed: not what is inside"),
        pytest.param("a.svgz", UNKNOWN, id="the standard library unfolds it"),
        pytest.param("folder.png/a", UNKNOWN, id="of a folder"),
        pytest.param("a.", UNKNOWN, id="nothing after the dot"),
        pytest.param("a", UNKNOWN, id="no dot"),
    ],
)
def test_a_name_suggests_a_type(name: str, expected: str) -> None:
    assert of_name(name) == expected


def test_the_standard_library_has_no_say() -> None:
    """Its table is another in each version of Python."""
    code = "import sys; before = set(sys.modules); import b2router.content_types; print(*set(sys.modules) - before)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "mimetypes" not in ran.stdout.split()
