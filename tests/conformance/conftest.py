"""The storages that one suite is run on: B2 as the emulator does it, B2 itself when there is a key, and the disk.

`B2ROUTER_REAL_KEY_ID`, `B2ROUTER_REAL_KEY` and `B2ROUTER_REAL_BUCKET` name a bucket at B2. Everything is done below a
location of its own there, and purged.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, Storage

from b2router import B2Storage, get_storage
from b2router.emulator import Emulator
from tests.conftest import forget

REAL = {name: os.environ.get(f"B2ROUTER_REAL_{name}") for name in ("KEY_ID", "KEY", "BUCKET")}
REALM = os.environ.get("B2ROUTER_REAL_REALM", "production")


ON_B2: list[Any] = ["emulator"]
if all(REAL.values()):
    ON_B2.append(pytest.param("b2", marks=pytest.mark.real_b2))


@pytest.fixture
def disk(tmp_path: Path) -> FileSystemStorage:
    """The reference."""
    (tmp_path / "disk").mkdir()
    return FileSystemStorage(location=tmp_path / "disk", base_url="/media/")


@pytest.fixture(params=ON_B2)
def b2(request: pytest.FixtureRequest, settings: Any) -> Iterator[B2Storage]:
    """A storage with files in B2, empty."""
    with _empty(request.param, settings) as storage:
        yield storage


@pytest.fixture(params=["disk", *ON_B2])
def storage(request: pytest.FixtureRequest, settings: Any, disk: FileSystemStorage) -> Iterator[Storage]:
    """Any of them: what a test of this says, all do."""
    if request.param == "disk":
        yield disk
        return
    with _empty(request.param, settings) as found:
        yield found


@contextmanager
def _empty(which: str, settings: Any) -> Iterator[B2Storage]:
    with _account(which) as account:
        bucket, on_delete = account.pop("bucket"), "purge" if which == "b2" else "hide"
        profile = {"bucket": bucket, "location": f"conformance/{uuid.uuid4().hex}/", "on_delete": on_delete}
        settings.BACKBLAZE_CONFIG = {**account, "profiles": {"conformance": profile}}
        storage = get_storage("conformance")
        try:
            yield storage
        finally:
            if which == "b2":
                _purge(storage, "")
            forget()


@contextmanager
def _account(which: str) -> Iterator[dict[str, Any]]:
    if which == "emulator":
        with Emulator(buckets=("acme-conformance",)) as running:
            yield {
                "application_key_id": running.key_id,
                "application_key": running.key,
                "realm": running.url,
                "bucket": "acme-conformance",
            }
        return
    yield {
        "application_key_id": REAL["KEY_ID"],
        "application_key": REAL["KEY"],
        "realm": REALM,
        "bucket": REAL["BUCKET"],
    }


def _purge(storage: B2Storage, folder: str) -> None:
    for entry in list(storage.iterdir(folder)):
        if entry.is_folder:
            _purge(storage, f"{folder}{entry.name}/")
        else:
            storage.purge(f"{folder}{entry.name}")
