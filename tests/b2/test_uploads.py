"""Files to B2: whole or not at all, at another address after a failure, in few calls and little memory."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import tracemalloc
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2router.b2 import deadlines, objects, sending, uploads
from b2router.b2.download import open_download, stat
from b2router.b2.options import CustomerKey, Retention, UploadOptions
from b2router.b2.session import Session
from b2router.config import Limits, Upload
from b2router.emulator import Emulator
from b2router.errors import BackendError, CapExceeded, NotFound, Refused, Unavailable, UnexpectedAnswer

BUCKET = "acme-shared"
CONTENT = os.urandom(700_000)
PLAIN = UploadOptions("x/y")


@pytest.fixture(autouse=True)
def _warm(session: Session, emulator: Emulator) -> None:
    """The login, the bucket's id and one address are there; pauses are short."""
    session.limits = Limits(storage_pause_s=0.02)
    save(session, b"", "warm")
    emulator.reset_counts()


def save(session: Session, content: bytes, key: str = "a.bin", **options: Any) -> Any:
    return uploads.upload(
        session, BUCKET, key, io.BytesIO(content), UploadOptions("x/y", **options), how=Upload(), path=None
    )


def stored(session: Session, key: str = "a.bin") -> bytes:
    return b"".join(open_download(session, BUCKET, key))


def is_stored(session: Session, key: str = "a.bin") -> bool:
    try:
        stat(session, BUCKET, key)
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("content", [b"", b"1", CONTENT], ids=["empty", "one byte", "several blocks"])
def test_a_file_costs_one_call(content: bytes, session: Session, emulator: Emulator) -> None:
    """And what B2 answers is what a download tells."""
    made = save(session, content, file_info={"Origin": "tests ü+%", "b2-content-language": "de"})
    assert emulator.calls() == {"b2_upload_file": 1}
    assert made == stat(session, BUCKET, "a.bin")
    assert made.sha1 == hashlib.sha1(content).hexdigest()
    assert made.info == {"origin": "tests ü+%"}
    assert stored(session) == content


def test_uploads_say_who_they_are(session: Session, emulator: Emulator) -> None:
    save(session, b"x")
    assert emulator.log()[-1].headers["user-agent"].startswith("b2router/")


PASSING = [
    pytest.param({"status": 503, "code": "service_unavailable"}, id="503"),
    pytest.param({"status": 500, "code": "internal_error"}, id="500"),
    pytest.param({"status": 408, "code": "request_timeout"}, id="408"),
    pytest.param({"status": 401, "code": "expired_auth_token"}, id="401 expired"),
    pytest.param({"status": 401, "code": "bad_auth_token"}, id="401 bad"),
    pytest.param({"status": 429, "code": "too_many_requests"}, id="429"),
    pytest.param({"status": 400, "code": "auth_token_limit"}, id="address in use"),
    pytest.param({"reset": True}, id="reset"),
    pytest.param({"cut_at": 0}, id="cut at once"),
    pytest.param({"cut_at": 300_000}, id="cut in the middle"),
    pytest.param({"cut_at": 300_000, "reset": True}, id="reset in the middle"),
    pytest.param({"corrupt": True}, id="damaged on the way"),
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("is_stream", [False, True], ids=["memory", "stream"])
def test_a_passing_fault_leads_to_another_address(
    fault: dict[str, Any], is_stream: bool, session: Session, emulator: Emulator
) -> None:
    """From the first byte again, of sources that can be read once only, too."""
    emulator.fail("b2_upload_file", **fault)
    source = Once(CONTENT) if is_stream else io.BytesIO(CONTENT)
    uploads.upload(session, BUCKET, "a.bin", source, PLAIN, how=Upload())
    assert emulator.calls() == {"b2_upload_file": 2, "b2_get_upload_url": 1}
    assert len({record.path for record in emulator.log() if record.operation == "b2_upload_file"}) == 2
    assert stored(session) == CONTENT
    emulator.reset_counts()
    save(session, b"next")
    assert emulator.calls() == {"b2_upload_file": 1}


def test_a_lost_answer_may_leave_a_version_and_always_leaves_the_file(session: Session, emulator: Emulator) -> None:
    emulator.fail("b2_upload_file", drop_answer=True)
    made = save(session, CONTENT)
    assert stored(session) == CONTENT
    assert made.file_id == stat(session, BUCKET, "a.bin").file_id


def test_a_lasting_fault_ends_after_five_tries(session: Session, emulator: Emulator) -> None:
    """That an address was given out is no success."""
    emulator.fail("b2_upload_file", status=503, code="service_unavailable", times=20)
    with pytest.raises(Unavailable):
        save(session, CONTENT)
    assert emulator.calls() == {"b2_upload_file": 5, "b2_get_upload_url": 4}
    assert not is_stored(session)


def test_tries_of_all_uploads_are_bounded(session: Session, emulator: Emulator) -> None:
    while session.circuit.quota.take():
        pass
    emulator.fail("b2_upload_file", status=503, code="service_unavailable", times=20)
    with pytest.raises(Unavailable):
        save(session, CONTENT)
    assert emulator.calls() == {"b2_upload_file": 1}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 403, "code": "storage_cap_exceeded"}, CapExceeded),
        ({"status": 403, "code": "access_denied"}, Refused),
        ({"status": 401, "code": "unauthorized"}, Refused),
        ({"status": 400, "code": "bad_request"}, BackendError),
        ({"status": 404, "code": "not_found"}, UnexpectedAnswer),
    ],
)
def test_what_no_other_address_helps_is_not_tried_again(
    fault: dict[str, Any], error: type[Exception], session: Session, emulator: Emulator
) -> None:
    emulator.fail("b2_upload_file", **fault)
    with pytest.raises(error) as caught:
        save(session, CONTENT)
    assert type(caught.value) is error
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert emulator.calls() == {"b2_upload_file": 1}
    assert not is_stored(session)


