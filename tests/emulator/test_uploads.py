"""Single uploads: the three SHA-1 modes, names, file info, limits, tokens."""

from __future__ import annotations

import hashlib
import socket
from urllib.parse import urlsplit

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire

CONTENT = b"hello world"
SHA1 = hashlib.sha1(CONTENT).hexdigest()


@pytest.fixture
def staff(wire: Wire) -> str:
    return wire.bucket_id("acme-staff")


def test_answer_of_an_upload(wire: Wire, staff: str) -> None:
    """All fields that b2sdk's FileVersion is made of."""
    made = wire.upload(staff, "a.txt", CONTENT, X_Bz_Info_Color="blue").json
    assert (made["action"], made["fileName"], made["contentLength"]) == ("upload", "a.txt", 11)
    assert (made["contentSha1"], made["contentMd5"]) == (SHA1, hashlib.md5(CONTENT).hexdigest())
    assert (made["fileInfo"], made["contentType"]) == ({"color": "blue"}, "text/plain")
    assert made["fileRetention"] == {
        "isClientAuthorizedToRead": True,
        "value": {"mode": None, "retainUntilTimestamp": None},
    }
    assert made["legalHold"] == {"isClientAuthorizedToRead": True, "value": None}
    assert made["fileId"].startswith(f"4_z{staff}_f1")


def test_sha1_at_the_end_of_the_body(wire: Wire, staff: str) -> None:
    """hex_digits_at_end: 40 digits after the content, counted in Content-Length."""
    path, token = _upload_target(wire, staff)
    headers = {
        "Authorization": token,
        "X-Bz-File-Name": "a",
        "Content-Type": "b2/x-auto",
        "X-Bz-Content-Sha1": "hex_digits_at_end",
    }
    made = wire.send("POST", path, headers, CONTENT + SHA1.encode()).json
    assert (made["contentLength"], made["contentSha1"]) == (11, SHA1)
    assert wire.send("POST", path, headers, CONTENT + b"0" * 40).error == (400, "bad_request")
    assert wire.send("POST", path, headers, b"short").error == (400, "bad_request")


def test_unverified_sha1_is_marked(wire: Wire, staff: str) -> None:
    """do_not_verify is stored as unverified:<hex>."""
    made = wire.upload(staff, "a", CONTENT, X_Bz_Content_Sha1="do_not_verify").json
    assert made["contentSha1"] == f"unverified:{SHA1}"
    assert wire.get("acme-staff", "a").headers["x-bz-content-sha1"] == f"unverified:{SHA1}"


def test_wrong_sha1_stores_nothing(wire: Wire, staff: str) -> None:
    """The message is the recorded one."""
    reply = wire.upload(staff, "a", CONTENT, X_Bz_Content_Sha1="0" * 40)
    assert (reply.error, reply.json["message"]) == ((400, "bad_request"), "Sha1 did not match data received")
    assert wire.ok("b2_list_file_versions", bucketId=staff)["files"] == []


@pytest.mark.parametrize("name", ["a b", "ü/é.txt", "a+b%20c", "x" * 1024, "../up", "/lead", "a//b", "dot/./x", "🙂"])
def test_names_come_back_as_sent(wire: Wire, staff: str, name: str) -> None:
    """The service takes what b2sdk would refuse in the client; S3 and rclone make such names."""
    made = wire.upload(staff, name).json
    assert made["fileName"] == name
    assert wire.get("acme-staff", name).body == b"0123456789"
    assert wire.ok("b2_list_file_names", bucketId=staff)["files"][0]["fileName"] == name


@pytest.mark.parametrize("encoded", ["", "%", "%zz", "a b", "%00", "%0A", "%7F", "%FF", "x" * 1025, "é"])
def test_bad_names_are_refused(wire: Wire, staff: str, encoded: str) -> None:
    """Bad escapes, control characters, DEL, bytes that are not UTF-8, over 1024 bytes."""
    assert wire.upload(staff, "x", X_Bz_File_Name=encoded).error == (400, "bad_request")


