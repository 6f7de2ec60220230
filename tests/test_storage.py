"""The storage of a profile by Django's contract, on a B2 over HTTP, with the calls that each operation costs."""

from __future__ import annotations

import copy
import io
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db.migrations.writer import MigrationWriter
from django.test import override_settings

from b2router import B2Storage, BackblazeConfig, django_storages, get_storage, storage_ref
from b2router.b2.download import BLOCK_BYTES
from b2router.b2.objects import upload
from b2router.b2.options import UploadOptions
from b2router.emulator import Emulator
from b2router.errors import CapExceeded, NotFound, NotServed, Refused, Unavailable
from b2router.router import current_router
from b2router.uploading import MIN_PART_BYTES as PART_BYTES
from tests.conftest import Configure, forget


@pytest.fixture
def storage(configure: Configure) -> B2Storage:
    configure(staff={"upload": {"part_bytes": PART_BYTES}})
    return get_storage("staff")


def text(content: bytes = b"hello") -> ContentFile[bytes]:
    return ContentFile(content)


# Saving and reading


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="small"),
        pytest.param(os.urandom(BLOCK_BYTES + 1), id="one block and a byte"),
        pytest.param(os.urandom(2 * PART_BYTES + 7), id="several parts"),
    ],
)
def test_what_was_saved_is_read_back(content: bytes, storage: B2Storage) -> None:
    name = storage.save("a/b.bin", text(content))
    with storage.open(name) as file:
        assert file.size == len(content)
        assert file.read() == content
    assert storage.size(name) == len(content)


def temporary(content: bytes) -> TemporaryUploadedFile:
    file = TemporaryUploadedFile("x.bin", "application/x-test", len(content), None)
    file.write(content)
    file.seek(0)
    return file


def opened(content: bytes) -> File[bytes]:
    handle = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the test's garbage collection of Django's File
    handle.write(content)
    handle.seek(3)
    return File(handle, name="x.bin")