def test_bytes_that_arrive_damaged_twice_are_an_error(session: Session, emulator: Emulator) -> None:
    emulator.fail("b2_upload_file", corrupt=True, times=2)
    with pytest.raises(BackendError, match="other bytes than were sent"):
        save(session, CONTENT)
    assert emulator.calls() == {"b2_upload_file": 2, "b2_get_upload_url": 1}


def test_a_long_wait_is_passed_on_instead_of_slept(session: Session, emulator: Emulator) -> None:
    emulator.fail("b2_upload_file", status=429, retry_after=77)
    with pytest.raises(Unavailable) as caught:
        save(session, CONTENT)
    assert caught.value.retry_after_s == 77
    assert emulator.calls() == {"b2_upload_file": 1}


def test_a_busy_host_is_left_for_another_at_once(session: Session, emulator: Emulator) -> None:
    emulator.fail("b2_upload_file", status=503, retry_after=77)
    save(session, CONTENT)
    assert emulator.calls() == {"b2_upload_file": 2, "b2_get_upload_url": 1}


def test_a_short_wait_is_kept(session: Session, emulator: Emulator) -> None:
    session.limits = Limits()
    emulator.fail("b2_upload_file", status=429, code="too_many_requests", retry_after=1)
    save(session, CONTENT)
    first, second = (record for record in emulator.log() if record.operation == "b2_upload_file")
    assert second.time - first.time >= 1


