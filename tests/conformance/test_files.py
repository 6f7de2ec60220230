"""Opening, reading and writing: what the disk does, B2 does, or says clearly that it cannot."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from django.db.models import FileField
from django.db.models.fields.files import FieldFile

from b2router import B2Storage


def stored(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        content: bytes = file.read()
        return content


MODES = [kind + flag for kind in "rwxa" for flag in ("", "b", "t")]


def result_of(storage: Storage, mode: str, before: bytes | None) -> dict[str, Any]:
    """Everything that can be seen of a file that is opened, read, written in pieces and closed."""
    if before is not None:
        storage.save("a.txt", ContentFile(before))
    seen: dict[str, Any] = {}

    def see(what: str, operation: Callable[[], Any]) -> None:
        try:
            seen[what] = operation()
        except Exception as error:
            names = {kind.__name__ for kind in type(error).__mro__}
            seen[what] = sorted(names & {"FileNotFoundError", "FileExistsError", "UnsupportedOperation", "TypeError"})

    pieces = ("ü1\n", "2\r\n3") if "b" not in mode else (b"\xc3\xbc1\n", b"2\r\n3")
    file: Any = None
    with suppress(OSError):
        file = storage.open("a.txt", mode)
    if file is None:
        see("open", lambda: storage.open("a.txt", mode))
    else:
        for number, piece in enumerate(pieces):
            see(f"write {number}", lambda piece=piece: file.write(piece))
        see("read some", lambda: file.read(2))
        see("read", lambda: file.read())
        see("go back", lambda: file.seek(0))
        see("write there", lambda: file.write(pieces[0]))
        see("lines", lambda: list(file.file))
        for name in ("readable", "writable", "seekable"):
            see(name, getattr(file, name))
        see("mode and name", lambda: (file.mode.strip("t"), os.path.basename(file.name), file.closed))  # noqa: PTH119
        file.close()
        see("closed", lambda: file.closed)
    see("content", lambda: stored(storage, "a.txt"))
    return seen


@pytest.mark.parametrize("before", [None, b"", b"\xc3\xa4 one\r\ntwo\rthree\n"], ids=["missing", "empty", "there"])
@pytest.mark.parametrize("mode", MODES)
def test_each_mode_does_what_it_does_on_the_disk(
    mode: str, before: bytes | None, b2: B2Storage, disk: FileSystemStorage
) -> None:
    """Text, newlines, several writes, what is not possible, and what is stored then."""
    assert result_of(b2, mode, before) == result_of(disk, mode, before)


@pytest.mark.parametrize("mode", [f"{kind}{flag}+" for kind in "rwxa" for flag in ("", "b")] + ["", "q", "rw"])
def test_other_modes_are_refused(mode: str, b2: B2Storage) -> None:
    """B2 stores whole files."""
    with pytest.raises(ValueError, match="expected r, w, x or a"):
        b2.open("a.txt", mode)
    assert not b2.exists("a.txt")


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "xb"])
def test_a_new_file_that_is_closed_at_once_is_empty(mode: str, storage: Storage) -> None:
    storage.open("a.txt", mode).close()
    assert storage.size("a.txt") == 0
    assert stored(storage, "a.txt") == b""


def test_opening_to_append_and_adding_nothing_changes_nothing(storage: Storage) -> None:
    storage.save("a.txt", ContentFile(b"one"))
    before = storage.get_modified_time("a.txt")
    storage.open("a.txt", "ab").close()
    assert (storage.get_modified_time("a.txt"), storage.size("a.txt")) == (before, 3)


def test_what_is_cut_off_is_not_stored(storage: Storage) -> None:
    with storage.open("a.bin", "wb") as file:
        file.write(b"0123456789")
        file.seek(4)
        file.truncate()
        assert file.tell() == 4
    assert stored(storage, "a.bin") == b"0123"


def test_bytes_and_text_are_not_mixed(storage: Storage) -> None:
    with pytest.raises(TypeError), storage.open("a.txt", "wb") as file:
        file.write("text")
    with pytest.raises(TypeError), storage.open("b.txt", "w") as file:
        file.write(b"bytes")


CONTENT = bytes(range(256)) * 1200
"""Longer than what is asked for when a file is opened."""


def test_a_file_is_read_where_one_goes(storage: Storage) -> None:
    storage.save("a.bin", ContentFile(CONTENT))
    with storage.open("a.bin") as file:
        assert (file.size, file.tell()) == (len(CONTENT), 0)
        for start, count in [(0, 5), (300_000, 100), (7, 3), (len(CONTENT) - 3, 10), (131_000, 70_000), (0, 1)]:
            assert (file.seek(start), file.read(count), file.tell()) == (
                start,
                CONTENT[start : start + count],
                min(start + count, len(CONTENT)),
            )
        assert file.seek(-4, io.SEEK_END) == len(CONTENT) - 4
        assert file.seek(2, io.SEEK_CUR) == len(CONTENT) - 2
        assert file.read() == CONTENT[-2:]
        assert file.seek(len(CONTENT) + 10) == len(CONTENT) + 10
        assert file.read() == b""
        file.seek(0)
        assert b"".join(file.chunks()) == CONTENT
        assert b"".join(file.chunks(1000)) == CONTENT
        assert file.multiple_chunks()
        buffer = bytearray(300)
        file.seek(100)
        assert (file.readinto(buffer), bytes(buffer)) == (300, CONTENT[100:400])


def test_a_file_is_read_by_lines(storage: Storage) -> None:
    storage.save("a.txt", ContentFile("grüße\n" * 3 + "ende"))
    with storage.open("a.txt") as file:
        assert [*file] == ["grüße\n".encode()] * 3 + [b"ende"]
    with storage.open("a.txt", "r") as file:
        assert file.readline() == "grüße\n"
        assert file.readlines() == ["grüße\n"] * 2 + ["ende"]


def test_a_file_that_is_open_stays_as_it_was_when_it_is_deleted(storage: Storage) -> None:
    if isinstance(storage, B2Storage) and storage.profile.on_delete == "purge":
        pytest.skip("a purged version is gone; see tests/test_reading.py for those that are kept")
    storage.save("a.bin", ContentFile(CONTENT))
    with storage.open("a.bin") as file:
        assert file.read(10) == CONTENT[:10]
        storage.delete("a.bin")
        assert file.read() == CONTENT[10:]


def test_a_closed_file_can_be_opened_again(storage: Storage) -> None:
    storage.save("a.txt", ContentFile(b"hello"))
    file = storage.open("a.txt")
    file.close()
    file.close()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read()


# What is given to be stored


class MadeOfChunks(ContentFile):  # type: ignore[type-arg]
    """Says by `chunks` what is stored, as Django's documentation lets it."""

    def chunks(self, chunk_size: int | None = None) -> Any:
        yield from (b"one,", "zwö,", b"", b"three")


