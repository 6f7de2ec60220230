"""Sphinx: builds the manual from the Markdown files beside this one, and the Python API from docstrings."""

import re
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
settings.configure()  # modules with views import what looks at it

project = "b2router"
author = "b2router contributors"
copyright = "2026, b2router contributors"
release = re.search(r'^__version__ = "(.+)"', (ROOT / "b2router/__init__.py").read_text(), re.M)[1]
version = ".".join(release.split(".")[:2])

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of Python and Django, whose manuals no build should have to fetch

default_role = "literal"  # docstrings have single backticks, as Markdown
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"b2router {version}"
html_show_sphinx = False


def join_names(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Several exceptions with one text: Sphinx would take the comma for a part of a type."""
    lines[:] = [
        re.sub(r"(?<=^:raises )[\w, ]+(?=:)", lambda names: names[0].replace(", ", "/"), line) for line in lines
    ]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", join_names, priority=900)  # after napoleon
