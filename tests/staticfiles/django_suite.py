"""Run by test_django_suite: Django's own tests of static files, with the storages of b2router in the place of Django's.

    python -m tests.staticfiles.django_suite FOLDER above|below

FOLDER holds `staticfiles_tests`, from Django's source archive. "above" lists b2router above Django's app, so that its
collectstatic runs; "below" leaves it out, so that Django's runs. The last line is JSON: what failed, and how many ran.
"""

from __future__ import annotations

import json
import sys
import unittest
from itertools import count
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from b2router.emulator import Emulator

MODULES = ("test_storage", "test_management", "test_templatetags", "test_forms")
MODULE_OF_STORAGES = "django.contrib.staticfiles.storage"

urlpatterns: list[Any] = []


def main(folder: str, place: str) -> None:
    sys.path.insert(0, folder)
    with Emulator(buckets=("acme-static:public",)) as emulator:
        configure(emulator)
        stand_in(place)
        found = unittest.defaultTestLoader.loadTestsFromNames([f"staticfiles_tests.{name}" for name in MODULES])
        result = unittest.TestResult()
        found.run(result)
        wrong = {test.id().removeprefix("staticfiles_tests."): text for test, text in result.errors + result.failures}
        print(json.dumps({"ran": result.testsRun, "skipped": len(result.skipped), "wrong": wrong}))


def configure(emulator: Emulator) -> None:
    profile = {"bucket": "acme-static", "location": "static/", "permission": "public", "route": "static/"}
    settings.configure(
        SECRET_KEY="suite",
        DEBUG=False,
        USE_TZ=False,
        ALLOWED_HOSTS=["*"],
        DATABASES={},
        INSTALLED_APPS=["django.contrib.staticfiles"],
        ROOT_URLCONF=__name__,
        STATIC_URL="static/",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        BACKBLAZE_CONFIG={
            "application_key_id": emulator.key_id,
            "application_key": emulator.key,
            "realm": emulator.url,
            "profiles": {"staticfiles": profile},
        },
    )
    django.setup()
    from django.urls import include, path

    urlpatterns.append(path("", include("b2router.urls")))


def stand_in(place: str) -> None:
    """Let everybody who names Django's storages get ours, with an empty location for each test."""
    import django.contrib.staticfiles.storage as static
    from django.core.files.storage import storages

    from b2router import router
    from b2router.staticfiles import B2ManifestStaticStorage, B2StaticStorage

    numbers, usual_storage = count(), static.StaticFilesStorage

    class Plain(B2StaticStorage):
        def __new__(cls, *args: Any, location: Any = None, **options: Any) -> Any:
            return super().__new__(cls) if location is None else usual_storage(location)

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__()

    class Manifest(B2ManifestStaticStorage):
        def __init__(self, *args: Any, manifest_storage: Any = None, **options: Any) -> None:
            super().__init__(manifest_storage=manifest_storage)

    for ours, name in ((Plain, "StaticFilesStorage"), (Manifest, "ManifestStaticFilesStorage")):
        ours.__name__ = ours.__qualname__ = name
        ours.__module__ = MODULE_OF_STORAGES
        setattr(static, name, ours)

    from staticfiles_tests import cases  # type: ignore[import-not-found]

    if place == "above":
        for overridden in (cases.StaticFilesTestCase, cases.CollectionTestCase):
            overridden._overridden_settings["INSTALLED_APPS"].insert(0, "b2router")
            break  # both hold the same list

    def move() -> None:
        """To another place of the bucket, where nothing is."""
        profile = settings.BACKBLAZE_CONFIG["profiles"]["staticfiles"]
        profile["location"] = f"{next(numbers)}/"
        router.reload()

    def read(self: Any, name: str) -> str:
        with storages["staticfiles"].open(name) as file:
            return str(file.read().decode())

    usual = cases.CollectionTestCase.setUp

    def set_up(self: Any) -> None:
        move()
        usual(self)

    cases.CollectionTestCase.setUp = set_up
    cases.CollectionTestCase._get_file = read


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()), sys.argv[2])
