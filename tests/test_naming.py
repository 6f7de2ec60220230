"""Which name a new file gets, and that two who want the same one both keep their file."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import re
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from b2router import get_storage, names, naming
from b2router.b2 import host_locks
from b2router.b2.reservations import Reservations
from b2router.b2.sessions import close_all
from b2router.b2.shelves import CacheShelf
from b2router.emulator import Emulator
from b2router.errors import ReadOnly, Refused, Unavailable
from tests import services
from tests.conftest import Configure
from tests.project import settings as project

HELLO = hashlib.sha256(b"hello").hexdigest()[:32]


def bucket() -> tuple[str, ...]:
    """Another one each time: locks are those of the host, and these tests may run twice on it."""
    return "realm", "account", uuid.uuid4().hex


def test_a_name_by_chance_keeps_folder_and_extension() -> None:
    assert re.fullmatch(r"a/b/[0-9a-f]{32}\.pdf", naming.unique("a/b/May 2026.x.pdf"))
    assert re.fullmatch(r"[0-9a-f]{32}", naming.unique("README"))
    assert naming.unique("a.txt") != naming.unique("a.txt")


def test_a_name_by_content_stands_for_it() -> None:
    assert naming.by_content("css/app.css", HELLO) == f"css/app.{HELLO}.css"
    assert naming.by_content("README", HELLO) == f"README.{HELLO}"


@pytest.mark.parametrize(
    "made", [naming.unique, lambda name, n: naming.by_content(name, HELLO, n)], ids=["uuid", "hash"]
)
def test_a_name_that_does_not_fit_is_refused(made: Any) -> None:
    with pytest.raises(SuspiciousFileOperation, match='sufficient "max_length"'):
        made("folder/name.txt", 30)


@given(st.from_regex(r"([a-z]{1,8}/){0,4}[a-z]{1,8}\.[a-z]{1,5}", fullmatch=True), st.integers(40, 100))
def test_names_fit_when_they_can(name: str, max_length: int) -> None:
    try:
        assert len(naming.by_content(name, HELLO, max_length)) <= max_length
    except SuspiciousFileOperation:
        assert len(name.rpartition("/")[0]) + 32 + 7 > max_length


@pytest.mark.parametrize("letter", ["x", "ü", "💾"])
def test_a_stem_that_is_too_long_for_b2_is_cut(letter: str) -> None:
    """Browsers send names of 255 bytes."""
    made = naming.by_content(f"folder/{letter * 240}.txt", HELLO)
    assert made == names.check(made)
    assert re.fullmatch(rf"folder/{letter}+\.{HELLO}\.txt", made)
    assert len(made.encode()) > 200


def test_a_long_name_that_is_taken_gets_a_suffix_all_the_same(configure: Configure) -> None:
    storage = get_storage("staff")
    wanted = f"folder/{'x' * 246}.txt"
    first, second = (storage.save(wanted, ContentFile(b"x")) for _ in range(2))
    assert first == wanted
    assert re.fullmatch(r"folder/x{238}_[a-zA-Z0-9]{7}\.txt", second)


def test_an_extension_that_is_none_is_part_of_the_stem() -> None:
    assert naming.by_content("v1." + "x" * 40, HELLO) == f"v1.{'x' * 40}.{HELLO}"


@pytest.mark.parametrize(
    ("strategy", "expected", "calls"),
    [
        ("suffix", r"a\.txt", {"head": 1, "b2_upload_file": 1}),
        ("uuid", r"[0-9a-f]{32}\.txt", {"b2_upload_file": 1}),
        ("content_hash", rf"a\.{HELLO}\.txt", {"b2_upload_file": 1}),
        ("overwrite", r"a\.txt", {"b2_upload_file": 1}),
    ],
)
def test_where_no_name_can_be_taken_none_is_asked_for(
    strategy: str, expected: str, calls: dict[str, int], configure: Configure, emulator: Emulator
) -> None:
    configure(staff={"naming": strategy})
    storage = get_storage("staff")
    storage.save("warm", ContentFile(b"x"))
    emulator.reset_counts()
    name = storage.save("a.txt", ContentFile(b"hello"))
    assert re.fullmatch(expected, name)
    assert emulator.calls() == calls
    assert storage.open(name).read() == b"hello"


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        ("suffix", b"one", b"two"),
        ("uuid", b"one", b"two"),
        ("content_hash", b"one", b"two"),
        ("overwrite", b"two", b"two"),
    ],
)
def test_what_becomes_of_a_name_that_is_taken(strategy: str, first: bytes, second: bytes, configure: Configure) -> None:
    configure(staff={"naming": strategy})
    storage = get_storage("staff")
    names = [storage.save("a.txt", ContentFile(content)) for content in (b"one", b"two")]
    assert [storage.open(name).read() for name in names] == [first, second]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: ContentFile(b"hello"), id="bytes"),
        pytest.param(lambda: ContentFile("hello"), id="text"),
        pytest.param(lambda: io.BytesIO(b"hello"), id="a stream"),
        pytest.param(lambda: File(os.fdopen(_pipe(b"hello"), "rb"), "a.txt"), id="a pipe"),
    ],
)
def test_every_source_can_be_named_by_its_content(content: Any, configure: Configure) -> None:
    configure(staff={"naming": "content_hash"})
    storage = get_storage("staff")
    source = content()
    assert storage.save("a.txt", source) == f"a.{HELLO}.txt"
    source.close()
    assert storage.open(f"a.{HELLO}.txt").read() == b"hello"


def _pipe(content: bytes) -> int:
    end, other = os.pipe()
    os.write(other, content)
    os.close(other)
    return end


def test_a_name_that_is_too_long_is_shortened_by_every_strategy(configure: Configure) -> None:
    for strategy in ("suffix", "content_hash", "overwrite"):
        configure(staff={"naming": strategy})
        assert len(get_storage("staff").save("x" * 80 + ".txt", ContentFile(b"x"), max_length=60)) <= 60


# Several who want the same name


def test_threads_that_save_one_name_all_keep_their_file(configure: Configure) -> None:
    storage, barrier, saved = get_storage("staff"), threading.Barrier(8), {}

    def save(number: int) -> None:
        barrier.wait()
        saved[storage.save("a.txt", ContentFile(str(number)))] = number

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(saved) == 8
    assert {name: int(storage.open(name).read()) for name in saved} == saved


def _save_often(barrier: Any, results: Any, number: int, turns: int, locks: Path) -> None:
    tempfile.tempdir = str(locks)  # where a host keeps its locks
    storage = get_storage("staff")
    for turn in range(turns):
        barrier.wait(60)
        results.put((storage.save(f"{turn}.txt", ContentFile(f"{number} {turn}")), f"{number} {turn}"))


def _saved_by_two(turns: int, locks: Sequence[Path]) -> dict[str, str]:
    """Let two processes save files of the same names at once."""
    forks = multiprocessing.get_context("fork")
    barrier, results = forks.Barrier(2), forks.Queue()
    processes = [
        forks.Process(target=_save_often, args=(barrier, results, number, turns, folder))
        for number, folder in enumerate(locks)
    ]
    for process in processes:
        process.start()
    saved = dict(results.get(timeout=60) for _ in range(2 * turns))
    for process in processes:
        process.join()
    return saved


def _are_kept(saved: dict[str, str], count: int) -> None:
    assert len(saved) == count
    storage = get_storage("staff")
    for name, content in saved.items():
        with storage.open(name) as file:
            assert file.read().decode() == content


def test_processes_that_save_one_name_all_keep_their_file(configure: Configure, tmp_path: Path) -> None:
    """On one host, without a cache that they share."""
    _are_kept(_saved_by_two(20, [tmp_path, tmp_path]), 40)


@pytest.mark.slow
def test_two_hundred_times_at_once(configure: Configure, tmp_path: Path) -> None:
    _are_kept(_saved_by_two(200, [tmp_path, tmp_path]), 400)


@pytest.mark.slow
@pytest.mark.parametrize("service", [services.redis, services.memcached])
def test_two_hundred_times_at_once_on_two_hosts_that_share_a_cache(
    service: Callable[[Path], AbstractContextManager[services.Service]],
    configure: Configure,
    tmp_path: Path,
) -> None:
    """Each has locks of its own, of which the other knows nothing."""
    hosts = [tmp_path / "one", tmp_path / "other"]
    for host in hosts:
        host.mkdir()
    with service(tmp_path) as running, override_settings(CACHES={"default": project.cache(running.url)}):
        saved = _saved_by_two(200, hosts)
    _are_kept(saved, 400)


def test_hosts_that_share_a_cache_reserve_names_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheShelf, "is_local", False)
    cache.clear()
    owner = bucket()
    shelf = CacheShelf("default")
    one = Reservations(owner, shelf)
    assert one.take("a.txt")
    monkeypatch.setattr(host_locks, "_host", host_locks._Host())  # another host
    other = Reservations(owner, shelf)
    assert (other.take("a.txt"), other.take("b.txt")) == (False, True)
    one.give_back("a.txt")
    assert other.take("a.txt")


def test_a_reservation_that_ended_gives_nothing_of_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save may last longer than a reservation, and another host may have the name meanwhile."""
    monkeypatch.setattr(CacheShelf, "is_local", False)
    cache.clear()
    slow, fast, third = (Reservations(owner, CacheShelf("default")) for owner in [bucket()] * 3)
    hosts = [(host_locks._Host(), ["slow"]), (host_locks._Host(), ["fast"]), (host_locks._Host(), ["third"])]

    def go_to(number: int) -> None:
        monkeypatch.setattr(host_locks, "_host", hosts[number][0])
        monkeypatch.setattr("b2router.b2.reservations._process", hosts[number][1])

    go_to(0)
    assert slow.take("a.txt")
    cache.clear()  # as after an hour
    go_to(1)
    assert fast.take("a.txt")
    go_to(0)
    slow.give_back("a.txt")
    go_to(2)
    assert not third.take("a.txt")


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o606])
def test_locks_are_not_kept_where_others_can_hold_them(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may have made the file first, and what others lock would keep this user from every name."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / f"b2router-{os.getuid()}.lock"
    path.touch()
    path.chmod(mode)
    host = host_locks._Host()
    assert host.take("a")
    assert (host._file is not None) is (mode == 0o600)


def test_a_lock_file_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = tmp_path.stat()
    theirs = os.stat_result([stat.S_IFREG | 0o600, *found[1:4], os.getuid() + 1, *found[5:]])
    monkeypatch.setattr("os.fstat", lambda _: theirs)
    host = host_locks._Host()
    assert host.take("a")
    assert host._file is None


def test_a_save_that_fails_gives_the_name_back(configure: Configure, emulator: Emulator) -> None:
    storage = get_storage("staff")
    emulator.fail("b2_upload_file", status=400, code="bad_request")
    with pytest.raises(OSError, match="B2"):
        storage.save("a.txt", ContentFile(b"x"))
    emulator.fail("head", status=503, times=100)
    with pytest.raises(Unavailable):
        storage.save("b.txt", ContentFile(b"x"))
    emulator.clear_faults()
    assert (storage.save("a.txt", ContentFile(b"x")), storage.save("b.txt", ContentFile(b"x"))) == ("a.txt", "b.txt")


def test_a_save_that_loses_its_login_gives_the_name_back(configure: Configure, emulator: Emulator) -> None:
    """To give it back must not take what has just failed."""
    storage = get_storage("staff")
    emulator.fail("b2_upload_file", code="bad_auth_token", times=100)
    emulator.fail("b2_get_upload_url", code="bad_auth_token", times=100)
    storage.exists("login")
    emulator.fail("b2_authorize_account", code="unauthorized", times=100)
    with pytest.raises(Refused):
        storage.save("a.txt", ContentFile(b"x"))
    emulator.clear_faults()
    close_all()
    assert storage.save("a.txt", ContentFile(b"x")) == "a.txt"


def test_a_cache_that_says_no_to_everything_holds_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Redis and Memcached clients do that are told to ignore that their server is away."""
    monkeypatch.setattr(CacheShelf, "is_local", False)
    monkeypatch.setattr(cache, "add", lambda *_, **__: False, raising=False)
    monkeypatch.setattr(cache, "get", lambda *_, **__: None, raising=False)
    monkeypatch.setattr(CacheShelf, "_cache", cache)
    held = Reservations(bucket(), CacheShelf("default"))
    assert held.take("a.txt")
    held.give_back("a.txt")


def test_a_slow_cache_is_asked_for_names_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two hosts could take one name for ten seconds after each slow answer."""
    monkeypatch.setattr(CacheShelf, "is_local", False)
    cache.clear()
    shelf = CacheShelf("default")
    owner = bucket()
    one, other = (Reservations(owner, shelf) for _ in range(2))
    monkeypatch.setattr(shelf._health, "_failed_at", time.monotonic())
    assert one.take("a.txt")
    monkeypatch.setattr(host_locks, "_host", host_locks._Host())  # another host
    assert (other.take("a.txt"), other.take("b.txt")) == (False, True)


def test_without_a_place_for_locks_saving_goes_on(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> None:
    monkeypatch.setattr(host_locks, "_host", host_locks._Host())
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    assert get_storage("staff").save("a.txt", ContentFile(b"x")) == "a.txt"


def test_asking_for_a_name_outside_of_a_save_reserves_nothing(configure: Configure) -> None:
    storage = get_storage("staff")
    assert [storage.get_available_name("a.txt") for _ in range(2)] == ["a.txt", "a.txt"]


# Files that are not to be changed


def test_a_profile_that_is_read_only_is_only_read(configure: Configure, emulator: Emulator) -> None:
    get_storage("staff").save("a.txt", ContentFile(b"hello"))
    configure(staff={"read_only": True})
    storage = get_storage("staff")
    emulator.reset_counts()
    for change in (
        lambda: storage.save("b.txt", ContentFile(b"x")),
        lambda: storage.delete("a.txt"),
        lambda: storage.open("a.txt", "wb"),
        lambda: storage.open("a.txt", "ab"),
        lambda: storage.purge("a.txt"),
        lambda: storage.restore("a.txt"),
        lambda: storage.move("a.txt", "b.txt", to="public"),
        lambda: storage.copy("a.txt", "b.txt"),
        lambda: get_storage("public").copy("a.txt", "b.txt", to="staff"),
    ):
        with pytest.raises(ReadOnly, match="'staff' is declared read_only"):
            change()
    assert emulator.calls() == {}
    assert isinstance(ReadOnly("x"), PermissionError)
    assert storage.open("a.txt").read() == b"hello"


@pytest.mark.parametrize("strategy", ["suffix", "uuid", "content_hash", "overwrite"])
@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "a/../b", "a/./b", "./a", "a//b", "a/", "/a"])
def test_no_strategy_makes_a_name_of_what_is_none(
    name: str, strategy: str, configure: Configure, emulator: Emulator
) -> None:
    configure(staff={"naming": strategy})
    with pytest.raises(SuspiciousFileOperation):
        get_storage("staff").save(name, ContentFile(b"1"))
    assert emulator.calls() == {}
