"""Environments of a declaration: which one is picked, what it changes, and what lies above it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from b2router.config import BackblazeConfig
from b2router.errors import ConfigError, Problem
from b2router.settings import Layer, build, load

DECLARED: dict[str, Any] = {
    "profiles": {
        "assets": {
            "bucket": "acme-assets",
            "permission": "public",
            "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/"},
        },
        "staff": {"bucket": "acme-staff", "permission": {"any": ["staff", "group:editors"]}, "route": "b2s/"},
    },
    "environments": {
        "production": {},
        "staging": {
            "profiles": {
                "assets": {"delivery": {"base_url": "https://cdn.staging.example/"}},
                "staff": {"bucket": "acme-staging", "permission": {"all": ["staff"]}},
                "scratch": {"bucket": "acme-scratch"},
            },
            "storages": {"default": "staff"},
        },
    },
}


def layer(values: dict[str, Any], kind: str = "settings") -> Layer:
    return Layer("BACKBLAZE_CONFIG", values, kind)


def problems(*stack: Layer) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        build(stack)
    return error.value.problems


def buckets(config: BackblazeConfig) -> dict[str, str]:
    return {name: profile.bucket for name, profile in config.profiles.items()}


def test_without_a_choice_the_declaration_stands_as_it_is() -> None:
    config = build([layer(DECLARED)])
    assert buckets(config) == {"assets": "acme-assets", "staff": "acme-staff"}
    assert config.storages == {}


def test_an_environment_is_laid_over_the_declaration() -> None:
    """Value by value, but a permission as a whole; what it does not mention stays, and it may add profiles."""
    config = build([layer({**DECLARED, "environment": "staging"})])
    assert buckets(config) == {"assets": "acme-assets", "staff": "acme-staging", "scratch": "acme-scratch"}
    assert config.profiles["assets"].delivery.base_url == "https://cdn.staging.example/"  # type: ignore[union-attr]
    assert config.profiles["staff"].route == "b2s/"
    assert config.profiles["staff"].permission.all == ("staff",)  # type: ignore[union-attr]
    assert config.storages == {"default": "staff"}


def test_an_environment_of_another_delivery_replaces_it() -> None:
    staging = {"profiles": {"assets": {"delivery": {"mode": "proxy"}}}}
    config = build([layer({**DECLARED, "environment": "test", "environments": {"test": staging}})])
    assert config.profiles["assets"].delivery.mode == "proxy"


def test_the_variable_picks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "staging")
    assert load(SimpleNamespace(BACKBLAZE_CONFIG=DECLARED)).profiles["staff"].bucket == "acme-staging"


def test_the_highest_layer_picks_and_an_empty_variable_picks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    site = SimpleNamespace(BACKBLAZE_CONFIG={**DECLARED, "environment": "production"})
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "")
    assert load(site).profiles["staff"].bucket == "acme-staff"
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "staging")
    assert load(site).profiles["staff"].bucket == "acme-staging"


def test_a_dotenv_file_picks_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BACKBLAZE_ENVIRONMENT=staging\n")
    site = SimpleNamespace(BACKBLAZE_CONFIG=DECLARED, BACKBLAZE_ENV_FILE=tmp_path / ".env")
    assert load(site).profiles["staff"].bucket == "acme-staging"


def test_layers_above_win_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment is part of the layer that it stands in: here of the file, below settings and variables."""
    file = tmp_path / "b2router.json"
    file.write_text(json.dumps({"$schema": "x", **DECLARED}))
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "staging")
    site = SimpleNamespace(BACKBLAZE_CONFIG_FILE=file)
    assert load(site).profiles["staff"].bucket == "acme-staging"
    site.BACKBLAZE_CONFIG = {"$schema": "x", "profiles": {"staff": {"bucket": "acme-settings"}}}
    assert load(site).profiles["staff"].bucket == "acme-settings"
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-variable")
    assert load(site).profiles["staff"].bucket == "acme-variable"


def test_an_unknown_environment_is_told_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "stagin")
    with pytest.raises(ConfigError) as error:
        load(SimpleNamespace(BACKBLAZE_CONFIG=DECLARED))
    assert [str(problem) for problem in error.value.problems] == [
        "environment: found 'stagin' (did you mean 'staging'?); the environments are 'production', 'staging'. "
        "[from environment variable BACKBLAZE_ENVIRONMENT] Name one that exists, or declare it under 'environments'."
    ]


def test_a_value_that_is_no_name_is_not_repeated() -> None:
    """It may be a key that got into the wrong variable."""
    (problem,) = problems(layer({**DECLARED, "environment": "K001canaryCANARY"}))
    assert problem.message == "the environments are 'production', 'staging'."
    (problem,) = problems(layer({"profiles": DECLARED["profiles"], "environment": "K001canaryCANARY"}))
    assert problem.message == "it names an environment, but none is declared."


def test_an_error_names_the_environment_that_the_value_came_from() -> None:
    staging = {"profiles": {"staff": {"bucket": "x"}}}
    (problem,) = problems(layer({**DECLARED, "environment": "test", "environments": {"test": staging}}))
    assert problem.where == "profiles.staff.bucket"
    assert problem.layer == "BACKBLAZE_CONFIG['environments']['test']['profiles']['staff']['bucket']"
    assert problem.path == ("environments", "test", "profiles", "staff", "bucket")


@pytest.mark.parametrize("environments", [[], "staging", {"staging": "x"}])
def test_environments_of_another_shape_are_refused(environments: Any) -> None:
    found = problems(layer({"profiles": DECLARED["profiles"], "environments": environments}))
    assert [problem.code for problem in found] == ["environment"]


def test_an_environment_cannot_hold_environments() -> None:
    values = {**DECLARED, "environment": "test", "environments": {"test": {"environments": {}, "environment": "x"}}}
    assert {problem.where: problem.code for problem in problems(layer(values))} == {
        "environments": "unknown_key",
        "environment": "unknown_key",
    }
