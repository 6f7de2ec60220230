"""Fault switches: each does on the wire what it says, once, in order, and is found in the log."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from b2sdk.v3 import Bucket
from b2sdk.v3.exception import B2Error, ChecksumMismatch

from b2router.emulator import Emulator
from tests.emulator.conftest import sdk
from tests.emulator.wire import Wire

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def stored(em: Emulator, wire: Wire) -> Wire:
    wire.upload(wire.bucket_id("acme-public"), "file", CONTENT)
    em.reset_counts()
    return wire


def test_status_with_code_and_retry_after(em: Emulator, stored: Wire) -> None:
    """Consumed in order, then all is well; the log proves that each was met."""
    em.fail("download", status=503, retry_after=7)
    em.fail("download", times=2, status=429, code="too_many_requests", message="slow down")
    replies = [stored.get("acme-public", "file") for _ in range(4)]
    assert [reply.status for reply in replies] == [503, 429, 429, 200]
    assert (replies[0].headers["retry-after"], replies[0].error) == ("7", (503, "service_unavailable"))
    assert replies[1].json["message"] == "slow down"
    assert [(met.operation, met.fault.split()[0]) for met in em.faults_met()] == [
        ("download", "status=503"), ("download", "status=429"), ("download", "status=429"),
    ]  # fmt: skip
    assert [bool(record.fault) for record in em.log()] == [True, True, True, False]


def test_a_code_brings_its_usual_status(em: Emulator, stored: Wire) -> None:
    """Caps are 403, dead tokens 401."""
    for code, status in [("download_cap_exceeded", 403), ("expired_auth_token", 401), ("internal_error", 500)]:
        em.fail("download", code=code)
        assert stored.get("acme-public", "file").error == (status, code)


def test_half_a_fault_is_completed(em: Emulator, stored: Wire) -> None:
    """Retry-After alone is a 503; after_commit alone a 500."""
    em.fail("download", retry_after=2)
    reply = stored.get("acme-public", "file")
    assert (reply.error, reply.headers["retry-after"]) == ((503, "service_unavailable"), "2")
    em.fail("download", after_commit=True)
    assert stored.get("acme-public", "file").error == (500, "internal_error")


def test_only_its_operation_meets_a_fault(em: Emulator, stored: Wire) -> None:
    """HEAD is another operation than GET; a star is any."""
    em.fail("head", status=500)
    assert stored.get("acme-public", "file").status == 200
    em.clear_faults()
    em.fail("*", status=500)
    assert stored.call("b2_list_keys").status == 500
    assert stored.get("acme-public", "file").status == 200
    em.fail("download", status=500)
    em.clear_faults()
    assert (stored.get("acme-public", "file").status, em.faults_met()) == (200, [])


def test_a_fault_that_does_nothing_is_refused(em: Emulator) -> None:
    """A test would wait for it in vain."""
    with pytest.raises(ValueError, match="does nothing"):
        em.fail("download")
    with pytest.raises(ValueError, match="times"):
        em.fail("download", times=0, status=500)


def test_delay(em: Emulator, stored: Wire) -> None:
    """Before the answer."""
    em.fail("download", delay_s=0.2)
    began = time.monotonic()
    assert stored.get("acme-public", "file").body == CONTENT
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("reset", [False, True])
def test_cut_in_the_body(em: Emulator, stored: Wire, reset: bool) -> None:
    """The whole length is announced, and the connection ends early by FIN or RST."""
    em.fail("download", cut_at=300_000, reset=reset)
    connection = http.client.HTTPConnection(urlsplit(em.url).netloc, timeout=5)
    connection.request("GET", "/file/acme-public/file")
    response = connection.getresponse()
    assert response.headers["Content-Length"] == str(len(CONTENT))
    if reset:
        with pytest.raises(ConnectionResetError):
            response.read()
    else:
        with pytest.raises(http.client.IncompleteRead) as caught:
            response.read()
        assert caught.value.partial == CONTENT[:300_000]
    connection.close()
    assert (em.log()[-1].bytes_out, em.bytes_out()) == (300_000, 300_000)


def test_reset_alone_leaves_no_answer(em: Emulator, stored: Wire) -> None:
    """Status 0 in the log, and nothing was done."""
    em.fail("b2_get_upload_url", reset=True)
    with pytest.raises(ConnectionResetError):
        stored.call("b2_get_upload_url", bucketId="x")
    assert [(record.operation, record.status) for record in em.log()] == [("b2_get_upload_url", 0)]


def test_stall_lasts_until_the_client_gives_up(em: Emulator, stored: Wire) -> None:
    """So many bytes, then silence; stop() does not wait for it."""
    em.fail("download", stall_at=1000)
    with socket.create_connection((urlsplit(em.url).hostname, urlsplit(em.url).port), timeout=0.3) as sock:
        sock.sendall(b"GET /file/acme-public/file HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        with pytest.raises(TimeoutError):
            while True:
                received += sock.recv(65536)
        assert received.partition(b"\r\n\r\n")[2] == CONTENT[:1000]
        began = time.monotonic()
        em.stop()
        assert time.monotonic() - began < 5


def test_truncated_body_is_announced_as_whole(em: Emulator, stored: Wire) -> None:
    """What a broken middlebox does: nothing on the wire is wrong but the length."""
    em.fail("download", truncate_at=10)
    reply = stored.get("acme-public", "file")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "10", CONTENT[:10])


def test_corrupted_body_is_noticed_by_its_sha1(em: Emulator, stored: Wire) -> None:
    """One bit; b2sdk raises ChecksumMismatch at the end."""
    em.fail("download", corrupt=True)
    reply = stored.get("acme-public", "file")
    assert sum(a != b for a, b in zip(reply.body, CONTENT, strict=True)) == 1
    em.fail("download", corrupt=True)
    with pytest.raises(ChecksumMismatch):
        sdk(em).get_bucket_by_name("acme-public").download_file_by_name("file").save(io.BytesIO())


def test_wrong_sha1_of_a_download(em: Emulator, stored: Wire) -> None:
    """The bytes are right."""
    em.fail("download", wrong_sha1=True)
    reply = stored.get("acme-public", "file")
    assert (reply.headers["x-bz-content-sha1"], reply.body) == ("0" * 40, CONTENT)


def test_damaged_upload_is_refused_and_stores_nothing(em: Emulator, stored: Wire) -> None:
    """corrupt and wrong_sha1 on an upload."""
    bucket_id = stored.bucket_id("acme-staff")
    for switch in ("corrupt", "wrong_sha1"):
        em.fail("b2_upload_file", **{switch: True})  # type: ignore[arg-type]
        reply = stored.upload(bucket_id, "a")
        assert (reply.error, reply.json["message"]) == ((400, "bad_request"), "Sha1 did not match data received")
    assert stored.ok("b2_list_file_versions", bucketId=bucket_id)["files"] == []


def test_cut_in_an_upload_counts_its_own_bytes(em: Emulator, stored: Wire) -> None:
    """Positions count the request's body there; nothing is stored."""
    bucket_id = stored.bucket_id("acme-staff")
    em.fail("b2_upload_file", cut_at=5000, reset=True)
    with pytest.raises(OSError):
        stored.upload(bucket_id, "a", bytes(5_000_000))
    assert (em.log()[-1].status, em.log()[-1].bytes_in) == (0, 5000)
    stored.close()
    assert stored.ok("b2_list_file_versions", bucketId=bucket_id)["files"] == []


