"""Listings: order, prefix, delimiter, paging, hidden names; compared with a plain model."""

from __future__ import annotations

import random
from typing import Any

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire

NAMES = ["a/1", "a/2", "a b", "a", "b/c/1", "b/c/2", "b/d", "z", "é", "🙂/x", "\ufffd"]


@pytest.fixture
def staff(wire: Wire) -> str:
    bucket_id = wire.bucket_id("acme-staff")
    for name in NAMES:
        wire.upload(bucket_id, name)
    return bucket_id


def pages(wire: Wire, operation: str, size: int, **fields: Any) -> list[tuple[str, str]]:
    """Walk all pages and return action and name of each entry."""
    entries, position = [], {}
    for _ in range(1000):
        page = wire.ok(operation, maxFileCount=size, **fields, **position)
        assert len(page["files"]) <= size
        entries += [(entry["action"], entry["fileName"]) for entry in page["files"]]
        if page["nextFileName"] is None:
            return entries
        position = {"startFileName": page["nextFileName"]}
        if page.get("nextFileId"):
            position["startFileId"] = page["nextFileId"]
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_names_come_in_the_order_of_utf8_bytes(wire: Wire, staff: str, size: int) -> None:
    """Not in that of UTF-16, where the emoji would come before U+FFFD."""
    expected = sorted(NAMES, key=lambda name: name.encode())
    assert [name for _, name in pages(wire, "b2_list_file_names", size, bucketId=staff)] == expected


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("operation", ["b2_list_file_names", "b2_list_file_versions"])
def test_delimiter_folds_folders(wire: Wire, staff: str, operation: str, size: int) -> None:
    """Each folder once, whatever the page size; rclone lists so."""
    top = [
        ("upload", "a"), ("upload", "a b"), ("folder", "a/"), ("folder", "b/"), ("upload", "z"), ("upload", "é"),
        ("upload", "\ufffd"), ("folder", "🙂/"),
    ]  # fmt: skip
    assert pages(wire, operation, size, bucketId=staff, delimiter="/") == top
    inside = pages(wire, operation, size, bucketId=staff, delimiter="/", prefix="b/")
    assert inside == [("folder", "b/c/"), ("upload", "b/d")]


def test_prefix_is_a_plain_string(wire: Wire, staff: str) -> None:
    """Percent and underscore have no meaning; a prefix without a start name works."""
    wire.upload(staff, "a_x")
    assert pages(wire, "b2_list_file_names", 10, bucketId=staff, prefix="a_") == [("upload", "a_x")]
    assert pages(wire, "b2_list_file_names", 10, bucketId=staff, prefix="%") == []
    assert pages(wire, "b2_list_file_names", 10, bucketId=staff, prefix="a/") == [("upload", "a/1"), ("upload", "a/2")]
    reply = wire.ok("b2_list_file_names", bucketId=staff, prefix="b/", startFileName="a")
    assert len(reply["files"]) == 3


def test_hidden_names_are_left_out_of_names_but_not_of_versions(wire: Wire, staff: str) -> None:
    """A folder that holds only hidden files is not shown."""
    for name in ("a/1", "a/2"):
        wire.ok("b2_hide_file", bucketId=staff, fileName=name)
    names = pages(wire, "b2_list_file_names", 2, bucketId=staff, delimiter="/")
    assert ("folder", "a/") not in names
    versions = pages(wire, "b2_list_file_versions", 1, bucketId=staff, prefix="a/")
    assert versions == [("hide", "a/1"), ("upload", "a/1"), ("hide", "a/2"), ("upload", "a/2")]
    wire.upload(staff, "a/2")
    assert ("folder", "a/") in pages(wire, "b2_list_file_names", 2, bucketId=staff, delimiter="/")


