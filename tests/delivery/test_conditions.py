"""Conditional requests by RFC 9110 section 13: comparison, precedence, and what is ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from django.utils.http import http_date

from b2router.delivery import conditions

ETAG = '"v1"'
WHEN = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
SAME, BEFORE, AFTER = (http_date(WHEN.timestamp() + seconds) for seconds in (0, -1, 1))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="no condition"),
        pytest.param({"if-none-match": ETAG}, 304, id="same ETag"),
        pytest.param({"if-none-match": '"v0"'}, None, id="other ETag"),
        pytest.param({"if-none-match": f'"v0", {ETAG}'}, 304, id="in a list"),
        pytest.param({"if-none-match": f"W/{ETAG}"}, 304, id="weak comparison, 13.1.2"),
        pytest.param({"if-none-match": "*"}, 304, id="any, 13.1.2"),
        pytest.param({"if-none-match": "v1"}, None, id="not an ETag: it names no file"),
        pytest.param({"if-none-match": "v1", "if-modified-since": SAME}, None, id="nor lets the date decide, 13.1.3"),
        pytest.param(
            {"if-none-match": '"a,b"', "if-modified-since": SAME}, None, id="a comma is part of an ETag, 8.8.3"
        ),
        pytest.param({"if-none-match": f'"a,b",{ETAG}'}, 304, id="after one with a comma"),
        pytest.param({"if-none-match": '"W/v1"'}, None, id="W/ inside the quotes is part of it"),
        pytest.param({"if-modified-since": SAME}, 304, id="not modified since"),
        pytest.param({"if-modified-since": AFTER}, 304, id="modified before"),
        pytest.param({"if-modified-since": BEFORE}, None, id="modified since"),
        pytest.param({"if-modified-since": "yesterday"}, None, id="not a date: ignored, 13.1.3"),
        pytest.param({"if-none-match": '"v0"', "if-modified-since": SAME}, None, id="ETag beats date, 13.1.3"),
        pytest.param({"if-none-match": ETAG, "if-modified-since": BEFORE}, 304, id="ETag beats date, the other way"),
        pytest.param({"if-match": ETAG}, None, id="match"),
        pytest.param({"if-match": '"v0"'}, 412, id="no match"),
        pytest.param({"if-match": f"W/{ETAG}"}, 412, id="strong comparison, 13.1.1"),
        pytest.param({"if-match": "*"}, None, id="match any"),
        pytest.param({"if-match": "v1"}, 412, id="not an ETag: it names no file, 13.1.1"),
        pytest.param({"if-match": '"a,b"'}, 412, id="another ETag, with a comma"),
        pytest.param({"if-match": "v1", "if-unmodified-since": SAME}, 412, id="nor lets the date decide, 13.1.4"),
        pytest.param({"if-unmodified-since": "yesterday"}, None, id="not a date: ignored, 13.1.4"),
        pytest.param({"if-unmodified-since": SAME}, None, id="unmodified since"),
        pytest.param({"if-unmodified-since": BEFORE}, 412, id="modified after"),
        pytest.param({"if-match": ETAG, "if-unmodified-since": BEFORE}, None, id="match beats date, 13.1.4"),
        pytest.param({"if-match": '"v0"', "if-none-match": ETAG}, 412, id="412 before 304, 13.2.2"),
        pytest.param({"if-match": ETAG, "if-none-match": ETAG}, 304, id="both hold, 13.2.2"),
    ],
)
def test_the_conditions_of_a_get(headers: dict[str, str], expected: int | None) -> None:
    request = RequestFactory().get("/", headers=headers)
    assert conditions.status(request, ETAG, WHEN) == expected
    assert conditions.are_given(request) is bool(headers)


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [
        pytest.param(None, True, id="no condition"),
        pytest.param(ETAG, True, id="same version"),
        pytest.param('"v0"', False, id="another version"),
        pytest.param(f"W/{ETAG}", False, id="strong comparison, 13.1.5"),
        pytest.param(SAME, True, id="same date"),
        pytest.param(AFTER, False, id="a date must be equal, 13.1.5"),
        pytest.param(BEFORE, False, id="older"),
        pytest.param("nonsense", False, id="neither"),
    ],
)
def test_if_range(if_range: str | None, holds: bool) -> None:
    assert conditions.range_holds(if_range, ETAG, WHEN) is holds


def test_a_date_is_no_strong_validator_within_its_second() -> None:
    """Two versions of one second would share it, 8.8.2.2."""
    now = datetime.now(UTC) + timedelta(seconds=5)
    assert not conditions.range_holds(http_date(now.timestamp()), ETAG, now)
