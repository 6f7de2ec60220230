"""What the site's own code gets when B2 fails: the right answer late, or a typed error at once; over real sockets."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile, File

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from b2router.errors import (
    BackendError,
    CapExceeded,
    NotFound,
    Refused,
    Unavailable,
    UnexpectedAnswer,
)
from b2router.storage import B2Storage
from tests.faults.rows import CAPS, LASTING, PASSING, WAITS, date_in

CONTENT = b"hello" * 100_000

MAX_PAUSE_S = 20


def read(storage: B2Storage) -> Any:
    with storage.open("a.bin") as file:
        return file.read() == CONTENT


CALLS: dict[str, tuple[Callable[[B2Storage], Any], Any]] = {
    "download": (read, True),
    "head": (lambda storage: storage.size("a.bin"), len(CONTENT)),
    "b2_list_file_names": (lambda storage: storage.listdir(""), ([], ["a.bin"])),
    "b2_hide_file": (lambda storage: storage.delete("a.bin"), None),
    "b2_get_upload_url": (lambda storage: storage.save("b.bin", ContentFile(CONTENT)), "b.bin"),
    "b2_upload_file": (lambda storage: storage.save("b.bin", ContentFile(CONTENT)), "b.bin"),
}
"""An operation of B2, the call on the storage that makes it, and what that gives when all is well."""

EACH = pytest.mark.parametrize("operation", CALLS)


@pytest.fixture
def storage(forgetful: None, emulator: Emulator, pauses: list[float]) -> B2Storage:
    made = get_storage("staff")
    made.save("a.bin", ContentFile(CONTENT))
    close_all()  # with the upload addresses that were kept
    made.listdir("")
    emulator.reset_counts()
    return made


def fails(storage: B2Storage, operation: str, kind: type[BackendError]) -> BackendError:
    with pytest.raises(kind) as caught:
        CALLS[operation][0](storage)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    return caught.value


@EACH
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_not_noticed(
    operation: str, fault: dict[str, Any], storage: B2Storage, emulator: Emulator, pauses: list[float]
) -> None:
    emulator.fail(operation, **fault)
    call, expected = CALLS[operation]
    assert call(storage) == expected
    assert len(emulator.faults_met()) == 1
    assert all(pause <= MAX_PAUSE_S for pause in pauses)


@pytest.mark.parametrize("fault", WAITS.values(), ids=WAITS.keys())
@pytest.mark.parametrize("operation", [name for name in CALLS if name != "b2_upload_file"])
def test_a_wait_that_does_not_fit_is_passed_on(
    operation: str, fault: dict[str, Any], storage: B2Storage, emulator: Emulator, pauses: list[float]
) -> None:
    emulator.fail(operation, times=LASTING, **fault)
    assert fails(storage, operation, Unavailable).retry_after_s == 77
    assert emulator.calls()[operation] == 1
    assert sum(pauses) == 0


def test_an_upload_waits_no_longer_than_it_may(storage: B2Storage, emulator: Emulator, pauses: list[float]) -> None:
    """A busy host is left for another at once; an account with too many requests is not."""
    emulator.fail("b2_upload_file", times=LASTING, status=429, retry_after=77)
    assert fails(storage, "b2_upload_file", Unavailable).retry_after_s == 77
    assert (emulator.calls()["b2_upload_file"], pauses) == (1, [])


def test_a_wait_that_is_a_date_is_passed_on_too(storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail("download", status=429, retry_after=date_in(77))
    assert 70 <= (fails(storage, "download", Unavailable).retry_after_s or 0) <= 77


@EACH
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 408}, {"status": 429}, {"reset": True}], ids=str)
def test_what_lasts_ends_after_five_tries(
    operation: str, fault: dict[str, Any], storage: B2Storage, emulator: Emulator, pauses: list[float]
) -> None:
    emulator.fail(operation, times=LASTING, **fault)
    assert fails(storage, operation, Unavailable).retry_after_s
    assert 1 < emulator.calls()[operation] <= 5
    assert all(pause <= MAX_PAUSE_S for pause in pauses)


@EACH
@pytest.mark.parametrize("code", CAPS)
def test_a_cap_is_said_at_once(operation: str, code: str, storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail(operation, status=403, code=code, times=LASTING)
    fails(storage, operation, CapExceeded)
    assert emulator.calls()[operation] == 1


@EACH
def test_a_token_that_expires_again_and_again_is_given_up(
    operation: str, storage: B2Storage, emulator: Emulator
) -> None:
    """A key that was revoked between its login and its use."""
    emulator.fail(operation, code="expired_auth_token", times=LASTING)
    fails(storage, operation, Refused)
    assert emulator.calls().get("b2_authorize_account", 0) <= 1


@pytest.mark.parametrize("operation", ["download", "head"])
def test_a_login_that_did_not_help_is_not_made_again_soon(
    operation: str, storage: B2Storage, emulator: Emulator
) -> None:
    emulator.fail(operation, code="expired_auth_token", times=LASTING)
    for _ in range(4):
        fails(storage, operation, Refused)
    assert emulator.calls()["b2_authorize_account"] == 1


@EACH
def test_a_missing_right_is_said_without_a_login(operation: str, storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail(operation, code="unauthorized", times=LASTING)
    fails(storage, operation, Refused)
    if operation != "head":  # has no body to tell it from an expired token
        assert "b2_authorize_account" not in emulator.calls()


@EACH
def test_a_key_that_was_revoked_costs_one_login(operation: str, storage: B2Storage, emulator: Emulator) -> None:
    emulator.expire_tokens()
    emulator.fail("b2_authorize_account", code="bad_auth_token", times=LASTING)
    for _ in range(3):
        with pytest.raises(Refused):
            storage.size("a.bin")
    assert emulator.calls()["b2_authorize_account"] == 1
    fails(storage, operation, Refused)
    assert emulator.calls()["b2_authorize_account"] == 1


@EACH
@pytest.mark.parametrize("status", [302, 418], ids=str)
def test_a_status_that_b2_does_not_use_is_unexpected(
    operation: str, status: int, storage: B2Storage, emulator: Emulator
) -> None:
    emulator.fail(operation, status=status, code="x", times=LASTING)
    fails(storage, operation, UnexpectedAnswer)
    assert emulator.calls()[operation] == 1


# Files that are gone


@pytest.mark.parametrize("operation", ["download", "head"])
def test_a_missing_file_is_one_for_python_too(operation: str, storage: B2Storage, emulator: Emulator) -> None:
    storage.delete("a.bin")
    emulator.reset_counts()
    with pytest.raises(FileNotFoundError):
        CALLS[operation][0](storage)
    assert emulator.calls() == {operation: 1}


def test_deleting_what_is_gone_is_quiet(storage: B2Storage) -> None:
    for _ in range(2):
        storage.delete("a.bin")


def test_nobody_knows_whether_a_file_exists_while_b2_fails(storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail("head", status=503, times=LASTING)
    with pytest.raises(Unavailable):
        storage.exists("b.bin")


# Bodies


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("at", [0, 1, 262_143, 262_144, 262_145, len(CONTENT) - 1])
def test_a_body_that_breaks_off_is_resumed(at: int, reset: bool, storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=at, reset=reset)
    emulator.fail("download", cut_at=1, reset=reset)
    assert read(storage)


def test_a_body_without_progress_is_given_up(storage: B2Storage, emulator: Emulator) -> None:
    emulator.fail("download", cut_at=0, times=LASTING)
    fails(storage, "download", Unavailable)
    assert emulator.calls()["download"] == 2


@pytest.mark.parametrize("fault", [{"corrupt": True}, {"wrong_sha1": True}], ids=str)
def test_a_file_read_in_order_is_checked(fault: dict[str, Any], storage: B2Storage, emulator: Emulator) -> None:
    """It comes in two ranges, of which B2's own clients check none."""
    emulator.fail("download", times=2, **fault)
    fails(storage, "download", UnexpectedAnswer)
    assert read(storage)


