"""What is remembered about files: facts that spare calls, and never a wrong length or an old ETag with new bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.b2 import metadata
from b2router.b2.metadata import NOTHING, Known, Metadata
from b2router.b2.session import Session
from b2router.b2.stored import StoredFile
from b2router.emulator import Emulator
from b2router.errors import Unavailable
from b2router.router import current_router
from tests.conftest import Configure, forget

STORED = StoredFile(
    key="a.txt",
    file_id="4_z1",
    size_bytes=5,
    content_type="text/plain",
    sha1="a" * 40,
    uploaded_at=datetime(2026, 5, 1, 12, 0, 0, 123000, tzinfo=UTC),
    content_encoding="gzip",
    info={"src": "ü"},
)
NEWER = replace(STORED, file_id="4_z2", uploaded_at=STORED.uploaded_at + timedelta(seconds=1))
MISSING = Known(is_missing=True)


@pytest.fixture
def remembered(session: Session) -> Iterator[Metadata]:
    cache.clear()
    yield Metadata(session, "acme-public", "default", 300, 5)
    cache.clear()


def test_a_fact_comes_back_as_it_was(remembered: Metadata) -> None:
    assert remembered.recall("a.txt") == NOTHING
    remembered.came("a.txt", STORED, NOTHING)
    assert remembered.recall("a.txt") == Known(STORED)
    remembered.forget("a.txt")
    assert remembered.recall("a.txt") == NOTHING


def test_that_a_file_is_missing_is_a_fact_too(remembered: Metadata) -> None:
    remembered.was_missing("a.txt", NOTHING)
    assert remembered.recall("a.txt") == MISSING


@pytest.mark.parametrize(
    ("between", "late", "expected"),
    [
        pytest.param("saved", "came", Known(NEWER), id="a save beats a look that began before it"),
        pytest.param("saved", "missing", Known(NEWER), id="and a 404 from before it"),
        pytest.param("deleted", "came", MISSING, id="a deletion beats a look that began before it"),
        pytest.param("changed", "came", NOTHING, id="a restored version beats what was there before"),
        pytest.param("changed", "missing", NOTHING, id="and that nothing was there"),
    ],
)
def test_what_this_site_did_beats_answers_from_before(
    between: str, late: str, expected: Known, remembered: Metadata
) -> None:
    before = remembered.recall("a.txt")
    remembered.saved("a.txt", NEWER) if between == "saved" else getattr(remembered, between)("a.txt")
    remembered.came("a.txt", STORED, before) if late == "came" else remembered.was_missing("a.txt", before)
    assert remembered.recall("a.txt") == expected


def test_a_profile_that_remembers_less_is_changed_all_the_same(session: Session, remembered: Metadata) -> None:
    """Two profiles can share a bucket, and remember for other times."""
    remembered.came("a.txt", STORED, NOTHING)
    fresh = Metadata(session, "acme-public", "default", 0, 0)
    brief = Metadata(session, "acme-public", "default", 0, 5)
    assert (fresh.recall("a.txt"), brief.recall("a.txt")) == (NOTHING, NOTHING)
    fresh.saved("a.txt", NEWER)
    assert remembered.recall("a.txt") == NOTHING
    remembered.came("a.txt", STORED, NOTHING)
    brief.was_missing("a.txt", NOTHING)
    assert (remembered.recall("a.txt"), brief.recall("a.txt")) == (NOTHING, NOTHING), "an answer from before the save"


def test_what_two_processes_save_at_once_is_the_newer(remembered: Metadata) -> None:
    remembered.saved("a.txt", NEWER)
    remembered.saved("a.txt", STORED)
    assert remembered.recall("a.txt") == Known(NEWER)


@pytest.mark.parametrize("change", ["saved", "deleted"])
def test_an_answer_that_was_overtaken_replaces_nothing(change: str, remembered: Metadata) -> None:
    remembered.came("a.txt", STORED, NOTHING)
    before = remembered.recall("a.txt")
    newest = replace(NEWER, file_id="4_z3", uploaded_at=NEWER.uploaded_at + timedelta(seconds=1))
    remembered.saved("a.txt", newest) if change == "saved" else remembered.deleted("a.txt")
    remembered.came("a.txt", NEWER, before)
    assert remembered.recall("a.txt") == (Known(newest) if change == "saved" else MISSING)


def test_another_version_replaces_an_older_one(remembered: Metadata) -> None:
    remembered.came("a.txt", STORED, NOTHING)
    remembered.came("a.txt", NEWER, remembered.recall("a.txt"))
    assert remembered.recall("a.txt") == Known(NEWER)


def test_an_older_version_than_remembered_leaves_nothing(remembered: Metadata) -> None:
    """The newer one was deleted by somebody else, or this answer was overtaken: B2 will say."""
    remembered.came("a.txt", NEWER, NOTHING)
    remembered.came("a.txt", STORED, remembered.recall("a.txt"))
    assert remembered.recall("a.txt") == NOTHING


def test_a_file_that_others_deleted_is_forgotten(remembered: Metadata) -> None:
    remembered.came("a.txt", STORED, NOTHING)
    remembered.was_missing("a.txt", remembered.recall("a.txt"))
    assert remembered.recall("a.txt") == NOTHING


@pytest.mark.parametrize(
    "rubbish",
    [
        "text",
        7,
        b"\x80",
        {"a": 1},
        ["x"],
        [None] * 7,
        ["id", -1, "t", None, 0, None, {}],
        ["id", 1, "t", None, 1e300, None, {}],
        ["id", 1, "t", None, 0, None, {"a": 1}],
        ["id", 1, b"t", None, 0, None, {}],
    ],
)
def test_rubbish_is_nothing(rubbish: Any, remembered: Metadata) -> None:
    cache.set(remembered._place("a.txt"), rubbish)
    assert remembered.recall("a.txt") == NOTHING


def test_files_accounts_and_buckets_do_not_mix(session: Session, remembered: Metadata) -> None:
    remembered.came("a.txt", STORED, NOTHING)
    other = Metadata(session, "acme-staff", "default", 300, 5)
    assert (other.recall("a.txt"), remembered.recall("A.txt")) == (NOTHING, NOTHING)


def test_what_is_said_to_last_no_time_is_not_remembered(session: Session) -> None:
    nothing = Metadata(session, "acme-public", "default", 0, 0)
    nothing.came("a.txt", STORED, NOTHING)
    nothing.was_missing("b.txt", NOTHING)
    assert (nothing.recall("a.txt"), nothing.recall("b.txt")) == (NOTHING, NOTHING)


def test_a_cache_of_this_process_alone_forgets_soon(
    session: Session, remembered: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never hears of what other processes save and delete."""
    assert remembered._lasts(300) == metadata.LOCAL_TTL_S
    monkeypatch.setattr("b2router.b2.shelves.CacheShelf.is_local", False)
    assert remembered._lasts(300) == 300


