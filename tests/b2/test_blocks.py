"""Bytes of bodies as they come: large blocks, no waiting for more, nobody else's bytes; in clear and by TLS."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from urllib3.util import wait_for_read

from b2router.b2 import blocks
from b2router.b2.download import Download, open_download
from b2router.b2.session import Session
from b2router.config import Limits
from b2router.errors import Unavailable
from tests.b2.test_deadlines import TIME_S, WINDOW_S, session_on
from tests.impostor import Impostor, InHalves, Reset, certificate, download_headers, header, login, proven_by

CONTENT = random.Random(7).randbytes(200_000)
CAME = 40_000
RECORD = 16 * 1024
"""The most that TLS puts into one."""


def logged_in(server: Impostor) -> Iterator[tuple[Impostor, Session]]:
    session = session_on(server.url)
    session.limits = Limits(read_timeout_s=TIME_S)
    server.script = lambda request: server.http(200, login(server))
    session.login()
    yield server, session
    session.close()
    server.close()


@pytest.fixture(params=["clear", "tls"])
def sent(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Impostor, Session]]:
    """A server that is logged in at, in clear and by TLS."""
    path = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    yield from logged_in(Impostor(tls=proven_by(path) if request.param == "tls" else None, pause_s=0))


@pytest.fixture
def halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Impostor, Session]]:
    """A server that is logged in at, and sends the last record of TLS by halves."""
    path = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    yield from logged_in(Impostor(tls=InHalves(proven_by(path)), pause_s=0))


class Pause:
    """In the middle of the body that the server sends from now on, until it is told to end.

    Args:
        server: that sends CONTENT.
        fields: further headers.
    """

    def __init__(self, server: Impostor, **fields: str) -> None:
        self.has_come, self.ends, self.is_over = Event(), Event(), Event()
        answer = server.http(200, CONTENT, **download_headers() | fields)
        self.head_bytes = len(answer) - len(CONTENT)

        def in_two(request: bytes) -> Iterator[bytes]:
            yield answer[: self.head_bytes + CAME]
            self.has_come.set()
            assert self.ends.wait(WINDOW_S)
            yield answer[self.head_bytes + CAME :]
            self.is_over.set()

        server.script = in_two


def test_a_block_is_all_that_has_come(sent: tuple[Impostor, Session]) -> None:
    """TLS gives out 16 KiB at a time, however much there is. What came with the head is put together with nothing."""
    server, session = sent
    pause = Pause(server)
    download = open_download(session, "acme-x", "k")
    assert pause.has_come.wait(WINDOW_S)
    came = [next(download), next(download)]
    with_head = len(came[0])
    assert with_head + pause.head_bytes <= 8 * 1024
    assert came == [CONTENT[:with_head], CONTENT[with_head:CAME]]
    pause.ends.set()
    assert b"".join([*came, *download]) == CONTENT


def test_what_has_come_is_not_lost_with_the_connection(sent: tuple[Impostor, Session]) -> None:
    """It is not asked for again."""
    (server, session), is_open = sent, Event()
    answer = server.http(200, CONTENT, **download_headers())
    head = len(answer) - len(CONTENT)

    def breaks_off(request: bytes) -> Iterator[bytes]:
        if first := header(request, "Range").removeprefix("bytes=").removesuffix(f"-{len(CONTENT) - 1}"):
            place = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
            yield server.http(206, CONTENT[int(first) :], Content_Range=place, **download_headers())
            return
        yield answer[: head + CAME]
        assert is_open.wait(WINDOW_S)
        raise Reset

    server.script = breaks_off
    download = open_download(session, "acme-x", "k")
    is_open.set()
    assert server.has_reset.wait(WINDOW_S)
    assert b"".join(download) == CONTENT
    assert server.asked(f"Range: bytes={CAME}-".encode()) == 1


def two_records(session: Session, pause: Pause) -> tuple[Download, list[bytes]]:
    """A download, and what it gives before a half record."""
    download = open_download(session, "acme-x", "k")
    came = [next(download)]
    while sum(map(len, came)) < 2 * RECORD - pause.head_bytes:
        came.append(next(download))
    return download, came


def test_a_block_waits_for_no_half_record(halved: tuple[Impostor, Session]) -> None:
    """TLS gives out whole records; one that stalls half way keeps back nothing that came before it."""
    server, session = halved
    pause = Pause(server)
    download, came = two_records(session, pause)
    assert b"".join(came) == CONTENT[: 2 * RECORD - pause.head_bytes]
    pause.ends.set()
    assert b"".join([*came, *download]) == CONTENT
    assert server.asked(b"Range: ") == 0


def test_blocks_that_are_read_by_turns_do_not_mix(sent: tuple[Impostor, Session]) -> None:
    """Green threads that were patched in after the import share what belongs to a thread; so does a signal handler."""
    server, session = sent
    others = bytes(reversed(CONTENT))
    server.script = lambda request: server.http(200, others if b"/other " in request else CONTENT, **download_headers())
    one, other = open_download(session, "acme-x", "k"), open_download(session, "acme-x", "other")
    read_other: list[bytes] = []

    def turn(*args: Any, **options: Any) -> bool:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(blocks, "wait_for_read", wait_for_read)
            read_other.extend(other)
        return wait_for_read(*args, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "wait_for_read", turn)
        assert b"".join(one) == CONTENT
    assert b"".join(read_other) == others


def test_what_has_come_is_at_hand(sent: tuple[Impostor, Session]) -> None:
    """And nothing else: whoever asks never waits, and never changes what comes."""
    server, session = sent
    pause = Pause(server)
    download = open_download(session, "acme-x", "k")
    assert not download.is_at_hand()  # before anybody has begun to read, the time is that of the head
    came = [next(download)]
    while sum(map(len, came)) < CAME:
        came.append(next(download))
    assert not download.is_at_hand()
    pause.ends.set()
    assert pause.is_over.wait(WINDOW_S)
    at_hand = 0
    while sum(map(len, came)) < len(CONTENT):
        at_hand += download.is_at_hand() and download.is_at_hand()
        came.append(next(download))
    assert at_hand
    assert not download.is_at_hand()
    assert b"".join([*came, *download]) == CONTENT
    download.close()
    assert not download.is_at_hand()


def test_half_a_record_is_not_at_hand(halved: tuple[Impostor, Session]) -> None:
    """Though the connection has something to read."""
    server, session = halved
    pause = Pause(server)
    download, came = two_records(session, pause)
    assert not download.is_at_hand()
    pause.ends.set()
    assert b"".join([*came, *download]) == CONTENT


def test_bytes_that_are_checked_are_never_at_hand(sent: tuple[Impostor, Session]) -> None:
    """To compute a SHA-1 takes longer than an event loop should wait."""
    server, session = sent
    pause = Pause(server, X_Bz_Content_Sha1=hashlib.sha1(CONTENT).hexdigest())
    download = open_download(session, "acme-x", "k")
    came = [next(download)]
    pause.ends.set()
    assert pause.is_over.wait(WINDOW_S)
    assert not download.is_at_hand()
    assert b"".join([*came, *download]) == CONTENT


def test_a_lent_block_is_nobody_elses_until_the_next(sent: tuple[Impostor, Session]) -> None:
    """Not when its download is closed meanwhile, either: others would see bytes that they may not read."""
    (server, session), others = sent, bytes(reversed(CONTENT))
    server.script = lambda request: server.http(200, others if b"/other " in request else CONTENT, **download_headers())
    one = open_download(session, "acme-x", "k")
    one.lends = True
    next(one)  # what came with the head is not lent
    lent: Any = next(one)
    seen = bytes(lent)
    assert isinstance(lent, memoryview)
    one.close()
    assert b"".join(open_download(session, "acme-x", "other")) == others
    assert bytes(lent) == seen
    with pytest.raises(TypeError):
        lent[0] = 0


@pytest.mark.parametrize("lends", [False, True])
def test_what_was_fetched_may_be_read_in_smaller_blocks(lends: bool, sent: tuple[Impostor, Session]) -> None:
    server, session = sent
    pause = Pause(server)
    download = open_download(session, "acme-x", "k")
    download.lends = lends
    came = b""
    while len(came) < CAME:
        came += bytes(next(download))
    pause.ends.set()
    assert pause.is_over.wait(WINDOW_S)
    assert download.is_at_hand()
    download.block_bytes = 7_000
    while len(came) < len(CONTENT):
        came += bytes(next(download))
    assert came == CONTENT
    assert server.asked(b"Range: ") == 0


def test_a_download_that_is_closed_meanwhile_gives_nothing_more(
    sent: tuple[Impostor, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may close it; what a closed connection by TLS still gives are records, as they came."""
    server, session = sent
    server.script = lambda request: server.http(200, CONTENT, **download_headers())
    download = open_download(session, "acme-x", "k")
    read_on = blocks.Wait.readinto_at_once

    def closed(wait: blocks.Wait, buffer: memoryview) -> int:
        download.close()
        return read_on(wait, buffer)

    next(download)
    monkeypatch.setattr(blocks.Wait, "readinto_at_once", closed)
    with pytest.raises(Unavailable):
        next(download)
    assert next(download, None) is None


def test_lent_blocks_are_the_whole_file(sent: tuple[Impostor, Session]) -> None:
    server, session = sent
    server.script = lambda request: server.http(200, CONTENT, **download_headers())
    downloads = [open_download(session, "acme-x", "k") for _ in range(3)]
    for download in downloads:
        download.lends = True
    came = [b"", b"", b""]
    while any(len(content) < len(CONTENT) for content in came):
        for number, download in enumerate(downloads):
            came[number] += bytes(next(download, b""))
    assert came == [CONTENT] * 3
