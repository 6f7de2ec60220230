"""The table of errors: every exception of b2sdk becomes one of ours, and the right one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import requests
from b2sdk.v3 import exception as b2

from b2router.b2.faults import FAULTS, OutOfBudget, from_answer, is_expired, retry_after_s, translated
from b2router.errors import (
    B2RouterError,
    BackendError,
    CapExceeded,
    Locked,
    NotFound,
    RangeNotSatisfiable,
    Refused,
    Unavailable,
    UnexpectedAnswer,
)


def raised_for(error: Exception) -> B2RouterError:
    with pytest.raises(B2RouterError) as caught, translated():
        raise error
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    error = kind.__new__(kind)
    error.args = ()
    return error


ALL = [
    kind
    for _, kind in inspect.getmembers(b2, inspect.isclass)
    if issubclass(kind, b2.B2Error) and not inspect.isabstract(kind)
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_of_b2sdk_becomes_one_of_ours(kind: type[Exception]) -> None:
    error = made(kind)
    if kind is b2.MaxRetriesExceeded:
        error = b2.MaxRetriesExceeded(5, [])
    assert isinstance(raised_for(error), B2RouterError)


def test_an_error_that_is_invented_tomorrow_becomes_one_of_ours() -> None:
    class Tomorrow(b2.B2Error):  # type: ignore[misc]
        pass

    assert type(raised_for(Tomorrow())) is BackendError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(b2.FileNotPresent(), NotFound, id="not present"),
        pytest.param(b2.InvalidAuthToken("x", "bad_auth_token"), Refused, id="key refused"),
        pytest.param(b2.Unauthorized("x", "unauthorized"), Refused, id="right missing"),
        pytest.param(b2.AccessDenied(), Refused, id="access denied"),
        pytest.param(b2.RetentionWriteError(), Locked, id="retention that does not give way"),
        pytest.param(b2.NonExistentBucket("x"), Refused, id="no such bucket"),
        pytest.param(b2.StorageCapExceeded(), CapExceeded, id="storage cap"),
        pytest.param(b2.TransactionCapExceeded(), CapExceeded, id="transaction cap"),
        pytest.param(b2.UnknownError("403 download_cap_exceeded x"), CapExceeded, id="cap that b2sdk does not know"),
        pytest.param(b2.UnknownError("418 x x"), UnexpectedAnswer, id="a status that B2 does not use"),
        pytest.param(b2.BadRequest("x", "bucket_missing_file_lock"), BackendError, id="an unknown code"),
        pytest.param(b2.UnknownError(), UnexpectedAnswer, id="nothing"),
        pytest.param(b2.ServiceError("x"), Unavailable, id="service"),
        pytest.param(b2.B2ConnectionError("x"), Unavailable, id="connection"),
        pytest.param(b2.B2RequestTimeout("x"), Unavailable, id="timeout"),
        pytest.param(b2.TooManyRequests(retry_after_seconds="7"), Unavailable, id="too many requests"),
        pytest.param(requests.exceptions.ChunkedEncodingError("x"), Unavailable, id="broken body"),
        pytest.param(OutOfBudget(9), Unavailable, id="out of budget"),
        pytest.param(b2.MaxRetriesExceeded(5, [b2.ServiceError("x")]), Unavailable, id="retries used up"),
        pytest.param(b2.MaxRetriesExceeded(5, [b2.Unauthorized("x", "unauthorized")]), Refused, id="upload refused"),
    ],
)
def test_the_kind_says_who_has_to_act(error: Exception, expected: type[B2RouterError]) -> None:
    assert type(raised_for(error)) is expected


def test_a_wait_that_b2_asked_for_is_passed_on() -> None:
    for error, wait_s in ((b2.TooManyRequests(retry_after_seconds="7"), 7), (OutOfBudget(9), 9), (OutOfBudget(), 5)):
        ours = raised_for(error)
        assert isinstance(ours, BackendError)
        assert ours.retry_after_s == wait_s


def test_the_text_names_the_kind_and_not_the_content() -> None:
    """b2sdk quotes addresses, names and what a server said."""
    ours = raised_for(b2.ServiceError("503 secret-token https://f004/file/bucket/customer.pdf"))
    assert "ServiceError" in str(ours)
    assert "secret-token" not in str(ours)
    assert "customer" not in str(ours)


def test_our_own_errors_pass_unchanged() -> None:
    error = NotFound("x")
    with pytest.raises(NotFound) as caught, translated():
        raise error
    assert caught.value is error


def test_the_table_has_a_last_row_for_everything() -> None:
    assert list(FAULTS)[-2:] == [b2.B2Error, Exception]


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ValueError("x"), AssertionError("x"), IndexError()])
def test_where_b2sdk_trips_over_an_answer_it_was_no_answer_of_b2(error: Exception) -> None:
    """It looks into answers without checking them, and its frames hold the key."""
    assert type(raised_for(error)) is UnexpectedAnswer


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b'{"code": "not_found"}', NotFound),
        (404, b"", NotFound),
        (416, b'{"code": "range_not_satisfiable"}', RangeNotSatisfiable),
        (401, b'{"code": "unauthorized"}', Refused),
        (403, b'{"code": "access_denied"}', Refused),
        (403, b'{"code": "download_cap_exceeded"}', CapExceeded),
        (403, b"", CapExceeded),
        (408, b"", Unavailable),
        (429, b"", Unavailable),
        (500, b"<html>", Unavailable),
        (503, b"", Unavailable),
        (400, b"", UnexpectedAnswer),
        (302, b"", UnexpectedAnswer),
        (418, b"[]", UnexpectedAnswer),
        (503, b"[" * 16_000, Unavailable),
    ],
)
def test_an_error_answer_means(status: int, body: bytes, expected: type[B2RouterError]) -> None:
    assert type(from_answer(status, body, None)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code": "expired_auth_token"}', True),
        (b'{"code": "bad_auth_token"}', True),
        (b"", True),
        (b'{"code": "unauthorized"}', False),
    ],
)
def test_a_401_asks_for_a_login_or_refuses(body: bytes, expected: bool) -> None:
    """After HEAD there is no body to tell, so one login is tried."""
    assert is_expired(401, body) is expected
    assert not is_expired(403, body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("5", 5), ("0", 0), ("", None), ("-1", None), ("1.5", None), ("٣", None), ("9" * 30, None)],
)
def test_retry_after_is_read_as_seconds(value: Any, expected: int | None) -> None:
    assert retry_after_s(value) == expected
