"""Visitors who read slowly, leave early or want little, on one worker: whole answers, little memory, little of B2."""

from __future__ import annotations

import hashlib
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse

import pytest
from django.test import override_settings

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from tests.conftest import BUCKETS, PROFILES
from tests.servers import Server, serving

pytestmark = pytest.mark.slow

KiB, MiB = 1024, 1024 * 1024
READERS = 20
ALBUM_BYTES = 8 * MiB
FILM_BYTES = 256 * MiB
MIDDLE = FILM_BYTES // 2 + 7
PATTERN = bytes(range(256)) * 4096
STEP_BYTES = 192 * KiB
"""What a slow reader takes at a time, before it pauses."""

PAUSE_S = 0.02


@pytest.fixture(scope="module")
def b2() -> Iterator[Emulator]:
    """A B2 that holds a file for every reader, all of them different, and a large one."""
    with Emulator(buckets=BUCKETS) as running:
        config = {
            "application_key_id": running.key_id,
            "application_key": running.key,
            "realm": running.url,
            "profiles": PROFILES,
        }
        with override_settings(BACKBLAZE_CONFIG=config):
            for number in range(READERS):
                with get_storage("public").open(f"album-{number}.bin", "wb") as file:
                    file.write(album(number))
            with get_storage("public").open("film.bin", "wb") as file:
                for _ in range(FILM_BYTES // MiB):
                    file.write(PATTERN)
        close_all()
        yield running


def album(number: int) -> bytes:
    return bytes([number]) + (PATTERN * (ALBUM_BYTES // MiB))[1:]


@pytest.fixture(scope="module")
def served(b2: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Starts each server once: `served("uvicorn")`."""
    running: dict[str, tuple[Server, object]] = {}

    def of_kind(kind: str) -> Server:
        if kind not in running:
            context = serving(kind, b2, tmp_path_factory.mktemp("server"))
            server = context.__enter__()
            running[kind] = server, context
            assert server.get("/home/") == b"home"
            server.get("/b2/album-0.bin")  # warm: imports, login, buffers
        return running[kind][0]

    yield of_kind
    for _, context in running.values():
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


def visitor(server: Server, path: str, **headers: str) -> socket.socket:
    """A visitor behind a slow line who has asked for a file: packets as large as on Ethernet, and a small window, so
    that little of the file waits on the visitor's side."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KiB)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", server.port))
    lines = [f"GET {path} HTTP/1.1", "Host: site.example", *(f"{name}: {value}" for name, value in headers.items())]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    return sock


@dataclass
class Reader:
    """One slow visitor and what has come so far."""

    sock: socket.socket
    head: bytes = b""
    received: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def is_done(self) -> bool:
        return self.received == ALBUM_BYTES

    def take(self) -> None:
        """Read one step, and no more than is there."""
        block = self.sock.recv(STEP_BYTES)
        assert block, f"cut off after {self.received} bytes"
        if b"\r\n\r\n" not in self.head:
            self.head += block
            _, end, block = self.head.partition(b"\r\n\r\n")
            if not end:
                return
        self.received += len(block)
        self.digest.update(block)


def read_slowly(readers: list[Reader], between: Callable[[], None] = lambda: None) -> None:
    """Let all of them read to the end, step by step, with pauses; `between` runs once, after ten steps."""
    with selectors.DefaultSelector() as ready:
        for reader in readers:
            ready.register(reader.sock, selectors.EVENT_READ, reader)
        rounds, asked = 0, False
        while ready.get_map():
            for key, _ in ready.select(timeout=60):
                reader = key.data
                reader.take()
                if reader.is_done:
                    ready.unregister(reader.sock)
                    reader.sock.close()
            rounds += 1
            if rounds >= 10 and not asked:
                asked = True
                between()
            time.sleep(PAUSE_S)


@pytest.mark.parametrize("kind", ["gunicorn 32 threads", "uvicorn"])
def test_twenty_slow_visitors_at_once_leave_room_for_a_quick_one(
    served: Callable[[str], Server], b2: Emulator, kind: str
) -> None:
    """One worker. The quick visitor is answered, page and file, while every slow one is still in the middle."""
    server = served(kind)
    b2.reset_counts()
    readers = [Reader(visitor(server, f"/b2/album-{number}.bin")) for number in range(READERS)]
    seen: list[object] = []

    def quick() -> None:
        connection = server.connect()
        for path, headers in (("/home/", {}), ("/b2/album-3.bin", {"Range": "bytes=0-0"})):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            seen.append((answer.status, answer.read()))
        connection.close()
        seen.append([reader.is_done or not reader.head for reader in readers].count(True))

    with server.growth() as grown:
        read_slowly(readers, between=quick)
    assert seen == [(200, b"home"), (206, b"\x03"), 0]
    assert [reader.digest.digest() for reader in readers] == [
        hashlib.sha256(album(number)).digest() for number in range(READERS)
    ]
    assert b2.calls() == {"download": READERS + 1}
    assert grown[0] < 40 * MiB  # the files are 160 MiB


@pytest.mark.parametrize(("kind", "visitors"), [("gunicorn sync", 3), ("gunicorn", READERS)])
def test_slow_visitors_wait_for_a_thread_and_are_served_whole(
    served: Callable[[str], Server], b2: Emulator, kind: str, visitors: int
) -> None:
    """More visitors than threads: the others wait in the queue, and nobody gets half a file."""
    server = served(kind)
    b2.reset_counts()
    readers = [Reader(visitor(server, f"/b2/album-{number}.bin", Connection="close")) for number in range(visitors)]
    with server.growth() as grown:
        read_slowly(readers)
    assert [reader.digest.digest() for reader in readers] == [
        hashlib.sha256(album(number)).digest() for number in range(visitors)
    ]
    assert b2.calls() == {"download": visitors}
    assert grown[0] < 16 * MiB
    assert server.get("/home/") == b"home"


@pytest.mark.parametrize("kind", ["gunicorn sync", "gunicorn", "uvicorn"])
@pytest.mark.parametrize(
    ("dwell_s", "most_mib"),
    [
        pytest.param(0.0, 6, id="at once"),
        pytest.param(0.5, 12, id="after standing still, when the kernel has filled its buffers on both connections"),
    ],
)
def test_a_visitor_who_leaves_after_a_megabyte_stops_the_download(
    served: Callable[[str], Server], b2: Emulator, kind: str, dwell_s: float, most_mib: int
) -> None:
    """Whatever B2 sends is paid for. Beside what was read, only buffers were filled, and the end comes at once."""
    server = served(kind)
    b2.reset_counts()
    sock = visitor(server, "/b2/film.bin")
    answer = HTTPResponse(sock)
    answer.begin()
    assert answer.read(MiB) == PATTERN
    time.sleep(dwell_s)
    answer.close()
    sock.close()
    assert MiB <= sent_of(b2, within_s=1) <= most_mib * MiB


@pytest.mark.parametrize("kind", ["gunicorn sync", "gunicorn", "uvicorn"])
@pytest.mark.parametrize(
    ("wanted", "first", "size"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=-100", FILM_BYTES - 100, 100),
        (f"bytes={MIDDLE}-{MIDDLE}", MIDDLE, 1),
    ],
)
def test_a_small_part_of_a_large_file_pulls_that_part(
    served: Callable[[str], Server], b2: Emulator, kind: str, wanted: str, first: int, size: int
) -> None:
    server = served(kind)
    b2.reset_counts()
    connection = server.connect()
    connection.request("GET", "/b2/film.bin", headers={"Range": wanted})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert (answer.status, body) == (206, (PATTERN * 2)[first % MiB : first % MiB + size])
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + size - 1}/{FILM_BYTES}"
    assert (b2.calls(), b2.bytes_out()) == ({"download": 1}, size)


def sent_of(b2: Emulator, within_s: float) -> int:
    """What B2 sent for the only download, once its connection has ended."""
    deadline = time.monotonic() + within_s
    while b2.bytes_out() == FILM_BYTES and time.monotonic() < deadline:
        time.sleep(0.01)  # what is planned counts until the connection has ended
    assert b2.calls() == {"download": 1}
    return b2.bytes_out()
