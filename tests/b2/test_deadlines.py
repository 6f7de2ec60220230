"""No wait lasts longer than it may: against hosts that drop, dribble and stall, over real sockets."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from b2router.b2 import budget, deadlines, objects
from b2router.b2.budget import Budget
from b2router.b2.download import open_download, stat
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.config import Account, Limits
from b2router.errors import Unavailable
from tests.impostor import Impostor, download_headers, login

getaddrinfo = socket.getaddrinfo

TIME_S = 0.6
"""What each call here may take; each of these servers would take ten times as long."""

WINDOW_S = 5.0
"""When it is certain that the time was not kept."""


@pytest.fixture
def server() -> Iterator[Impostor]:
    running = Impostor()
    yield running
    running.close()


def session_on(address: str) -> Session:
    values = {"application_key_id": "id", "application_key": "canary-key", "realm": address}
    return Session(Account.model_validate(values))


@pytest.fixture
def session(server: Impostor) -> Iterator[Session]:
    """Logged in at the server, which is then free to do what it wants."""
    opened = session_on(server.url)
    bound = {"buckets": [{"id": "b", "name": "acme-x"}], "capabilities": ["listFiles"], "namePrefix": None}
    server.script = lambda request: server.http(200, login(server, allowed=bound))
    opened.login()
    server.requests.clear()
    yield opened
    opened.close()


def byte_by_byte(answer: bytes, at_once: int = 0) -> Iterator[bytes]:
    """So many bytes at once, and the rest one by one."""
    yield answer[:at_once]
    for place in range(at_once, len(answer)):
        yield answer[place : place + 1]


def ended_in_time(call: Callable[[], Any]) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable), budget.limited(Budget(seconds=TIME_S)):
        call()
    assert time.monotonic() - began < WINDOW_S


DRIBBLES = [
    pytest.param(200, 0, id="head of an answer"),
    pytest.param(200, 16, id="head after its first line"),
    pytest.param(503, 90, id="body of an error"),
    pytest.param(401, 90, id="body of a refusal"),
]


@pytest.mark.parametrize(("status", "at_once"), DRIBBLES)
def test_a_download_that_dribbles_in_ends_by_the_deadline(
    status: int, at_once: int, server: Impostor, session: Session
) -> None:
    """Each byte comes well within the timeout of a read."""
    page = server.http(status, b"." * 500, X_Padding="." * 60)
    server.script = lambda request: byte_by_byte(page, at_once)
    ended_in_time(lambda: open_download(session, "acme-x", "k"))


def test_facts_that_dribble_in_end_by_the_deadline(server: Impostor, session: Session) -> None:
    server.script = lambda request: byte_by_byte(server.http(200, **download_headers()))
    ended_in_time(lambda: stat(session, "acme-x", "k"))


@pytest.mark.parametrize(("status", "at_once"), [*DRIBBLES, pytest.param(200, 130, id="body of an answer")])
def test_what_b2sdk_asks_ends_by_the_deadline(status: int, at_once: int, server: Impostor, session: Session) -> None:
    page = server.http(status, json.dumps({"files": ["." * 500]}).encode(), X_Padding="." * 60)
    server.script = lambda request: byte_by_byte(page, at_once)
    ended_in_time(lambda: objects.list_folder(session, "acme-x", ""))


def test_a_login_that_dribbles_in_ends_by_the_deadline_of_its_caller(server: Impostor) -> None:
    """Otherwise a call that had used up its time would have that of a login on top."""
    server.script = lambda request: byte_by_byte(server.http(200, login(server)))
    session = session_on(server.url)
    ended_in_time(session.login)
    session.close()


def test_a_body_may_take_its_time_as_long_as_it_gets_on(server: Impostor, session: Session) -> None:
    """The budget is for the first byte."""
    answer = server.http(200, b"0123456789", **download_headers())
    server.script = lambda request: byte_by_byte(answer, len(answer) - 10)
    with budget.limited(Budget(seconds=TIME_S)):
        download = open_download(session, "acme-x", "k")
    assert b"".join(download) == b"0123456789"


def test_a_body_that_stops_getting_on_is_given_up(server: Impostor, session: Session) -> None:
    session.limits = Limits(read_timeout_s=0.2)
    answer = server.http(200, b"0123456789", **download_headers())

    def stall(request: bytes) -> Iterator[bytes]:
        yield answer[:-5] if b"Range" not in request else b""
        time.sleep(1)

    server.script = stall
    download = open_download(session, "acme-x", "k")
    with pytest.raises(Unavailable):
        list(download)


# Kept connections

CLOSED = {"Connection": None}
"""Of an answer whose connection is closed, though nothing in it says so."""


@pytest.mark.parametrize("fresh_s", [0.0, WINDOW_S], ids=["asked", "not asked"])
def test_a_connection_that_was_closed_meanwhile_loses_nothing(
    fresh_s: float, server: Impostor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "FRESH_S", fresh_s)
    monkeypatch.setattr(deadlines, "_trust", deadlines._Trust())
    monkeypatch.setattr(Budget, "pause", lambda *given: pytest.fail("nothing is wrong with B2"))
    session.limits = Limits()
    server.script = lambda request: server.http(200, b"abc", **download_headers() | CLOSED)
    assert [b"".join(open_download(session, "acme-x", "k")) for _ in range(3)] == [b"abc"] * 3
    assert server.asked(b"GET /file/acme-x/k ") == 3


# Hosts that take no connection

ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


@pytest.fixture
def black_hole(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port on several addresses where every SYN is dropped, because the queue of each is full."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server((ADDRESSES[0], 0), backlog=0))
        port = int(first.getsockname()[1])
        for address in ADDRESSES[1:]:
            stack.enter_context(socket.create_server((address, port), backlog=0))
        for address in ADDRESSES:
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((address, port))
        resolve_to(ADDRESSES, monkeypatch)
        yield port


def resolve_to(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, *args: Any, **options: Any) -> Any:
        return [
            entry for address in addresses for entry in getaddrinfo(address, port, socket.AF_INET, socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_all_addresses_of_a_black_hole_share_one_timeout(black_hole: int) -> None:
    session = session_on(f"http://127.0.0.1:{black_hole}")
    ended_in_time(session.login)
    session.close()


def test_downloads_share_it_too(session: Session, black_hole: int) -> None:
    session.login().host = session._pool.connection_from_url(f"http://127.0.0.1:{black_hole}")
    ended_in_time(lambda: open_download(session, "acme-x", "k"))


def test_an_address_behind_black_holes_is_reached(black_hole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No address takes the time of those that come after it."""
    answering = socket.create_server(("127.0.0.9", black_hole))
    resolve_to([*ADDRESSES, "127.0.0.9"], monkeypatch)
    server = Impostor(listener=answering)
    server.script = lambda request: server.http(200, login(server))
    session = session_on(f"http://127.0.0.1:{black_hole}")
    session.limits = Limits(connect_timeout_s=2.0)
    assert session.login().token
    session.close()
    server.close()
    assert len(server.requests) == 1


