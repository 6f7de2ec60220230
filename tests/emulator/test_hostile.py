"""Hostile and broken clients: never a 500, never a file outside the folder, never a hang."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire


@pytest.fixture
def em(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Emulator]:
    """An emulator that must not have printed a traceback nor answered 500 at the end."""
    with Emulator(data_dir=tmp_path / "data") as emulator:
        yield emulator
        assert [record for record in emulator.log() if record.status >= 500 and record.status != 501] == []
    assert "Traceback" not in capfd.readouterr().err


def raw(em: Emulator, request: bytes, timeout_s: float = 5) -> bytes:
    """Send bytes, end the sending side, and return all that comes back."""
    parts = urlsplit(em.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout_s) as sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it may hang up before it has everything
        received = b""
        try:
            while block := sock.recv(65536):
                received += block
        except ConnectionResetError:
            pass
        return received


HEAD = b"Host: x\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\r\n", None),
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1 extra\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HEAD, 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n" + HEAD, 400),
        (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 100 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HEAD, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(300)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 9000 + b"\r\n" + b"X: b\r\n" * 3, None),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, bytes) else str(value),
)
def test_broken_heads(em: Emulator, request_bytes: bytes, status: int | None) -> None:
    """A clear refusal, or nothing where no request is complete; the next client is served."""
    received = raw(em, request_bytes)
    assert received[:12] == (b"" if status is None else b"HTTP/1.1 %d" % status)
    assert Wire(em.url, em.key_id, em.key).call("b2_list_keys").status == 200


NAMES = [
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/x",
    "a/../../x",
    "/etc/passwd",
    "//x",
    "C:\\x",
    "a\\..\\x",
    "con",
    ".",
    "..",
    "~/x",
    "x" * 1024,
]


@pytest.mark.parametrize("name", NAMES)
def test_names_never_become_paths(em: Emulator, tmp_path: Path, name: str) -> None:
    """Each is stored under its hash or refused; the folder's parent stays as it was."""
    wire = Wire(em.url, em.key_id, em.key)
    bucket_id = wire.bucket_id("acme-public")
    assert wire.upload(bucket_id, "x", b"content", X_Bz_File_Name=name.replace("\\", "%5C")).status == 200
    for path in (name.replace("\\", "%5C"), "../metadata.sqlite3", "../../etc/passwd"):
        assert wire.send("GET", f"/file/acme-public/{path}").status in (200, 404)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    stored = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and "sqlite3" not in path.name]
    assert len(stored) == 1
    assert len(stored[0].name) == 64


TARGETS = [
    "/file/acme-public/%00",
    "/file/acme-public/%zz",
    "/file/acme-public/%ff%fe",
    "/file/%00/x",
    "/file//x",
    "/file/",
    "/file/acme-public",
    "/file/acme-public/",
    "/b2api/v4/b2_download_file_by_id",
    "/b2api/v4/b2_download_file_by_id?fileId=4_z_f1_d_m_c_v_t_u",
    "/b2api/v4/b2_download_file_by_id?fileId=" + "4_zx_f1x_d_m_c_v_t_u" + "9" * 50,
    "/b2api/v4/b2_download_file_by_id?fileId=%ff",
    "/b2api/v4/b2_nonsense",
    "/b2api/v5/b2_list_buckets",
    "/b2api/v4/",
    "/b2api/v4/b2_list_buckets/extra/../..",
    "/_emulator/nonsense",
    "/acme-public/x?X-Amz-Signature=x",
    "/acme-public/x?" + "&".join(f"X-Amz-{n}=%ff" for n in range(300)),
    "/file/acme-public/x?" + "&".join(f"a{n}=b" for n in range(200)),
    "/file/acme-public/x?Authorization=" + "A" * 9000,
    "/file/acme-public/x?Authorization=4_e30%3D_dnld_" + "0" * 32,
    "/",
    "*",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X" * 30])
def test_strange_addresses(em: Emulator, method: str) -> None:
    """A 4xx (or 501 from S3), and the connection goes on."""
    wire = Wire(em.url, em.key_id, em.key)
    statuses = {
        target: wire.send(method, target, {"Range": "bytes=9-", "Origin": "null"}, b"{}").status for target in TARGETS
    }
    assert {target: status for target, status in statuses.items() if not 400 <= status <= 501 or status == 500} == {}


SEEDS: list[Any] = [
    None, True, -1, 0, 2**63, 10**400, 1.5, "", "x" * 5000, "\ud800", "\0", "../x", [], [None], ["a"], {},
    {"a": "\ud800"},
    {"mode": "SSE-C"}, [[]], "4_z_f1_d_m_c_v_t_u", {"asReplicationSource": {"replicationRules": [{}]}},
]  # fmt: skip
FIELDS = [
    "accountId", "bucketId", "bucketIds", "bucketName", "bucketType", "bucketInfo", "corsRules", "lifecycleRules",
    "defaultServerSideEncryption", "defaultRetention", "fileLockEnabled", "replicationConfiguration", "ifRevisionIs",
    "fileName", "fileId", "fileInfo", "contentType", "partSha1Array", "startFileName", "startFileId", "maxFileCount",
    "prefix", "delimiter", "namePrefix", "capabilities", "keyName", "validDurationInSeconds", "applicationKeyId",
    "sourceFileId", "largeFileId", "partNumber", "range", "metadataDirective", "fileRetention", "legalHold",
    "bypassGovernance", "fileNamePrefix", "b2ContentDisposition", "eventNotificationRules", "customUploadTimestamp",
    "serverSideEncryption", "startPartNumber", "maxPartCount", "maxKeyCount", "startApplicationKeyId",
]  # fmt: skip


def test_random_fields_never_break_an_operation(em: Emulator) -> None:
    """Every operation, with good values mixed with wrong types, huge numbers and lone surrogates."""
    from b2router.emulator.routes import JSON_OPERATIONS

    dice = random.Random(11)
    wire = Wire(em.url, em.key_id, em.key)
    bucket_id = wire.bucket_id("acme-staff")
    good = {
        "accountId": wire.account["accountId"],
        "bucketId": bucket_id,
        "fileId": wire.upload(bucket_id, "a").json["fileId"],
        "fileName": "a",
        "bucketName": "some-bucket",
        "bucketType": "allPrivate",
        "contentType": "text/plain",
    }
    good["sourceFileId"] = good["fileId"]
    for _ in range(600):
        operation = dice.choice([item.name for item in JSON_OPERATIONS if item.name != "b2_delete_file_version"])
        fields = dict(good) | {name: dice.choice(SEEDS) for name in dice.sample(FIELDS, dice.randint(0, 6))}
        body = json.dumps(fields).encode()
        headers = {"Authorization": wire.token}
        reply = wire.send("POST", f"/b2api/v{dice.randint(1, 4)}/{operation}", headers, body)
        assert reply.status in range(200, 500), (operation, fields, reply.body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b'{"a": NaN}', b'{"a": 1e999}',
     b'{"maxKeyCount": ' + b"9" * 5000 + b"}"],
    ids=range(11),
)  # fmt: skip
def test_strange_json(em: Emulator, body: bytes) -> None:
    """400 bad_json, or 200 where nothing is required."""
    wire = Wire(em.url, em.key_id, em.key)
    reply = wire.send("POST", "/b2api/v4/b2_list_keys", {"Authorization": wire.token}, body)
    assert reply.status in (200, 400)


