"""Alias → profile, URL ↔ profile and name; and that a leaking configuration routes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from b2router import get_storage, router
from b2router.config import BackblazeConfig
from b2router.errors import ConfigError
from b2router.router import Router, Target, current_router

VALUES: dict[str, Any] = {
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
        "staff": {"bucket": "acme-staff", "route": "files/staff/", "permission": "staff"},
        "backup": {"bucket": "acme-backup"},
    },
    "storages": {"avatars": "public"},
}


@pytest.fixture
def routed() -> Router:
    return Router(BackblazeConfig.model_validate(VALUES))


def test_every_profile_is_an_alias_of_itself(routed: Router) -> None:
    assert dict(routed.aliases) == {"public": "public", "staff": "staff", "backup": "backup", "avatars": "public"}
    assert routed.profile("avatars").name == "public"


def test_an_unknown_alias_is_told_the_known_ones(routed: Router) -> None:
    with pytest.raises(ConfigError) as error:
        routed.profile("avatar")
    assert str(error.value.problems[0]) == (
        "storage alias 'avatar': there is no such alias; the aliases are avatars, backup, public, staff. "
        "Did you mean 'avatars'?"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("b2/a.txt", Target("public", "a.txt")),
        ("files/staff/2026/a b.txt", Target("staff", "2026/a b.txt")),
        ("b2/../files/staff/x", Target("public", "../files/staff/x")),
        ("b2//x", Target("public", "/x")),
        ("b2/", None),
        ("b2", None),
        ("b2x/a", None),
        ("files/a", None),
        ("", None),
    ],
)
def test_a_path_belongs_to_the_route_it_begins_with(path: str, expected: Target | None, routed: Router) -> None:
    """Nothing is resolved here: the name goes to the gate as it was sent."""
    assert routed.match(path) == expected
    if expected is not None:
        assert routed.path(expected) == path


def test_a_profile_without_route_has_no_path(routed: Router) -> None:
    with pytest.raises(KeyError):
        routed.path(Target("backup", "x"))


def test_a_leaking_configuration_routes_nothing() -> None:
    """However the site is started: WSGI servers run no system checks."""
    leaking = BackblazeConfig.model_validate(
        {
            "profiles": {
                "public": {"bucket": "acme-shared", "route": "b2/", "permission": "public"},
                "staff": {"bucket": "acme-shared", "route": "b2s/", "permission": "staff"},
            }
        }
    )
    with pytest.raises(ConfigError, match="'staff' is reachable through the looser profile 'public'"):
        Router(leaking)


def test_the_router_follows_the_settings() -> None:
    """Storages hold their alias only, so those that models made at import follow too."""
    storage = get_storage("avatars")
    with override_settings(BACKBLAZE_CONFIG=VALUES):
        assert storage.profile.bucket == "acme-public"
        other = {**VALUES, "storages": {"avatars": "staff"}}
        with override_settings(BACKBLAZE_CONFIG=other):
            assert storage.profile.bucket == "acme-staff"
        assert storage.profile.bucket == "acme-public"


def test_the_environment_is_read_again_after_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(BACKBLAZE_CONFIG=VALUES):
        assert current_router().profile("public").bucket == "acme-public"
        monkeypatch.setenv("BACKBLAZE_PROFILES__PUBLIC__BUCKET", "acme-other")
        router.reload()
        assert current_router().profile("public").bucket == "acme-other"
    router.reload()


def test_the_mappings_cannot_be_changed(routed: Router) -> None:
    with pytest.raises(TypeError):
        routed.profiles["public"] = routed.profiles["staff"]  # type: ignore[index]
