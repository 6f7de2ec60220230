"""Records of operations: one for each answer and each storage call, and together exactly what B2 was asked."""

from __future__ import annotations

import gc
import json
import logging
import logging.config
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage, operations
from b2router.emulator import Emulator
from b2router.errors import BackendError, NotFound
from b2router.records import CLASSES, FIELDS, Record
from b2router.signals import operation_finished
from tests.conftest import Configure, tell_all

pytestmark = pytest.mark.django_db

BIG = bytes(range(256)) * 4096  # 1 MiB: streamed


@pytest.fixture
def records(configure: Configure, settings: Any) -> Iterator[list[Record]]:
    """The records of what ends while the test runs; nothing is remembered, so that every operation asks B2."""
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "metadata_cache": None}
    heard: list[Record] = []
    tell_all()

    def hear(record: Record, **_: Any) -> None:
        heard.append(record)

    operation_finished.connect(hear, weak=False)
    yield heard
    operation_finished.disconnect(hear)


def calls(records: list[Record]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.calls)
    return dict(total)


def classes(records: list[Record]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.classes)
    return dict(total)


def essence(record: Record) -> tuple[Any, ...]:
    """All but the clock's part."""
    return (
        record.profile,
        record.verb,
        record.status,
        record.bytes_out,
        record.bytes_in,
        {call: count for call, count in record.calls.items() if call != "b2_authorize_account"},
    )


def put(alias: str, name: str = "a.txt", content: bytes = b"hello") -> str:
    return get_storage(alias).save(name, ContentFile(content))


# Storages


def test_every_call_of_a_storage_is_a_record(records: list[Record], emulator: Emulator) -> None:
    storage = get_storage("staff")
    storage.save("a.txt", ContentFile(b"hello"))
    storage.save("a.txt", ContentFile(b"taken"))
    assert storage.exists("a.txt")
    assert not storage.exists("b.txt")
    storage.size("a.txt")
    storage.get_created_time("a.txt")
    storage.listdir("")
    with storage.open("a.txt") as file:
        assert file.read(2) == b"he"
    with storage.open("w.txt", "w") as file:
        file.write("written")
    with storage.open("w.txt", "a") as file:
        file.write("!")
    with pytest.raises(BackendError):
        storage.signed_url("a.txt")  # the master key cannot sign
    storage.delete("a.txt")
    upload = {"b2_upload_file": 1}
    assert [essence(record) for record in records] == [
        ("staff", "save", "ok", 0, 5, {"head": 1, "b2_list_buckets": 1, "b2_get_upload_url": 1, **upload}),
        ("staff", "save", "ok", 0, 5, {"head": 2, **upload}),
        ("staff", "exists", "ok", 0, 0, {"head": 1}),
        ("staff", "exists", "ok", 0, 0, {"head": 1}),
        ("staff", "size", "ok", 0, 0, {"head": 1}),
        ("staff", "get_created_time", "ok", 0, 0, {"head": 1}),
        ("staff", "listdir", "ok", 0, 0, {"b2_list_file_names": 1}),
        ("staff", "open", "ok", 5, 0, {"download": 1}),
        ("staff", "write", "ok", 0, 7, upload),
        ("staff", "write", "ok", 7, 8, {"download": 1, **upload}),
        ("staff", "signed_url", "Refused", 0, 0, {}),
        ("staff", "delete", "ok", 0, 0, {"b2_hide_file": 1}),
    ]
    assert calls(records) == emulator.calls()
    assert classes(records) == emulator.classes()
    assert all(record.duration_ms >= record.first_byte_ms >= 0 for record in records)