# In the site


def put(name: str = "a.txt", content: bytes = b"hello") -> None:
    storage = get_storage("public")
    storage.delete(name) if storage.exists(name) else None
    assert storage.save(name, ContentFile(content)) == name


def by_others(name: str, content: bytes | None) -> None:
    """Another program changes the bucket."""
    bucket = current_router().session(current_router().profile("public")).bucket("acme-public")
    bucket.hide_file(name) if content is None else bucket.upload_bytes(content, name)


def read(client: Client, url: str, **headers: str) -> tuple[int, str | None, bytes]:
    answer = client.get(url, headers=headers)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return answer.status_code, answer.get("Content-Length"), body


def test_a_saved_file_is_known_at_once(configure: Configure, emulator: Emulator, client: Client) -> None:
    storage = get_storage("public")
    storage.save("a.txt", ContentFile(b"hello"))
    emulator.reset_counts()
    facts = storage.exists("a.txt"), storage.size("a.txt"), storage.url("a.txt"), client.head("/b2/a.txt").status_code
    assert facts == (True, 5, "/b2/a.txt", 200)
    saved = client.head("/b2/a.txt")
    assert emulator.calls() == {}
    forget()
    asked = client.head("/b2/a.txt")
    assert dict(saved.items()) == dict(asked.items()), "what was written is what B2 says"


