"""One run says as much about a configuration as it can: what is invalid does not hide what else is wrong."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest

from b2router.config import BackblazeConfig
from b2router.declaration import build
from b2router.errors import ConfigError, Problem
from b2router.layers import Layer

PUBLIC = {"bucket": "acme-files", "route": "b2/", "permission": "public"}
STAFF = {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"}
KEY = {"application_key_id": "id", "application_key": "key"}
RELATIONS: dict[str, Any] = {
    "profiles": {
        "public": PUBLIC,
        "staff": STAFF,
        "under": {**STAFF, "route": "b2s/under/"},
        "lost": {**STAFF, "route": None, "account": "eu"},
        "read": {**STAFF, "route": None, "readable_through": ["stafff"]},
    },
    "storages": {"media": "publi", "staff": "public", "docs": "staff"},
    "accounts": {"eus": KEY},
}
FOUND_OF_RELATIONS = {
    "profiles.under.route",
    "profiles.lost.account",
    "profiles.read.readable_through.0",
    "storages.media",
    "storages.staff",
}
FOUND_OF_NAMES_OF_PROFILES = {"profiles.read.readable_through.0", "storages.media"}
BROKEN = [
    pytest.param(("profiles", "broken"), {"bucket": "x", "permission": "staf"}, id="profile"),
    pytest.param(("profiles", "broken"), "text", id="profile that is none"),
    pytest.param(("profiles", "Broken.Name"), STAFF, id="name of a profile"),
    pytest.param(("profiles", "broken"), {}, id="profile without a bucket"),
    pytest.param(("accounts", "broken"), {"application_key_id": "id"}, id="account"),
    pytest.param(("accounts", "default"), KEY, id="account that cannot be"),
    pytest.param(("storages", "Broken Alias"), "public", id="name of an alias"),
    pytest.param(("storages", "broken"), 7, id="alias"),
    pytest.param(("limits",), {"tries": 0}, id="limits"),
    pytest.param(("max_streams",), 0, id="number"),
    pytest.param(("no_such_key",), 0, id="unknown key"),
]


def problems_of(config: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        build([Layer("BACKBLAZE_CONFIG", config, "settings")])
    return caught.value.problems


def with_value(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = deepcopy(config)
    *above, last = path
    at = changed
    for key in above:
        at = at.setdefault(key, {})
    at[last] = value
    return changed


@pytest.mark.parametrize(("path", "value"), BROKEN)
def test_how_parts_refer_to_each_other_is_judged_beside_what_is_invalid(path: tuple[str, ...], value: Any) -> None:
    found = [problem.where for problem in problems_of(with_value(RELATIONS, path, value))]
    is_named = re.fullmatch("[a-z]+", path[-1]) or path[0] != "profiles"  # else anybody may mean that profile
    expected = FOUND_OF_RELATIONS if is_named else FOUND_OF_RELATIONS - FOUND_OF_NAMES_OF_PROFILES
    assert {*found} >= expected
    assert len(found) == len({*found})
    assert all(where.startswith(".".join(path)) for where in {*found} - expected)


@pytest.mark.parametrize(("path", "value"), BROKEN)
def test_a_leak_is_found_beside_what_is_invalid(path: tuple[str, ...], value: Any) -> None:
    leaking = {"profiles": {"public": PUBLIC, "staff": {**STAFF, "bucket": "acme-files"}}}
    *others, leak = problems_of(with_value(leaking, path, value))
    assert others
    assert (leak.code, leak.where, leak.layer) == ("leak", "profiles.staff", "BACKBLAZE_CONFIG['profiles']['staff']")


def test_who_refers_to_what_is_invalid_is_not_wrong() -> None:
    config = {
        "profiles": {
            "public": {**PUBLIC, "bucket": "x"},
            "staff": {**STAFF, "account": "eu", "readable_through": ["public"]},
        },
        "storages": {"media": "public"},
        "accounts": {"eu": {}},
    }
    assert {problem.where for problem in problems_of(config)} == {
        "profiles.public.bucket",
        "accounts.eu.application_key_id",
        "accounts.eu.application_key",
    }


@pytest.mark.parametrize(
    ("config", "found"),
    [
        pytest.param({"accounts": "text"}, ["accounts"], id="accounts that are none"),
        pytest.param({"acounts": {"eu": KEY}}, ["acounts"], id="accounts with a wrong letter"),
        pytest.param({"accounts": {"EU": KEY}}, ["accounts.EU"], id="name of an account"),
        pytest.param({"accounts": {"": KEY, "eu": KEY}}, ["accounts."], id="account without a name"),
        pytest.param(
            {"profiles": {"a": STAFF, "Media-Files": PUBLIC}, "storages": {"media": "media_files"}},
            ["profiles.Media-Files"],
            id="name of a profile",
        ),
        pytest.param(
            {"profiles": {"a": STAFF, "Media.Files": {**PUBLIC, "bucket": "x"}}},
            ["profiles.Media.Files", "profiles.Media.Files.bucket"],
            id="name and bucket of a profile",
        ),
    ],
)
def test_who_may_refer_to_what_has_no_name_yet_is_not_wrong(config: dict[str, Any], found: list[str]) -> None:
    profiles = {"eu": {**STAFF, "account": "eu"}}
    assert [problem.where for problem in problems_of({"profiles": profiles, **config})] == found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("environment",), "pro", id="environment"),
        pytest.param(("defaults",), 7, id="defaults"),
        pytest.param(("defaults", "extends"), "staff", id="key of defaults"),
        pytest.param(("profiles", "staff", "extends"), "staf", id="extends"),
    ],
)
def test_values_that_are_not_known_are_compared_with_none(path: tuple[str, ...], value: Any) -> None:
    """What is meant may set them apart."""
    config = {
        "environments": {"prod": {"profiles": {"staff": {"bucket": "acme-staff"}}}},
        "profiles": {"public": PUBLIC, "staff": {**STAFF, "bucket": "acme-files"}},
        "max_streams": 0,
    }
    assert [problem.where for problem in problems_of(with_value(config, path, value))] == [
        ".".join(path),
        "max_streams",
    ]


def test_what_is_invalid_is_listed_among_what_there_is() -> None:
    config = {"profiles": {"public": {**PUBLIC, "bucket": "x"}, "staff": STAFF}, "storages": {"media": "publi"}}
    _, alias = problems_of(config)
    assert alias.message == "found 'publi' (did you mean 'public'?); the profiles are 'public', 'staff'."


@pytest.mark.parametrize("key", ["location", "route", "permission", "bucket"])
def test_a_profile_with_an_invalid_value_is_compared_with_none(key: str) -> None:
    """Once it is mended it may leak or not, overlap or not."""
    inner = {**STAFF, "bucket": "acme-files", "location": "inner/", "route": "b2/inner/", key: "?"}
    config = {"profiles": {"public": {**PUBLIC, "location": "outer/"}, "inner": inner}}
    assert [problem.where for problem in problems_of(config)] == [f"profiles.inner.{key}"]


def test_nothing_is_left_over_of_what_is_all_invalid() -> None:
    assert [problem.where for problem in problems_of({"profiles": {"a": 1, "b": 2}})] == ["profiles.a", "profiles.b"]
    assert [problem.where for problem in problems_of({"profiles": 3, "max_streams": 0})] == ["profiles", "max_streams"]
    assert [problem.code for problem in problems_of({"profiles": {}})] == ["too_short"]
    assert [problem.where for problem in problems_of({"max_streams": 1})] == ["profiles"]


def test_no_stand_in_is_seen() -> None:
    """What keeps the name of a profile or an account that is left out."""
    config = with_value(RELATIONS, ("profiles", "broken"), {"bucket": "x"})
    config["accounts"] = {"eu": {"application_key": "canary-secret"}}
    texts = " ".join(str(problem) for problem in problems_of(config))
    assert "stand-in" not in texts
    assert "canary" not in texts


def test_the_relations_are_wrong_by_themselves() -> None:
    """Else the tests above say little."""
    assert {problem.where for problem in problems_of(RELATIONS)} == FOUND_OF_RELATIONS
    assert BackblazeConfig.model_validate({"profiles": {"public": PUBLIC, "staff": STAFF}})
