"""The fixtures that django-cleanup's tests name, and what cannot pass with files in B2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.suites.stand_in import FolderInB2, look_into_b2

from .testing_helpers import get_random_pic_name

LISTED = {"test_exception_on_save": "It compares the traceback of a storage that deletes from the local disk."}

look_into_b2()


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("cleanup_selected_config: needs that app", "django_storage: with these storages"):
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name in LISTED:
            item.add_marker(pytest.mark.xfail(reason=LISTED[item.name], strict=True))


@pytest.fixture(autouse=True)
def _rows_and_files(transactional_db: None, request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """Files are deleted when the transaction is committed, so there has to be one."""
    if (marker := request.node.get_closest_marker("django_storage")) is not None:
        options = {"location": settings.MEDIA_ROOT}
        settings.STORAGES = {name: {"BACKEND": path, "OPTIONS": options} for name, path in marker.kwargs.items()}
    yield


@pytest.fixture
def picture() -> Iterator[dict[str, str]]:
    """A picture that a row can name, and the one that is the fields' default."""
    names = [default_storage.save(name, ContentFile(b"picture")) for name in ("pic.jpg", get_random_pic_name())]
    source, path = (str(Path(settings.MEDIA_ROOT, name)) for name in names)
    yield {"filename": names[1], "path": path, "srcpath": source}
    for name in names:
        FolderInB2(settings.MEDIA_ROOT).delete(name)
