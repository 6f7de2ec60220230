"""What visitors get when B2 fails: the file late, or a status that tells them nothing about B2; over real sockets."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import Client

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from tests.conftest import Configure
from tests.faults.rows import CAPS, LASTING, PASSING, WAITS
from tests.impostor import Impostor, certificate, download_headers, login, proven_by

pytestmark = pytest.mark.django_db

SMALL, LARGE = b"hello", bytes(range(256)) * 4000

FIXED = {
    404: b"There is no such file.\n",
    416: b"The file has no byte of this range.\n",
    502: b"The file store gave an answer that makes no sense.\n",
    503: b"The file store cannot be reached right now. Please try again later.\n",
}

METHODS = pytest.mark.parametrize(("method", "operation"), [("GET", "download"), ("HEAD", "head")])


@pytest.fixture
def visitor(forgetful: None, emulator: Emulator, pauses: list[float]) -> Client:
    for name, content in {"a.txt": SMALL, "big.bin": LARGE}.items():
        get_storage("public").save(name, ContentFile(content))
    emulator.reset_counts()
    return Client()


def answered(answer: Any, status: int, method: str = "GET") -> None:
    """An error answer says nothing but its own text, and is not kept for long."""
    assert answer.status_code == status
    assert answer.content == (FIXED[status] if method == "GET" else b"")
    assert answer["Cache-Control"] == "no-store"
    assert not {"WWW-Authenticate", "X-Bz-File-Id"} & set(answer.headers)


def stream_of(answer: Any) -> Iterator[bytes]:
    return iter(answer.streaming_content)


def whole(answer: Any) -> bytes:
    try:
        return b"".join(answer.streaming_content) if answer.streaming else answer.content
    finally:
        answer.close()


@METHODS
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_not_noticed(
    method: str, operation: str, fault: dict[str, Any], visitor: Client, emulator: Emulator, pauses: list[float]
) -> None:
    emulator.fail(operation, **fault)
    answer = visitor.generic(method, "/b2/a.txt")
    assert (answer.status_code, answer["Content-Length"]) == (200, "5")
    assert len(emulator.faults_met()) == 1
    assert all(pause <= 2 for pause in pauses)


@METHODS
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 408}, {"status": 429}, {"reset": True}], ids=str)
def test_what_lasts_is_503_after_three_tries(
    method: str, operation: str, fault: dict[str, Any], visitor: Client, emulator: Emulator
) -> None:
    emulator.fail(operation, times=LASTING, **fault)
    answer = visitor.generic(method, "/b2/a.txt")
    answered(answer, 503, method)
    assert int(answer["Retry-After"]) > 0
    assert 1 < emulator.calls()[operation] <= 3


@METHODS
@pytest.mark.parametrize("fault", WAITS.values(), ids=WAITS.keys())
def test_a_wait_that_does_not_fit_is_the_visitors(
    method: str, operation: str, fault: dict[str, Any], visitor: Client, emulator: Emulator, pauses: list[float]
) -> None:
    emulator.fail(operation, times=LASTING, **fault)
    answer = visitor.generic(method, "/b2/a.txt")
    answered(answer, 503, method)
    assert (answer["Retry-After"], emulator.calls(), pauses) == ("77", {operation: 1}, [])


@METHODS
@pytest.mark.parametrize("code", CAPS)
def test_a_cap_is_503_without_another_try(
    method: str, operation: str, code: str, visitor: Client, emulator: Emulator
) -> None:
    emulator.fail(operation, status=403, code=code, times=LASTING)
    answered(visitor.generic(method, "/b2/a.txt"), 503, method)
    assert emulator.calls()[operation] == 1


@METHODS
def test_a_missing_right_is_the_sites_fault(method: str, operation: str, visitor: Client, emulator: Emulator) -> None:
    """401 or 403 would tell the visitor that he may not."""
    emulator.fail(operation, code="unauthorized", times=LASTING)
    answered(visitor.generic(method, "/b2/a.txt"), 503, method)


@METHODS
def test_a_token_that_expires_again_and_again_costs_one_login(
    method: str, operation: str, visitor: Client, emulator: Emulator
) -> None:
    emulator.fail(operation, code="expired_auth_token", times=LASTING)
    for _ in range(4):
        answered(visitor.generic(method, "/b2/a.txt"), 503, method)
    assert emulator.calls()["b2_authorize_account"] == 1


def test_a_revoked_key_is_one_login_and_one_line(
    visitor: Client, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.expire_tokens()
    emulator.fail("b2_authorize_account", code="bad_auth_token", times=LASTING)
    for _ in range(5):
        answered(visitor.get("/b2/a.txt"), 503)
    assert emulator.calls()["b2_authorize_account"] == 1
    lines = [record for record in caplog.records if record.name == "b2router.delivery"]
    assert len(lines) in (1, 2)  # another one when the minute changed
    assert lines[0].levelno == logging.ERROR
    assert emulator.key not in caplog.text


@METHODS
@pytest.mark.parametrize("way", ["missing", "hidden", "deleted"])
def test_what_is_gone_is_404(method: str, operation: str, way: str, visitor: Client, emulator: Emulator) -> None:
    if way == "hidden":
        get_storage("public").delete("a.txt")
    if way == "deleted":
        emulator.fail(operation, status=404, code="not_found")
    answered(visitor.generic(method, "/b2/gone.txt" if way == "missing" else "/b2/a.txt"), 404, method)


def test_a_range_that_b2_refuses_is_416_with_the_size_of_now(visitor: Client, emulator: Emulator) -> None:
    """The file was replaced by a shorter one since the visitor learned its length."""
    assert whole(visitor.get("/b2/big.bin", headers={"range": "bytes=500000-"})) == LARGE[500_000:]
    get_storage("public").delete("big.bin")
    get_storage("public").save("big.bin", ContentFile(SMALL))
    answer = visitor.get("/b2/big.bin", headers={"range": "bytes=500000-"})
    answered(answer, 416)
    assert answer["Content-Range"] == "bytes */5"


# Bodies


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("at", [0, 1, 65_536, 500_000, len(LARGE) - 1])
def test_a_body_that_breaks_off_is_resumed(at: int, reset: bool, visitor: Client, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=at, reset=reset)
    assert whole(visitor.get("/b2/big.bin")) == LARGE
    assert emulator.calls() == {"download": 2}


@pytest.mark.parametrize("at", [0, 1, 100_000])
def test_a_body_that_keeps_breaking_off_never_looks_complete(at: int, visitor: Client, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=at, times=LASTING)
    answer = visitor.get("/b2/big.bin")
    assert answer["Content-Length"] == str(len(LARGE))
    with pytest.raises(OSError, match="broke off"):
        whole(answer)
    assert emulator.calls()["download"] <= 5


@pytest.mark.parametrize("name", ["a.txt", "big.bin"])
@pytest.mark.parametrize("fault", [{"corrupt": True}, {"wrong_sha1": True}], ids=str)
def test_wrong_bytes_never_look_complete(
    name: str, fault: dict[str, Any], visitor: Client, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.fail("download", **fault)
    if name == "a.txt":
        answered(visitor.get("/b2/a.txt"), 502)
    else:
        got = []
        with pytest.raises(OSError, match="SHA-1"):
            for block in stream_of(visitor.get("/b2/big.bin")):
                got.append(block)
        assert sum(map(len, got)) < len(LARGE)
    assert "SHA-1" in caplog.text


def test_a_file_that_is_replaced_meanwhile_is_not_mixed(visitor: Client, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=500_000)
    blocks = stream_of(visitor.get("/b2/big.bin"))
    first = next(blocks)
    get_storage("public").delete("big.bin")
    get_storage("public").save("big.bin", ContentFile(LARGE[::-1]))
    assert first + b"".join(blocks) == LARGE


# What stands in B2's place

IMPOSTORS: dict[str, tuple[dict[str, Any], int]] = {
    "a portal's page": ({"status": 200, "body": b"<html>Log in"}, 502),
    "a portal's page without length": ({"status": 200, "body": b"<html>", "Content_Length": None}, 502),
    "a portal's 401": ({"status": 401, "body": b"<html>Log in"}, 502),
    "a proxy's 403": ({"status": 403, "body": b"<html>Blocked"}, 502),
    "a proxy's 404": ({"status": 404, "body": b"<html>Not found"}, 502),
    "a proxy's 400 in JSON": ({"status": 400, "body": b'{"error": "no"}'}, 502),
    "a gateway's 502": ({"status": 502, "body": b"<html>Bad gateway"}, 503),
    "a redirect": ({"status": 302, "Location": "http://203.0.113.1/steal"}, 502),
    "no content": ({"status": 204, "Content_Length": None}, 502),
    "not modified": ({"status": 304, "Content_Length": None}, 502),
    "no file id": ({"status": 200, "body": SMALL, **download_headers(X_Bz_File_Id=None)}, 502),
    "no upload time": ({"status": 200, "body": SMALL, **download_headers(X_Bz_Upload_Timestamp=None)}, 502),
    "an absurd upload time": ({"status": 200, **download_headers(X_Bz_Upload_Timestamp="9" * 40)}, 502),
    "no length": ({"status": 200, "body": SMALL, **download_headers(Content_Length=None)}, 502),
    "a negative length": ({"status": 200, "body": SMALL, **download_headers(Content_Length="-5")}, 502),
    "two lengths": ({"status": 200, "body": SMALL, **download_headers(Content_Length="5, 6")}, 502),
    "chunks": (
        {"status": 200, "body": b"5\r\nhello\r\n0\r\n\r\n", **download_headers(Transfer_Encoding="chunked")},
        502,
    ),
    "a part of the file": ({"status": 206, "body": SMALL, **download_headers(Content_Range="bytes 0-4/9")}, 502),
    "no HTTP": ({"raw": b"SSH-2.0-OpenSSH_9.2\r\n"}, 503),
    "nothing": ({"raw": b""}, 503),
}


@pytest.fixture
def impostor(forgetful: None, emulator: Emulator, settings: Any, pauses: list[float]) -> Iterator[Impostor]:
    server = Impostor()
    server.script = lambda request: server.http(200, login(server))
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "realm": server.url}
    yield server
    server.close()
    close_all()


def behaves(server: Impostor, raw: bytes | None = None, status: int = 200, body: bytes = b"", **headers: Any) -> None:
    """A login goes well, and everything else gets this answer."""

    def script(request: bytes) -> bytes:
        if b"b2_authorize_account" in request:
            return server.http(200, login(server))
        return raw if raw is not None else server.http(status, body, **headers)

    server.script = script


@pytest.mark.parametrize(("answer", "status"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
def test_what_does_not_speak_b2_is_never_relayed(answer: dict[str, Any], status: int, impostor: Impostor) -> None:
    behaves(impostor, **answer)
    answered(Client().get("/b2/a.txt"), status)
    assert impostor.asked(b"b2_authorize_account") == 1


@pytest.mark.parametrize(
    ("content_range", "body"),
    [
        pytest.param(None, b"0123456789", id="ignored"),
        pytest.param("bytes 0-3/10", b"0123", id="other bytes"),
        pytest.param("bytes 2-3/10", b"23", id="too short"),
        pytest.param("bytes 2-9/10", b"23456789", id="too long"),
        pytest.param("items 2-5/10", b"2345", id="another unit"),
        pytest.param("bytes x", b"2345", id="nonsense"),
    ],
)
def test_other_bytes_than_those_of_the_range_are_never_206(
    content_range: str | None, body: bytes, impostor: Impostor
) -> None:
    status = 200 if content_range is None else 206
    behaves(impostor, status=status, body=body, **download_headers(Content_Range=content_range))
    answered(Client().get("/b2/a.txt", headers={"range": "bytes=2-5"}), 502)


def test_what_mixes_up_a_range_once_gets_a_second_chance(impostor: Impostor) -> None:
    right = impostor.http(206, b"2345", **download_headers(Content_Range="bytes 2-5/10"))
    wrong = impostor.http(200, b"0123456789", **download_headers())
    answers = [impostor.http(200, login(impostor)), wrong, right]
    impostor.script = lambda request: answers.pop(0)
    answer = Client().get("/b2/a.txt", headers={"range": "bytes=2-5"})
    assert (answer.status_code, answer.content) == (206, b"2345")


@pytest.mark.parametrize("sha1", ["none", "unverified:" + "0" * 40, "", None])
def test_a_file_without_sha1_is_no_alarm(
    sha1: str | None, impostor: Impostor, caplog: pytest.LogCaptureFixture
) -> None:
    behaves(impostor, body=SMALL, **download_headers(X_Bz_Content_Sha1=sha1))
    answer = Client().get("/b2/a.txt")
    assert (answer.status_code, answer.content) == (200, SMALL)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING and "b2router" in record.name]


def test_headers_that_nobody_asked_for_go_nowhere(impostor: Impostor) -> None:
    strange = {"Set_Cookie": "a=b", "X_Bz_Anything": "x", "Strict_Transport_Security": "max-age=9", "Server": "x"}
    behaves(impostor, body=SMALL, **download_headers(**strange))
    answer = Client().get("/b2/a.txt")
    assert (answer.status_code, answer.content) == (200, SMALL)
    assert not {name.replace("_", "-") for name in strange} & set(answer.headers)
    assert not answer.cookies


# TLS


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return proven_by(certificate(tmp_path_factory.mktemp("tls")))


def test_a_host_that_cannot_prove_who_it_is_gets_nothing(
    self_signed: ssl.SSLContext, configure: Configure, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One try, and none in clear."""
    server = Impostor(tls=self_signed)
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "realm": server.url}
    answered(Client().get("/b2/a.txt"), 502)
    assert (server.connections, server.requests) == (1, [])
    assert "(UntrustedHost)" in caplog.text
    server.close()


