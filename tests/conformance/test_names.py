"""Names: which are taken, which are given, which are refused; and what a folder holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage

from b2router import B2Storage
from tests.conformance.test_files import stored


@pytest.mark.parametrize(
    "name",
    [
        "Größe/ж 日本 ✓.txt",
        "emoji 😀.txt",
        "a b+c%20&=?#~!$,;:@'()*.txt",
        '"<>|^`{}[].txt',
        "%2e%2e/%2f.txt",
        ".hidden",
        "no extension",
        "a..b/c...txt",
        "x.tar.gz",
        " leading and trailing ",
        "dots...",
        "\u202egpj.exe",
        "x" * 246 + ".txt",
        "/".join(["deep"] * 40) + "/a.txt",
    ],
)
def test_legal_names_are_kept_to_the_letter(name: str, storage: Storage) -> None:
    assert storage.save(name, ContentFile(b"x")) == name
    folder, _, last = name.rpartition("/")
    assert (storage.exists(name), storage.size(name), stored(storage, name)) == (True, 1, b"x")
    assert storage.listdir(folder) == ([], [last])
    storage.delete(name)
    assert not storage.exists(name)


def test_names_that_only_look_alike_are_different(storage: Storage) -> None:
    """Letter case, composed and decomposed letters, a space more."""
    names = ["a.txt", "A.txt", "\u00e9.txt", "e\u0301.txt", "a .txt", "\u0430.txt"]
    for number, name in enumerate(names):
        assert storage.save(name, ContentFile(str(number))) == name
    assert [stored(storage, name) for name in names] == [str(number).encode() for number in range(len(names))]


ASKED: dict[str, Callable[[Storage, str], Any]] = {
    "open": lambda storage, name: storage.open(name),
    "write": lambda storage, name: storage.open(name, "wb"),
    "save": lambda storage, name: storage.save(name, ContentFile(b"x")),
    "exists": lambda storage, name: storage.exists(name),
    "size": lambda storage, name: storage.size(name),
    "delete": lambda storage, name: storage.delete(name),
    "time": lambda storage, name: storage.get_modified_time(name),
    "listdir": lambda storage, name: storage.listdir(name),
}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ".."])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_names_that_lead_outside_are_refused(asked: Callable[[Storage, str], Any], name: str, storage: Storage) -> None:
    with pytest.raises(SuspiciousFileOperation):
        asked(storage, name)


def test_a_name_for_an_upload_is_made_safe(storage: Storage) -> None:
    assert storage.get_valid_name("Größe & Co (1).txt") == "Größe__Co_1.txt"
    assert storage.generate_filename("a/b/My file?.txt") == "a/b/My_file.txt"
    assert storage.generate_filename("a/./b.txt") == "a/b.txt"


def test_a_name_for_an_upload_leads_nowhere_else(storage: Storage) -> None:
    for asked in (storage.generate_filename, storage.get_available_name):
        for name in ("../x", "a/../../x", ".."):
            with pytest.raises(SuspiciousFileOperation):
                asked(name)


def test_a_taken_name_gets_a_suffix(storage: Storage) -> None:
    names = [storage.save("a/b.tar.gz", ContentFile(str(number))) for number in range(3)]
    assert names[0] == "a/b.tar.gz"
    for number, name in enumerate(names[1:], 1):
        assert re.fullmatch(r"a/b_[A-Za-z0-9]{7}\.tar\.gz", name)
        assert stored(storage, name) == str(number).encode()
    assert len(set(names)) == 3


def test_a_name_fits_where_it_is_kept(storage: Storage) -> None:
    made = storage.save("x" * 50 + ".txt", ContentFile(b"x"), max_length=20)
    assert (len(made), made.endswith(".txt")) == (20, True)
    again = storage.save(made, ContentFile(b"x"), max_length=20)
    assert (len(again), again == made) == (20, False)
    with pytest.raises(SuspiciousFileOperation, match="max_length"):
        storage.save("folder/name.txt", ContentFile(b"x"), max_length=10)


def test_the_name_may_be_that_of_the_content(storage: Storage) -> None:
    assert storage.save(None, ContentFile(b"x", name="a.txt")) == "a.txt"
    with storage.open("a.txt") as file:
        assert storage.save("b.txt", File(file, name="c.txt")) == "b.txt"


def test_paths_are_names(storage: Storage) -> None:
    path = Path("a", "b.txt")
    assert storage.save(path, ContentFile(b"x")) == "a/b.txt"  # type: ignore[arg-type]
    asked: Any = storage
    assert (asked.exists(path), asked.size(path)) == (True, 1)
    assert abs(asked.get_modified_time(path) - asked.get_created_time("a/b.txt")).total_seconds() < 10
    with asked.open(path) as file:
        assert file.read() == b"x"
    assert asked.listdir(Path("a")) == ([], ["b.txt"])
    assert asked.listdir(Path()) == (["a"], [])
    asked.delete(path)
    assert not asked.exists(path)


def test_deleting_nothing_is_an_error_and_a_missing_file_is_none(storage: Storage) -> None:
    storage.delete("missing.txt")
    storage.delete("no/such/folder/a.txt")
    for name in ("", None):
        with pytest.raises(ValueError, match="name must be given"):
            storage.delete(name)  # type: ignore[arg-type]


def test_a_folder_is_listed(storage: Storage) -> None:
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", "b/d/f/g.txt", "bb.txt", "b.txt", "z/y.txt"):
        storage.save(name, ContentFile(b"x"))

    def listed(path: str) -> list[list[str]]:
        return [sorted(names) for names in storage.listdir(path)]

    assert listed("") == [["b", "z"], ["a.txt", "b.txt", "bb.txt"]]
    assert listed("b") == listed("b/") == [["d"], ["c.txt"]]
    assert listed("b/d") == [["f"], ["e.txt"]]
    with pytest.raises(FileNotFoundError):
        storage.listdir("missing")


def test_an_empty_storage_is_listed(storage: Storage) -> None:
    assert storage.listdir("") == ([], [])


# What only B2 has


def test_a_folder_is_walked(b2: B2Storage) -> None:
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", "bb.txt"):
        b2.save(name, ContentFile(name))
    entries = [*b2.iterdir()]
    assert [(entry.name, entry.is_folder, entry.size_bytes) for entry in entries] == [
        ("a.txt", False, 5),
        ("b", True, 0),
        ("bb.txt", False, 6),
    ]
    assert [entry.uploaded_at for entry in entries] == [
        b2.get_created_time("a.txt"),
        None,
        b2.get_created_time("bb.txt"),
    ]
    assert (
        [entry.name for entry in b2.iterdir(Path("b"))] == [entry.name for entry in b2.iterdir("b/")] == ["c.txt", "d"]
    )
    assert next(b2.iterdir("b/d")).name == "e.txt"
    with pytest.raises(FileNotFoundError):
        next(b2.iterdir("missing"))


def test_there_are_no_paths_and_no_times_of_reading(b2: B2Storage) -> None:
    for question in (b2.path, b2.get_accessed_time):
        with pytest.raises(NotImplementedError):
            question("a.txt")


def test_what_is_no_file_is_not_there(b2: B2Storage) -> None:
    """On the disk a folder exists, too; in B2 there is none."""
    b2.save("a/b.txt", ContentFile(b"x"))
    assert not b2.exists("a")


def test_a_folder_of_the_disk_and_one_of_b2_are_listed_alike(b2: B2Storage, disk: FileSystemStorage) -> None:
    for storage in (b2, disk):
        for name in ("ü/1.txt", "ü/2/3.txt", "Z.txt", "a.txt"):
            storage.save(name, ContentFile(b"x"))
    for folder in ("", "ü", "ü/2"):
        assert [sorted(names) for names in b2.listdir(folder)] == [sorted(names) for names in disk.listdir(folder)]