def test_what_a_storage_raises_is_the_status(records: list[Record], emulator: Emulator) -> None:
    """That a file is not there is no failure of B2; that B2 cannot be asked is."""
    storage = get_storage("staff")
    put("staff")
    with pytest.raises(NotFound):
        storage.open("gone.txt")
    with pytest.raises(FileExistsError):
        storage.open("a.txt", "x")
    emulator.fail("head", status=403, code="cap_exceeded")
    with pytest.raises(BackendError):
        storage.exists("a.txt")
    with pytest.raises(Exception, match="name"):
        storage.delete("../a.txt")
    assert [(record.verb, record.status, record.error) for record in records] == [
        ("save", "ok", None),
        ("open", "NotFound", None),
        ("write", "FileExistsError", None),
        ("exists", "CapExceeded", "CapExceeded"),
        ("delete", "InvalidName", None),
    ]
    assert calls(records) == emulator.calls()


def test_a_call_that_is_tried_again_counts_its_retries(records: list[Record], emulator: Emulator) -> None:
    put("staff")
    emulator.reset_counts()
    records.clear()
    emulator.fail("head", status=503, code="service_unavailable", times=2)
    assert get_storage("staff").size("a.txt") == 5
    emulator.expire_tokens()
    assert get_storage("staff").size("a.txt") == 5
    emulator.fail("b2_upload_file", status=503, code="service_unavailable")
    put("staff", "b.txt")
    assert [(record.calls, record.retries) for record in records] == [
        ({"head": 3}, 2),
        ({"head": 2, "b2_authorize_account": 1}, 1),
        ({"head": 1, "b2_get_upload_url": 1, "b2_upload_file": 2}, 1),
    ]
    assert calls(records) == emulator.calls()


def test_parts_that_threads_send_belong_to_their_upload(
    records: list[Record], configure: Configure, emulator: Emulator
) -> None:
    configure(staff={"upload": {"part_bytes": 5_000_000}})
    size = 15_000_000
    put("staff", "large.bin", b"x" * size)
    (record,) = records
    assert record.calls["b2_upload_part"] == 3
    assert record.bytes_in == size
    assert calls(records) == emulator.calls()


def test_what_never_reached_b2_costs_nothing(records: list[Record], emulator: Emulator) -> None:
    storage = get_storage("staff")
    storage.exists("a.txt")
    emulator.stop()
    records.clear()
    with pytest.raises(BackendError):
        storage.listdir("")
    assert [(record.status, record.calls) for record in records] == [("Unavailable", {})]


def test_a_copy_counts_what_each_side_did(records: list[Record], emulator: Emulator) -> None:
    """One storage's file is the source of another's: reading is not charged to the profile that is written."""
    put("staff", "a.bin", BIG)
    records.clear()
    emulator.reset_counts()
    with get_storage("staff").open("a.bin") as source:
        get_storage("public").save("b.bin", source)
    assert [(record.profile, record.verb, record.bytes_out, record.bytes_in) for record in records] == [
        ("public", "save", 0, len(BIG)),
        ("staff", "open", len(BIG), 0),
    ]
    assert records[1].calls == {"download": 2}
    assert calls(records) == emulator.calls()


def test_a_file_that_nobody_closes_is_told_with_the_next_end(records: list[Record], emulator: Emulator) -> None:
    """The garbage collector must not run receivers: it may come within any lock."""
    put("staff", "a.bin", BIG)
    records.clear()
    file: Any = get_storage("staff").open("a.bin")
    file.read(10)
    del file
    gc.collect()
    assert records == []
    get_storage("staff").exists("a.bin")
    assert [record.verb for record in records] == ["exists", "open"]
    assert calls(records) | {"b2_authorize_account": 1} == {"download": 1, "head": 1, "b2_authorize_account": 1}


# Answers