def test_a_download_host_that_cannot_prove_who_it_is_gets_no_token(
    self_signed: ssl.SSLContext, impostor: Impostor
) -> None:
    other = Impostor(tls=self_signed)
    address = other.url.replace("localhost", "127.0.0.1")
    impostor.script = lambda request: impostor.http(200, login(impostor, downloadUrl=address))
    answered(Client().get("/b2/a.txt"), 502)
    assert (other.connections, other.requests) == (1, [])
    other.close()


# Start-up


def test_a_site_starts_without_b2_and_serves_when_it_is_back(
    configure: Configure, emulator: Emulator, settings: Any, pauses: list[float]
) -> None:
    get_storage("public").save("a.txt", ContentFile(SMALL))
    close_all()
    settings.DEBUG = True  # else a check refuses a realm on loopback
    there, settings.BACKBLAZE_CONFIG = (
        settings.BACKBLAZE_CONFIG,
        {
            **settings.BACKBLAZE_CONFIG,
            "realm": "http://127.0.0.1:1",
        },
    )
    emulator.reset_counts()
    call_command("check")
    call_command("migrate", verbosity=0)
    for _ in range(2):
        answer = Client().get("/b2/a.txt")
        answered(answer, 503)
        assert answer["Retry-After"]
    assert Client().get("/home/").status_code == 200
    assert emulator.calls() == {}
    settings.BACKBLAZE_CONFIG = there
    assert Client().get("/b2/a.txt").content == SMALL


def test_an_outage_ends_by_itself(visitor: Client, emulator: Emulator) -> None:
    close_all()
    emulator.fail("b2_authorize_account", status=503, times=3)
    emulator.fail("download", reset=True, times=3)
    codes = [visitor.get("/b2/a.txt").status_code for _ in range(4)]
    assert codes[-1] == 200
    assert set(codes) == {200, 503}
