"""Bytes from B2: one call, connections that are kept, deadlines that hold, and no wrong body."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import urllib3

from b2router.b2 import budget, deadlines, download_host, objects
from b2router.b2.download import BLOCK_BYTES, Download, open_download, stat
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.config import Limits
from b2router.emulator import Emulator
from b2router.errors import NotFound, RangeNotSatisfiable, Unavailable, UnexpectedAnswer

BUCKET = "acme-shared"
CONTENT = bytes(range(256)) * 2048  # 512 KiB


@pytest.fixture(autouse=True)
def _stored(session: Session, emulator: Emulator) -> None:
    for key, content in {"a.bin": CONTENT, "empty": b"", "one": b"1"}.items():
        objects.upload(session, BUCKET, key, io.BytesIO(content), UploadOptions("x/y"), size_bytes=len(content))
    emulator.reset_counts()


def connections(session: Session) -> int:
    """How many connections to the download host were opened so far."""
    return session.login().host.num_connections


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        pytest.param(None, CONTENT, id="whole"),
        pytest.param((0, 0), CONTENT[:1], id="first byte"),
        pytest.param((5, 9), CONTENT[5:10], id="inside"),
        pytest.param((len(CONTENT) - 1, None), CONTENT[-1:], id="last byte, open end"),
        pytest.param((10, 10**9), CONTENT[10:], id="past the end is shortened"),
        pytest.param((0, None), CONTENT, id="from the beginning: B2 answers 200"),
    ],
)
def test_a_span_is_given_whole(span: Any, expected: bytes, session: Session) -> None:
    download = open_download(session, BUCKET, "a.bin", span)
    assert b"".join(download) == expected
    assert download.size_bytes == len(expected)
    assert download.stored.size_bytes == len(CONTENT)


@pytest.mark.parametrize(("key", "span"), [("a.bin", (len(CONTENT), None)), ("empty", (0, None))])
def test_a_span_without_a_byte_is_an_error(key: str, span: Any, session: Session) -> None:
    with pytest.raises(RangeNotSatisfiable):
        open_download(session, BUCKET, key, span)


def test_no_block_is_larger_than_promised(session: Session) -> None:
    assert max(len(block) for block in open_download(session, BUCKET, "a.bin")) <= BLOCK_BYTES


def test_of_a_fresh_connection_the_system_is_not_asked_whether_it_is_open(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is a good part of what a small file costs. After an error it is asked, and when a moment has passed."""
    asked: list[str] = []
    is_connected: Any = urllib3.connection.HTTPConnection.is_connected

    def spied(connection: urllib3.connection.HTTPConnection) -> bool:
        asked.append("?")
        return bool(is_connected.fget(connection))

    def read(key: str = "one") -> int:
        asked.clear()
        with suppress(NotFound):
            b"".join(open_download(session, BUCKET, key))
        return len(asked)

    monkeypatch.setattr(deadlines, "_trust", deadlines._Trust())
    read()
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "is_connected", property(spied))
    assert [read(), read("none"), read(), read()] == [0, 0, 1, 0]
    monkeypatch.setattr(deadlines, "FRESH_S", 0.0)
    assert [read(), read()] == [1, 1]
    assert connections(session) == 1


def test_one_connection_serves_what_is_read_to_the_end(session: Session) -> None:
    """Downloads, empty files, HEADs, misses and errors all give it back."""
    for _ in range(5):
        assert b"".join(open_download(session, BUCKET, "a.bin")) == CONTENT
        assert b"".join(open_download(session, BUCKET, "empty")) == b""
        assert stat(session, BUCKET, "a.bin").size_bytes == len(CONTENT)
        for ask in (open_download, stat):
            with pytest.raises(NotFound):
                ask(session, BUCKET, "gone")
    assert connections(session) == 1


def test_a_download_left_early_gives_its_connection_up(session: Session) -> None:
    download = open_download(session, BUCKET, "a.bin")
    next(download)
    download.close()
    download.close()
    assert list(download) == []
    assert b"".join(open_download(session, BUCKET, "one")) == b"1"


