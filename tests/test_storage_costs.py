"""What each operation of a storage costs at B2: the table in docs/storages.md, row by row, from the emulator's log."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles import storage as static
from django.core.cache import cache
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.management import call_command
from django.utils.functional import empty

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from tests.conftest import Configure, forget
from tests.emulator.wire import Wire

PAGE = Path(__file__).parents[1] / "docs" / "storages.md"
MIB = 1024 * 1024
SIZE = 1_000_000
NAME = "a.bin"
CONTENT = bytes(SIZE)

Storage = Any


@dataclass(frozen=True)
class Operation:
    """A row: what is done, by the storage of an alias, after what was prepared in the same process."""

    act: Callable[[Storage], Any]
    prepare: Callable[[Storage], Any] = lambda storage: None
    alias: str = "media"


def read(storage: Storage, size: int = -1) -> None:
    with storage.open(NAME) as file:
        file.read(size)


def read_end(storage: Storage) -> None:
    with storage.open(NAME) as file:
        file.seek(-100, io.SEEK_END)
        assert len(file.read()) == 100


def read_chunks(storage: Storage) -> None:
    with storage.open(NAME) as file:
        assert sum(map(len, file.chunks())) == SIZE


def read_zip(storage: Storage) -> None:
    with storage.open("a.zip") as file, zipfile.ZipFile(file) as archive:
        archive.read("b")


def make_zip(storage: Storage) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a", "b", "c"):
            archive.writestr(name, bytes(SIZE if name == "a" else 10))
    storage.save("a.zip", File(packed))


def write(storage: Storage, mode: str = "wb", name: str = NAME, content: bytes = b"new") -> None:
    with storage.open(name, mode) as file:
        if content:
            file.write(content)


def save(storage: Storage, name: str = "new.bin", content: bytes = CONTENT) -> str:
    return str(storage.save(name, ContentFile(content)))


def save_on_disk(storage: Storage) -> None:
    with TemporaryUploadedFile("x.bin", "application/octet-stream", 200 * MIB, None) as upload:
        upload.file.truncate(200 * MIB)
        storage.save("large.bin", upload)


class Generated(io.RawIOBase):
    """200 MiB that can be read only once."""

    left = 200 * MIB

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.left)
        self.left -= count
        return count


def save_generated(storage: Storage) -> None:
    storage.save("large.bin", File(Generated(), "large.bin"))  # type: ignore[arg-type]


def ask_all(storage: Storage) -> None:
    storage.exists(NAME)
    storage.size(NAME)
    storage.get_created_time(NAME)
    storage.get_modified_time(NAME)


def older(storage: Storage) -> str:
    return str(storage.versions(NAME)[-1].id)


def open_older(storage: Storage, version: dict[str, str]) -> None:
    with storage.open(NAME, version=version["id"]) as file:
        file.read(100)


def collect() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)


_older: dict[str, str] = {}


def note_older(storage: Storage) -> None:
    write(storage)
    _older["id"] = older(storage)


OPERATIONS: dict[str, Operation] = {
    "`open(name)`, closed unread": Operation(lambda storage: storage.open(NAME).close()),
    "`open(name).read(100)`": Operation(partial(read, size=100)),
    "`open(name).read()`": Operation(read),
    "`open(name).chunks()`": Operation(read_chunks),
    "`open(name)`, the last 100 bytes": Operation(read_end),
    "`open(name)` of a zip file, one member": Operation(read_zip, make_zip),
    '`open(name, "r")`, text': Operation(lambda storage: storage.open(NAME, "r").read(100)),
    "`open(name)` of a missing file": Operation(lambda storage: missing(storage, "rb")),
    "`open(name, version=id)`, 100 bytes": Operation(lambda storage: open_older(storage, _older), note_older),
    '`open(name, "w")`, written': Operation(write),
    '`open(name, "w")` and `close()`': Operation(partial(write, content=b"")),
    '`open(name, "x")` of a new name': Operation(partial(write, mode="xb", name="new.bin")),
    '`open(name, "x")` of a taken name': Operation(lambda storage: missing(storage, "xb")),
    '`open(name, "a")`, added to': Operation(partial(write, mode="ab")),
    '`open(name, "a")` and `close()`': Operation(partial(write, mode="ab", content=b"")),
    "`save`, `suffix`, a new name": Operation(save),
    "`save`, `suffix`, a taken name": Operation(partial(save, name=NAME)),
    "`save`, `uuid`": Operation(save, alias="by_uuid"),
    "`save`, `content_hash`": Operation(save, alias="by_content"),
    "`save`, `overwrite`": Operation(save, alias="by_name"),
    "`save` of 200 MiB from disk": Operation(save_on_disk),
    "`save` of 200 MiB that are read only once": Operation(save_generated),
    "`exists`, `size` and both times": Operation(ask_all),
    "the same and `url`, after `save`": Operation(
        lambda storage: (ask_all(storage), storage.url(NAME)), partial(write, content=CONTENT)
    ),
    "`exists` of a missing file": Operation(lambda storage: storage.exists("missing")),
    "`url(name)`": Operation(lambda storage: storage.url(NAME)),
    "`share_url(name)`": Operation(lambda storage: storage.share_url(NAME)),
    "`signed_url(name)`": Operation(lambda storage: storage.signed_url(NAME)),
    "`listdir(path)`": Operation(lambda storage: storage.listdir("")),
    "`iterdir(path)`": Operation(lambda storage: list(storage.iterdir())),
    "`delete`, `hide`": Operation(lambda storage: storage.delete(NAME)),
    "`delete`, `version`": Operation(lambda storage: storage.delete(NAME), alias="by_version"),
    "`delete`, `purge`, of two versions": Operation(lambda storage: storage.delete(NAME), write, alias="by_purge"),
    "`delete` of a missing file": Operation(lambda storage: storage.delete("missing")),
    "`versions(name)`": Operation(lambda storage: storage.versions(NAME)),
    "`restore(name)`": Operation(lambda storage: storage.restore(NAME), lambda storage: storage.delete(NAME)),
    "`restore(name, version=id)`": Operation(lambda storage: storage.restore(NAME, version=_older["id"]), note_older),
    "`purge(name)` of two versions": Operation(lambda storage: storage.purge(NAME), write),
    "`copy(name, new_name)`": Operation(lambda storage: storage.copy(NAME, "new.bin")),
    "`copy(name, new_name, to=…)`, one account": Operation(lambda storage: storage.copy(NAME, "new.bin", to="other")),
    "`copy(name, new_name, to=…)`, another account": Operation(
        lambda storage: storage.copy(NAME, "new.bin", to="abroad")
    ),
    "`move(name, new_name)`": Operation(lambda storage: storage.move(NAME, "new.bin")),
    "`move(name, new_name, to=…)`, one account": Operation(lambda storage: storage.move(NAME, "new.bin", to="other")),
    "`move(name, new_name, to=…)`, another account": Operation(
        lambda storage: storage.move(NAME, "new.bin", to="abroad")
    ),
    "`set_retention(name, until)`": Operation(lambda storage: storage.set_retention(NAME, None), alias="locked"),
    "`set_legal_hold(name, on)`": Operation(lambda storage: storage.set_legal_hold(NAME, False), alias="locked"),
}
STATIC = ("`collectstatic` of three files", "`collectstatic` again")
FIRST = ("`save`, the first of a process", "`open(name).read(100)`, the first of a process")

_CALL = re.compile(r"(up to )?(\d+) (\w+ \([ABC]?\))")
_ROW = re.compile(r"\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def missing(storage: Storage, mode: str) -> None:
    with pytest.raises(OSError):
        storage.open(NAME if mode == "xb" else "missing", mode)


def rows() -> dict[str, tuple[str, ...]]:
    """The table: operation → calls when nothing is remembered, when the file is, bytes from B2."""
    text = PAGE.read_text().partition("## What an operation costs")[2].partition("\n## ")[0]
    found = {row[1].strip(): tuple(part.strip() for part in row.groups()[1:]) for row in _ROW.finditer(text)}
    return {
        label: (cold, cold if warm == "the same" else warm, came)
        for label, (cold, warm, came) in found.items()
        if label not in ("operation", "---")
    }


@pytest.fixture
def site(configure: Configure, emulator: Emulator, settings: Any) -> Emulator:
    """Every naming and every way to delete, in locations of one bucket; a bucket beside it, and another account."""
    media = {"bucket": "acme-members", "route": "media/", "permission": "authenticated"}
    configure(
        public=None,
        logged_in=None,
        staff=None,
        media={**media, "location": "media/"},
        by_uuid={"bucket": "acme-members", "location": "uuid/", "naming": "uuid"},
        by_content={"bucket": "acme-members", "location": "content/", "naming": "content_hash"},
        by_name={"bucket": "acme-members", "location": "name/", "naming": "overwrite"},
        by_version={"bucket": "acme-members", "location": "version/", "on_delete": "version"},
        by_purge={"bucket": "acme-members", "location": "purge/", "on_delete": "purge"},
        other={"bucket": "acme-staff"},
        abroad={"bucket": "acme-shared", "account": "eu"},
        locked={"bucket": "acme-locked"},
        assets={"bucket": "acme-public", "permission": "public", "route": "static/"},
    )
    wire = Wire(emulator.url, emulator.key_id, emulator.key)
    locked = {"bucketName": "acme-locked", "bucketType": "allPrivate", "fileLockEnabled": True}
    wire.ok("b2_create_bucket", accountId=wire.account["accountId"], **locked)
    wire.close()
    key_id, key = emulator.create_key()
    account = {"application_key_id": emulator.key_id, "application_key": emulator.key, "realm": emulator.url}
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "application_key_id": key_id,
        "application_key": key,
        "accounts": {"eu": account},
    }
    return emulator


@pytest.fixture
def static_files(settings: Any) -> Iterator[None]:
    """A static storage of the profile `assets`, with b2router's own command."""
    others = [app for app in settings.INSTALLED_APPS if app != "b2router"]
    settings.INSTALLED_APPS = ["b2router", "django.contrib.staticfiles", *others]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_URL = "/static/"
    backend = {"BACKEND": "b2router.staticfiles.B2StaticStorage", "OPTIONS": {"alias": "assets"}}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}
    finders.get_finder.cache_clear()
    yield
    finders.get_finder.cache_clear()
    static.staticfiles_storage._wrapped = empty