def test_versions_page_on_even_if_the_next_one_was_deleted(wire: Wire, staff: str) -> None:
    """A sync deletes while it lists."""
    for _ in range(3):
        wire.upload(staff, "z")
    page = wire.ok("b2_list_file_versions", bucketId=staff, startFileName="z", maxFileCount=2)
    wire.ok("b2_delete_file_version", fileId=page["nextFileId"], fileName="z")
    rest = wire.ok(
        "b2_list_file_versions", bucketId=staff, startFileName="z", startFileId=page["nextFileId"], prefix="z"
    )
    assert len(rest["files"]) == 1


def test_many_pages_agree_with_a_model(em: Emulator, wire: Wire, staff: str) -> None:
    """Random names with several versions, hide markers and page sizes."""
    dice = random.Random(7)
    model: dict[str, list[str]] = {}
    for name in NAMES:
        model[name] = ["upload"]
    for _ in range(150):
        name = "/".join(dice.choice("abc") * dice.randint(1, 2) for _ in range(dice.randint(1, 3)))
        if model.get(name, ["hide"])[0] == "upload" and dice.random() < 0.3:
            wire.ok("b2_hide_file", bucketId=staff, fileName=name)
            model[name].insert(0, "hide")
        else:
            wire.upload(staff, name)
            model.setdefault(name, []).insert(0, "upload")
    ordered = sorted(model, key=lambda name: name.encode())
    visible = [("upload", name) for name in ordered if model[name][0] == "upload"]
    versions = [(action, name) for name in ordered for action in model[name]]
    folded: list[tuple[str, str]] = []
    for action, name in visible:
        entry = ("folder", name.split("/")[0] + "/") if "/" in name else (action, name)
        if entry not in folded:
            folded.append(entry)
    for size in (1, 7, 64, 1000):
        assert pages(wire, "b2_list_file_names", size, bucketId=staff) == visible
        assert pages(wire, "b2_list_file_versions", size, bucketId=staff) == versions
        assert pages(wire, "b2_list_file_names", size, bucketId=staff, delimiter="/") == folded


def test_a_page_larger_than_a_batch_of_the_database(wire: Wire) -> None:
    """Rows are read five hundred at a time, across versions of one name and across names."""
    bucket_id = wire.bucket_id("acme-public")
    made = [wire.upload(bucket_id, "many").json["fileId"] for _ in range(510)]
    made += [wire.upload(bucket_id, f"name{number:04}").json["fileId"] for number in range(510)]
    listed = wire.ok("b2_list_file_versions", bucketId=bucket_id, maxFileCount=2000)["files"]
    assert [entry["fileId"] for entry in listed] == made[509::-1] + made[510:]
    listed = wire.ok("b2_list_file_names", bucketId=bucket_id, maxFileCount=2000)["files"]
    assert [entry["fileId"] for entry in listed] == made[509:]


@pytest.mark.parametrize("count", [-1, 10_001, "5", 1.5, True])
def test_bad_page_sizes_are_refused(wire: Wire, staff: str, count: object) -> None:
    """1 to 10,000; zero asks for the default."""
    assert wire.call("b2_list_file_names", bucketId=staff, maxFileCount=count).error[0] == 400
    assert len(wire.ok("b2_list_file_names", bucketId=staff, maxFileCount=0)["files"]) == len(NAMES)


def test_a_listing_costs_one_call_for_each_started_thousand(em: Emulator, wire: Wire, staff: str) -> None:
    """Backblaze docs of b2_list_file_names."""
    em.reset_counts()
    for count in (1, 1000, 1001, 10_000):
        wire.ok("b2_list_file_names", bucketId=staff, maxFileCount=count)
    assert (em.calls(), em.classes()) == ({"b2_list_file_names": 4}, {"C": 1 + 1 + 2 + 10})


def test_version_1_entries_have_size(em: Emulator, staff: str) -> None:
    """rclone 1.60 speaks version 1 and reads size."""
    old = Wire(em.url, em.key_id, em.key, version=1)
    assert {entry["size"] for entry in old.ok("b2_list_file_names", bucketId=staff)["files"]} == {10}
