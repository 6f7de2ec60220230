"""Requests without a body, and what is made of their answers: as urllib3 and http.client do it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection, HTTPSConnection

from b2router.b2.deadlines import applied_to
from b2router.b2.heads import of_request
from tests.impostor import Impostor

AGENT = {"User-Agent": "b2router/1 (+https://example.org)"}
NAMES = ["Authorization", "Range", "X-Bz-Server-Side-Encryption-Customer-Key", "accept", "user-agent", "Host"]
EVIL = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r", "a\0", "a\x7f", "\xe9", "€", "a\tb"]
TARGETS = ["/", "/file/b/a%20b.txt", "/b2api/v4/b2_download_file_by_id?fileId=4_z", "/~(a)!$&'*+,;=:@"]
STRANGE_TARGETS = ["", "*", "file", "/a b", "/a\r\nX-Evil:1", "/a\x7f", "/\xe9", "http://other.example/a"]


class Recorder:
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        self.sent = b""

    def settimeout(self, timeout_s: float | None) -> None: ...

    def sendall(self, data: bytes) -> None:
        self.sent += data


def written(connection: HTTPConnection, method: str, target: str, fields: dict[str, str]) -> bytes:
    """What urllib3 would send."""
    recorder = Recorder()
    connection.sock = recorder  # type: ignore[assignment]
    connection.request(method, target, headers=fields)
    return recorder.sent


@given(
    st.sampled_from(["GET", "HEAD"]),
    st.sampled_from(TARGETS) | st.from_regex("/[!-~]{0,20}", fullmatch=True),
    st.dictionaries(
        st.sampled_from(NAMES[:4]), st.text(st.characters(min_codepoint=32, max_codepoint=126)), max_size=4
    ),
    st.booleans(),
)
def test_a_head_is_written_as_urllib3_writes_it(
    method: str, target: str, fields: dict[str, str], is_agent_first: bool
) -> None:
    fields = {**AGENT, **fields} if is_agent_first else {**fields, **AGENT}
    assert of_request(method, target, "f001.example:8443", fields) == written(
        HTTPConnection("f001.example", 8443), method, target, fields
    )


@given(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE", "get", "GET\r\n"]),
    st.sampled_from([*TARGETS, *STRANGE_TARGETS]),
    st.dictionaries(
        st.sampled_from([*NAMES, *EVIL, "", "a b", "a:b", "Content-Length", "Accept-Encoding"]),
        st.sampled_from(["", "x", " ", *EVIL]),
        max_size=4,
    ),
)
def test_what_is_written_at_all_is_what_urllib3_writes(method: str, target: str, fields: dict[str, str]) -> None:
    """Whatever is not quite usual is left to it, which refuses what would split a request."""
    head = of_request(method, target, "f001.example", fields)
    if head is None:
        return
    assert b"evil" not in head.lower()
    assert head == written(HTTPSConnection("f001.example", 443), method, target, fields)


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("place", ["name", "value", "target", "host"])
def test_nothing_splits_a_request(place: str, value: str) -> None:
    fields = AGENT | {"name": {value: "x"}, "value": {"X-A": value}}.get(place, {})
    target = f"/{value}" if place == "target" else "/"
    assert of_request("GET", target, value if place == "host" else "f001.example", fields) is None


@pytest.mark.parametrize("field", ["Host", "accept-encoding", "Content-Length", "transfer-encoding"])
def test_a_field_that_is_written_anyhow_is_left_to_urllib3(field: str) -> None:
    assert of_request("GET", "/", "f001.example", AGENT | {field: "x"}) is None
    assert of_request("GET", "/", "f001.example", {}) is None


@pytest.fixture
def server() -> Iterator[Impostor]:
    running = Impostor()
    yield running
    running.close()


def without_http_client(*_: Any, **__: Any) -> None:
    raise AssertionError("http.client was to write a usual head")


def facts(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    names = ["status", "version", "version_string", "reason", "url", "length_remaining"]
    found = {name: getattr(response, name) for name in names}
    connection = response.connection
    body = response.read()
    return found | {
        "fields": list(response.headers.items()),
        "class": type(response),
        "keeps": connection is not None and not connection.is_closed,
        "body": body,
        "left": response.length_remaining,
    }


ANSWERS = [
    pytest.param(Impostor.http(200, b"body", ETag='"a"', X_A="1"), id="body"),
    pytest.param(Impostor.http(200, b"body", Connection=None), id="kept"),
    pytest.param(Impostor.http(206, b"body", Content_Range="bytes 0-3/9"), id="range"),
    pytest.param(Impostor.http(404, b"{}", Content_Type="application/json"), id="error"),
    pytest.param(Impostor.http(204, Content_Length=None), id="nothing"),
    pytest.param(b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", id="chunks"),
    pytest.param(b"HTTP/1.0 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nbody", id="to the end"),
]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_is_what_urllib3_makes_of_it(
    method: str, answer: bytes, server: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = lambda _: answer
    ask = {"headers": AGENT | {"Range": "bytes=0-3"}, "preload_content": False, "retries": False, "redirect": False}
    with urllib3.PoolManager() as plain, applied_to(urllib3.PoolManager()) as ours:
        expected = facts(plain.urlopen(method, f"{server.url}/a%20b", **ask))
        monkeypatch.setattr(http.client.HTTPConnection, "putrequest", without_http_client)
        assert facts(ours.urlopen(method, f"{server.url}/a%20b", **ask)) == expected
    assert server.requests[0] == server.requests[1]


def test_a_body_is_decoded_and_read_as_asked(server: Impostor) -> None:
    server.script = lambda _: server.http(200, b"a" * 10, Content_Encoding="gzip")
    with applied_to(urllib3.PoolManager(headers=AGENT)) as ours:
        raw = ours.urlopen("GET", f"{server.url}/", decode_content=False)
        assert raw.data == b"a" * 10
        with pytest.raises(urllib3.exceptions.DecodeError):
            ours.urlopen("GET", f"{server.url}/", retries=False)


def test_a_body_that_breaks_off_is_an_error(server: Impostor) -> None:
    server.script = lambda _: server.http(200, b"aaa", Content_Length="10")
    with applied_to(urllib3.PoolManager(headers=AGENT)) as ours:
        for preload in (True, False):
            with pytest.raises(urllib3.exceptions.ProtocolError):
                _ = ours.urlopen("GET", f"{server.url}/", retries=False, preload_content=preload).data


def test_a_strange_request_goes_by_urllib3(server: Impostor) -> None:
    server.script = lambda _: server.http(200, b"body")
    with applied_to(urllib3.PoolManager()) as ours:
        with pytest.raises(ValueError, match="header"):
            ours.urlopen("GET", f"{server.url}/", headers=AGENT | {"X-A": "a\r\nX-Evil: 1"}, retries=False)
        assert ours.urlopen("GET", f"{server.url}/", headers=AGENT | {"Host": "other.example"}).data == b"body"
        assert ours.urlopen("POST", f"{server.url}/", body=b"sent", headers=AGENT).data == b"body"
        assert ours.urlopen("GET", f"{server.url}/", headers=AGENT).data == b"body"
    assert not server.asked(b"Evil")
    assert server.asked(b"Host: other.example\r\n") == server.asked(b"\r\n\r\nsent") == 1


def test_what_could_not_be_sent_is_forgotten(server: Impostor) -> None:
    class Broken(Recorder):
        def sendall(self, data: bytes) -> None:
            raise BrokenPipeError

    server.script = lambda _: server.http(200, b"body")
    with applied_to(urllib3.PoolManager()) as ours:
        connection: Any = ours.connection_from_url(server.url)._new_conn()  # type: ignore[attr-defined]
        connection.sock = Broken()
        with pytest.raises(BrokenPipeError):
            connection.request("GET", "/", headers=AGENT)
        connection.sock = None
        connection.request("POST", "/sent", body=b"sent", headers=AGENT)
        assert connection.getresponse().url == "/sent"
        connection.close()


def test_what_is_no_answer_is_an_error_and_its_connection_is_closed(server: Impostor) -> None:
    with applied_to(urllib3.PoolManager(headers=AGENT)) as ours:
        server.script = lambda _: b"SSH-2.0-x\r\n\r\n"
        with pytest.raises(urllib3.exceptions.ProtocolError):
            ours.urlopen("GET", f"{server.url}/", retries=False)
        server.script = lambda _: b""
        with pytest.raises(urllib3.exceptions.ProtocolError):
            ours.urlopen("GET", f"{server.url}/", retries=False)
        server.script = lambda _: server.http(200, b"body")
        assert ours.urlopen("GET", f"{server.url}/", retries=False).data == b"body"
    assert server.connections == 3
