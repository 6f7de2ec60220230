"""Files through real servers, WSGI and ASGI: streamed both ways in constant memory, and honest when B2 breaks off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from uuid import uuid4

import pytest

from b2router.emulator import Emulator
from tests.conftest import BUCKETS
from tests.servers import Server, serving

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
SIZE = 96 * MiB
PATTERN = bytes(range(256)) * 4096  # 1 MiB that repeats, so that nobody holds the whole file


@pytest.fixture(scope="module")
def b2() -> Iterator[Emulator]:
    with Emulator(buckets=BUCKETS) as running:
        yield running


@pytest.fixture(scope="module", params=["gunicorn", "uvicorn", "uvicorn httptools"])
def server(request: pytest.FixtureRequest, b2: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    for module in request.param.split():
        pytest.importorskip(module)
    with serving(request.param, b2, tmp_path_factory.mktemp("server")) as running:
        assert running.get("/home/") == b"home"
        yield running


def upload(server: Server, size: int) -> str:
    """Send a file in pieces, as a browser does; gives its address."""
    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{uuid4().hex}.bin"\r\n\r\n'.encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    connection = server.connect()
    connection.putrequest("POST", "/upload/public/")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    connection.endheaders(head)
    for _ in range(size // MiB):
        connection.send(PATTERN)
    connection.send(PATTERN[: size % MiB] + tail)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, f"{text}\n{server.log.read_text()}"
    return text


@pytest.fixture(scope="module")
def big_file(server: Server) -> str:
    upload(server, 4 * MiB)  # warm: imports, login, buffers
    with server.growth() as grown:
        address = upload(server, SIZE)
    assert grown[0] < 48 * MiB
    return address


def test_a_large_file_goes_up_and_comes_down_in_constant_memory(server: Server, big_file: str) -> None:
    """The upload's own bound is checked where it is made."""
    server.get(upload(server, 2 * MiB))
    digest = hashlib.sha256()
    with server.growth() as grown:
        connection = server.connect()
        connection.request("GET", big_file)
        answer = connection.getresponse()
        assert answer.headers["Content-Length"] == str(SIZE)
        while block := answer.read(MiB):
            digest.update(block)
        connection.close()
    assert digest.hexdigest() == hashlib.sha256(PATTERN * (SIZE // MiB)).hexdigest()
    assert grown[0] < 24 * MiB


def test_the_first_bytes_come_before_the_last_were_sent(server: Server, b2: Emulator, big_file: str) -> None:
    """B2 stalls in the middle; what it sent so far is there already."""
    b2.fail("download", stall_at=MiB)
    connection = server.connect()
    connection.request("GET", big_file)
    answer = connection.getresponse()
    began = time.monotonic()
    assert answer.read(1000) == PATTERN[:1000]
    assert time.monotonic() - began < 15  # B2 is given 30 seconds to go on
    connection.close()


def test_a_body_that_b2_cuts_once_is_whole(server: Server, b2: Emulator, big_file: str) -> None:
    b2.fail("download", cut_at=5 * MiB)
    assert hashlib.sha256(server.get(big_file)).digest() == hashlib.sha256(PATTERN * (SIZE // MiB)).digest()


def test_a_body_that_b2_keeps_cutting_is_a_visible_break(server: Server, b2: Emulator, big_file: str) -> None:
    """Content-Length was promised, fewer bytes come, and the connection ends: no client takes that for complete."""
    b2.fail("download", cut_at=5 * MiB, times=5)
    connection = server.connect()
    connection.request("GET", big_file)
    with pytest.raises((IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    connection.close()


def test_a_head_request_and_a_denial_have_no_body(server: Server, b2: Emulator, big_file: str) -> None:
    """And cost nothing: what was just read is known."""
    connection = server.connect()
    connection.request("GET", big_file, headers={"Range": "bytes=0-0"})
    assert connection.getresponse().read() == PATTERN[:1]  # what is known about the file is fresh
    b2.reset_counts()
    connection.request("HEAD", big_file)
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.headers["Content-Length"]) == (200, b"", str(SIZE))
    connection.request("GET", "/b2s/x.txt", headers={"Accept": "application/json"})
    denied = connection.getresponse()
    assert (denied.status, denied.read()) == (403, b"You may not read this file.\n")
    connection.close()
    assert b2.calls() == {}


def test_a_kept_connection_stays_usable(server: Server, big_file: str) -> None:
    """Every status is framed right: the answer that follows on the connection is that of its own request."""
    address = upload(server, MiB)
    logged = len(server.log.read_text())
    connection = server.connect()
    connection.request("HEAD", address)
    head = connection.getresponse()
    etag = head.headers["ETag"]
    assert head.read() == b""
    for headers, status, length in [
        ({"If-None-Match": etag}, 304, 0),
        ({"If-Match": '"x"'}, 412, None),
        ({"Range": "bytes=0-9"}, 206, 10),
        ({"Range": "bytes=99999999-"}, 416, None),
        ({}, 200, MiB),
        ({"If-None-Match": etag}, 304, 0),
        ({"Range": "bytes=-5"}, 206, 5),
    ]:
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
        assert length is None or len(body) == length
    connection.close()
    assert "Traceback" not in server.log.read_text()[logged:]


def test_the_log_of_the_server_holds_no_key(server: Server, b2: Emulator, big_file: str) -> None:
    assert b2.key not in Path(server.log).read_text()
