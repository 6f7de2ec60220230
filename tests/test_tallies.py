"""Sums of each day over all processes: whole, whatever the cache forgets, and never in the way."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage, tallies
from b2router.emulator import Emulator
from b2router.records import Record
from b2router.tally import Prices, Tally
from tests.conftest import Configure, tell_all

pytestmark = pytest.mark.django_db

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"


def nothing_is_counted() -> None:
    """Nor is anything on its way to a cache, which by then would be another one."""
    tell_all()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
            thread.join(10)
    tallies.begin_anew()


@pytest.fixture(autouse=True)
def _own_cache(settings: Any, request: pytest.FixtureRequest) -> Iterator[None]:
    """A cache of this test's own, and nothing counted."""
    nothing_is_counted()
    settings.CACHES = {"default": {"BACKEND": LOCMEM, "LOCATION": request.node.nodeid}}
    yield
    tallies.begin_anew()


def record(profile: str = "staff", **values: Any) -> Record:
    usual: dict[str, Any] = {
        "verb": "GET",
        "status": "200",
        "error": None,
        "is_complete": True,
        "bytes_out": 10,
        "bytes_in": 0,
        "duration_ms": 1.0,
        "first_byte_ms": 1.0,
        "calls": {"download": 1},
        "retries": 0,
        "cache": "hit",
    }
    return Record(profile=profile, **{**usual, **values})


def counted() -> dict[str, int]:
    """Operations by profile, of all processes."""
    return {name: tally.operations.total() for name, tally in tallies.read(tallies.today())[0].items()}


def test_what_the_cache_holds_is_what_b2_was_asked(configure: Configure, emulator: Emulator) -> None:
    get_storage("public").save("a.bin", ContentFile(b"x" * 200_000))
    answer: Any = Client().get("/b2/a.bin")
    b"".join(answer)
    Client().get("/b2s/a.bin", headers={"accept": "application/json"})
    tallies.flush()
    by_profile, processes = tallies.read(tallies.today())
    assert processes == 1
    assert {name: dict(tally.operations) for name, tally in by_profile.items()} == {
        "public": {"save ok": 1, "GET 200": 1},
        "staff": {"GET 403": 1},
    }
    assert (by_profile["public"].bytes_out, by_profile["public"].bytes_in) == (200_000, 200_000)
    assert dict(by_profile["public"].calls) == emulator.calls()
    assert dict(by_profile["public"].classes) == emulator.classes()


def test_processes_add_up(configure: Configure) -> None:
    for _ in range(3):
        tallies.begin_anew()  # another process
        tallies.count(record())
        tallies.count(record("public"))
        tallies.flush()
        tallies.count(record())
        tallies.flush()
    assert counted() == {"staff": 6, "public": 3}
    assert tallies.read(tallies.today())[1] == 3


def test_figures_survive_a_wiped_cache(configure: Configure) -> None:
    """What this process has counted comes back with its next write, and it takes nobody else's place."""
    tallies.count(record())
    tallies.flush()
    caches["default"].clear()
    ours = tallies._process
    tallies.begin_anew()  # another process, which takes the first place
    tallies.count(record("public"))
    tallies.flush()
    tallies._process = ours
    tallies.count(record())
    tallies.flush()
    assert counted() == {"staff": 2, "public": 1}


def test_foreign_entries_are_passed_over(configure: Configure) -> None:
    for slot, value in enumerate(["text", {"tallies": 7}, {"tallies": {"staff": {"calls": 1}}}, None]):
        caches["default"].set(tallies._key(tallies.today(), slot), value)
    tallies.count(record())
    tallies.flush()
    assert counted() == {"staff": 1}


