"""`manage.py b2router stats`: what it prints, and what it says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from b2router import tallies
from tests.conftest import Configure
from tests.test_tallies import nothing_is_counted, record

TODAY = "2026-12-02"


@pytest.fixture(autouse=True)
def _counted(
    configure: Configure, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Figures of two days in a cache that processes share."""
    nothing_is_counted()
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
    }
    for day, count in (("2026-12-01", 3), (TODAY, 2)):
        monkeypatch.setattr("b2router.tallies.today", lambda day=day: day)
        for _ in range(count):
            tallies.count(record("staff", calls={"download": 1000, "b2_list_file_names": 2000}))
        tallies.count(record("public", verb="save", status="ok", cache=None, bytes_in=7, calls={"b2_upload_file": 1}))
        tallies.count(record("public", status="503", cache="miss", is_complete=False, calls={}, retries=2))
        tallies.flush()
    yield monkeypatch
    tallies.begin_anew()


def printed(*words: str) -> str:
    output = StringIO()
    call_command("b2router", "stats", *words, stdout=output, skip_checks=True)
    return output.getvalue()


def test_a_day_by_profile() -> None:
    assert printed().splitlines() == [
        "2026-12-02 (UTC)",
        "",
        "public: 2 operations",
        "  GET 503                              1",
        "  save ok                              1",
        "  of which cut short                   1",
        "  bytes out 20, in 7",
        "  calls on B2: A 1, B 0, C 0 (1 b2_upload_file; 2 retries)",
        "  metadata cache: 0% of 1 answered",
        "  at list price, before free calls: $0.0000",
        "",
        "staff: 2 operations",
        "  GET 200                              2",
        "  bytes out 20, in 0",
        "  calls on B2: A 0, B 2000, C 4000 (4000 b2_list_file_names, 2000 download; 0 retries)",
        "  metadata cache: 100% of 2 answered",
        "  at list price, before free calls: $0.0168",
        "",
        "Estimated: $0.0060, at $0.004 for 10,000 B and $0.004 for 1,000 C, 2500 of each free a day and account "
        "(defaults: Backblaze's page on transaction pricing, 2026-11).",
        "An estimate for calls alone, without storage and traffic. Prices change, and accounts differ: since May 2026 "
        "calls of the classes A, B and C are said to be free on pay-as-you-go. Compare with the account's own report.",
    ]


def test_days_add_up_and_are_free_one_by_one() -> None:
    found = json.loads(printed("--days", "2", "--json"))
    assert (found["days"], found["is_shared"]) == (["2026-12-01", TODAY], True)
    assert found["profiles"]["staff"] == {
        "operations": 5,
        "by_operations": {"GET 200": 5},
        "calls": {"download": 5000, "b2_list_file_names": 10000},
        "cache": {"hit": 5},
        "bytes_out": 50,
        "bytes_in": 0,
        "retries": 0,
        "cut_short": 0,
        "classes": {"A": 0, "B": 5000, "C": 10000},
        "cache_hit_ratio": 1.0,
        "estimated_usd_before_free_calls": 0.042,
    }
    assert found["estimated_usd"] == pytest.approx((500 * 0.004 / 10_000) + (3500 + 1500) * 0.004 / 1000)


def test_prices_are_options() -> None:
    found = json.loads(printed("--json", "--price-b", "1", "--price-c", "0", "--free-calls", "0"))
    assert found["estimated_usd"] == 0.2


def test_another_day() -> None:
    assert json.loads(printed("--json", "--day", "2026-12-01"))["profiles"]["staff"]["operations"] == 3
    assert "No operation was counted." in printed("--day", "2026-11-30")


def test_a_cache_of_one_process_is_named_as_such(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "stats"}}
    assert "these are of this process only" in printed()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--days", "0"], "expected 1 to 35"),
        (["--day", "today"], "expected a day such as 2026-01-31"),
        (["--price-b", "-1"], "expected US dollars"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(words: list[str], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        printed(*words)


def test_without_a_cache_nothing_is_counted(settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "metadata_cache": None}
    with pytest.raises(CommandError, match="metadata_cache is none"):
        printed()


def test_a_cache_that_is_away_is_said_without_its_address(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_tallies.Broken"}}
    with pytest.raises(CommandError, match=r"cannot be read \(ConnectionError\)") as error:
        printed()
    assert "password" not in str(error.value)