def half_read(content: Any) -> Any:
    content.read(2)
    return content


def on_disk(content: bytes) -> TemporaryUploadedFile:
    file = TemporaryUploadedFile("a.txt", "text/plain", len(content), None)
    file.write(content)
    file.seek(1)
    return file


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(lambda: ContentFile(b"hello"), b"hello", id="bytes"),
        pytest.param(lambda: ContentFile("grüße"), "grüße".encode(), id="text"),
        pytest.param(lambda: ContentFile(b""), b"", id="nothing"),
        pytest.param(lambda: half_read(ContentFile(b"hello")), b"hello", id="half read"),
        pytest.param(lambda: half_read(ContentFile("grüße")), "grüße".encode(), id="half-read text"),
        pytest.param(lambda: half_read(io.BytesIO(b"hello")), b"hello", id="stream"),
        pytest.param(lambda: io.StringIO("grüße"), "grüße".encode(), id="text stream"),
        pytest.param(lambda: half_read(File(io.BytesIO(b"hello"), "a.txt")), b"hello", id="file"),
        pytest.param(lambda: half_read(SimpleUploadedFile("a.txt", b"hello")), b"hello", id="upload in memory"),
        pytest.param(
            lambda: InMemoryUploadedFile(io.StringIO("grüße"), None, "a.txt", "text/plain", 5, None),
            "grüße".encode(),
            id="text upload",
        ),
        pytest.param(lambda: on_disk(b"hello"), b"hello", id="upload on disk"),
    ],
)
def test_every_source_is_stored_from_its_beginning(source: Any, expected: bytes, storage: Storage) -> None:
    """The caller closes it."""
    content = source()
    assert storage.save("a.txt", content) == "a.txt"
    assert not content.closed
    content.close()
    assert (storage.size("a.txt"), stored(storage, "a.txt")) == (len(expected), expected)


