"""Places that processes share: each keeps, adds once, forgets, and none of them ever raises."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from b2router.b2 import shelves
from b2router.b2.shelves import CacheShelf, Shelf, SqliteShelf, place

FILE_CACHE = "django.core.cache.backends.filebased.FileBasedCache"


@pytest.fixture(autouse=True)
def healthy() -> Iterator[None]:
    yield
    shelves._health.clear()


@pytest.fixture(params=["local memory", "files", "sqlite"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Shelf:
    if request.param == "sqlite":
        return SqliteShelf(str(tmp_path / "login.sqlite3"))
    backend = {"BACKEND": FILE_CACHE, "LOCATION": str(tmp_path / "cache")}
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(tmp_path)},
        "files": backend,
    }
    return CacheShelf("files" if request.param == "files" else "default")


def test_what_was_kept_is_found(shelf: Shelf) -> None:
    shelf.set("a", ["x", 1, None, {"k": "v"}], 60)
    assert (shelf.get("a"), shelf.get("b")) == (["x", 1, None, {"k": "v"}], None)


def test_only_the_first_of_several_adds(shelf: Shelf) -> None:
    assert (shelf.add("a", 1, 60), shelf.add("a", 2, 60), shelf.get("a")) == (True, False, 1)
    shelf.delete("a")
    assert (shelf.get("a"), shelf.add("a", 3, 60)) == (None, True)


def test_a_later_value_replaces_an_earlier_one(shelf: Shelf) -> None:
    shelf.set("a", 1, 60)
    shelf.set("a", 2, 60)
    assert shelf.get("a") == 2


def test_what_is_over_can_be_added_again(shelf: Shelf) -> None:
    assert shelf.add("a", 1, 1)
    time.sleep(1.1)
    assert (shelf.get("a"), shelf.add("a", 2, 60), shelf.get("a")) == (None, True, 2)


def test_of_threads_that_add_at_once_one_succeeds(tmp_path: Path) -> None:
    shelf = SqliteShelf(str(tmp_path / "login.sqlite3"))
    barrier, added = threading.Barrier(8), []

    def add() -> None:
        barrier.wait()
        added.append(shelf.add("turn", 1, 60))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [False] * 7 + [True]


def test_the_file_is_readable_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "login.sqlite3"
    SqliteShelf(str(path)).set("a", "x", 60)
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def make_another_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE entries (x)")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b"rubbish" * 1000), id="rubbish"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
        pytest.param(lambda path: make_another_table(path), id="another table"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_miss(spoil: Any, tmp_path: Path) -> None:
    path = tmp_path / "login.sqlite3"
    spoil(path)
    shelf = SqliteShelf(str(path))
    assert shelf.get("a") is None
    shelf.set("a", 1, 60)
    shelf.delete("a")
    assert shelf.add("a", 1, 60), "nobody else can have added it"


class Broken(LocMemCache):
    """A cache whose server is away."""

    asked: list[str] = []

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        self.asked.append("get")
        raise ConnectionError("redis://user:password@10.0.0.5 is away")

    def set(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> None:
        self.asked.append("set")
        raise ConnectionError("redis://user:password@10.0.0.5 is away")

    add = set  # type: ignore[assignment]

    def delete(self, key: Any, version: Any = None) -> bool:
        self.asked.append("delete")
        raise ConnectionError("redis://user:password@10.0.0.5 is away")


@pytest.fixture
def broken(settings: Any) -> Iterator[type[Broken]]:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Broken"}}
    yield Broken
    Broken.asked.clear()


def test_a_cache_that_fails_is_told_of_once_and_left_alone_by_reads(
    broken: type[Broken], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = CacheShelf("default")
    with caplog.at_level(logging.WARNING, "b2router"):
        assert [shelf.get("a") for _ in range(5)] == [None] * 5
        assert shelf.add("a", 1, 60)
    assert broken.asked == ["get"]
    assert [record.message for record in caplog.records] == [
        "The cache 'default' failed: ConnectionError; going on without it, at the price of more calls on B2."
    ]
    monkeypatch.setattr(shelves, "PAUSE_S", 0.0)
    shelf.get("a")
    assert broken.asked == ["get", "get"]


def test_what_others_must_hear_of_is_tried_even_then(broken: type[Broken]) -> None:
    """An entry that is out of date would be believed once the cache is back."""
    shelf = CacheShelf("default")
    shelf.get("a")
    shelf.set("a", 1, 60)
    shelf.delete("a")
    assert broken.asked == ["get", "set", "delete"]


def test_a_slow_cache_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def slowly(self: Any, key: str, default: Any = None, version: Any = None) -> None:
        asked.append(key)
        time.sleep(0.02)

    monkeypatch.setattr(shelves, "SLOW_S", 0.01)
    monkeypatch.setattr(LocMemCache, "get", slowly)
    shelf = CacheShelf("default")
    for _ in range(3):
        shelf.get("a")
    assert asked == ["a"]


def test_a_cache_that_is_not_declared_is_a_miss() -> None:
    assert CacheShelf("nowhere").get("a") is None


def test_local_memory_is_known_to_be_local(shelf: Shelf) -> None:
    assert shelf.is_local == (isinstance(shelf, CacheShelf) and shelf._alias == "default")


def test_names_of_entries_are_short_and_of_every_part() -> None:
    """Memcached takes 250 characters, and no spaces."""
    name = place("file", "https://api.example.com", "x" * 1000 + " ü")
    assert name.isascii()
    assert " " not in name
    assert len(name) < 100
    assert len({place("file", "ab", "c"), place("file", "a", "bc"), place("login", "ab", "c"), name}) == 4


def test_every_use_looks_the_cache_up(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that threads share would mix up its answers."""
    seen = []
    shelf = CacheShelf("default")
    looked_up = type(caches).__getitem__

    def look_up(self: Any, alias: str) -> Any:
        seen.append(threading.get_ident())
        return looked_up(self, alias)

    monkeypatch.setattr(type(caches), "__getitem__", look_up)
    shelf.get("a")
    thread = threading.Thread(target=shelf.get, args=("a",))
    thread.start()
    thread.join()
    assert len(set(seen)) == 2


def test_a_forked_process_uses_the_file_too(tmp_path: Path) -> None:
    shelf = SqliteShelf(str(tmp_path / "login.sqlite3"))
    shelf.set("a", 1, 60)
    child = os.fork()
    if not child:
        os._exit(0 if shelf.get("a") == 1 and not shelf.add("a", 2, 60) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert json.dumps(shelf.get("a")) == "1"