def test_plus_in_a_header_is_a_space(wire: Wire, staff: str) -> None:
    """Backblaze docs, "String encoding": plus means space, plus itself is %2B."""
    assert wire.upload(staff, "x", X_Bz_File_Name="a+b%2Bc").json["fileName"] == "a b+c"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Bz_Info_" + "k" * 51: "v"},
        {"X_Bz_Info_b2_secret": "v"},
        {"X_Bz_Info_b2_cache_control": "a%0D%0AX-Injected:%201"},
        {"Content_Disposition": "inline"},
        {"X_Bz_Info_big": "v" * 7000},
        {"X_Bz_Content_Sha1": "xyz"},
        {"X_Bz_Custom_Upload_Timestamp": "tomorrow"},
        {"Content_Type": ""},
        {"X_Bz_Server_Side_Encryption": "ROT13"},
    ],
)
def test_bad_headers_are_refused(wire: Wire, staff: str, headers: dict[str, str]) -> None:
    """400 bad_request, and the connection goes on: the body was read away."""
    assert wire.upload(staff, "a", **headers).error == (400, "bad_request")
    assert wire.upload(staff, "b").status == 200


def test_type_is_guessed_from_the_name(wire: Wire, staff: str) -> None:
    """b2/x-auto."""
    types = [wire.upload(staff, name, Content_Type="b2/x-auto").json["contentType"] for name in ("a.jpg", "b.zzz")]
    assert types == ["image/jpeg", "application/octet-stream"]


def test_two_uploads_in_one_millisecond_have_an_order(wire: Wire, staff: str) -> None:
    """The later one is the newest, even with the same timestamp."""
    for content in (b"one", b"two", b"three"):
        wire.upload(staff, "a", content, X_Bz_Custom_Upload_Timestamp="1700000000000")
    assert wire.get("acme-staff", "a").body == b"three"
    sizes = [entry["contentLength"] for entry in wire.ok("b2_list_file_versions", bucketId=staff)["files"]]
    assert sizes == [5, 3, 3]


def test_upload_token_is_for_its_bucket(wire: Wire, staff: str) -> None:
    """The pair of address and token belongs together."""
    path, _ = _upload_target(wire, staff)
    _, other = _upload_target(wire, wire.bucket_id("acme-public"))
    headers = {"Authorization": other, "X-Bz-File-Name": "a", "X-Bz-Content-Sha1": "do_not_verify"}
    assert wire.send("POST", path, headers, b"x").error == (401, "bad_auth_token")
    assert wire.send("POST", path, headers | {"Authorization": wire.token}, b"x").error == (401, "bad_auth_token")


def test_one_upload_at_a_time_on_a_token(em: Emulator, wire: Wire, staff: str) -> None:
    """auth_token_limit, in the words that b2sdk takes the token out of."""
    path, token = _upload_target(wire, staff)
    headers = {
        "Authorization": token,
        "X-Bz-File-Name": "a",
        "Content-Type": "text/plain",
        "X-Bz-Content-Sha1": "do_not_verify",
    }
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    with socket.create_connection((urlsplit(em.url).hostname, urlsplit(em.url).port), timeout=5) as slow:
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 100 ")  # its content is being read now
        reply = wire.send("POST", path, headers, b"x")
        assert reply.error == (400, "auth_token_limit")
        assert reply.json["message"] == f"more than one upload using auth token {token}"
        slow.sendall(b"abcd")
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
    assert wire.send("POST", path, headers, b"x").status == 200


def test_chunked_upload_is_refused(wire: Wire, staff: str) -> None:
    """Content-Length is required."""
    path, token = _upload_target(wire, staff)
    wire._connection.putrequest("POST", path)
    for name, value in {"Authorization": token, "Transfer-Encoding": "chunked"}.items():
        wire._connection.putheader(name, value)
    wire._connection.endheaders(b"1\r\nx\r\n0\r\n\r\n")
    assert wire._connection.getresponse().status == 411


def test_expect_continue_is_answered(em: Emulator, wire: Wire, staff: str) -> None:
    """curl and rclone wait for 100 before a large body; a refusal comes without it."""
    path, token = _upload_target(wire, staff)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {{}}\r\nX-Bz-File-Name: a\r\nContent-Type: text/plain\r\n"
        "X-Bz-Content-Sha1: do_not_verify\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    )
    address = (urlsplit(em.url).hostname, urlsplit(em.url).port)
    with socket.create_connection(address, timeout=5) as sock:
        sock.sendall(head.format(token).encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"abc")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(address, timeout=5) as sock:
        sock.sendall(head.format("wrong").encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 401 ")


def _upload_target(wire: Wire, bucket_id: str) -> tuple[str, str]:
    target = wire.ok("b2_get_upload_url", bucketId=bucket_id)
    return urlsplit(target["uploadUrl"]).path, target["authorizationToken"]
