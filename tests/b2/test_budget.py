"""Time and tries of one request."""

from __future__ import annotations

import pytest

from b2router.b2 import budget
from b2router.b2.budget import Budget, current, limited


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, without making them."""
    made: list[float] = []
    monkeypatch.setattr(budget.time, "sleep", made.append)
    return made


def test_a_call_has_three_tries(pauses: list[float]) -> None:
    limit = Budget()
    assert [limit.take_try() for _ in range(4)] == [True, True, True, False]
    limit.begin()
    assert limit.take_try()


def test_pauses_double_and_are_jittered(pauses: list[float]) -> None:
    limit = Budget(tries=5)
    for _ in range(4):
        assert limit.take_try()
        assert limit.pause(None)
    assert all(0.5 * full <= pause <= full for pause, full in zip(pauses, (0.5, 1, 2, 2), strict=True))


def test_no_pause_after_the_last_try(pauses: list[float]) -> None:
    limit = Budget(tries=1)
    limit.take_try()
    assert not limit.pause(None)
    assert not pauses


@pytest.mark.parametrize(("asked", "slept"), [(1, True), (2, True), (3, False), (10**6, False)])
def test_a_wait_is_made_if_it_fits(asked: int, slept: bool, pauses: list[float]) -> None:
    limit = Budget()
    limit.take_try()
    assert limit.pause(asked) is slept
    assert pauses == ([asked] if slept else [])


def test_no_pause_beyond_the_deadline(pauses: list[float]) -> None:
    limit = Budget(seconds=0.5)
    limit.take_try()
    assert not limit.pause(1)


def test_no_try_beyond_the_deadline() -> None:
    assert not Budget(seconds=0).take_try()


def test_what_runs_inside_shares_the_outer_budget() -> None:
    assert current() is None
    with limited(Budget(seconds=1)) as outer:
        assert current() is outer
        with limited(Budget(seconds=99)) as inner:
            assert inner is outer
    assert current() is None