@pytest.mark.parametrize("on_delete", ["hide", "version", "purge"])
def test_a_deletion_whose_answer_was_lost_is_one(
    on_delete: str, configure: Configure, emulator: Emulator, client: Client, settings: Any
) -> None:
    configure(public={"on_delete": on_delete})
    settings.BACKBLAZE_CONFIG = settings.BACKBLAZE_CONFIG | {"limits": {"storage_tries": 1}}
    storage = get_storage("public")
    storage.save("a.txt", ContentFile(b"hello"))
    call = "b2_hide_file" if on_delete == "hide" else "b2_delete_file_version"
    emulator.fail(call, status=500, after_commit=True, times=100)
    with pytest.raises(Unavailable):
        storage.delete("a.txt")
    emulator.clear_faults()
    assert (client.head("/b2/a.txt").status_code, storage.exists("a.txt")) == (404, False)


def test_an_upload_whose_answer_was_lost_is_one(
    configure: Configure, emulator: Emulator, client: Client, settings: Any
) -> None:
    configure(public={"naming": "overwrite"})
    settings.BACKBLAZE_CONFIG = settings.BACKBLAZE_CONFIG | {"limits": {"storage_tries": 1}}
    storage = get_storage("public")
    storage.save("a.txt", ContentFile(b"hello"))
    emulator.fail("b2_upload_file", status=500, after_commit=True, times=100)
    with pytest.raises(Unavailable):
        storage.save("a.txt", ContentFile(b"other one"))
    emulator.clear_faults()
    assert (client.head("/b2/a.txt")["Content-Length"], storage.size("a.txt")) == ("9", 9)


def test_a_deleted_file_is_gone_at_once(configure: Configure, emulator: Emulator, client: Client) -> None:
    put()
    assert read(client, "/b2/a.txt")[0] == 200
    get_storage("public").delete("a.txt")
    emulator.reset_counts()
    assert (read(client, "/b2/a.txt")[0], client.head("/b2/a.txt").status_code) == (404, 404)
    assert emulator.calls() == {}
    assert not get_storage("public").exists("a.txt")
    assert emulator.calls() == {"head": 1}, "a storage asks B2"


def test_many_questions_for_what_is_not_there_are_one_call(
    configure: Configure, emulator: Emulator, client: Client
) -> None:
    forget()
    assert [read(client, "/b2/nothing")[0] for _ in range(10)] == [404] * 10
    assert emulator.calls()["download"] == 1
    put("nothing")
    assert read(client, "/b2/nothing") == (200, "5", b"hello"), "saving ends it at once"


def test_saving_does_not_believe_that_a_name_is_free(configure: Configure, client: Client) -> None:
    """Promise T21: or the file that another program has put there meanwhile would be covered."""
    read(client, "/b2/a.txt")
    by_others("a.txt", b"theirs")
    assert get_storage("public").save("a.txt", ContentFile(b"ours")) != "a.txt"


@pytest.mark.parametrize("content", [b"a longer content", b"shr", b""])
def test_a_file_replaced_by_others_is_sent_as_it_is(
    content: bytes, configure: Configure, emulator: Emulator, client: Client
) -> None:
    put()
    old = client.head("/b2/a.txt")["ETag"]
    by_others("a.txt", content)
    assert read(client, "/b2/a.txt") == (200, str(len(content)), content)
    answer = client.head("/b2/a.txt")
    assert (answer["Content-Length"], answer["ETag"] != old) == (str(len(content)), True), "and is known from then on"