class Pipe(io.RawIOBase):
    """A source that is read once, in small pieces, and tells no size."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(memoryview(buffer)[:1000])


@pytest.mark.parametrize("size", [0, 11, PART_BYTES + 11], ids=["empty", "small", "several parts"])
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda content: ContentFile(content), id="memory"),
        pytest.param(lambda content: SimpleUploadedFile("x.bin", content), id="upload in memory"),
        pytest.param(temporary, id="upload on disk"),
        pytest.param(opened, id="open file, half read"),
        pytest.param(lambda content: File(Pipe(content), name="x.bin"), id="pipe"),
    ],
)
def test_every_source_is_stored_whole(source: Any, size: int, storage: B2Storage) -> None:
    """Half-read sources are rewound; a source of unknown size is read to its end."""
    content = os.urandom(size)
    with source(content) as file:
        name = storage.save("x.bin", file)
    with storage.open(name) as stored:
        assert stored.read() == content


def test_a_size_that_lies_costs_no_memory_and_no_bytes(storage: B2Storage) -> None:
    """gzip.open tells the size of the compressed file."""
    content = b"x" * (3 * PART_BYTES)

    class Lying(File):  # type: ignore[type-arg]
        size = 10

    assert storage.size(storage.save("a.bin", Lying(io.BytesIO(content), name="a.bin"))) == len(content)


def test_a_source_that_fails_raises_its_own_error(storage: B2Storage) -> None:
    class Failing(Pipe):
        def readinto(self, buffer: Any) -> int:
            raise ZeroDivisionError

    for head in (b"", b"x" * (2 * PART_BYTES)):
        failing = Failing(b"")
        source = io.BufferedReader(failing) if not head else failing
        with pytest.raises(ZeroDivisionError):
            storage.save("a.bin", File(source, name="a.bin"))
    assert not storage.exists("a.bin")


def test_text_that_cannot_be_rewound_is_stored_too(storage: B2Storage) -> None:
    class Once(io.TextIOWrapper):
        def seekable(self) -> bool:
            return False

    name = storage.save("a.txt", File(Once(io.BytesIO("grüße".encode()), encoding="utf-8"), name="a.txt"))
    assert storage.open(name).read() == "grüße".encode()


@pytest.mark.parametrize("declared", ["тип/plain", "a/b\r\nX-Evil: 1", "x/" + "y" * 9000, "text", "a/\x00"])
def test_a_type_that_is_no_header_is_unknown(declared: str, storage: B2Storage) -> None:
    """An uploader declares it; it must not fail the upload."""
    content: Any = text()
    content.content_type = declared
    assert storage._stat(storage.save("a.txt", content)).content_type == "application/octet-stream"


def test_text_is_stored_as_utf8(storage: B2Storage) -> None:
    name = storage.save("a.txt", ContentFile("grüße\n" * 3))
    with storage.open(name, "r") as file:
        assert file.readlines() == ["grüße\n"] * 3
    with storage.open(name) as file:
        assert file.read() == "grüße\n".encode() * 3


@pytest.mark.parametrize(
    ("name", "declared", "stored"),
    [
        ("a.webp", None, "image/webp"),
        ("a.TXT", None, "text/plain"),
        ("a.tar.gz", None, "application/gzip"),
        ("a", None, "application/octet-stream"),
        ("a.pdf", "application/x-mine", "application/x-mine"),
    ],
)
def test_the_content_type_is_the_declared_one_else_by_name(
    name: str, declared: str | None, stored: str, storage: B2Storage
) -> None:
    content: Any = text()
    if declared:
        content.content_type = declared
    saved = storage.save(name, content)
    assert storage._stat(saved).content_type == stored


def test_a_taken_name_gets_a_suffix(storage: B2Storage) -> None:
    first, second = storage.save("a.txt", text(b"one")), storage.save("a.txt", text(b"two"))
    assert first == "a.txt"
    assert second.startswith("a_")
    assert second.endswith(".txt")
    assert [storage.open(name).read() for name in (first, second)] == [b"one", b"two"]


def test_files_lie_under_the_location_of_their_profile(configure: Configure, emulator: Emulator) -> None:
    configure(staff={"location": "inner/files/"}, other={"bucket": "acme-staff", "location": "outer/"})
    name = get_storage("staff").save("a.txt", text())
    assert name == "a.txt"
    assert get_storage("staff").listdir("") == ([], ["a.txt"])
    assert not get_storage("other").exists("a.txt")
    assert "/file/acme-staff/inner/files/a.txt" in {record.path for record in emulator.log()}


def test_file_information_is_stored_with_every_upload(configure: Configure) -> None:
    configure(staff={"file_info": {"origin": "tests ü"}})
    storage = get_storage("staff")
    assert storage._stat(storage.save("a.txt", text())).info == {"origin": "tests ü"}


# Opening


def test_a_missing_file_cannot_be_opened(storage: B2Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open("gone.txt")


def test_a_file_can_be_written_in_pieces(storage: B2Storage) -> None:
    with storage.open("a.txt", "w") as file:
        file.write("one\n")
        file.write("two\n")
        assert file.size == 8
    assert storage.open("a.txt").read() == b"one\ntwo\n"


def test_closing_an_untouched_new_file_makes_an_empty_one(storage: B2Storage) -> None:
    storage.open("a.txt", "wb").close()
    assert storage.size("a.txt") == 0


def test_appending_keeps_what_was_there(storage: B2Storage) -> None:
    for piece in ("one,", "two"):
        with storage.open("a.txt", "a") as file:
            file.write(piece)
    assert storage.open("a.txt").read() == b"one,two"


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_truncating_lengthens_as_on_the_disk(mode: str, storage: B2Storage, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"01")
    storage.save("a.txt", ContentFile(b"01"))
    for opened in (open(tmp_path / "a.txt", mode), storage.open("a.txt", mode)):  # noqa: PTH123, SIM115 - side by side
        with opened as file:
            file.write(b"ab")
            assert (file.truncate(9), file.tell()) == (9, 2 if mode == "wb" else 4)
            with pytest.raises(OSError):
                file.seek(-1)
            with pytest.raises(OSError):
                file.truncate(-1)
            file.seek(3)
            file.write(b"z")
    assert storage.open("a.txt").read() == (tmp_path / "a.txt").read_bytes()


@pytest.mark.parametrize("mode", ["br", "tr", "bw", "tw", "bx", "ba"])
def test_the_letters_of_a_mode_may_stand_in_any_order(mode: str, storage: B2Storage) -> None:
    storage.save("a.txt", ContentFile(b"1"))
    name = "b.txt" if "x" in mode else "a.txt"
    with storage.open(name, mode) as file:
        if "r" in mode:
            assert file.read() in (b"1", "1")
        else:
            file.write("2" if "t" in mode else b"2")
    assert storage.open(name).read() == {"r": b"1", "a": b"12"}.get(mode[1], b"2")


def test_creating_exclusively(storage: B2Storage) -> None:
    storage.open("a.txt", "xb").close()
    with pytest.raises(FileExistsError):
        storage.open("a.txt", "xb")


@pytest.mark.parametrize("mode", ["r+", "rb+", "w+b", "q", "", "rw"])
def test_other_modes_say_what_is_possible(mode: str, storage: B2Storage) -> None:
    with pytest.raises(ValueError, match="expected r, w, x or a"):
        storage.open("a.txt", mode)


def test_a_file_is_read_where_it_is_needed(storage: B2Storage, emulator: Emulator) -> None:
    """Seeking costs nothing; reading there pulls from there on."""
    content = os.urandom(4 * BLOCK_BYTES)
    name = storage.save("a.bin", text(content))
    emulator.reset_counts()
    with storage.open(name) as file:
        assert file.read(100) == content[:100]
        assert file.seek(-100, io.SEEK_END) == len(content) - 100
        assert file.read() == content[-100:]
        assert file.seek(BLOCK_BYTES // 2) == BLOCK_BYTES // 2
        assert file.read(BLOCK_BYTES) == content[BLOCK_BYTES // 2 :][:BLOCK_BYTES]
    assert emulator.calls() == {"download": 3}


def test_the_beginning_of_a_file_pulls_only_the_beginning(storage: B2Storage, emulator: Emulator) -> None:
    name = storage.save("a.bin", text(os.urandom(40 * BLOCK_BYTES)))
    emulator.reset_counts()
    with storage.open(name) as file:
        file.read(100)
    assert emulator.calls() == {"download": 1}
    assert emulator.bytes_out() < 2 * BLOCK_BYTES


def test_chunks_stream_the_whole_file(storage: B2Storage, emulator: Emulator) -> None:
    content = os.urandom(5 * BLOCK_BYTES + 1)
    name = storage.save("a.bin", text(content))
    emulator.reset_counts()
    with storage.open(name) as file:
        assert b"".join(file.chunks()) == content
    assert emulator.calls() == {"download": 2}


def test_an_open_file_stays_at_its_version(storage: B2Storage) -> None:
    """Two versions must not be mixed in one reading, and what was opened can be read."""
    name = storage.save("a.bin", text(b"1" * (3 * BLOCK_BYTES)))
    with storage.open(name) as file:
        file.read(10)
        with storage.open(name, "wb") as other:
            other.write(b"2" * (3 * BLOCK_BYTES))
        assert file.read() == b"1" * (3 * BLOCK_BYTES - 10)


def test_closing_twice_uploads_once(storage: B2Storage, emulator: Emulator) -> None:
    file = storage.open("a.txt", "w")
    file.write("x")
    file.close()
    file.close()
    assert emulator.calls()["b2_upload_file"] == 1


def test_a_file_is_opened_again_from_its_storage(storage: B2Storage) -> None:
    """Never from the server's disk, where a file of the same name may lie."""
    name = storage.save("pyproject.toml", text(b"from B2"))
    file = storage.open(name)
    assert file.read() == b"from B2"
    assert file.open().read() == b"from B2"
    file.close()
    with file.open() as again:
        assert again.read() == b"from B2"
    with file.open("r") as again:
        assert again.read() == "from B2"