def test_closing_wakes_a_thread_that_waits_for_bytes(session: Session, emulator: Emulator) -> None:
    """A client leaves while B2 stalls: the stream's thread must not be held for the read timeout."""
    emulator.fail("download", stall_at=1000)
    download = open_download(session, BUCKET, "a.bin")
    ended = threading.Event()

    def read() -> None:
        with pytest.raises(Unavailable):
            for _ in download:
                pass
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.5)
    download.close()
    assert ended.wait(3)
    thread.join()


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("at", [0, 1, 300_000, len(CONTENT) - 1])
def test_a_body_that_breaks_off_is_resumed(at: int, reset: bool, session: Session, emulator: Emulator) -> None:
    """From its last byte, by one further call."""
    emulator.fail("download", cut_at=at, reset=reset)
    assert b"".join(open_download(session, BUCKET, "a.bin")) == CONTENT
    assert emulator.calls() == {"download": 2}
    resumed = emulator.log()[-1]
    assert resumed.path == "/b2api/v4/b2_download_file_by_id"
    if not reset:  # after a reset, what waited in the socket is lost and asked for again
        assert resumed.headers["range"] == f"bytes={at}-{len(CONTENT) - 1}"


def test_a_part_is_resumed_within_itself(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=50)
    assert b"".join(open_download(session, BUCKET, "a.bin", (1000, 1999))) == CONTENT[1000:2000]
    assert emulator.log()[-1].headers["range"] == "bytes=1050-1999"


@pytest.mark.parametrize("at", [0, 70_000])
def test_a_body_that_breaks_off_again_and_again_raises(at: int, session: Session, emulator: Emulator) -> None:
    """At most four times with some progress each, and at once without."""
    emulator.fail("download", cut_at=at, times=20)
    got = 0
    with pytest.raises(Unavailable, match="broke off"):
        for block in open_download(session, BUCKET, "a.bin"):
            got += len(block)
    assert got == 5 * at
    assert emulator.calls() == {"download": 5 if at else 2}


def test_a_file_that_is_replaced_meanwhile_is_resumed_at_its_own_version(session: Session, emulator: Emulator) -> None:
    """Never one half of each."""
    emulator.fail("download", cut_at=300_000)
    download = open_download(session, BUCKET, "a.bin")
    got = next(download)
    other = io.BytesIO(CONTENT[::-1])
    objects.upload(session, BUCKET, "a.bin", other, UploadOptions("x/y"), size_bytes=len(CONTENT))
    assert got + b"".join(download) == CONTENT


def test_a_file_that_is_deleted_meanwhile_raises(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=300_000)
    download = open_download(session, BUCKET, "a.bin")
    session.bucket(BUCKET).delete_file_version(download.stored.file_id, "a.bin")
    with pytest.raises(Unavailable, match="deleted"):
        list(download)


def test_another_answer_to_a_resume_raises(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=300_000)
    download = open_download(session, BUCKET, "a.bin")
    emulator.fail("download", truncate_at=10)
    with pytest.raises((Unavailable, UnexpectedAnswer)):
        list(download)


