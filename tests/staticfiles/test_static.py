"""collectstatic to B2 without hashes: what it uploads, leaves, replaces and deletes, and what that costs."""

from __future__ import annotations

import io
import os
import sys
import threading
import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone

from b2router import checks
from b2router.emulator import Emulator
from b2router.errors import BackendError, InvalidName, ReadOnly
from b2router.staticfiles import B2StaticStorage, collection, progress
from tests.staticfiles.conftest import MANIFEST, Use, collect, restart

NAMES = ["css/app.css", "css/base.css", "dot.png", "note.txt"]
OTHERS = {"b2_authorize_account", "b2_list_buckets", "b2_get_upload_url"}


def done(emulator: Emulator) -> dict[str, int]:
    """The calls since the last look, without those that a process makes once."""
    calls = {call: count for call, count in emulator.calls().items() if call not in OTHERS}
    emulator.reset_counts()
    return calls


def content(storage: Any, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


both = pytest.mark.parametrize("is_above", [True, False], ids=["its command", "Django's command"])


@both
def test_everything_is_uploaded_once(is_above: bool, use: Use, emulator: Emulator, source: Path) -> None:
    storage = use(is_above=is_above)
    assert "4 static files copied." in collect()
    assert done(emulator) == {"b2_list_file_names": 1, "b2_upload_file": 4}
    assert {name: content(storage, name) for name in NAMES} == {name: (source / name).read_bytes() for name in NAMES}
    assert storage.url("css/app.css") == "/static/css/app.css"


@both
def test_a_second_run_lists_and_does_nothing(is_above: bool, use: Use, emulator: Emulator) -> None:
    """Also when the sources are newer than what is at B2, as after every checkout."""
    use(is_above=is_above)
    collect()
    for path in finders.find("css/app.css"), finders.find("dot.png"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    restart()
    emulator.reset_counts()
    assert "0 static files copied, 4 unmodified." in collect()
    assert done(emulator) == {"b2_list_file_names": 1}


def test_the_admin_s_files_take_two_calls_when_nothing_changed(use: Use, emulator: Emulator, settings: Any) -> None:
    """A login and a listing, with a key that is bound to the bucket."""
    use()
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.AppDirectoriesFinder"]
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.admin", "django.contrib.messages"]
    key_id, key = emulator.create_key(bucket="acme-public")
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    settings.BACKBLAZE_CONFIG["profiles"] = {"assets": settings.BACKBLAZE_CONFIG["profiles"]["assets"]}
    restart()
    collect(verbosity=0)
    assert emulator.calls()["b2_upload_file"] > 100
    restart()
    emulator.reset_counts()
    collect(verbosity=0)
    assert emulator.calls() == {"b2_authorize_account": 1, "b2_list_file_names": 1}


@both
def test_what_changed_is_uploaded_whatever_its_time(is_above: bool, use: Use, emulator: Emulator, source: Path) -> None:
    storage = use(is_above=is_above)
    collect()
    done(emulator)
    (source / "note.txt").write_text("other\n")
    os.utime(source / "note.txt", (1_000_000_000, 1_000_000_000))
    (source / "new.txt").write_text("new\n")
    restart()
    emulator.reset_counts()
    assert "2 static files copied, 3 unmodified." in collect()
    hidden = {} if is_above else {"b2_hide_file": 1}
    assert done(emulator) == {"b2_list_file_names": 1, "b2_upload_file": 2, **hidden}
    assert content(storage, "note.txt") == b"other\n"


def test_a_file_is_replaced_without_a_gap(use: Use, source: Path) -> None:
    """Deleting it first, as collectstatic would, leaves visitors without it meanwhile, and a marker for ever."""
    storage = use()
    collect()
    (source / "note.txt").write_text("other\n")
    restart()
    collect()
    assert [version.is_deletion for version in storages["staticfiles"].versions("note.txt")] == [False, False]
    assert storage.exists("note.txt")


@both
def test_clear_deletes_what_is_no_source_any_more(is_above: bool, use: Use, emulator: Emulator, source: Path) -> None:
    storage = use(is_above=is_above)
    collect()
    (source / "css" / "base.css").unlink()
    restart()
    emulator.reset_counts()
    collect(clear=True)
    assert storages["staticfiles"].listdir("css") == ([], ["app.css"])
    assert sorted(name for name in NAMES if storages["staticfiles"].exists(name)) == [
        "css/app.css",
        "dot.png",
        "note.txt",
    ]
    if is_above:  # what stays is not touched; two of the listings are the test's own
        assert done(emulator) == {"b2_list_file_names": 3, "b2_hide_file": 1}
    assert storage.alias == "assets"


@both
@pytest.mark.parametrize("clear", [True, False])
def test_a_dry_run_changes_nothing(is_above: bool, clear: bool, use: Use, emulator: Emulator, source: Path) -> None:
    use(is_above=is_above)
    collect()
    (source / "note.txt").write_text("other\n")
    restart()
    emulator.reset_counts()
    said = collect(dry_run=True, clear=clear)
    assert "Pretending to copy" in said
    assert set(done(emulator)) == {"b2_list_file_names"}


@both
def test_links_are_refused(is_above: bool, use: Use, emulator: Emulator) -> None:
    use(is_above=is_above)
    with pytest.raises(CommandError, match="Can't symlink to a remote destination"):
        collect(link=True)
    assert "b2_upload_file" not in emulator.calls()


def test_uploads_run_side_by_side_and_no_more_than_said(
    use: Use, emulator: Emulator, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(options={"threads": 3})
    for number in range(20):
        (source / f"{number}.txt").write_text(str(number))
    lock, now, most = threading.Lock(), [0], [0]
    store = B2StaticStorage._store

    def watched(self: B2StaticStorage, name: str, file: Any, sha1: str | None) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        store(self, name, file, sha1)
        with lock:
            now[0] -= 1

    monkeypatch.setattr(B2StaticStorage, "_store", watched)
    emulator.fail("b2_upload_file", times=3, delay_s=0.3)
    collect()
    assert (most[0], done(emulator)["b2_upload_file"]) == (3, 24)


def test_an_upload_that_fails_fails_the_command(use: Use, emulator: Emulator) -> None:
    use()
    emulator.fail("b2_upload_file", times=1, status=403, code="storage_cap_exceeded")
    with pytest.raises(BackendError):
        collect()


def test_nothing_is_deleted_when_an_upload_failed(use: Use, emulator: Emulator, source: Path) -> None:
    storage = use()
    collect()
    (source / "css" / "base.css").unlink()
    (source / "new.txt").write_text("new\n")
    restart()
    emulator.fail("b2_upload_file", times=1, status=403, code="storage_cap_exceeded")
    with pytest.raises(BackendError):
        collect(clear=True)
    assert storage.exists("css/base.css")
    restart()
    emulator.reset_counts()
    collect(clear=True)
    assert not storages["staticfiles"].exists("css/base.css")


def test_headers_that_the_profile_changed_are_uploaded_again(use: Use, emulator: Emulator) -> None:
    """Where browsers fetch from B2, B2 says how long they keep a file."""
    direct = {"mode": "direct", "base_url": "https://f004.example.com"}
    use(route=None, delivery=direct, cache=[])
    collect()
    restart()
    done(emulator)
    use(route=None, delivery=direct, cache=[{"match": "*.css", "max_age_s": 60}])
    collect()
    assert done(emulator) == {"b2_list_file_names": 1, "b2_upload_file": 2}


def test_a_large_file_is_known_by_its_hash_too(use: Use, emulator: Emulator, source: Path) -> None:
    """B2 keeps no SHA-1 of a file that came in parts, unless it is told."""
    use(upload={"part_bytes": 5_000_000})
    (source / "large.bin").write_bytes(os.urandom(11_000_000))
    collect()
    restart()
    emulator.reset_counts()
    assert "5 unmodified" in collect()
    assert done(emulator) == {"b2_list_file_names": 1}


def test_a_read_only_profile_is_refused_before_anything(use: Use, emulator: Emulator) -> None:
    use(read_only=True)
    with pytest.raises(ReadOnly):
        collect()
    assert emulator.calls() == {}


# The storage by itself


def test_names_are_kept_whatever_the_naming(use: Use) -> None:
    for naming in ("uuid", "content_hash", "suffix"):
        storage = use(naming=naming)
        assert storage.save("a/b.txt", ContentFile(b"1")) == "a/b.txt"
        assert storage.save("a/b.txt", io.StringIO("2é")) == "a/b.txt"
        assert content(storage, "a/b.txt") == "2é".encode()


def test_what_cannot_be_read_twice_is_stored_whole(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may wait in memory is uploaded at once."""
    monkeypatch.setattr(collection, "MEMORY_BYTES", 10)
    storage = use()
    with storage.collecting():
        storage.save("small.bin", ContentFile(b"x" * 10))
        storage.save("large.bin", ContentFile(b"y" * 11))
    assert (content(storage, "small.bin"), content(storage, "large.bin")) == (b"x" * 10, b"y" * 11)


def test_addresses_of_folders_end_with_a_slash(use: Use) -> None:
    storage = use()
    assert [storage.url(name) for name in ("", "css/", "css/x.css")] == [
        "/static/",
        "/static/css/",
        "/static/css/x.css",
    ]
    with pytest.raises(InvalidName):
        storage.url("../x/")


def test_folders_exist_while_files_are_in_them(use: Use) -> None:
    storage = use()
    assert not storage.exists("") and not storage.exists("css")
    storage.save("css/a.css", ContentFile(b"1"))
    assert all(storage.exists(name) for name in ("", "css", "css/", "css/a.css"))
    with storage.collecting():
        assert all(storage.exists(name) for name in ("", "css", "css/", "css/a.css"))
    assert not storage.exists("cs")
    storage.delete("css/a.css")
    assert not storage.exists("css")
    with pytest.raises(FileNotFoundError):
        storage.get_modified_time("css/a.css")


def test_naive_times_are_in_the_zone_of_the_site(use: Use, settings: Any) -> None:
    """As those of the sources are: a zone that a visitor's request has activated is none of theirs."""
    storage = use()
    storage.save("a.txt", ContentFile(b"1"))
    uploaded_at = storage.get_modified_time("a.txt")
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
    with timezone.override("America/Lima"):
        found = storage.get_modified_time("a.txt")
    assert found == (uploaded_at + timedelta(hours=9)).replace(tzinfo=None)


def test_other_storages_are_collected_as_ever(use: Use, settings: Any, tmp_path: Path, emulator: Emulator) -> None:
    use()
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    settings.STATIC_ROOT = tmp_path / "root"
    assert f"4 static files copied to '{tmp_path / 'root'}'." in collect()
    assert emulator.calls() == {}


# What it says


def test_verbosity_nought_says_nothing(use: Use, capfd: pytest.CaptureFixture[str]) -> None:
    use()
    finders.get_finder.cache_clear()
    call_command("collectstatic", interactive=False, verbosity=0)
    assert capfd.readouterr() == ("", "")


def test_lines_say_how_it_goes(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    use(options={"threads": 1})
    said = collect().splitlines()
    assert said[0] == "B2 has 0 files there."
    assert [line for line in said if "uploaded" in line][-1] == "4 files uploaded, 83 bytes."
    assert len(said) > 5


def test_a_bar_is_drawn_where_tqdm_is_and_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, int]] = []

    class Tqdm:
        def __init__(self, **options: Any) -> None:
            self.total = 0

        def refresh(self) -> None:
            drawn.append(("total", self.total))

        def update(self, count: int) -> None:
            drawn.append(("update", count))

        def close(self) -> None:
            drawn.append(("close", self.total))

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Tqdm))
    bar = progress.shown(io.StringIO(), Terminal(), 1)
    bar.found(3)
    bar.wanted()
    bar.uploaded(10)
    bar.close()
    assert drawn == [("total", 1), ("update", 1), ("close", 1)]
    kinds = [type(progress.shown(io.StringIO(), errors, verbosity)).__name__ for errors, verbosity in (
        (Terminal(), 0), (Terminal(), 2), (io.StringIO(), 1),
    )]  # fmt: skip
    assert kinds == ["Quiet", "Lines", "Lines"]
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert type(progress.shown(io.StringIO(), Terminal(), 1)).__name__ == "Lines"


# Checks


def ids(deploy: bool = False) -> list[str]:
    found = checks.check_deployment() if deploy else checks.check_site()
    return [
        str(message.id) for message in found if str(message.id) in ("b2router.E003", "b2router.W010", "b2router.W011")
    ]


def test_the_order_of_the_apps_is_checked(use: Use) -> None:
    use(is_above=False)
    assert ids() == ["b2router.W010"]
    use(is_above=True)
    assert ids() == []


def test_the_alias_is_checked(use: Use) -> None:
    use(options={"alias": "assetz"})
    assert ids() == ["b2router.E003"]


def test_names_with_hashes_that_nobody_keeps_are_a_warning(use: Use) -> None:
    use(MANIFEST, cache=[])
    assert ids(deploy=True) == ["b2router.W011"]
    use(MANIFEST, cache=[], max_age_s=60)
    assert ids(deploy=True) == []
    use(MANIFEST)
    assert ids(deploy=True) == []
    use(cache=[])
    assert ids(deploy=True) == []


def test_of_two_contents_of_one_name_the_later_stays(use: Use) -> None:
    """Uploads run side by side, and a short one overtakes a long one."""
    storage = use()
    with storage.collecting():
        for number in range(8):
            storage.save("a.txt", ContentFile(b"%d" % number + bytes(0 if number % 2 else 2_000_000)))
    assert content(storage, "a.txt") == b"7"
    assert len(storage.versions("a.txt")) == 8
