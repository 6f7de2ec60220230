"""Large files: parts side by side, whole or not at all, and gone on with when asked to."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from b2router.b2 import large, uploads
from b2router.b2.contents import OnDisk
from b2router.b2.download import open_download
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.b2.sessions import for_account
from b2router.config import Limits, Upload
from b2router.emulator import Emulator
from b2router.errors import BackendError, CapExceeded, Unavailable
from tests.b2.conftest import account
from tests.b2.test_uploads import BUCKET, PASSING, PLAIN, Once, is_stored, save, stored

PART = 5_000_000
CONTENT = os.urandom(4 * PART - 12_345)
HOW = Upload(part_bytes=PART)
RESUMING = Upload(part_bytes=PART, resume=True, threads=1)


@pytest.fixture(autouse=True)
def _warm(session: Session, emulator: Emulator) -> None:
    session.limits = Limits(storage_pause_s=0.02)
    save(session, b"", "warm")
    emulator.reset_counts()


@pytest.fixture
def on_disk() -> Iterator[Any]:
    with tempfile.TemporaryFile() as file:
        file.write(CONTENT)
        file.seek(0)
        yield file


def send(session: Session, source: Any, how: Upload = HOW, options: UploadOptions = PLAIN, **more: Any) -> Any:
    return uploads.upload(session, BUCKET, "a.bin", source, options, how=how, **more)


def unfinished(session: Session) -> list[str]:
    return [file.file_name for file in session.bucket(BUCKET).list_unfinished_large_files()]


@pytest.mark.parametrize("kind", ["disk", "memory", "stream", "pipe"])
def test_every_part_comes_to_its_place(kind: str, on_disk: Any, session: Session, emulator: Emulator) -> None:
    if kind == "pipe":
        reading, writing = os.pipe()

        def write() -> None:
            with os.fdopen(writing, "wb") as end:
                end.write(CONTENT)

        threading.Thread(target=write).start()
        with os.fdopen(reading, "rb", buffering=0) as source:
            made = send(session, source)
    else:
        made = send(session, {"disk": on_disk, "memory": io.BytesIO(CONTENT), "stream": Once(CONTENT)}[kind])
    calls = emulator.calls()
    assert calls.pop("b2_get_upload_part_url") <= 4
    assert calls == {"b2_start_large_file": 1, "b2_upload_part": 4, "b2_finish_large_file": 1}
    assert set(emulator.classes()) == {"A"}
    assert stored(session) == CONTENT
    assert made.size_bytes == len(CONTENT)
    assert made.sha1 is None
    assert unfinished(session) == []


def test_parts_are_of_one_size_and_as_few_as_can_be(session: Session, emulator: Emulator) -> None:
    """So that none is left to travel alone at the end."""
    send(session, io.BytesIO(bytes(22_000_002)), Upload(part_bytes=11_000_000))
    parts = [record.bytes_in - 40 for record in emulator.log() if record.operation == "b2_upload_part"]
    assert parts == [7_333_334] * 3


def test_a_part_is_never_smaller_than_b2_takes(session: Session) -> None:
    content = os.urandom(PART + 1)
    send(session, io.BytesIO(content))
    assert stored(session) == content


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_parts_travel_side_by_side(
    threads: int, on_disk: Any, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are asked for, and no more."""
    meeting, lock = threading.Barrier(threads, timeout=20), threading.Lock()
    under_way, most, plain = 0, 0, OnDisk.blocks

    def watched(content: OnDisk) -> Iterator[memoryview]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        meeting.wait()
        yield from plain(content)
        with lock:
            under_way -= 1

    monkeypatch.setattr(OnDisk, "blocks", watched)
    send(session, on_disk, Upload(part_bytes=PART, threads=threads))
    assert most == threads
    assert stored(session) == CONTENT