def test_a_download_that_is_closed_while_it_is_resumed_reads_nothing_more(
    session: Session, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visitor has left meanwhile, and a B2 that stalls would keep thread and connection."""
    emulator.fail("download", cut_at=300_000)
    emulator.fail("download", stall_at=0)
    download = open_download(session, BUCKET, "a.bin")
    request, answers = download_host.request, []

    def closing(*args: Any, **options: Any) -> Any:
        answers.append(request(*args, **options))
        download.close()
        return answers[-1]

    monkeypatch.setattr(download_host, "request", closing)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="closed"):
        list(download)
    assert time.monotonic() - began < 5  # not the 30 s that a block may take
    assert [answer.closed for answer in answers] == [True]


def test_nothing_left_to_resume_is_no_answer(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=300_000)
    download = open_download(session, BUCKET, "a.bin")
    emulator.fail("download", status=416, code="range_not_satisfiable")
    with pytest.raises(UnexpectedAnswer):
        list(download)


@pytest.mark.parametrize("fault", [{"corrupt": True}, {"wrong_sha1": True}])
def test_the_last_block_of_a_wrong_body_is_held_back(
    fault: dict[str, Any], session: Session, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Bit rot: whoever waits for all the bytes that were promised waits in vain."""
    emulator.fail("download", **fault)
    got = 0
    with pytest.raises(UnexpectedAnswer, match="SHA-1"):
        for block in open_download(session, BUCKET, "a.bin"):
            got += len(block)
    assert got < len(CONTENT)
    assert "SHA-1" in caplog.text


def test_a_stalled_body_is_resumed_after_the_timeout(session: Session, emulator: Emulator) -> None:
    session.limits = Limits(read_timeout_s=0.5)
    emulator.fail("download", stall_at=1000)
    assert b"".join(open_download(session, BUCKET, "a.bin")) == CONTENT
    assert emulator.calls() == {"download": 2}


def test_what_is_read_at_once_has_the_time_of_the_answer(session: Session, emulator: Emulator) -> None:
    """A stream may take its time for each block. Here somebody waits for the whole, and a resume needs some of it."""
    session.limits = Limits(read_timeout_s=30)
    session.login()
    emulator.fail("download", stall_at=1000)
    with budget.limited(budget.Budget(seconds=2.0)):
        assert open_download(session, BUCKET, "a.bin").at_once() == CONTENT
    assert emulator.calls() == {"download": 2}
    emulator.fail("download", stall_at=0, times=3)
    with budget.limited(budget.Budget(seconds=2.0)) as limit, pytest.raises(Unavailable):
        open_download(session, BUCKET, "a.bin").at_once()
    assert limit.left_s > 0  # no progress since the resume
    assert emulator.calls() == {"download": 4}


def test_a_body_that_dribbles_ends_with_the_time_of_the_answer(
    session: Session, emulator: Emulator, dribble: str
) -> None:
    """Each byte comes well within the timeout for a block; all of them would take minutes."""
    session.login().host = urllib3.connection_from_url(dribble)
    with budget.limited(budget.Budget(seconds=1.0)) as limit, pytest.raises(Unavailable, match="no time left"):
        open_download(session, BUCKET, "a.bin").at_once()
    assert not limit.left_s


@pytest.fixture
def dribble() -> Iterator[str]:
    """A B2 that sends a byte of a body every tenth of a second."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: x/y\r\nX-Bz-File-Id: 1\r\n"
        b"X-Bz-Upload-Timestamp: 1\r\nX-Bz-Content-Sha1: none\r\n\r\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client, suppress(OSError):
                client.recv(65536)
                client.sendall(head)
                for _ in range(1000):
                    client.sendall(b"x")
                    time.sleep(0.1)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# Tries and deadlines


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 503, "code": "service_unavailable"}, id="503"),
        pytest.param({"status": 500, "code": "internal_error"}, id="500"),
        pytest.param({"status": 408, "code": "request_timeout"}, id="408"),
        pytest.param({"status": 429, "code": "too_many_requests", "retry_after": 1}, id="429 with a short wait"),
        pytest.param({"reset": True}, id="reset"),
    ],
)
def test_a_passing_fault_is_tried_again(fault: dict[str, Any], session: Session, emulator: Emulator) -> None:
    for operation, ask in (("download", open_download), ("head", stat)):
        emulator.fail(operation, **fault)
        answer = ask(session, BUCKET, "one")
        if isinstance(answer, Download):
            assert b"".join(answer) == b"1"
    assert len(emulator.faults_met()) == 2


def test_a_lasting_fault_ends_after_three_tries(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", status=503, code="service_unavailable", times=9)
    with pytest.raises(Unavailable) as caught:
        open_download(session, BUCKET, "one")
    assert caught.value.retry_after_s
    assert emulator.calls()["download"] == 3


def test_a_long_wait_is_passed_on_instead_of_slept(session: Session, emulator: Emulator) -> None:
    emulator.fail("download", status=429, code="too_many_requests", retry_after=77)
    with pytest.raises(Unavailable) as caught:
        open_download(session, BUCKET, "one")
    assert caught.value.retry_after_s == 77
    assert emulator.calls()["download"] == 1


def test_slow_headers_end_by_the_deadline(session: Session, emulator: Emulator) -> None:
    session.login()
    emulator.fail("download", delay_s=5, times=5)
    began = time.monotonic()
    with pytest.raises(Unavailable), budget.limited(budget.Budget(seconds=1.0)):
        open_download(session, BUCKET, "one")
    assert time.monotonic() - began < 4.9


@pytest.fixture
def portal() -> Iterator[str]:
    """Something that answers every request with 200 and a page, as the login page of a network does."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(page)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_what_does_not_speak_b2_is_no_file(session: Session, portal: str) -> None:
    """A network's login page must never be served as the file."""
    session.login().host = urllib3.connection_from_url(portal)
    for ask in (open_download, stat):
        with pytest.raises(UnexpectedAnswer):
            ask(session, BUCKET, "one")


def test_redirects_are_not_followed(session: Session, emulator: Emulator) -> None:
    """The token goes nowhere but to B2."""
    emulator.fail("download", status=302, code="moved")
    with pytest.raises(UnexpectedAnswer):
        open_download(session, BUCKET, "one")


def test_b2_is_told_who_asks(session: Session, emulator: Emulator) -> None:
    b"".join(open_download(session, BUCKET, "a.bin"))
    stat(session, BUCKET, "a.bin")
    asked = [call for call in emulator.log() if call.operation in ("download", "head")]
    assert {call.headers["user-agent"].partition("/")[0] for call in asked} == {"b2router"}
