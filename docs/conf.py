"""Sphinx: builds the manual from the Markdown files beside this one."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "b2router"
author = "b2router contributors"
copyright = "2026, b2router contributors"
release = re.search(r'^__version__ = "(.+)"', (ROOT / "b2router/__init__.py").read_text(), re.M)[1]
version = ".".join(release.split(".")[:2])

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"b2router {version}"
html_show_sphinx = False
