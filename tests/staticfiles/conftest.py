"""A small site's static files on the local disk, and a profile that they go to."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles import storage as static
from django.core.files.storage import storages
from django.core.management import call_command
from django.utils.functional import empty

from b2router.emulator import Emulator
from tests.conftest import Configure, forget

PLAIN = "b2router.staticfiles.B2StaticStorage"
MANIFEST = "b2router.staticfiles.B2ManifestStaticStorage"
ASSETS = {
    "bucket": "acme-public",
    "location": "static/",
    "permission": "public",
    "route": "static/",
    "cache": [{"hashed": True, "immutable": True}],
}

Use = Callable[..., Any]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Where the sources are: a style sheet that imports another and shows an image, and a text."""
    folder = tmp_path / "source"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "app.css").write_text('@import "base.css";\nbody { background: url(../dot.png) }\n')
    (folder / "css" / "base.css").write_text("p { margin: 0 }\n")
    (folder / "dot.png").write_bytes(b"\x89PNG")
    (folder / "note.txt").write_text("hello\n")
    return folder


@pytest.fixture
def use(configure: Configure, settings: Any, source: Path, emulator: Emulator) -> Iterator[Use]:
    """Put a static storage in force: `use(MANIFEST)`; keywords change the profile."""

    def apply(backend: str = PLAIN, *, is_above: bool = True, options: Any = None, **profile: Any) -> Any:
        configure(public=None, assets={**ASSETS, **profile})
        others = [app for app in settings.INSTALLED_APPS if app not in ("b2router", "django.contrib.staticfiles")]
        pair = ["b2router", "django.contrib.staticfiles"]
        settings.INSTALLED_APPS = [*(pair if is_above else reversed(pair)), *others]
        settings.STATICFILES_DIRS = [source]
        settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
        settings.STATIC_URL = "/static/"
        settings.DEBUG = False
        options = {"alias": "assets", **(options or {})}
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend, "OPTIONS": options}}
        return storages["staticfiles"]

    yield apply
    finders.get_finder.cache_clear()
    static.staticfiles_storage._wrapped = empty


def collect(**options: Any) -> str:
    """Run collectstatic, and give what it printed."""
    finders.get_finder.cache_clear()
    said = io.StringIO()
    call_command("collectstatic", interactive=False, stdout=said, **{"verbosity": 1, **options})
    return said.getvalue()


def restart() -> None:
    """As another process would begin: with no login, nothing remembered, no storage."""
    forget()
    storages._storages.clear()  # type: ignore[attr-defined]
    static.staticfiles_storage._wrapped = empty