def test_a_huge_json_body_is_refused(em: Emulator) -> None:
    """413, and the connection goes on."""
    wire = Wire(em.url, em.key_id, em.key)
    reply = wire.send("POST", "/b2api/v4/b2_list_keys", {"Authorization": wire.token}, b" " * 5_000_000)
    assert reply.error == (413, "bad_request")
    assert wire.call("b2_list_keys").status == 200


def test_an_unread_body_does_not_become_the_next_request(em: Emulator) -> None:
    """Request smuggling: the body of a refused request is read away."""
    inner = b"GET /file/acme-public/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    received = raw(
        em,
        b"POST /b2api/v4/b2_upload_file/x/y HTTP/1.1\r\nHost: x\r\nAuthorization: bad\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(inner), inner) + b"GET /b2api/v4/b2_end HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert received.count(b"HTTP/1.1 ") == 2
    assert [record.operation for record in em.log()] == ["b2_upload_file", "unknown"]


def test_half_an_upload_leaves_nothing(em: Emulator, tmp_path: Path) -> None:
    """The client goes away in the middle."""
    wire = Wire(em.url, em.key_id, em.key)
    target = wire.ok("b2_get_upload_url", bucketId=wire.bucket_id("acme-staff"))
    head = (
        f"POST {urlsplit(target['uploadUrl']).path} HTTP/1.1\r\nHost: x\r\nX-Bz-File-Name: a\r\n"
        f"Authorization: {target['authorizationToken']}\r\nContent-Type: text/plain\r\n"
        "X-Bz-Content-Sha1: do_not_verify\r\nContent-Length: 1000000\r\n\r\n"
    )
    assert raw(em, head.encode() + bytes(500_000)) == b""
    deadline = time.monotonic() + 30
    while list((tmp_path / "data" / "incoming").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list((tmp_path / "data" / "incoming").iterdir()) == []
    assert wire.ok("b2_list_file_versions", bucketId=wire.bucket_id("acme-staff"))["files"] == []


def test_five_hundred_connections(em: Emulator) -> None:
    """All open at once, all slow, and the next client is served at once."""
    parts = urlsplit(em.url)
    opened = [socket.create_connection((parts.hostname, parts.port), timeout=5) for _ in range(500)]
    try:
        for sock in opened:
            sock.sendall(b"GET /file/acme-public/x HTTP/1.1\r\nHo")
        began = time.monotonic()
        assert Wire(em.url, em.key_id, em.key).call("b2_list_keys").status == 200
        assert time.monotonic() - began < 20
        for sock in opened:
            sock.sendall(b"st: x\r\n\r\n")
        assert all(sock.recv(12) == b"HTTP/1.1 404" for sock in opened)
    finally:
        for sock in opened:
            sock.close()


def test_random_bytes(em: Emulator) -> None:
    """Whatever comes, the emulator goes on."""
    dice = random.Random(3)
    for _ in range(50):
        raw(em, dice.choice([b"GET ", b"POST /b2api/v4/b2_list_keys HTTP/1.1\r\n", b""]) + os.urandom(300))
    assert Wire(em.url, em.key_id, em.key).call("b2_list_keys").status == 200