def test_a_block_that_fails_stores_nothing(storage: B2Storage) -> None:
    """Half a file is none; the one that was there stays."""
    storage.save("a.txt", text(b"whole"))
    with pytest.raises(RuntimeError), storage.open("a.txt", "w") as file:
        file.write("hal")
        raise RuntimeError
    assert storage.open("a.txt").read() == b"whole"


def test_an_upload_that_failed_is_not_made_by_another_close(storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail("b2_upload_file", status=403, code="storage_cap_exceeded")
    file = storage.open("a.txt", "w")
    file.write("x")
    with pytest.raises(CapExceeded):
        file.close()
    file.close()
    assert not storage.exists("a.txt")


# The rest of the contract


def test_deleting_is_quiet_about_missing_files(storage: B2Storage) -> None:
    name = storage.save("a.txt", text())
    storage.delete(name)
    storage.delete(name)
    storage.delete("never.txt")
    assert not storage.exists(name)


def test_a_deleted_file_does_not_come_back_as_its_former_version(storage: B2Storage) -> None:
    for content in ("one", "two"):
        with storage.open("a.txt", "w") as file:
            file.write(content)
    storage.delete("a.txt")
    assert not storage.exists("a.txt")


def test_size_and_times_of_a_missing_file_raise(storage: B2Storage) -> None:
    for question in (storage.size, storage.get_created_time, storage.get_modified_time):
        with pytest.raises(FileNotFoundError):
            question("gone.txt")


@pytest.mark.parametrize("use_tz", [True, False])
def test_times_follow_use_tz(use_tz: bool, storage: B2Storage) -> None:
    name = storage.save("a.txt", text())
    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Tokyo"):
        for when in (storage.get_created_time(name), storage.get_modified_time(name)):
            assert (when.tzinfo is not None) is use_tz
            aware = when if use_tz else when.replace(tzinfo=UTC) - timedelta(hours=9)
            assert abs(datetime.now(UTC) - aware) < timedelta(minutes=1)


def test_listdir_is_that_of_a_file_system(storage: B2Storage) -> None:
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", "bb.txt", "z/y.txt"):
        storage.save(name, text())
    assert storage.listdir("") == (["b", "z"], ["a.txt", "bb.txt"])
    assert storage.listdir("b") == storage.listdir("b/") == (["d"], ["c.txt"])
    with pytest.raises(FileNotFoundError):
        storage.listdir("nowhere")


def test_an_empty_profile_has_an_empty_list(storage: B2Storage) -> None:
    assert storage.listdir("") == ([], [])


def test_what_other_programs_stored_keeps_nobody_from_walking(storage: B2Storage) -> None:
    """Keys that are no names here: what stands for a folder, and segments that a path would resolve."""
    session = current_router().session(storage.profile)
    for key in ("a/fine.txt", "a//b.txt", "a/./c.txt", "a/../d.txt", "/e.txt", "empty/"):
        upload(session, storage.profile.bucket, key, io.BytesIO(b"1"), UploadOptions("text/plain"))
    assert storage.listdir("") == (["a", "empty"], [])
    assert storage.listdir("a") == ([], ["fine.txt"])
    assert [entry.name for entry in storage.iterdir("a")] == ["fine.txt"]
    for walk in (storage.listdir, lambda folder: list(storage.iterdir(folder))):
        with pytest.raises(FileNotFoundError):
            walk("empty")


def test_a_long_list_is_complete(storage: B2Storage, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several pages: more calls than one call's budget has tries."""
    names = [f"{i:02}.txt" for i in range(12)]
    for name in names:
        storage.save(name, text())
    from b2router.b2 import objects

    monkeypatch.setattr(objects, "PAGE_FILES", 2)
    emulator.reset_counts()
    assert storage.listdir("") == ([], names)
    assert emulator.calls() == {"b2_list_file_names": 6}


def test_paths_of_the_local_disk_are_not_offered(storage: B2Storage) -> None:
    with pytest.raises(NotImplementedError):
        storage.path("a.txt")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a//b", "/x", "a\nb", "", "x/."])
def test_an_impossible_name_reaches_nothing(name: str, storage: B2Storage, emulator: Emulator) -> None:
    """The gate stands before every method; Django itself checks names in save() only."""
    emulator.reset_counts()
    for question in (
        storage.open,
        storage.exists,
        storage.size,
        storage.url,
        storage.get_modified_time,
    ):
        with pytest.raises(SuspiciousFileOperation):
            question(name)
    with pytest.raises(SuspiciousFileOperation):
        storage._save(name, text())
    if name:
        for question in (storage.listdir, storage.delete):
            with pytest.raises(SuspiciousFileOperation):
                question(name)
    assert emulator.calls() == {}


def test_a_backslash_is_a_character_like_others(storage: B2Storage) -> None:
    """save() makes a slash of it, as all of Django's storages do; files of such names exist in B2 all the same."""
    with storage.open("a\\b", "wb") as file:
        file.write(b"hello")
    assert storage.open("a\\b").read() == b"hello"
    assert storage.listdir("") == ([], ["a\\b"])
    storage.delete("a\\b")
    assert not storage.exists("a\\b")
    assert storage.save("a\\b", text()) == "a/b"


def test_max_length_is_kept(storage: B2Storage) -> None:
    storage.save("a" * 30 + ".txt", text())
    assert len(storage.save("a" * 30 + ".txt", text(), max_length=34)) == 34


# URLs


def test_urls_cost_nothing(configure: Configure, emulator: Emulator) -> None:
    configure(
        cdn={
            "bucket": "acme-shared",
            "permission": "public",
            "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/x"},
        }
    )
    for alias in ("staff", "public", "cdn"):
        for i in range(100):
            get_storage(alias).url(f"{i}.txt")
    assert emulator.calls() == {}


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        ({"mode": "proxy"}, "/m/2026/%C3%BC%20%23.txt"),
        ({"mode": "cdn", "base_url": "https://cdn.example.com"}, "https://cdn.example.com/files/2026/%C3%BC%20%23.txt"),
        (
            {"mode": "direct", "base_url": "https://f004.backblazeb2.com"},
            "https://f004.backblazeb2.com/file/acme-media/files/2026/%C3%BC%20%23.txt",
        ),
    ],
)
def test_the_address_is_that_of_the_delivery(delivery: dict[str, str], expected: str, configure: Configure) -> None:
    media = {"bucket": "acme-media", "route": "m/", "location": "files/", "permission": "public", "delivery": delivery}
    configure(media=media)
    assert get_storage("media").url("2026/ü #.txt") == expected


