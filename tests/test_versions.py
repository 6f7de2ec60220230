"""What B2 can do beyond Django's contract: versions, restoring, purging, and copies that B2 makes itself."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile

from b2router import get_storage
from b2router.b2.objects import upload
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.emulator import Emulator
from b2router.errors import NotFound
from b2router.storage import B2Storage
from tests.b2.conftest import account
from tests.conftest import Configure


@pytest.fixture
def storage(configure: Configure) -> B2Storage:
    configure(staff={"naming": "overwrite"})
    return get_storage("staff")


def write(storage: B2Storage, *contents: bytes, name: str = "a.txt") -> None:
    for content in contents:
        storage.save(name, ContentFile(content))


def read(storage: B2Storage, name: str = "a.txt", **options: Any) -> bytes:
    with storage.open(name, **options) as file:
        content: bytes = file.read()
    return content


def test_versions_are_listed_newest_first(storage: B2Storage, emulator: Emulator) -> None:
    write(storage, b"one", b"three")
    write(storage, b"other", name="a.txt2")
    storage.delete("a.txt")
    emulator.reset_counts()
    found = storage.versions("a.txt")
    assert [(version.is_deletion, version.size_bytes) for version in found] == [(True, 0), (False, 5), (False, 3)]
    assert found[0].uploaded_at >= found[1].uploaded_at >= found[2].uploaded_at
    assert found[1].content_type == "text/plain"
    assert emulator.calls() == {"b2_list_file_versions": 1}
    assert storage.versions("nothing") == []


def test_an_older_version_is_read_by_its_id(storage: B2Storage, emulator: Emulator) -> None:
    write(storage, b"one", b"two")
    newest, oldest = storage.versions("a.txt")
    emulator.reset_counts()
    assert read(storage, version=oldest.id) == b"one"
    assert emulator.calls() == {"download": 1}
    assert read(storage, version=newest.id) == read(storage) == b"two"
    with storage.open("a.txt", version=oldest.id) as file:
        file.close()
        assert file.open().read() == b"one", "opened again, it is the same version"


def test_a_version_is_of_its_file_and_of_no_other(storage: B2Storage) -> None:
    """A file id would open any file of the account."""
    write(storage, b"secret", name="other.txt")
    (other,) = storage.versions("other.txt")
    for name in ("a.txt", "other.tx"):
        with pytest.raises(NotFound):
            storage.open(name, version=other.id)
        with pytest.raises(NotFound):
            storage.restore(name, version=other.id)
    with pytest.raises(NotFound):
        get_storage("public").open(
            "other.txt", version="4_z0123456789abcdef01234567_f1_d20260101_m000000_c001_v0_t0_u0"
        )


def test_a_version_is_of_its_bucket_and_of_no_other(storage: B2Storage) -> None:
    """Two profiles may have a file of one name, and B2 tells the name alone."""
    write(storage, b"secret")
    (other,) = storage.versions("a.txt")
    public = get_storage("public")
    public.save("a.txt", ContentFile(b"for all"))
    with pytest.raises(NotFound):
        public.open("a.txt", version=other.id)
    with pytest.raises(NotFound):
        public.restore("a.txt", version=other.id)
    assert read(public) == b"for all"


def test_a_version_cannot_be_written(storage: B2Storage) -> None:
    write(storage, b"one")
    with pytest.raises(ValueError, match="only be read"):
        storage.open("a.txt", "wb", version=storage.versions("a.txt")[0].id)


def test_a_deleted_file_is_restored(storage: B2Storage, emulator: Emulator) -> None:
    write(storage, b"one", b"two")
    storage.delete("a.txt")
    assert not storage.exists("a.txt")
    emulator.reset_counts()
    storage.restore("a.txt")
    assert emulator.calls() == {"b2_list_file_versions": 1, "b2_delete_file_version": 1}
    assert (storage.exists("a.txt"), read(storage)) == (True, b"two")
    storage.restore("a.txt")
    assert read(storage) == b"two"


def test_an_older_version_becomes_the_file_again(storage: B2Storage, emulator: Emulator) -> None:
    write(storage, b"one", b"two")
    emulator.reset_counts()
    storage.restore("a.txt", version=storage.versions("a.txt")[-1].id)
    assert emulator.calls() == {"b2_list_file_versions": 1, "head": 1, "b2_copy_file": 1}
    assert (storage.size("a.txt"), read(storage), len(storage.versions("a.txt"))) == (3, b"one", 3)


def test_what_never_was_cannot_be_restored(storage: B2Storage) -> None:
    with pytest.raises(NotFound, match="restored"):
        storage.restore("nothing")


def test_purging_leaves_nothing(storage: B2Storage) -> None:
    write(storage, b"one", b"two")
    write(storage, b"stays", name="a.txt.bak")
    storage.delete("a.txt")
    assert storage.purge("a.txt") == 3
    assert (storage.versions("a.txt"), storage.exists("a.txt"), storage.purge("a.txt")) == ([], False, 0)
    assert read(storage, "a.txt.bak") == b"stays"


def test_purging_what_is_below(storage: B2Storage) -> None:
    write(storage, b"one", b"two", b"three")
    assert storage.purge("a.txt", keep_newest=True) == 2
    assert (read(storage), len(storage.versions("a.txt"))) == (b"three", 1)


@pytest.mark.parametrize(
    ("on_delete", "left", "is_there"), [("hide", 3, False), ("version", 1, True), ("purge", 0, False)]
)
def test_deleting_does_what_the_profile_says(on_delete: str, left: int, is_there: bool, configure: Configure) -> None:
    configure(staff={"naming": "overwrite", "on_delete": on_delete})
    storage = get_storage("staff")
    write(storage, b"one", b"two")
    storage.delete("a.txt")
    assert (len(storage.versions("a.txt")), storage.exists("a.txt")) == (left, is_there)
    storage.delete("nothing")


# Copies


def test_b2_copies_within_an_account(configure: Configure, emulator: Emulator) -> None:
    configure(staff={"location": "in/", "file_info": {"src": "site"}})
    storage, public = get_storage("staff"), get_storage("public")
    name = storage.save("a.pdf", ContentFile(b"hello" * 10_000))
    public.save("warm", ContentFile(b"x"))
    emulator.reset_counts()
    assert storage.copy(name, "b.pdf", to="public") == "b.pdf"
    assert emulator.calls() == {"head": 2, "b2_copy_file": 1}, "one for the file, one to see whether the name is free"
    assert emulator.bytes_out() < 2000
    assert (public.size("b.pdf"), storage.exists(name)) == (50_000, True)
    assert read(public, "b.pdf") == b"hello" * 10_000
    (copied,) = public.versions("b.pdf")
    assert copied.content_type == "application/pdf"


def test_a_copy_gets_a_name_of_its_own(configure: Configure) -> None:
    storage = get_storage("staff")
    write(storage, b"one")
    write(storage, b"two", name="b.txt")
    name = storage.copy("a.txt", "b.txt")
    assert (name != "b.txt", read(storage, name), read(storage, "b.txt")) == (True, b"one", b"two")


class Invoices(B2Storage):
    """A site's own class, for one profile."""

    def __init__(self) -> None:
        super().__init__("staff")

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:
        return f"{file_root}-again{file_ext}"


