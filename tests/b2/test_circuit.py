"""When B2 is left alone: after failures in a row, when a cap is used up, when too much was tried again."""

from __future__ import annotations

import io
import threading
import time
from typing import Any

import pytest
import requests

from b2router.b2 import budget
from b2router.b2.circuit import Circuit, RetryQuota
from b2router.b2.download import stat
from b2router.b2.objects import upload
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.config import Limits, MemoryAccountInfo
from b2router.emulator import Emulator
from b2router.errors import BackendError, CapExceeded, NotFound, Refused, Unavailable, UnexpectedAnswer
from tests.b2.conftest import account

QUICK = Limits(circuit_failures=2, circuit_pause_s=0.3, cap_pause_s=0.3, request_pause_s=0.01)
OUTAGE: dict[str, Any] = {"status": 503, "code": "service_unavailable"}


@pytest.fixture
def session(emulator: Emulator) -> Session:
    made = Session(account(emulator), MemoryAccountInfo(kind="memory"), QUICK)
    made.login()
    emulator.reset_counts()
    return made


def ask(session: Session) -> type[Exception]:
    try:
        stat(session, "acme-public", "x")
    except NotFound as error:
        return type(error)
    except BackendError as error:
        return type(error)
    raise AssertionError("there is no such file")


def test_an_outage_costs_a_few_calls_and_then_none(session: Session, emulator: Emulator) -> None:
    emulator.fail("head", **OUTAGE, times=100)
    assert [ask(session) for _ in range(10)] == [Unavailable] * 10
    assert emulator.calls() == {"head": 2 * 3}


def test_after_the_pause_one_call_tries_and_then_all_go_on(session: Session, emulator: Emulator) -> None:
    emulator.fail("head", **OUTAGE, times=6)
    for _ in range(3):
        ask(session)
    time.sleep(0.4)
    emulator.reset_counts()
    assert [ask(session) for _ in range(5)] == [NotFound] * 5
    assert emulator.calls() == {"head": 5}


def test_while_one_call_tries_the_others_are_refused(session: Session, emulator: Emulator) -> None:
    emulator.fail("head", **OUTAGE, times=6)
    for _ in range(2):
        ask(session)
    time.sleep(0.4)
    emulator.fail("head", delay_s=0.3)
    emulator.reset_counts()
    barrier, results = threading.Barrier(6), []

    def run() -> None:
        barrier.wait()
        results.append(ask(session))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.__name__ for result in results) == ["NotFound"] + ["Unavailable"] * 5
    assert emulator.calls() == {"head": 1}


def test_a_try_that_fails_begins_another_pause(session: Session, emulator: Emulator) -> None:
    emulator.fail("head", **OUTAGE, times=9)
    for _ in range(2):
        ask(session)
    time.sleep(0.4)
    emulator.reset_counts()
    assert [ask(session) for _ in range(5)] == [Unavailable] * 5
    assert emulator.calls() == {"head": 3}


def test_who_is_refused_is_told_when_to_come_back(session: Session, emulator: Emulator) -> None:
    emulator.fail("head", **OUTAGE, times=6)
    for _ in range(2):
        ask(session)
    with pytest.raises(Unavailable) as caught:
        stat(session, "acme-public", "x")
    assert caught.value.retry_after_s == 1


@pytest.mark.parametrize("code", ["download_cap_exceeded", "transaction_cap_exceeded", "cap_exceeded"])
def test_a_cap_is_asked_about_once_in_a_while(code: str, session: Session, emulator: Emulator) -> None:
    emulator.fail("download", status=403, code=code)
    from b2router.b2.download import open_download

    for _ in range(5):
        with pytest.raises(CapExceeded) as caught:
            open_download(session, "acme-public", "x")
        assert caught.value.retry_after_s is None
    assert emulator.calls() == {"download": 1}
    time.sleep(0.4)
    assert ask(session) is NotFound


def test_a_used_up_cap_for_uploads_leaves_downloads_alone(session: Session, emulator: Emulator) -> None:
    import io

    from b2router.b2 import objects

    emulator.fail("b2_get_upload_url", status=403, code="storage_cap_exceeded")
    for _ in range(3):
        with pytest.raises(CapExceeded):
            objects.upload(session, "acme-public", "x", io.BytesIO(b"x"), UploadOptions("text/plain"))
    assert emulator.calls()["b2_get_upload_url"] == 1
    assert ask(session) is NotFound


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 404, "code": "not_found"}, NotFound),
        ({"status": 400, "code": "bad_request"}, UnexpectedAnswer),
        ({"status": 401, "code": "unauthorized"}, Refused),
    ],
)
def test_answers_that_concern_one_call_leave_the_others_alone(
    fault: dict[str, Any], error: type[Exception], session: Session, emulator: Emulator
) -> None:
    emulator.fail("download", **fault, times=5)
    from b2router.b2.download import open_download

    for _ in range(5):
        with pytest.raises(error):
            open_download(session, "acme-public", "x")
    assert ask(session) is NotFound