def test_a_profile_without_route_has_no_urls(configure: Configure) -> None:
    configure(staff={"route": None})
    with pytest.raises(NotServed, match="declares no route"):
        get_storage("staff").url("a.txt")


def test_a_site_without_the_include_is_told_to_add_it(configure: Configure) -> None:
    with override_settings(ROOT_URLCONF="django.contrib.auth.urls"), pytest.raises(NotServed, match="include"):
        get_storage("staff").url("a.txt")


# Calls


def test_the_calls_of_each_operation(configure: Configure, emulator: Emulator) -> None:
    storage = get_storage("staff")
    assert emulator.calls() == {}
    costs: dict[str, dict[str, int]] = {}

    def cost(what: str, operation: Any) -> None:
        emulator.reset_counts()
        operation()
        costs[what] = emulator.calls()

    cost("first save", lambda: storage.save("a.txt", text()))
    cost("next save", lambda: storage.save("b.txt", text()))
    cost("exists and size of a saved file", lambda: (storage.exists("a.txt"), storage.size("a.txt")))
    forget()
    cost("exists", lambda: storage.exists("a.txt"))
    cost("exists and size of a known file", lambda: (storage.exists("a.txt"), storage.size("a.txt")))
    cost("open and read", lambda: storage.open("a.txt").read())
    cost("list", lambda: storage.listdir(""))
    cost("delete", lambda: storage.delete("a.txt"))
    assert costs == {
        "first save": {
            "b2_authorize_account": 1,
            "head": 1,
            "b2_list_buckets": 1,
            "b2_get_upload_url": 1,
            "b2_upload_file": 1,
        },
        "next save": {"head": 1, "b2_upload_file": 1},
        "exists and size of a saved file": {},
        "exists": {"b2_authorize_account": 1, "head": 1},
        "exists and size of a known file": {},
        "open and read": {"download": 1},
        "list": {"b2_list_buckets": 1, "b2_list_file_names": 1},
        "delete": {"b2_hide_file": 1},
    }