def test_a_subclass_copies_to_what_the_alias_stands_for(configure: Configure) -> None:
    """Not to a storage of its own kind: neither its constructor nor its names fit there."""
    storage = Invoices()
    storage.save("a.txt", ContentFile(b"1"))
    assert storage.copy("a.txt", "a.txt", to="public") == "a.txt"
    assert storage.move("a.txt", "a.txt", to="public").startswith("a_")
    assert get_storage("public").open("a.txt").read() == b"1"


def test_a_moved_file_is_there_and_no_longer_here(configure: Configure) -> None:
    storage, public = get_storage("staff"), get_storage("public")
    write(storage, b"one")
    assert storage.move("a.txt", "b.txt", to="public") == "b.txt"
    assert (storage.exists("a.txt"), read(public, "b.txt")) == (False, b"one")


@pytest.mark.parametrize("on_delete", ["hide", "version", "purge"])
def test_a_file_that_is_moved_to_its_own_place_stays(on_delete: str, configure: Configure) -> None:
    configure(
        staff={"naming": "overwrite", "on_delete": on_delete},
        same={"bucket": "acme-staff", "naming": "overwrite", "permission": "staff"},
    )
    storage = get_storage("staff")
    write(storage, b"one")
    assert storage.move("a.txt", "a.txt") == "a.txt"
    assert read(storage) == b"one"
    assert storage.move("a.txt", "a.txt", to="same") == "a.txt"
    assert read(storage) == b"one"


def test_a_file_whose_content_names_it_has_one_place(configure: Configure) -> None:
    configure(staff={"naming": "content_hash", "on_delete": "purge"})
    storage = get_storage("staff")
    name = storage.save("a.txt", ContentFile(b"one"))
    assert storage.move(name, "a.txt") == name
    assert read(storage, name) == b"one"


def test_what_is_moved_is_the_file_and_not_what_is_remembered(configure: Configure, emulator: Emulator) -> None:
    """With an older version copied, the newer would be lost with the deletion."""
    configure(staff={"naming": "overwrite", "on_delete": "purge"})
    storage = get_storage("staff")
    write(storage, b"old")
    upload(Session(account(emulator)), "acme-staff", "a.txt", BytesIO(b"new"), UploadOptions("text/plain"))
    assert storage.move("a.txt", "b.txt") == "b.txt"
    assert read(storage, "b.txt") == b"new"


def test_a_missing_file_is_neither_copied_nor_moved(configure: Configure, emulator: Emulator) -> None:
    for work in (get_storage("staff").copy, get_storage("staff").move):
        with pytest.raises(NotFound):
            work("nothing", "b.txt")
    assert "b2_copy_file" not in emulator.calls()


def test_between_accounts_the_bytes_pass_the_site(configure: Configure, emulator: Emulator, settings: Any) -> None:
    key_id, key = emulator.create_key(["readFiles", "writeFiles", "listBuckets", "listFiles"], "acme-shared")
    configure(other={"bucket": "acme-shared", "account": "eu"})
    account = {"application_key_id": key_id, "application_key": key, "realm": emulator.url}
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "accounts": {"eu": account}}
    storage, other = get_storage("staff"), get_storage("other")
    storage.save("a.pdf", ContentFile(b"hello"))
    assert storage.copy("a.pdf", "b.pdf", to="other") == "b.pdf"
    assert read(other, "b.pdf") == b"hello"
    assert [version.content_type for version in other.versions("b.pdf")] == ["application/pdf"]
    assert "b2_copy_file" not in emulator.calls()