def test_every_answer_is_a_record(records: list[Record], emulator: Emulator) -> None:
    client = Client()
    put("public")
    put("public", "big.bin", BIG)
    records.clear()
    emulator.reset_counts()
    etag = client.head("/b2/a.txt")["ETag"]
    body = client.get("/b2/a.txt").content
    b"".join(client.get("/b2/big.bin"))
    client.get("/b2/a.txt", headers={"range": "bytes=1-2"})
    client.get("/b2/a.txt", headers={"if-none-match": etag})
    client.get("/b2/a.txt", headers={"range": "bytes=900-"})
    missing = client.get("/b2/gone.txt").content
    denied = client.get("/b2s/a.txt", headers={"accept": "application/json"}).content
    client.options("/b2/a.txt")
    client.generic("BREW", "/b2/a.txt")
    emulator.fail("download", status=503, code="service_unavailable", times=3)
    away = client.get("/b2/a.txt").content
    found = [(r.profile, r.verb, r.status, r.error, r.bytes_out, dict(r.calls), r.retries) for r in records]
    assert found == [
        ("public", "HEAD", "200", None, 0, {"head": 1}, 0),
        ("public", "GET", "200", None, len(body), {"download": 1}, 0),
        ("public", "GET", "200", None, len(BIG), {"download": 1}, 0),
        ("public", "GET", "206", None, 2, {"download": 1}, 0),
        ("public", "GET", "304", None, 0, {"head": 1}, 0),
        ("public", "GET", "416", None, records[5].bytes_out, {"download": 1, "head": 1}, 0),
        ("public", "GET", "404", None, len(missing), {"download": 1}, 0),
        ("staff", "GET", "403", None, len(denied), {}, 0),
        ("public", "OPTIONS", "200", None, 0, {}, 0),
        ("public", "OTHER", "405", None, records[9].bytes_out, {}, 0),
        ("public", "GET", "503", "Unavailable", len(away), {"download": 3}, 2),
    ]
    assert calls(records) == emulator.calls()
    assert all(record.is_complete for record in records)


def test_a_client_that_leaves_is_a_record_of_what_it_was_sent(records: list[Record], emulator: Emulator) -> None:
    put("public", "big.bin", BIG)
    records.clear()
    answer: Any = Client().get("/b2/big.bin")
    block = next(iter(answer.streaming_content))
    assert records == []
    answer.close()
    (record,) = records
    assert (record.status, record.is_complete, record.bytes_out) == ("200", False, len(block))
    assert record.calls == {"download": 1}


def test_a_body_that_breaks_off_says_why(records: list[Record], emulator: Emulator) -> None:
    """The calls that resumed it were made after the view had returned."""
    put("public", "big.bin", BIG)
    records.clear()
    emulator.reset_counts()
    emulator.fail("download", cut_at=100_000)
    assert b"".join(Client().get("/b2/big.bin")) == BIG
    emulator.fail("download", cut_at=100_000, times=9)
    with pytest.raises(BackendError):
        b"".join(Client().get("/b2/big.bin"))
    tell_all()
    healed, broken = records
    assert (healed.error, healed.is_complete, healed.calls, healed.retries) == (None, True, {"download": 2}, 1)
    assert (broken.error, broken.is_complete, broken.bytes_out > 0) == ("Unavailable", False, True)
    assert calls(records) == emulator.calls()


