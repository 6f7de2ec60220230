"""What profiles get from `defaults` and from each other, what they do not, and how mistakes are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from b2router.config import BackblazeConfig
from b2router.errors import ConfigError
from b2router.isolation import leaks
from b2router.settings import Layer, build, load

CDN = {"mode": "cdn", "base_url": "https://cdn.example.com/", "signing": {"scheme": "bunny", "secret": "canary-secret"}}


def configured(defaults: Any = None, **profiles: Any) -> BackblazeConfig:
    values = {"profiles": profiles} if defaults is None else {"defaults": defaults, "profiles": profiles}
    return build([Layer("BACKBLAZE_CONFIG", values, "settings")])


def said(defaults: Any = None, **profiles: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        configured(defaults, **profiles)
    return [str(problem) for problem in error.value.problems]


def test_defaults_are_for_every_profile_that_says_nothing_else() -> None:
    config = configured(
        {"max_age_s": 60, "permission": "staff", "on_denied": "404"},
        one={"bucket": "acme-one"},
        two={"bucket": "acme-two", "max_age_s": 5, "permission": None},
    )
    seen = {name: (p.max_age_s, p.permission, p.on_denied) for name, p in config.profiles.items()}
    assert seen == {"one": (60, "staff", "404"), "two": (5, None, "404")}


def test_profiles_extend_others_and_the_nearest_value_counts() -> None:
    """Lowest to highest: defaults, the extended ones in their order, the profile itself; over any distance."""
    config = configured(
        {"max_age_s": 1, "missing_ttl_s": 1, "metadata_ttl_s": 1},
        one={"bucket": "acme-one", "max_age_s": 2, "missing_ttl_s": 2, "on_denied": "403"},
        two={"bucket": "acme-two", "max_age_s": 3, "on_denied": "404"},
        both={"extends": ["one", "two"], "location": "both/"},
        last={"extends": "both", "location": "last/", "max_age_s": 4},
    )
    last = config.profiles["last"]
    assert (last.bucket, last.location, last.on_denied) == ("acme-two", "last/", "404")
    assert (last.max_age_s, last.missing_ttl_s, last.metadata_ttl_s) == (4, 2, 1)


def test_a_route_is_never_inherited() -> None:
    """Two profiles cannot share one, and without one nothing is served."""
    config = configured(
        one={"bucket": "acme-one", "location": "a/", "route": "one/", "permission": "staff"},
        two={"extends": "one", "location": "b/"},
    )
    assert [profile.route for profile in config.profiles.values()] == ["one/", None]


def test_who_else_may_read_is_never_inherited() -> None:
    config = configured(
        open={"bucket": "acme-one", "permission": "public"},
        staff={"bucket": "acme-one", "permission": "staff", "readable_through": ["open"]},
        other={"extends": "staff", "bucket": "acme-two"},
    )
    assert config.profiles["other"].readable_through == ()


def test_a_permission_is_inherited_whole_or_not_at_all() -> None:
    config = configured(
        {"permission": {"any": ["staff", "group:a"]}},
        one={"bucket": "acme-one", "permission": {"all": ["staff"]}},
        two={"bucket": "acme-two"},
    )
    assert config.profiles["one"].permission.all == ("staff",)  # type: ignore[union-attr]
    assert config.profiles["two"].permission.any == ("staff", "group:a")  # type: ignore[union-attr]


def test_a_delivery_that_names_its_mode_inherits_nothing() -> None:
    """Also of the same mode: else forgetting the signing would not mean that there is none."""
    config = configured(
        one={"bucket": "acme-one", "permission": "public", "delivery": CDN},
        two={"extends": "one", "delivery": {"mode": "cdn", "base_url": "https://two.example.com/"}},
    )
    assert config.profiles["two"].delivery.signing is None  # type: ignore[union-attr]


def test_a_delivery_without_a_mode_refines_the_inherited_one() -> None:
    config = configured(
        one={"bucket": "acme-one", "permission": "staff", "delivery": CDN},
        two={"extends": "one", "delivery": {"base_url": "https://two.example.com/"}},
    )
    two = config.profiles["two"].delivery
    assert (two.base_url, two.signing is not None) == ("https://two.example.com/", True)  # type: ignore[union-attr]


def test_variables_override_single_values_of_what_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__TWO__DELIVERY__BASE_URL", "https://staging.example.com/")
    monkeypatch.setenv("BACKBLAZE_PROFILES__TWO__EXTENDS", '["one"]')
    monkeypatch.setenv("BACKBLAZE_DEFAULTS__MAX_AGE_S", "7")
    declared = {"one": {"bucket": "acme-one", "permission": "staff", "delivery": CDN}, "two": {"location": "two/"}}
    config = load(SimpleNamespace(BACKBLAZE_CONFIG={"profiles": declared}))
    addresses = {name: profile.delivery.base_url for name, profile in config.profiles.items()}  # type: ignore[union-attr]
    assert addresses == {"one": "https://cdn.example.com/", "two": "https://staging.example.com/"}
    assert [profile.max_age_s for profile in config.profiles.values()] == [7, 7]


def test_a_later_layer_may_change_what_is_extended() -> None:
    """Layers are merged first, so a heir sees the value that its ancestor has in the end."""
    low = Layer("file", {"profiles": {"one": {"bucket": "acme-one"}, "two": {"extends": "one"}}}, "file")
    high = Layer("BACKBLAZE_CONFIG", {"profiles": {"one": {"bucket": "acme-new"}}}, "settings")
    assert build([low, high]).profiles["two"].bucket == "acme-new"


def test_the_isolation_proof_sees_what_is_inherited() -> None:
    """A heir of the same files with a looser permission is found, wherever bucket and permission came from."""
    config = configured(
        {"bucket": "acme-shared"},
        staff={"permission": "staff", "route": "s/"},
        members={"extends": "staff", "permission": "authenticated", "route": "m/"},
    )
    assert [(leak.profile, leak.through) for leak in leaks(config)] == [("staff", "members")]


def test_public_addresses_are_refused_for_inherited_permissions() -> None:
    assert said({"permission": "staff"}, one={"bucket": "acme-one", "delivery": {**CDN, "signing": None}})[
        0
    ].startswith("profiles.one.delivery.mode: 'cdn' gives out addresses that anyone can open")


def test_an_error_names_the_ancestor_that_the_value_came_from_once() -> None:
    found = said(
        {"max_age_s": -1},
        one={"bucket": "x"},
        two={"extends": "one", "location": "two/"},
    )
    assert found == [
        "profiles.one.bucket: found 'x'; expected at least 6 characters. "
        "[from BACKBLAZE_CONFIG['profiles']['one']['bucket']] Change it there.",
        "profiles.one.max_age_s: found -1; expected at least 0. "
        "[from BACKBLAZE_CONFIG['defaults']['max_age_s']] Change it there.",
    ]


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        pytest.param(
            {"one": {"bucket": "acme-one", "extends": "tow"}, "two": {"bucket": "acme-two"}},
            "profiles.one.extends: found 'tow' (did you mean 'two'?); the other profiles are 'two'. "
            "[from BACKBLAZE_CONFIG['profiles']['one']['extends']] Change it there.",
            id="unknown",
        ),
        pytest.param(
            {"one": {"extends": "CANARY-key"}},
            "profiles.one.extends: there is no other profile. "
            "[from BACKBLAZE_CONFIG['profiles']['one']['extends']] Change it there.",
            id="unknown, not even a name; what it lacks is not told",
        ),
        pytest.param(
            {"one": {"bucket": "acme-one", "extends": "one"}},
            "profiles.one.extends: one → one: a profile cannot extend itself. "
            "[from BACKBLAZE_CONFIG['profiles']['one']['extends']] Change it there.",
            id="itself",
        ),
        pytest.param(
            {
                "zero": {"extends": "one"},
                "one": {"extends": ["two"]},
                "two": {"extends": "three"},
                "three": {"bucket": "acme-three", "extends": "one"},
            },
            "profiles.three.extends: one → two → three → one: a profile cannot extend itself. "
            "[from BACKBLAZE_CONFIG['profiles']['three']['extends']] Change it there.",
            id="a circle",
        ),
        pytest.param(
            {"one": {"bucket": "acme-one", "extends": {"two": 1}}},
            "profiles.one.extends: expected the name of a profile, or a list of names. "
            "[from BACKBLAZE_CONFIG['profiles']['one']['extends']] Change it there.",
            id="another type",
        ),
    ],
)
def test_a_wrong_extends_is_told(profiles: dict[str, Any], expected: str) -> None:
    assert said(**profiles) == [expected]


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        pytest.param({"route": "b2/"}, "defaults.route: it belongs to one profile", id="route"),
        pytest.param({"extends": "one"}, "defaults.extends: it belongs to one profile", id="extends"),
        pytest.param(["staff"], "defaults: expected an object", id="another type"),
        pytest.param({"buckt": "x"}, "profiles.one.buckt: unknown key; did you mean 'bucket'? [from BAC", id="unknown"),
    ],
)
def test_wrong_defaults_are_told(defaults: Any, expected: str) -> None:
    (problem,) = said(defaults, one={"bucket": "acme-one"})
    assert problem.startswith(expected)


def test_a_misspelt_extends_or_defaults_is_told_the_right_one() -> None:
    (problem,) = said(one={"bucket": "acme-one", "extend": "two"})
    assert "did you mean 'extends'?" in problem
    with pytest.raises(ConfigError) as error:
        build([Layer("x", {"profiles": {"one": {"bucket": "acme-one"}}, "default": {}}, "settings")])
    assert "did you mean 'defaults'?" in str(error.value)