def test_several_storages_of_an_account_share_one_login(configure: Configure, emulator: Emulator) -> None:
    for alias in ("public", "logged_in", "staff"):
        get_storage(alias).exists("x")
    assert emulator.calls() == {"b2_authorize_account": 1, "head": 3}


def test_threads_that_begin_together_share_one_login(configure: Configure, emulator: Emulator) -> None:
    threads = [threading.Thread(target=lambda: get_storage("staff").exists("x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emulator.calls() == {"b2_authorize_account": 1, "head": 8}


def test_an_expired_token_is_renewed_once_and_nobody_notices(storage: B2Storage, emulator: Emulator) -> None:
    name = storage.save("a.txt", text())
    emulator.expire_tokens()
    emulator.reset_counts()
    assert storage.exists(name)
    assert storage.open(name).read() == b"hello"
    assert storage.listdir("") == ([], [name])
    assert emulator.calls()["b2_authorize_account"] == 1


# Failures


def test_exists_never_guesses(storage: B2Storage, emulator: Emulator) -> None:
    """ "No" while B2 is away would make save() overwrite."""
    storage.exists("x")
    emulator.stop()
    with pytest.raises(Unavailable):
        storage.exists("x")


@pytest.mark.parametrize(
    ("operation", "fault", "error"),
    [
        ("head", {"status": 403, "code": "download_cap_exceeded"}, CapExceeded),
        ("head", {"status": 401, "code": "unauthorized", "times": 3}, Refused),
        ("head", {"status": 404, "code": "not_found"}, NotFound),
        ("b2_hide_file", {"status": 403, "code": "transaction_cap_exceeded"}, CapExceeded),
        ("b2_hide_file", {"status": 401, "code": "unauthorized"}, Refused),
    ],
)
def test_errors_are_typed_and_hold_no_secret(
    operation: str, fault: dict[str, Any], error: type[Exception], storage: B2Storage, emulator: Emulator
) -> None:
    name = storage.save("a.txt", text())
    cache.clear()
    emulator.fail(operation, **fault)
    with pytest.raises(error) as caught:
        storage.size(name) if operation == "head" else storage.delete(name)
    assert isinstance(caught.value, OSError)
    assert emulator.key not in f"{caught.value!r} {caught.value}"


def test_a_wrong_key_is_tried_once_in_a_while(configure: Configure, emulator: Emulator, settings: Any) -> None:
    """Every request of a site with a revoked key must not become a login."""
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key": "canary-wrong"}
    for _ in range(5):
        with pytest.raises(Refused) as caught:
            get_storage("staff").exists("x")
        assert "canary" not in str(caught.value)
    assert emulator.calls() == {"b2_authorize_account": 1}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 503, "code": "service_unavailable", "retry_after": 3600}, id="an hour's wait"),
        pytest.param({"status": 403, "code": "storage_cap_exceeded"}, id="cap"),
    ],
)
def test_an_upload_does_not_wait_for_long(fault: dict[str, Any], storage: B2Storage, emulator: Emulator) -> None:
    """b2sdk alone would sleep as long as it is told, in the worker of a request."""
    storage.exists("x")
    emulator.fail("b2_get_upload_url", times=99, **fault)
    began = time.monotonic()
    with pytest.raises(OSError):
        storage.save("a.txt", text())
    assert time.monotonic() - began < 15