def test_a_process_sends_a_bounded_number_of_parts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files share the threads, and none waits for ever."""
    monkeypatch.setattr(large, "THREADS", 2)
    monkeypatch.setattr(large, "_executor", None)
    files = [
        threading.Thread(target=uploads.upload, args=(session, BUCKET, f"{i}", io.BytesIO(CONTENT), PLAIN), kwargs=HOW_)
        for i in range(3)
    ]
    for file in files:
        file.start()
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("b2router-upload")]
    for file in files:
        file.join()
    assert all(stored(session, f"{i}") == CONTENT for i in range(3))
    large._threads().shutdown()
    assert len(names) <= 2 + 16  # those of other tests are idle


def test_a_forked_process_has_threads_of_its_own(on_disk: Any, session: Session, emulator: Emulator) -> None:
    """Those of the parent stay there."""
    send(session, on_disk)
    child = os.fork()
    if not child:
        try:
            uploads.upload(for_account(account(emulator), "default"), BUCKET, "b", io.BytesIO(CONTENT), PLAIN, how=HOW)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stored(session, "b") == CONTENT


HOW_ = {"how": HOW}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("is_stream", [False, True], ids=["disk", "stream"])
def test_a_part_that_fails_is_sent_again(
    fault: dict[str, Any], is_stream: bool, on_disk: Any, session: Session, emulator: Emulator
) -> None:
    emulator.fail("b2_upload_part", **fault)
    send(session, Once(CONTENT) if is_stream else on_disk)
    assert emulator.calls()["b2_upload_part"] == 5
    assert stored(session) == CONTENT


def test_every_part_has_its_own_tries(on_disk: Any, session: Session, emulator: Emulator) -> None:
    """A bad minute of B2 that meets all parts is survived."""
    emulator.fail("b2_upload_part", status=503, code="service_unavailable", times=10)
    send(session, on_disk)
    assert emulator.calls()["b2_upload_part"] == 14


@pytest.mark.parametrize(
    ("operation", "fault", "error"),
    [
        ("b2_start_large_file", {"status": 403, "code": "storage_cap_exceeded"}, CapExceeded),
        ("b2_get_upload_part_url", {"status": 403, "code": "storage_cap_exceeded"}, CapExceeded),
        ("b2_upload_part", {"status": 403, "code": "storage_cap_exceeded"}, CapExceeded),
        ("b2_upload_part", {"status": 503, "code": "service_unavailable", "times": 40}, Unavailable),
        ("b2_finish_large_file", {"status": 403, "code": "storage_cap_exceeded"}, CapExceeded),
    ],
)
def test_nothing_stays_of_a_file_that_failed(
    operation: str, fault: dict[str, Any], error: type[Exception], on_disk: Any, session: Session, emulator: Emulator
) -> None:
    emulator.fail(operation, **fault)
    with pytest.raises(error) as caught:
        send(session, on_disk)
    assert type(caught.value) is error
    assert not is_stored(session)
    assert unfinished(session) == []
    assert emulator.calls().get("b2_cancel_large_file", 0) == (operation != "b2_start_large_file")


def test_what_cannot_be_cancelled_is_told(
    on_disk: Any, session: Session, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.fail("b2_upload_part", status=403, code="storage_cap_exceeded")
    emulator.fail("b2_cancel_large_file", status=400, code="bad_request")
    with pytest.raises(CapExceeded):
        send(session, on_disk)
    assert "stay at B2 as file id" in caplog.text


@pytest.mark.parametrize("fails_at", [0, PART - 1, PART, 3 * PART])
def test_a_source_that_fails_leaves_nothing(fails_at: int, session: Session) -> None:
    with pytest.raises(ZeroDivisionError):
        send(session, Once(CONTENT, fails_at))
    assert not is_stored(session)
    assert unfinished(session) == []


def test_a_file_that_shrinks_leaves_nothing(on_disk: Any, session: Session) -> None:
    with pytest.raises(EOFError, match="had more when its upload began"):
        send(session, on_disk, Upload(part_bytes=PART, threads=1), progress=lambda done: on_disk.truncate(PART + 9))
    assert not is_stored(session)
    assert unfinished(session) == []


def test_a_file_that_grows_is_stored_as_it_was(on_disk: Any, session: Session) -> None:
    send(session, on_disk, progress=lambda done: on_disk.seek(0, os.SEEK_END) and on_disk.write(b"more"))
    assert stored(session) == CONTENT


def test_a_source_of_too_many_parts_is_an_error(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "MAX_PARTS", 3)
    with pytest.raises(ValueError, match="Raise 'part_bytes'"):
        send(session, Once(CONTENT))
    assert unfinished(session) == []


def test_an_answer_to_the_end_that_is_lost_is_asked_for(on_disk: Any, session: Session, emulator: Emulator) -> None:
    """B2 says to the second try that there is nothing to finish."""
    emulator.fail("b2_finish_large_file", drop_answer=True)
    made = send(session, on_disk)
    assert (made.size_bytes, made.content_type) == (len(CONTENT), "x/y")
    assert stored(session) == CONTENT
    assert emulator.calls()["b2_get_file_info"] == 1
    assert "b2_cancel_large_file" not in emulator.calls()


def test_progress_tells_what_is_stored(on_disk: Any, session: Session) -> None:
    told: list[int] = []
    send(session, on_disk, progress=told.append)
    assert told == sorted(told)
    assert len(told) == 4
    assert told[-1] == len(CONTENT)


# Going on with one that failed


def interrupt(session: Session, emulator: Emulator, source: Any, how: Upload = RESUMING) -> None:
    """Two parts are stored, the third is refused."""

    def refuse(done: int) -> None:
        if done >= 2 * PART - 100_000:
            emulator.fail("b2_upload_part", status=403, code="storage_cap_exceeded")

    with pytest.raises(CapExceeded):
        send(session, source, how, progress=refuse)
    assert unfinished(session) == ["a.bin"]
    session.circuit = type(session.circuit)(session.limits)
    emulator.reset_counts()


@pytest.mark.parametrize("is_stream", [False, True], ids=["disk", "stream"])
def test_a_file_that_failed_is_gone_on_with(
    is_stream: bool, on_disk: Any, session: Session, emulator: Emulator
) -> None:
    interrupt(session, emulator, Once(CONTENT) if is_stream else on_disk)
    told: list[int] = []
    send(session, Once(CONTENT) if is_stream else on_disk, RESUMING, progress=told.append)
    assert emulator.calls() == {
        "b2_list_unfinished_large_files": 1,
        "b2_list_parts": 1,
        "b2_get_upload_part_url": 1,
        "b2_upload_part": 2,
        "b2_finish_large_file": 1,
    }
    assert stored(session) == CONTENT
    assert told[-1] == len(CONTENT)
    assert unfinished(session) == []


def test_a_part_that_has_changed_is_sent_again(on_disk: Any, session: Session, emulator: Emulator) -> None:
    interrupt(session, emulator, on_disk)
    changed = b"!" + CONTENT[1:]
    send(session, io.BytesIO(changed), RESUMING)
    assert emulator.calls()["b2_upload_part"] == 3
    assert stored(session) == changed


@pytest.mark.parametrize(
    ("options", "how"),
    [
        pytest.param(UploadOptions("other/type"), RESUMING, id="another type"),
        pytest.param(UploadOptions("x/y", {"a": "b"}), RESUMING, id="other information"),
        pytest.param(UploadOptions("x/y", encryption="SSE-B2"), RESUMING, id="another encryption"),
        pytest.param(PLAIN, Upload(part_bytes=7_000_000, resume=True), id="cut otherwise"),
        pytest.param(PLAIN, HOW, id="not asked to"),
    ],
)
def test_another_file_is_not_gone_on_with(
    options: UploadOptions, how: Upload, on_disk: Any, session: Session, emulator: Emulator
) -> None:
    interrupt(session, emulator, on_disk)
    send(session, on_disk, how, options)
    assert emulator.calls()["b2_start_large_file"] == 1
    assert stored(session) == CONTENT
    assert unfinished(session) == ["a.bin"]  # it may be somebody else's, who goes on with it


def test_a_file_that_was_longer_is_given_up(session: Session, emulator: Emulator) -> None:
    """Parts beyond the end would be part of the file; the next upload begins anew."""
    interrupt(session, emulator, Once(CONTENT))
    file_id = next(iter(session.bucket(BUCKET).list_unfinished_large_files())).file_id
    url = session.api.session.get_upload_part_url(file_id)
    session.api.session.raw_api.upload_part(
        url["uploadUrl"], url["authorizationToken"], 4, 1, "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c", io.BytesIO(b"0")
    )
    shorter = CONTENT[: 2 * PART + 5]
    session.api.session.raw_api.upload_part(
        url["uploadUrl"],
        url["authorizationToken"],
        3,
        PART,
        "do_not_verify",
        io.BytesIO(bytes(PART)),
    )
    with pytest.raises(BackendError, match="upload again"):
        send(session, Once(shorter), RESUMING)
    assert unfinished(session) == []
    send(session, Once(shorter), RESUMING)
    assert b"".join(open_download(session, BUCKET, "a.bin")) == shorter