def test_a_range_of_a_file_that_others_have_shrunk(configure: Configure, emulator: Emulator, client: Client) -> None:
    put(content=b"0123456789")
    read(client, "/b2/a.txt")
    by_others("a.txt", b"012")
    answer = client.get("/b2/a.txt", headers={"Range": "bytes=5-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */3")
    assert read(client, "/b2/a.txt", Range="bytes=1-") == (206, "2", b"12")


def test_the_rest_of_a_file_that_others_have_shrunk_is_the_whole_of_the_new_one(
    configure: Configure, client: Client
) -> None:
    """RFC 9110, 13.1.5: where If-Range does not hold, there is no range, hence none that cannot be satisfied."""
    put(content=b"0123456789")
    etag = client.head("/b2/a.txt")["ETag"]
    by_others("a.txt", b"012")
    assert read(client, "/b2/a.txt", Range="bytes=5-", **{"If-Range": etag}) == (200, "3", b"012")
    cache.clear()
    assert read(client, "/b2/a.txt", Range="bytes=5-", **{"If-Range": etag}) == (200, "3", b"012")


def test_an_etag_from_memory_never_goes_with_other_bytes(configure: Configure, client: Client) -> None:
    put()
    old = client.head("/b2/a.txt")["ETag"]
    by_others("a.txt", b"other")
    answer = client.get("/b2/a.txt", headers={"If-Range": old, "Range": "bytes=1-2"})
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    assert (answer.status_code, body, answer["ETag"] != old) == (200, b"other", True)


def test_a_precondition_for_a_version_that_is_newer_than_remembered(
    configure: Configure, emulator: Emulator, client: Client
) -> None:
    put()
    client.head("/b2/a.txt")
    by_others("a.txt", b"other")
    forgotten = cache._cache.copy()  # type: ignore[attr-defined]
    cache.clear()
    new = client.head("/b2/a.txt")["ETag"]
    cache._cache.update(forgotten)  # type: ignore[attr-defined]
    emulator.reset_counts()
    assert read(client, "/b2/a.txt", **{"If-Match": new})[0] == 200
    assert emulator.calls() == {"head": 1, "download": 1}


def test_facts_are_no_permission(configure: Configure, emulator: Emulator, client: Client) -> None:
    get_storage("staff").save("a.txt", ContentFile(b"x"))
    emulator.reset_counts()
    for method in (client.get, client.head):
        assert method("/b2s/a.txt", headers={"Accept": "*/*"}).status_code in (302, 403)
    assert emulator.calls() == {}


def test_without_a_cache_b2_is_asked(configure: Configure, emulator: Emulator, client: Client, settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "metadata_cache": None}
    put()
    emulator.reset_counts()
    for _ in range(2):
        assert client.head("/b2/a.txt").status_code == 200
        assert client.head("/b2/nothing").status_code == 404
    assert emulator.calls() == {"head": 4}


def test_reading_a_file_makes_it_known(configure: Configure, emulator: Emulator, client: Client) -> None:
    put()
    cache.clear()
    emulator.reset_counts()
    with get_storage("public").open("a.txt") as file:
        assert file.read() == b"hello"
    assert get_storage("public").size("a.txt") == 5
    assert client.head("/b2/a.txt").status_code == 200
    assert emulator.calls() == {"download": 1}


def test_a_length_that_was_announced_wrongly_is_not_remembered(
    configure: Configure, emulator: Emulator, client: Client
) -> None:
    """Or ranges past it would be refused for as long as it is remembered."""
    put(content=bytes(200_000))
    cache.clear()
    emulator.fail("download", truncate_at=100_000)
    with pytest.raises(OSError, match="SHA-1"):
        read(client, "/b2/a.txt")
    assert read(client, "/b2/a.txt", Range="bytes=150000-150009") == (206, "10", bytes(10))
    assert client.head("/b2/a.txt")["Content-Length"] == "200000"


def test_two_lengths_of_one_version_are_none(remembered: Metadata) -> None:
    remembered.came("a.txt", STORED, NOTHING)
    remembered.came("a.txt", replace(STORED, size_bytes=4), remembered.recall("a.txt"))
    assert remembered.recall("a.txt") == NOTHING


def test_what_was_saved_is_told_without_another_login(
    session: Session, remembered: Metadata, emulator: Emulator
) -> None:
    """Or a login that is lost meanwhile would make a failure of a save that B2 has done."""
    remembered.recall("a.txt")
    session._login = None
    emulator.stop()
    remembered.saved("a.txt", STORED)
    assert remembered.recall("a.txt") == Known(STORED)