def test_a_file_may_say_by_its_chunks_what_is_stored(b2: B2Storage) -> None:
    """The disk takes bytes or text, and not both in turn."""
    b2.save("a.txt", MadeOfChunks(b"unused"))
    assert stored(b2, "a.txt") == "one,zwö,three".encode()


def test_chunks_that_fail_store_nothing(storage: Storage) -> None:
    class Failing(ContentFile):  # type: ignore[type-arg]
        def chunks(self, chunk_size: int | None = None) -> Any:
            yield b"one"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage.save("a.txt", Failing(b"unused"))
    if isinstance(storage, B2Storage):  # the disk keeps the first part
        assert not storage.exists("a.txt")


def test_a_file_of_one_storage_can_be_saved_in_another(storage: Storage, disk: FileSystemStorage) -> None:
    storage.save("a.bin", ContentFile(CONTENT))
    with storage.open("a.bin") as file:
        file.read(100)
        assert storage.save("b.bin", file) == "b.bin"
        assert disk.save("c.bin", file) == "c.bin"
    assert stored(storage, "b.bin") == stored(disk, "c.bin") == CONTENT


# The file of a row


@pytest.fixture
def field_file(storage: Storage) -> FieldFile:
    """The file of a row that is not in a database."""
    field: Any = FileField(storage=storage, upload_to="docs", max_length=60)
    field.set_attributes_from_name("file")
    return FieldFile(SimpleNamespace(), field, "")  # type: ignore[arg-type]


def test_the_life_of_a_file_of_a_row(field_file: FieldFile, storage: Storage) -> None:
    file = field_file
    assert not file
    for question in (lambda: file.size, lambda: file.url, lambda: file.open(), lambda: file.file):
        with pytest.raises(ValueError, match="no file associated"):
            question()

    file.save("Größe 1.txt", ContentFile(b"one two"), save=False)
    assert (file.name, bool(file), file.size) == ("docs/Größe_1.txt", True, 7)
    assert file.read() == b"one two"  # of the content that was saved
    file.close()
    del file.file  # as when the row is read again

    with file.open() as opened:
        assert opened is file
        assert (file.closed, file.read(3), [*file.chunks()]) == (False, b"one", [b"one two"])
    assert file.closed
    assert file.open("r").read() == "one two"
    file.seek(4)
    assert file.open().read() == "one two"  # goes back to the beginning
    file.close()

    taken = file.name
    file.save("Größe 1.txt", ContentFile(b"other"), save=False)
    assert file.name != taken
    assert stored(storage, taken) == b"one two"

    kept = file.name
    file.delete(save=False)
    assert (bool(file), file.name, storage.exists(kept)) == (False, None, False)
    file.delete(save=False)


def test_the_name_of_a_file_of_a_row_fits_its_column(field_file: FieldFile) -> None:
    field_file.save("x" * 100 + ".txt", ContentFile(b"x"), save=False)
    assert field_file.name is not None
    assert (len(field_file.name), field_file.name.endswith(".txt")) == (60, True)


def test_the_file_of_a_row_that_is_gone(field_file: FieldFile, storage: Storage) -> None:
    field_file.save("a.txt", ContentFile(b"x"), save=False)
    field_file.close()
    storage.delete("docs/a.txt")
    del field_file.file
    for question in (lambda: field_file.open(), lambda: field_file.size, lambda: field_file.file):
        with pytest.raises(FileNotFoundError):
            question()