def test_a_stall_ends_after_the_timeout_of_a_block(
    session: Session, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of sending, too, which is not bounded by the time to connect."""
    session.limits = Limits(read_timeout_s=0.4, storage_pause_s=0.02)
    monkeypatch.setattr(deadlines, "SEND_TIMEOUT_S", 0.4)
    content = os.urandom(20_000_000)  # more than sockets hold
    emulator.fail("b2_upload_file", stall_at=1000)
    emulator.fail("b2_upload_file", stall_at=19_999_999)
    save(session, content)
    assert emulator.calls()["b2_upload_file"] == 3
    assert stored(session) == content


def test_sending_is_not_bounded_by_the_time_to_connect(session: Session, emulator: Emulator) -> None:
    """B2 may take a moment to read on."""
    session.limits = Limits(connect_timeout_s=0.3)
    content = bytes(20_000_000)  # more than sockets hold
    emulator.fail("b2_upload_file", delay_s=1)
    save(session, content)
    assert emulator.calls() == {"b2_upload_file": 1}


def test_the_answer_to_another_upload_is_no_success(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    post = sending._post

    def crossed(*args: Any) -> Any:
        answer = post(*args)
        return replace(answer, body=answer.body.replace(hashlib.sha1(CONTENT).hexdigest().encode(), b"0" * 40))

    monkeypatch.setattr(sending, "_post", crossed)
    with pytest.raises(UnexpectedAnswer):
        save(session, CONTENT)


def test_an_answer_that_is_not_b2s_is_no_success(session: Session, emulator: Emulator) -> None:
    """A proxy's page."""
    emulator.fail("b2_upload_file", truncate_at=20)
    with pytest.raises(UnexpectedAnswer):
        save(session, CONTENT)


def test_threads_share_addresses_and_never_use_one_at_the_same_time(session: Session, emulator: Emulator) -> None:
    """The emulator refuses that, as B2 does."""
    threads = [
        threading.Thread(target=lambda i=i: [save(session, CONTENT, f"{i}/{j}") for j in range(4)]) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emulator.calls()["b2_upload_file"] == 16
    assert emulator.calls()["b2_get_upload_url"] <= 3
    assert {record.status for record in emulator.log()} == {200}


def test_a_bucket_that_was_made_anew_is_found_by_the_next_upload(session: Session, emulator: Emulator) -> None:
    api = session.api
    old = session.bucket("acme-public")
    objects.upload(session, "acme-public", "a", io.BytesIO(b"x"), UploadOptions("x/y"))
    for version, _ in list(old.ls(latest_only=False, recursive=True)):
        api.delete_file_version(version.id_, version.file_name)
    api.delete_bucket(old)
    api.create_bucket("acme-public", "allPublic")
    with pytest.raises(Refused):
        objects.upload(session, "acme-public", "a", io.BytesIO(b"x"), UploadOptions("x/y"))
    objects.upload(session, "acme-public", "a", io.BytesIO(b"x"), UploadOptions("x/y"))


class Once(io.RawIOBase):
    """A source that is read once, in small pieces, and fails where it is told to."""

    def __init__(self, content: bytes, fails_at: int | None = None) -> None:
        super().__init__()
        self._inner = io.BytesIO(content)
        self._fails_at = fails_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._fails_at is not None and self._inner.tell() >= self._fails_at:
            raise ZeroDivisionError
        return self._inner.readinto(memoryview(buffer)[:60_000])


def test_a_source_that_fails_raises_its_own_error_and_is_no_failure_of_b2(session: Session, emulator: Emulator) -> None:
    for _ in range(session.limits.circuit_failures + 1):
        with pytest.raises(ZeroDivisionError):
            uploads.upload(session, BUCKET, "a.bin", Once(CONTENT, 100_000), PLAIN, how=Upload())
    assert emulator.calls() == {}
    save(session, CONTENT)


def test_progress_that_fails_raises_its_own_error(session: Session) -> None:
    def fail(done: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        uploads.upload(session, BUCKET, "a.bin", io.BytesIO(CONTENT), PLAIN, how=Upload(), progress=fail)


def test_progress_tells_what_is_stored(session: Session) -> None:
    told: list[int] = []
    uploads.upload(session, BUCKET, "a.bin", io.BytesIO(CONTENT), PLAIN, how=Upload(), progress=told.append)
    assert told == [len(CONTENT)]


@pytest.mark.parametrize("hint", [None, 0, 3, 10**13])
def test_a_size_that_lies_costs_no_bytes(hint: int | None, session: Session, emulator: Emulator) -> None:
    uploads.upload(session, BUCKET, "a.bin", Once(CONTENT), PLAIN, how=Upload(), size_bytes=hint)
    assert emulator.calls() == {"b2_upload_file": 1}
    assert stored(session) == CONTENT


def test_a_stream_takes_little_memory(session: Session) -> None:
    content = os.urandom(20_000_000)
    tracemalloc.start()
    uploads.upload(session, BUCKET, "a.bin", Once(content), PLAIN, how=Upload())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 1024 * 1024  # the emulator in the same process included


# What is said about a file


SECRET = bytes(range(32))
UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


@pytest.fixture
def locked(session: Session) -> str:
    session.api.create_bucket("acme-locked", "allPrivate", is_file_lock_enabled=True)
    return "acme-locked"


@pytest.mark.parametrize("part_bytes", [100_000_000, 5_000_000], ids=["one call", "in parts"])
@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"encryption": "SSE-B2"}, {"serverSideEncryption": {"algorithm": "AES256", "mode": "SSE-B2"}}),
        (
            {"encryption": CustomerKey(SECRET)},
            {
                "serverSideEncryption": {
                    "algorithm": "AES256",
                    "mode": "SSE-C",
                    "customerKeyMd5": b64encode(hashlib.md5(bytes(range(32))).digest()).decode(),
                }
            },
        ),
        (
            {"retention": Retention("governance", UNTIL)},
            {
                "fileRetention": {
                    "isClientAuthorizedToRead": True,
                    "value": {"mode": "governance", "retainUntilTimestamp": int(UNTIL.timestamp() * 1000)},
                }
            },
        ),
        ({"legal_hold": True}, {"legalHold": {"isClientAuthorizedToRead": True, "value": "on"}}),
    ],
    ids=["SSE-B2", "SSE-C", "retention", "hold"],
)
def test_encryption_retention_and_hold_are_stored(
    options: dict[str, Any], facts: dict[str, Any], part_bytes: int, session: Session, locked: str
) -> None:
    said = replace(PLAIN, **options)
    source = io.BytesIO(bytes(5_000_001))
    made = uploads.upload(session, locked, "a", source, said, how=Upload(part_bytes=part_bytes))
    known = session.api.session.get_file_info_by_id(made.file_id)
    assert {name: known[name] for name in facts} == facts