def spent(emulator: Emulator, act: Callable[[], Any]) -> tuple[str, int]:
    """The calls of something, with their price class, and the bytes of files that came."""
    emulator.reset_counts()
    act()
    log = emulator.log()
    calls = Counter((call.operation.removeprefix("b2_"), call.price_class) for call in log)
    came = sum(call.bytes_out for call in log if call.operation == "download" and call.status < 300)
    return ", ".join(f"{count} {name} ({kind})" for (name, kind), count in sorted(calls.items())) or "–", came


def fits(said: str, found: str) -> bool:
    """Whether the calls are those of a cell, where "up to" is a bound."""
    if "up to" not in said:
        return said == found
    counted = {name: int(count) for _, count, name in _CALL.findall(found)}
    wanted = {name: (int(count), bool(bound)) for bound, count, name in _CALL.findall(said)}
    return counted.keys() <= wanted.keys() and all(
        counted.get(name, 0) <= count if is_bound else counted.get(name) == count
        for name, (count, is_bound) in wanted.items()
    )


@pytest.mark.parametrize("label", list(OPERATIONS))
def test_an_operation_costs_what_the_table_says(label: str, site: Emulator) -> None:
    """In a process that has logged in, and uploaded and listed in each bucket."""
    operation = OPERATIONS[label]
    storage = get_storage(operation.alias)

    def prepare() -> None:
        for alias in ("media", "other", "abroad", operation.alias):
            get_storage(alias).purge(NAME)
            get_storage(alias).purge("new.bin")
        write(storage, content=CONTENT)
        for alias in ("other", "abroad"):
            write(get_storage(alias), name="warm")
        operation.prepare(storage)

    prepare()
    if not label.endswith("after `save`"):
        cache.clear()
        get_storage("media").exists("warm")  # the logins are made
        get_storage("abroad").exists("warm")
    cold, came = spent(site, partial(operation.act, storage))
    prepare()
    storage.exists(NAME)
    warm, _ = spent(site, partial(operation.act, storage))
    said_cold, said_warm, said_bytes = rows()[label]
    assert fits(said_cold, cold), cold
    assert fits(said_warm, warm), warm
    assert said_bytes == (f"{came:,}" if came else "–")


@pytest.mark.parametrize("label", FIRST)
def test_the_first_operation_of_a_process(label: str, site: Emulator) -> None:
    """Nothing is there; then what other processes left in the cache is."""
    storage = get_storage("media")
    write(storage, content=CONTENT)
    operation = OPERATIONS["`save`, `suffix`, a new name" if "save" in label else "`open(name).read(100)`"]
    forget()
    cold, came = spent(site, partial(operation.act, storage))
    storage.purge("new.bin")
    close_all()
    warm, _ = spent(site, partial(operation.act, storage))
    assert rows()[label] == (cold, warm, f"{came:,}" if came else "–")


def test_collectstatic(site: Emulator, settings: Any, tmp_path: Path, static_files: None) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(str(number))
    settings.STATICFILES_DIRS = [tmp_path]
    get_storage("assets").exists("warm")
    write(get_storage("assets"), name="warm")
    for label in STATIC:
        shown, _ = spent(site, collect)
        cold, warm, came = rows()[label]
        assert (cold, came) == (warm, "–")
        assert fits(cold, shown), shown


def test_the_table_has_no_other_rows() -> None:
    assert list(rows()) == [*OPERATIONS, *STATIC, *FIRST]