def test_threads_that_list_with_an_expired_token_log_in_once(storage: B2Storage, emulator: Emulator) -> None:
    storage.listdir("")
    emulator.expire_tokens()
    emulator.reset_counts()
    threads = [threading.Thread(target=lambda: storage.listdir("")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emulator.calls()["b2_authorize_account"] == 1


def test_a_key_without_the_right_to_read_is_not_a_login_a_question(
    configure: Configure, emulator: Emulator, settings: Any
) -> None:
    """After HEAD there is no body to tell a missing right from an expired token."""
    key_id, key = emulator.create_key(["listBuckets", "writeFiles"], None, None)
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    for _ in range(5):
        with pytest.raises(Refused):
            get_storage("staff").exists("x")
    assert emulator.calls()["b2_authorize_account"] == 2


def test_an_upload_without_the_right_says_so(configure: Configure, emulator: Emulator, settings: Any) -> None:
    from b2sdk.v3 import B2Api, InMemoryAccountInfo

    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(emulator.key_id, emulator.key, emulator.url)
    reader = api.create_key(["listBuckets", "readFiles", "listFiles"], "reader")
    api.session.raw_api.b2_http.session.close()
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "application_key_id": reader.id_,
        "application_key": reader.application_key,
    }
    with pytest.raises(Refused, match="lacks a right"):
        get_storage("staff").save("a.txt", text())


# Building


def test_building_every_storage_costs_nothing(configure: Configure, emulator: Emulator, settings: Any) -> None:
    settings.STORAGES = django_storages(settings.BACKBLAZE_CONFIG)
    for alias in ("public", "logged_in", "staff"):
        assert storages[alias] == get_storage(alias)
    assert emulator.calls() == {}


def test_django_storages_adds_to_djangos_own() -> None:
    config = {"profiles": {"media": {"bucket": "acme-media"}}, "storages": {"default": "media", "avatars": "media"}}
    expected = {
        "default": {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": "default"}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "media": {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": "media"}},
        "avatars": {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": "avatars"}},
    }
    assert django_storages(config) == expected
    assert django_storages(BackblazeConfig.model_validate(config)) == expected


@pytest.mark.parametrize("broken", [{}, {"profiles": None}, {"profiles": ["media"]}, {"profiles": {"Bad Name": 1}}])
def test_django_storages_leaves_mistakes_to_the_checks(broken: Any) -> None:
    """An exception in the settings module would hide what `manage.py check` has to say."""
    assert "staticfiles" in django_storages(broken)


def test_a_storage_is_its_alias(storage: B2Storage) -> None:
    for twin in (copy.deepcopy(storage), pickle.loads(pickle.dumps(storage))):
        assert twin == storage
        assert hash(twin) == hash(storage)
    assert storage != get_storage("public")
    assert storage.deconstruct() == ("b2router.B2Storage", ("staff",), {})  # type: ignore[attr-defined]
    assert repr(storage) == "B2Storage('staff')"


def test_migrations_hold_the_alias_and_nothing_else() -> None:
    text_, imports = MigrationWriter.serialize(storage_ref("staff"))
    assert (text_, imports) == ("b2router.storage_ref('staff')", {"import b2router"})
    assert storage_ref("staff")() == get_storage("staff")
    assert storage_ref("staff") == storage_ref("staff")
    assert storage_ref("staff") != storage_ref("public")


def test_a_missing_key_is_named_at_the_first_use(configure: Configure, settings: Any) -> None:
    config = {k: v for k, v in settings.BACKBLAZE_CONFIG.items() if not k.startswith("application_key")}
    settings.BACKBLAZE_CONFIG = config
    assert get_storage("staff").url("a.txt") == "/b2s/a.txt"
    with pytest.raises(Exception, match="BACKBLAZE_APPLICATION_KEY_ID"):
        get_storage("staff").exists("a.txt")


@pytest.fixture
def big_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * (3 * PART_BYTES))
    yield path
    path.unlink()


def test_nothing_is_visible_of_an_upload_that_failed(storage: B2Storage, emulator: Emulator, big_file: Path) -> None:
    emulator.fail("b2_finish_large_file", status=403, code="storage_cap_exceeded")
    with big_file.open("rb") as handle, pytest.raises(CapExceeded):
        storage.save("big.bin", File(handle))
    assert not storage.exists("big.bin")