@pytest.mark.parametrize(("part_bytes", "info"), [(100_000_000, {}), (5_000_000, {"large_file_sha1": "0" * 40})])
def test_a_hash_that_is_known_stays_with_a_large_file(part_bytes: int, info: Any, session: Session) -> None:
    """Other programs look for it there."""
    said = replace(PLAIN, sha1="0" * 40)
    how = Upload(part_bytes=part_bytes)
    assert uploads.upload(session, BUCKET, "a", io.BytesIO(bytes(5_000_001)), said, how=how).info == info


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"file_info": {"x" * 51: "1"}}, "1 to 50 characters"),
        ({"file_info": {"with space": "1"}}, "1 to 50 characters"),
        ({"file_info": {"a": "x" * 7000}}, "have 7006 bytes together; expected at most 7000"),
        ({"file_info": {"a": "x" * 2048}, "encryption": "SSE-B2"}, "expected at most 2048"),
        ({"file_info": {"a": "x" * 2048}, "legal_hold": False}, "expected at most 2048"),
        ({"encryption": "SSE-X"}, "expected 'SSE-B2', a CustomerKey, or none"),
        ({"sha1": "abc"}, "expected 40 hex digits"),
    ],
)
def test_what_b2_would_refuse_is_refused_before(
    options: dict[str, Any], problem: str, session: Session, emulator: Emulator
) -> None:
    with pytest.raises(ValueError, match=problem):
        save(session, CONTENT, **options)
    assert emulator.calls() == {}


def test_a_key_for_encryption_is_not_shown() -> None:
    assert "secret" not in repr(replace(PLAIN, encryption=CustomerKey(SECRET)))
    with pytest.raises(ValueError, match="has 3 bytes; expected 32"):
        CustomerKey(b"abc")


@pytest.mark.parametrize(
    ("mode", "until", "problem"),
    [
        ("forever", UNTIL, "'governance' or 'compliance'"),
        ("compliance", UNTIL.replace(tzinfo=None), "an aware one"),
        ("governance", UNTIL.date(), "is datetime.date.*expected an aware datetime"),
        ("governance", "2030-01-31", "is '2030-01-31'; expected an aware datetime"),
    ],
)
def test_a_retention_that_is_none_is_refused(mode: Any, until: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Retention(mode, until)