def test_a_name_that_nobody_knows_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    session = session_on("http://localhost:1")
    with pytest.raises(Unavailable), budget.limited(Budget(seconds=TIME_S)):
        session.login()
    session.close()


def test_a_handshake_that_dribbles_in_ends_by_the_deadline(server: Impostor) -> None:
    """A record of TLS is announced, and comes byte by byte."""
    server.script = lambda request: byte_by_byte(b"\x16\x03\x03\x40\x00" + bytes(500))
    session = session_on(server.url.replace("http:", "https:"))
    ended_in_time(session.login)
    session.close()


# Uploads

LOCKS = {name: {"isClientAuthorizedToRead": False, "value": None} for name in ("fileRetention", "legalHold")}


def test_an_upload_may_pause_for_longer_than_a_connection_may_take(server: Impostor, session: Session) -> None:
    """A slow way takes what it is given in gulps."""
    session.limits = Limits(connect_timeout_s=0.3)
    content = bytes(6 * 1024 * 1024)
    server.rest_after_s = 1.0

    def script(request: bytes) -> bytes:
        if b"b2_get_upload_url" in request:
            answer: dict[str, Any] = {"bucketId": "b", "uploadUrl": f"{server.url}/up", "authorizationToken": "t"}
        else:
            answer = {
                "fileId": "4_z",
                "fileName": "k",
                "contentSha1": hashlib.sha1(content).hexdigest(),
                "uploadTimestamp": 1,
            }
            answer |= {"action": "upload", "contentLength": len(content), "contentType": "a/b", "fileInfo": {}} | LOCKS
            answer |= {"accountId": "a", "bucketId": "b", "serverSideEncryption": {"mode": None}}
        return server.http(200, json.dumps(answer).encode())

    server.script = script
    objects.upload(session, "acme-x", "k", io.BytesIO(content), UploadOptions("a/b"), size_bytes=1)
    assert server.asked(b"POST /up") == 1
