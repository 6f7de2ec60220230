"""Counts, price classes, bytes and the log, from Python and over HTTP."""

from __future__ import annotations

import time

import pytest

from b2router.emulator import CallRecord, Emulator
from tests.emulator.wire import Wire


def test_counts_by_operation_class_and_bytes(em: Emulator, wire: Wire) -> None:
    """Failed calls count as well; the control endpoint does not."""
    bucket_id = wire.bucket_id("acme-staff")
    wire.upload(bucket_id, "a", b"x" * 100)
    em.reset_counts()
    wire.upload(bucket_id, "b", b"x" * 100)
    wire.get("acme-staff", "a")
    wire.get("acme-staff", "a", Range="bytes=0-9")
    wire.get("acme-staff", "missing")
    wire.send("GET", "/_emulator/counts")
    assert em.calls() == {"b2_upload_file": 1, "download": 3}
    assert em.classes() == {"A": 1, "B": 3}
    assert em.bytes_in() == 100
    records = em.log()
    assert em.bytes_out() == sum(record.bytes_out for record in records)
    assert [record.bytes_out for record in records][1:3] == [100, 10]


def test_record_of_a_call(em: Emulator, wire: Wire) -> None:
    """Frozen; no query string, which may hold a token."""
    em.reset_counts()
    before = time.time()
    wire.send(
        "GET",
        "/file/acme-staff/a?Authorization=secret",
        {"Range": "bytes=0-1", "User-Agent": "tester/1 (x)", "Cookie": "secret"},
    )
    (record,) = em.log()
    assert before - 0.1 <= record.time <= time.time()
    assert record == CallRecord(
        record.time,
        "download",
        "B",
        "GET",
        "/file/acme-staff/a",
        401,
        0,
        record.bytes_out,
        None,
        "tester/1",
        {"range": "bytes=0-1", "user-agent": "tester/1 (x)"},
    )
    with pytest.raises(AttributeError):
        record.status = 200  # type: ignore[misc]


def test_counts_by_client_over_http(em: Emulator, wire: Wire) -> None:
    """The tag is X-Emulator-Client or else the first word of User-Agent."""
    em.reset_counts()
    for tag in ("one", "two", "two"):
        wire.send("GET", "/file/acme-public/a", {"X-Emulator-Client": tag, "User-Agent": "same/1"})
    counts = wire.send("GET", "/_emulator/counts").json
    assert counts["calls"] == {"download": 3}
    assert {tag: item["calls"] for tag, item in counts["clients"].items()} == {
        "one": {"download": 1},
        "two": {"download": 2},
    }
    assert [record["client"] for record in wire.send("GET", "/_emulator/log").json] == ["one", "two", "two"]
    assert wire.send("POST", "/_emulator/reset").status == 200
    assert (em.calls(), em.log()) == ({}, [])


def test_tokens_expire_over_http(em: Emulator, wire: Wire) -> None:
    """POST /_emulator/expire."""
    assert wire.send("POST", "/_emulator/expire").status == 200
    assert wire.call("b2_list_keys").error == (401, "expired_auth_token")


def test_many_clients_and_calls_do_not_grow_the_memory(em: Emulator) -> None:
    """The log and the tags are bounded."""
    from b2router.emulator.meter import LOG_LENGTH, MAX_TAGS, Meter

    meter = Meter()
    for number in range(LOG_LENGTH + 10):
        meter.count("download", "B", f"client{number}")
        meter.record(CallRecord(0, "download", "B", "GET", "/", 200, 0, 1, None, f"client{number}", {}))
    assert (len(meter.log()), len(meter.by_client())) == (LOG_LENGTH, MAX_TAGS + 1)
    assert meter.total().calls == {"download": LOG_LENGTH + 10}


def test_latency_is_waited_before_each_answer() -> None:
    """For seeing what a distant B2 feels like."""
    with Emulator(latency_s=0.1) as em:
        began = time.monotonic()
        Wire(em.url, em.key_id, em.key)
        assert time.monotonic() - began >= 0.1