def test_a_file_that_is_replaced_between_two_pieces_is_not_mixed(storage: B2Storage) -> None:
    with storage.open("a.bin") as file:
        assert file.read(10) == CONTENT[:10]
        storage.delete("a.bin")
        storage.save("a.bin", ContentFile(CONTENT[::-1]))
        assert file.read() == CONTENT[10:], "an open file stays at its version"


# Listings


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}, {"cut_at": 30}], ids=str)
def test_a_page_that_fails_is_asked_for_again(
    fault: dict[str, Any], storage: B2Storage, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2router.b2.objects.PAGE_FILES", 2)
    for name in "bcdef":
        storage.save(name, ContentFile(b""))
    emulator.fail("b2_list_file_names", delay_s=0.01)
    emulator.fail("b2_list_file_names", **fault)
    assert storage.listdir("") == ([], ["a.bin", *"bcdef"])


def test_a_list_is_whole_or_none(storage: B2Storage, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2router.b2.objects.PAGE_FILES", 2)
    for name in "bcdef":
        storage.save(name, ContentFile(b""))
    emulator.fail("b2_list_file_names", delay_s=0.01)
    emulator.fail("b2_list_file_names", status=503, times=LASTING)
    fails(storage, "b2_list_file_names", Unavailable)


# Uploads

UPLOAD_PASSES: dict[str, dict[str, Any]] = {
    "no longer this address": {"code": "expired_auth_token"},
    "busy": {"status": 503, "retry_after": 3600},
    "broken": {"status": 500},
    "too slow": {"status": 408},
    "too many": {"status": 429, "retry_after": 2},
    "reset": {"reset": True},
    "cut inside": {"cut_at": 1000},
    "reset inside": {"cut_at": 1000, "reset": True},
    "answer lost": {"drop_answer": True},
    "answer wrong": {"after_commit": True, "status": 503},
}


class Pipe(io.BytesIO):
    """A source that gives its bytes once."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("a pipe cannot be rewound")


@pytest.mark.parametrize("fault", UPLOAD_PASSES.values(), ids=UPLOAD_PASSES.keys())
@pytest.mark.parametrize("can_rewind", [True, False], ids=["file", "pipe"])
@pytest.mark.parametrize("times", [1, 4])
def test_an_upload_goes_to_another_address(
    times: int, can_rewind: bool, fault: dict[str, Any], storage: B2Storage, emulator: Emulator
) -> None:
    """Five tries in all; what is stored is whole, whatever was read of the source before."""
    emulator.fail("b2_upload_file", times=times, **fault)
    content: Any = ContentFile(CONTENT) if can_rewind else File(Pipe(CONTENT), "b.bin")
    assert storage.save("b.bin", content) == "b.bin"
    assert emulator.calls()["b2_upload_file"] == times + 1
    with storage.open("b.bin") as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    ("fault", "kind", "tries"),
    [
        pytest.param({"status": 400, "code": "bad_request"}, BackendError, 1, id="not accepted"),
        pytest.param({"corrupt": True}, BackendError, 2, id="SHA-1 did not match"),
        pytest.param({"status": 403, "code": "storage_cap_exceeded"}, CapExceeded, 1, id="cap"),
        pytest.param({"status": 413, "code": ""}, UnexpectedAnswer, 1, id="a proxy's limit"),
    ],
)
def test_an_upload_that_is_refused_leaves_nothing(
    fault: dict[str, Any], kind: type[BackendError], tries: int, storage: B2Storage, emulator: Emulator
) -> None:
    """Damage may be an accident of the way, once."""
    emulator.fail("b2_upload_file", times=LASTING, **fault)
    fails(storage, "b2_upload_file", kind)
    assert emulator.calls()["b2_upload_file"] == tries
    assert not storage.exists("b.bin")


def test_a_last_failure_says_what_an_upload_failed_of(storage: B2Storage, emulator: Emulator) -> None:
    """Not the first: an address that had expired is no reason to look at the key."""
    emulator.fail("b2_upload_file", code="expired_auth_token")
    emulator.fail("b2_upload_file", status=503, times=LASTING)
    fails(storage, "b2_upload_file", Unavailable)


def test_a_missing_file_stays_missing(storage: B2Storage) -> None:
    with pytest.raises(NotFound):
        storage.open("gone.bin")