def test_a_failing_view_is_a_record(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2router.delivery.response.respond", lambda *_, **__: 1 / 0)
    assert Client(raise_request_exception=False).get("/b2/a.txt").status_code == 500
    assert [(record.verb, record.status) for record in records] == [("GET", "500")]


def looks_itself(request: Any, file: Any) -> bool:
    """A predicate that asks a storage."""
    return get_storage("staff").exists("a.txt")


def test_what_a_predicate_asks_is_an_operation_of_its_own(
    configure: Configure, records: list[Record], emulator: Emulator
) -> None:
    put("staff")
    records.clear()
    configure(staff={"permission": "tests.test_operations.looks_itself"})
    assert Client().get("/b2s/a.txt").status_code == 200
    assert [(record.profile, record.verb) for record in records] == [("staff", "exists"), ("staff", "GET")]


def test_a_record_says_what_the_metadata_cache_knew(
    configure: Configure, records: list[Record], emulator: Emulator
) -> None:
    configure()  # it remembers again
    client = Client()
    put("public")
    client.head("/b2/a.txt")
    client.get("/b2/gone.txt")
    client.get("/b2/gone.txt")
    assert [(record.verb, record.cache) for record in records] == [
        ("save", "miss"),
        ("HEAD", "hit"),
        ("GET", "miss"),
        ("GET", "negative"),
    ]
    assert [record.calls for record in records[1:]] == [{}, {"download": 1}, {}]
    assert calls(records) == emulator.calls()


# Who listens


def test_a_receiver_that_fails_breaks_nothing(records: list[Record], caplog: pytest.LogCaptureFixture) -> None:
    def fail(**_: Any) -> None:
        raise ValueError("of the receiver")

    operation_finished.connect(fail)
    try:
        put("public")
        assert Client().get("/b2/a.txt").content == b"hello"
    finally:
        operation_finished.disconnect(fail)
    assert [record.verb for record in records] == ["save", "GET"]
    assert "of the receiver" in caplog.text


def test_a_log_record_has_every_field(records: list[Record], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "b2router.operations")
    put("public")
    Client().get("/b2/a.txt")
    save, get = (record for record in caplog.records if record.name == "b2router.operations")
    assert "a.txt" not in save.getMessage() + get.getMessage()
    assert {field: getattr(get, f"b2_{field}") for field in FIELDS} == {
        "profile": "public",
        "verb": "GET",
        "status": "200",
        "error": None,
        "is_complete": True,
        "bytes_out": 5,
        "bytes_in": 0,
        "duration_ms": records[1].duration_ms,
        "first_byte_ms": records[1].first_byte_ms,
        "calls": {"download": 1},
        "classes": {"B": 1},
        "retries": 0,
        "cache": None,
        "name": "a.txt",
    }


def test_the_logging_of_the_manual_prints_json(records: list[Record], capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
    given: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], given)
    try:
        logging.config.dictConfig({**given["LOGGING"], "incremental": False})
        put("public")
    finally:
        logging.getLogger("b2router.operations").handlers.clear()
        logging.getLogger("b2router.operations").propagate = True
        logging.getLogger("b2router.operations").setLevel(logging.NOTSET)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert {name.removeprefix("b2_") for name in told} - {"time", "message"} == set(FIELDS)
    assert (told["b2_profile"], told["b2_verb"], told["b2_status"]) == ("public", "save", "ok")


def test_a_name_breaks_no_line_of_a_log(records: list[Record]) -> None:
    Client().get("/b2/a%0d%0aforged%20line\u2028")
    (record,) = records
    assert record.status == "404"
    assert record.name == "a\\r\\nforged line\\u2028"


def test_what_the_metadata_cache_knew_is_noted_once() -> None:
    operations.note_cache("hit")  # outside of any operation: nothing to note it in
    with operations.storage_call("staff", "size") as operation:
        operations.note_cache("miss")
        operations.note_cache("hit")
    assert operation.cache == "miss"


def test_the_price_classes_are_those_of_the_emulator() -> None:
    from b2router.emulator.routes import JSON_OPERATIONS

    listed = {operation.name: operation.price_class for operation in JSON_OPERATIONS}
    assert dict(CLASSES) == {**listed, "download": "B", "head": "B"}


def test_share_links_and_signatures_are_in_no_record(
    records: list[Record], configure: Configure, emulator: Emulator, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    key_id, key = emulator.create_key()
    configure(staff={"delivery": {"mode": "redirect"}})
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    put("staff")
    storage = get_storage("staff")
    signed, shared = storage.signed_url("a.txt"), storage.share_url("a.txt")
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    sent_to = client.get("/b2s/a.txt")["Location"]
    Client().get(shared)
    ours = [record for record in caplog.records if record.name.startswith("b2router")]
    seen = repr(records) + "".join(f"{record.getMessage()} {vars(record)}" for record in ours)
    assert "signed_url" in seen
    for secret in (key, signed.partition("?")[2], sent_to.partition("?")[2], shared.partition("=")[2]):
        assert len(secret) > 20
        assert secret not in seen
    assert "X-Amz" not in seen