def test_answer_lost_after_commit(em: Emulator, stored: Wire) -> None:
    """The file is there, the client does not know."""
    bucket_id = stored.bucket_id("acme-staff")
    em.fail("b2_upload_file", drop_answer=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        stored.upload(bucket_id, "a")
    stored.close()
    em.fail("b2_upload_file", status=500, after_commit=True)
    assert stored.upload(bucket_id, "b").status == 500
    assert [f["fileName"] for f in stored.ok("b2_list_file_names", bucketId=bucket_id)["files"]] == ["a", "b"]


def test_the_sdk_recovers_from_refused_upload_addresses(em: Emulator, bucket: Bucket) -> None:
    """b2sdk takes a new address, five attempts in all."""
    em.fail("b2_upload_file", times=2, status=503)
    em.fail("b2_upload_file", code="expired_auth_token")
    assert bucket.upload_bytes(b"x", "a").file_name == "a"
    em.fail("b2_upload_file", times=9, status=503)
    with pytest.raises(B2Error):
        bucket.upload_bytes(b"x", "b")
    assert len(em.faults_met()) == 8


def test_faults_over_http(em: Emulator, stored: Wire) -> None:
    """For tests in another process; a web page may not."""
    fault = {"operation": "download", "times": 2, "status": 503, "retry_after": 1}
    assert stored.send("POST", "/_emulator/faults", {}, json.dumps(fault).encode()).status == 200
    assert stored.get("acme-public", "file").status == 503
    state = stored.send("GET", "/_emulator/faults").json
    assert state["waiting"] == [{"operation": "download", "fault": "status=503 retry_after=1", "times": 1}]
    assert [met["operation"] for met in state["met"]] == ["download"]
    assert stored.send("DELETE", "/_emulator/faults").status == 200
    assert stored.get("acme-public", "file").status == 200
    page = {"Origin": "https://evil.example"}
    assert stored.send("POST", "/_emulator/faults", page, json.dumps(fault).encode()).status == 403


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"operation": "download"},
        {"operation": "download", "status": 99},
        {"operation": "download", "status": "500"},
        {"operation": "download", "explode": True},
        {"operation": 5, "status": 500},
        {"operation": "download", "status": 500, "times": -1},
        {"operation": "download", "status": 500, "message": 5},
        {"operation": "download", "delay_s": -1},
        {"operation": "download", "status": 500, "retry_after": "1\r\nX-Injected: 1"},
        [1],
    ],
)
def test_bad_faults_over_http(wire: Wire, fault: object) -> None:
    """400, not a surprise later."""
    assert wire.send("POST", "/_emulator/faults", {}, json.dumps(fault).encode()).error == (400, "bad_request")


def test_test_mode_headers(em: Emulator, stored: Wire) -> None:
    """Every third call, so that a test can count on it."""
    bucket_id = stored.bucket_id("acme-staff")
    mode = {"X_Bz_Test_Mode": "fail_some_uploads"}
    assert [stored.upload(bucket_id, "a", **mode).status for _ in range(6)] == [200, 200, 503, 200, 200, 503]
    mode = {"X-Bz-Test-Mode": "expire_some_account_authorization_tokens", "Authorization": stored.token}
    replies = [stored.send("POST", "/b2api/v4/b2_list_keys", mode, b"{}") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 401]
    assert replies[2].error == (401, "expired_auth_token")
    reply = stored.upload(bucket_id, "a", X_Bz_Test_Mode="force_cap_exceeded")
    assert reply.error == (403, "storage_cap_exceeded")
