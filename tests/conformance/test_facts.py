"""Sizes, times, and the storage as a Python object."""

from __future__ import annotations

import copy
import pickle
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db.migrations.writer import MigrationWriter
from django.db.models import FileField
from django.test import override_settings
from django.utils import timezone

from b2router import B2Storage
from tests.conformance.test_files import stored


@pytest.mark.parametrize("question", ["size", "get_created_time", "get_modified_time", "open"])
def test_of_a_missing_file_nothing_is_known(question: str, storage: Storage) -> None:
    assert not storage.exists("missing.txt")
    with pytest.raises(FileNotFoundError):
        getattr(storage, question)("missing.txt")


@pytest.mark.parametrize("question", ["get_created_time", "get_modified_time"])
def test_times_are_aware_in_utc_or_naive_in_the_zone_of_the_site(question: str, storage: Storage) -> None:
    """Whatever zone is active for a visitor."""
    storage.save("a.txt", ContentFile(b"x"))
    with override_settings(USE_TZ=True, TIME_ZONE="Asia/Tokyo"), timezone.override("America/Lima"):
        aware = getattr(storage, question)("a.txt")
        assert aware.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - aware) < timedelta(minutes=10)
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"), timezone.override("America/Lima"):
        naive = getattr(storage, question)("a.txt")
        assert naive.tzinfo is None
        assert naive == aware.replace(tzinfo=None) + timedelta(hours=9)


def test_what_was_written_is_known_at_once(storage: Storage) -> None:
    """Nothing that was said before a change is said after it."""
    for size in (3, 0, 7):
        assert storage.exists("a.txt") is (size != 3)
        with storage.open("a.txt", "wb") as file:
            file.write(b"x" * size)
        assert (storage.size("a.txt"), stored(storage, "a.txt")) == (size, b"x" * size)
    storage.delete("a.txt")
    assert not storage.exists("a.txt")


def test_a_storage_is_copied_and_pickled(storage: Storage) -> None:
    storage.save("a.txt", ContentFile(b"x"))
    for other in (pickle.loads(pickle.dumps(storage)), copy.copy(storage), copy.deepcopy(storage)):
        assert not isinstance(storage, B2Storage) or other == storage  # the disk's are not compared
        assert stored(other, "a.txt") == b"x"


def test_threads_share_a_storage(storage: Storage) -> None:
    names: list[str] = []

    def use(number: int) -> None:
        name = storage.save("same.txt", ContentFile(str(number) * 1000))
        assert stored(storage, name) == str(number).encode() * 1000
        names.append(name)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 8
    assert sorted(storage.listdir("")[1]) == sorted(names)


def test_nothing_of_the_account_leaves_with_a_storage(b2: B2Storage, settings: Any) -> None:
    b2.save("a.txt", ContentFile(b"x"))
    key, key_id = (settings.BACKBLAZE_CONFIG[name] for name in ("application_key", "application_key_id"))
    field = FileField(storage=b2)
    for text in (
        repr(b2),
        str(b2.deconstruct()),
        str(pickle.dumps(b2)),
        str(vars(b2)),
        MigrationWriter.serialize(b2)[0],
        MigrationWriter.serialize(field)[0],
    ):
        assert key not in text
        assert key_id not in text
    assert b2.deconstruct() == ("b2router.B2Storage", ("conformance",), {})