class Broken:
    """A cache whose server is away."""

    def __init__(self, *_: Any) -> None: ...

    def close(self) -> None: ...

    def clear(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("redis://:password@cache")


def test_a_cache_that_is_away_breaks_nothing(
    configure: Configure, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted meanwhile is left there when it is back."""
    tallies._report.cache_clear()
    well = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": "tests.test_tallies.Broken"}}
    tallies.count(record())
    tallies.flush()
    assert "ConnectionError" in caplog.text
    assert "password" not in caplog.text
    settings.CACHES = well
    tallies.flush()
    assert counted() == {}
    later = time.monotonic() + tallies.PAUSE_S
    monkeypatch.setattr("b2router.tallies.time.monotonic", lambda: later)
    tallies.flush()
    assert counted() == {"staff": 1}


def test_a_day_ends_at_midnight_of_utc(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tallies.today()
    tallies.count(record())
    monkeypatch.setattr("b2router.tallies.today", lambda: "2099-01-01")
    tallies.count(record())
    tallies.count(record())
    tallies.flush()
    assert {day: tallies.read(day)[0]["staff"].operations.total() for day in (first, "2099-01-01")} == {
        first: 1,
        "2099-01-01": 2,
    }
    assert list(tallies._process.days) == ["2099-01-01"]


def test_a_thread_leaves_the_figures_by_itself(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2router.tallies.FLUSH_AFTER_S", 0.5)
    tallies.count(record())
    timer = tallies._process.timer
    assert timer is not None
    timer.join(10)
    assert counted() == {"staff": 1}
    tallies.count(record())
    assert tallies._process.timer not in (None, timer)


def test_the_thread_closes_what_it_opened(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django keeps a client of the cache for each thread, and Memcached's would stay connected after it."""
    closed: list[int] = []
    monkeypatch.setattr("b2router.tallies.FLUSH_AFTER_S", 0.5)
    monkeypatch.setattr(LocMemCache, "close", lambda cache: closed.append(threading.get_ident()))
    tallies.count(record())
    timer = tallies._process.timer
    assert timer is not None
    timer.join(10)
    assert timer.ident in closed


def test_what_a_process_did_last_is_not_lost(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that nobody closed is told with the next operation, and at the end there is none; nor are there threads
    any more that could be started."""
    get_storage("staff").save("a.bin", ContentFile(b"x" * 10))
    nothing_is_counted()

    def no_thread(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Timer, "start", no_thread)
    file: Any = get_storage("staff").open("a.bin")
    del file
    gc.collect()
    assert counted() == {}
    tallies._flush_at_exit()
    assert counted() == {"staff": 1}


LAST_WORDS = """
import gc, json, sys
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["b2router"], SECRET_KEY="for this process", **json.loads(sys.argv[1]))
django.setup()
from b2router import get_storage
file = get_storage("staff").open("a.bin")
file.read(3)
{}
"""


@pytest.mark.parametrize("end", ["del file", "keep = [file]; keep.append(keep); del file, keep; gc.collect()"])
def test_a_process_that_ends_tells_of_files_that_nobody_closed(
    end: str, configure: Configure, settings: Any, tmp_path: Path
) -> None:
    """Even as a whole: a Python that shuts down starts no threads any more, from 3.12 on."""
    get_storage("staff").save("a.bin", ContentFile(b"x" * 10))
    nothing_is_counted()
    shared = {
        "BACKBLAZE_CONFIG": settings.BACKBLAZE_CONFIG,
        "CACHES": {"default": {"BACKEND": FILES, "LOCATION": str(tmp_path / "cache")}},
    }
    command = [sys.executable, "-c", LAST_WORDS.format(end), json.dumps(shared)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    settings.CACHES = shared["CACHES"]
    assert counted() == {"staff": 1}


def test_a_forked_process_does_not_count_what_its_parent_did(configure: Configure) -> None:
    tallies.count(record())
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, repr(tallies._process.days).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert os.read(reading, 1000) == b"{}"
    os.close(reading)


def test_more_processes_than_one_look_up_shows(configure: Configure) -> None:
    for _ in range(70):
        tallies.begin_anew()
        tallies.count(record())
        tallies.flush()
    assert counted() == {"staff": 70}


def test_a_tally_is_plain_in_the_cache_and_comes_back_whole() -> None:
    tally = Tally()
    tally.add(record(cache="miss", retries=2, is_complete=False))
    tally.add(record(cache="negative", status="404", calls={}))
    assert Tally.from_plain(tally.as_plain()) == tally
    assert tally.as_plain() == {
        "operations": {"GET 200": 1, "GET 404": 1},
        "calls": {"download": 1},
        "cache": {"miss": 1, "negative": 1},
        "bytes_out": 20,
        "bytes_in": 0,
        "retries": 2,
        "cut_short": 1,
    }
    assert tally.cache_hit_ratio == 0.5


def test_calls_cost_by_class_beyond_those_that_are_free() -> None:
    tally = Tally()
    for _ in range(3500):
        tally.add(record(calls={"head": 1, "b2_list_file_names": 1, "b2_upload_file": 1}))
    assert Prices().of(tally.classes, is_free_part_off=False) == pytest.approx(3500 * (0.004 / 10_000 + 0.004 / 1000))
    assert Prices().of(tally.classes, is_free_part_off=True) == pytest.approx(1000 * (0.004 / 10_000 + 0.004 / 1000))
    assert Prices(0, 0).of(tally.classes, is_free_part_off=True) == 0