def test_failures_between_successes_are_no_outage(session: Session, emulator: Emulator) -> None:
    for _ in range(4):
        emulator.fail("head", **OUTAGE, times=3)
        assert ask(session) is Unavailable
        assert ask(session) is NotFound


def test_opening_and_closing_is_told_once(
    session: Session, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.fail("head", **OUTAGE, times=6)
    for _ in range(9):
        ask(session)
    time.sleep(0.4)
    ask(session)
    told = [record.message for record in caplog.records if record.name == "b2router.b2"]
    assert len(told) == 2
    assert told[0].startswith("Calls on B2 of the kind 'download' are left alone")
    assert told[1] == "B2 answers again; calls of the kind 'download' go on."


def test_a_call_that_ends_otherwise_leaves_the_way_free() -> None:
    """Or a bug in the site's own code, during the one call that tries, would close it for good."""
    circuit = Circuit(Limits(circuit_failures=1, circuit_pause_s=0.01))
    circuit.enter("download")
    circuit.failed("download", Unavailable("x"))
    time.sleep(0.05)
    circuit.enter("download")
    circuit.left("download")
    circuit.enter("download")
    with pytest.raises(Unavailable):
        circuit.enter("download")


def test_a_call_that_never_ends_leaves_the_way_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a large upload does for hours, or a thread that was killed."""
    monkeypatch.setattr("b2router.b2.circuit.TRIAL_S", 0.05)
    circuit = Circuit(Limits(circuit_failures=1, circuit_pause_s=0.01))
    circuit.enter("upload")
    circuit.failed("upload", Unavailable("x"))
    time.sleep(0.05)
    circuit.enter("upload")
    with pytest.raises(Unavailable):
        circuit.enter("upload")
    time.sleep(0.1)
    circuit.enter("upload")


@pytest.mark.parametrize("before", [b"", b"x" * (9 * 1024 * 1024)], ids=["at once", "in the second part"])
@pytest.mark.parametrize("error", [requests.ConnectionError, Unavailable, CapExceeded])
def test_a_source_that_fails_is_no_failure_of_b2(
    error: type[Exception], before: bytes, session: Session, emulator: Emulator
) -> None:
    """A site may upload what it fetches from addresses that visitors give."""

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if block := super().read(size):
                return block
            raise error("the source is away")

    for _ in range(QUICK.circuit_failures):
        with pytest.raises(error, match="the source is away"):
            upload(session, "acme-public", "x", Source(before), UploadOptions("a/b"))
    assert session.circuit.state() == {}
    upload(session, "acme-public", "x", io.BytesIO(b"x"), UploadOptions("a/b"))


def test_its_state_can_be_asked_for(session: Session, emulator: Emulator) -> None:
    assert session.circuit.state() == {}
    emulator.fail("head", **OUTAGE, times=6)
    for _ in range(2):
        ask(session)
    assert list(session.circuit.state()) == ["download"]


# Quota


def test_an_outage_does_not_multiply_traffic(emulator: Emulator) -> None:
    """Without the quota, each of 20 calls would be tried three times."""
    limits = Limits(retry_quota=4, circuit_failures=1000, request_pause_s=0.01)
    session = Session(account(emulator), MemoryAccountInfo(kind="memory"), limits)
    session.login()
    emulator.reset_counts()
    emulator.fail("head", **OUTAGE, times=1000)
    for _ in range(20):
        ask(session)
    assert emulator.calls() == {"head": 20 + 4}


def test_the_sdk_has_the_same_quota(emulator: Emulator) -> None:
    from b2router.b2 import objects

    limits = Limits(retry_quota=2, circuit_failures=1000, storage_pause_s=0.01)
    session = Session(account(emulator), MemoryAccountInfo(kind="memory"), limits)
    session.bucket("acme-public")
    emulator.reset_counts()
    emulator.fail("b2_list_file_names", **OUTAGE, times=1000)
    for _ in range(5):
        with pytest.raises(Unavailable):
            objects.list_folder(session, "acme-public", "")
    assert emulator.calls() == {"b2_list_file_names": 5 + 2}


def test_success_gives_tries_back() -> None:
    quota = RetryQuota(2)
    assert [quota.take() for _ in range(3)] == [True, True, False]
    for _ in range(10):
        quota.give_back()
    assert [quota.take(), quota.take()] == [True, False]
    for _ in range(100):
        quota.give_back()
    assert [quota.take() for _ in range(3)] == [True, True, False], "and never more than there were"


def test_a_trial_that_was_interrupted_says_nothing(session: Session, emulator: Emulator) -> None:
    """Neither that B2 is well, nor that the next call may not be the trial."""
    emulator.fail("head", **OUTAGE, times=99)
    assert [ask(session) for _ in range(3)] == [Unavailable] * 3
    time.sleep(0.4)
    with pytest.raises(KeyboardInterrupt), session.calling("download", budget.Budget()):
        raise KeyboardInterrupt
    assert session.circuit.state() != {}
    emulator.clear_faults()
    emulator.reset_counts()
    assert ask(session) is NotFound
    assert emulator.calls() == {"head": 1}
