"""The isolation proof: which declarations leak, and which are safe."""

import json
import re
import tomllib
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2router import isolation
from b2router.config import BackblazeConfig
from b2router.isolation import declared_leaks, leaks

PAGE = (Path(__file__).parents[1] / "docs" / "isolation.md").read_text()
CASES = re.findall(r"^\| `(\{.+?\})` \| `(\{.+?\})` \| (refused|fine) \| (.+?) \|$", PAGE, re.MULTILINE)

PUBLIC = {"bucket": "acme-shared", "route": "pub/", "permission": "public"}


def found(**profiles: dict[str, Any]) -> list[tuple[str, str]]:
    """(profile, through) of every leak."""
    config = BackblazeConfig.model_validate(
        {
            "profiles": {
                name: {"bucket": "acme-shared", "route": f"{name}/", **values} for name, values in profiles.items()
            },
            "accounts": {"eu": {"application_key_id": "x", "application_key": "y"}},
        }
    )
    return [(leak.profile, leak.through) for leak in leaks(config)]


def test_one_bucket_for_all_audiences_leaks_to_the_looser_ones() -> None:
    """The predecessor's default: every route serves every file of the one bucket."""
    assert found(
        public={"permission": "public"}, members={"permission": "authenticated"}, staff={"permission": "staff"}
    ) == [("members", "public"), ("staff", "public"), ("staff", "members")]


def test_a_leak_may_be_declared_by_the_profile_whose_files_they_are() -> None:
    """For this pair, and in no other direction."""
    profiles = {
        "public": {"permission": "public", "readable_through": ["staff"]},
        "members": {"permission": "authenticated", "readable_through": ["public"]},
        "staff": {"permission": "staff", "readable_through": ["public"]},
    }
    assert found(**profiles) == [("staff", "members")]


PLACES = st.sampled_from(["", "a/", "a/b/", "ab/", "b/"])
DELIVERIES = st.sampled_from(
    [
        {"mode": "proxy"},
        {"mode": "direct", "base_url": "https://f1.example/file/"},
        {"mode": "cdn", "base_url": "https://cdn.example/"},
        {"mode": "cdn", "base_url": "https://cdn.example/", "signing": {"scheme": "bunny", "secret": "s" * 40}},
        {"mode": "cdn", "base_url": "https://cdn.example/a/", "signing": {"scheme": "bunny", "secret": "t" * 40}},
        {
            "mode": "cdn",
            "base_url": "https://other.example/a/",
            "signing": {"scheme": "cloudflare", "secret": "t" * 40},
        },
    ]
)
DECLARATIONS = st.builds(
    lambda bucket, location, permission, delivery: {
        "bucket": bucket,
        "location": location,
        "permission": "public" if delivery["mode"] in ("direct", "cdn") and "signing" not in delivery else permission,
        "delivery": delivery,
    },
    st.sampled_from(["acme-one", "acme-one2", "acme-two"]),
    PLACES,
    st.sampled_from(["public", "authenticated", "staff", "library.rules.may_read", None]),
    DELIVERIES,
)


@given(st.lists(DECLARATIONS, min_size=2, max_size=5))
def test_no_pair_is_left_out_that_could_meet(declared: list[dict[str, Any]]) -> None:
    """Which pairs are compared is a matter of speed; comparing all finds no leak more."""
    profiles = {f"p{number}": {**one, "route": f"r{number}/"} for number, one in enumerate(declared)}
    config = BackblazeConfig.model_validate({"profiles": profiles})
    every = [
        leak
        for pair in permutations(config.profiles.values(), 2)
        for leak in list(isolation._by_keys(*pair)) or isolation._by_addresses(*pair)
    ]
    assert leaks(config) == every


def test_a_thousand_tenants_are_compared_with_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_by_keys", None)
    tenants = {f"t{n}": {"permission": "library.rules.may_read", "location": f"t{n}/"} for n in range(1000)}
    assert found(**tenants) == []


def test_what_makes_no_leak_need_not_be_declared_to_make_none() -> None:
    config = BackblazeConfig.model_validate(
        {
            "profiles": {
                "public": {"bucket": "acme-public", "permission": "public"},
                "staff": {"bucket": "acme-staff", "permission": "staff", "readable_through": ["public"]},
            }
        }
    )
    assert (leaks(config), declared_leaks(config)) == ([], [])


def test_a_bucket_for_each_audience_is_safe() -> None:
    assert not found(
        public={"permission": "public", "bucket": "acme-public"},
        members={"permission": "authenticated", "bucket": "acme-members"},
        staff={"permission": "staff", "bucket": "acme-staff"},
    )


@pytest.mark.parametrize(
    ("owning", "through", "leaking"),
    [
        pytest.param("staff/", "pub/", False, id="side by side"),
        pytest.param("staff/", "", True, id="whole bucket around it"),
        pytest.param("", "pub/", True, id="whole bucket holds the public part"),
        pytest.param("a/b/", "a/", True, id="folder around it"),
        pytest.param("al/", "albert/", False, id="shared letters, not segments"),
        pytest.param("same/", "same/", True, id="the same location"),
    ],
)
def test_locations_are_compared_as_folders(owning: str, through: str, *, leaking: bool) -> None:
    pairs = found(
        staff={"permission": "staff", "location": owning}, public={"permission": "public", "location": through}
    )
    assert pairs == ([("staff", "public")] if leaking else [])


@pytest.mark.parametrize(
    ("owning", "through", "leaking"),
    [
        pytest.param("authenticated", "staff", False, id="staff are signed in"),
        pytest.param("authenticated", "superuser", False, id="superusers are signed in"),
        pytest.param("authenticated", "group:editors", False, id="members of a group are signed in"),
        pytest.param("perm:shop.view_order", "superuser", False, id="superusers have every permission"),
        pytest.param("group:editors", "superuser", True, id="superusers are in no group by themselves"),
        pytest.param("staff", "superuser", True, id="a superuser need not be staff"),
        pytest.param("staff", "authenticated", True, id="signed in is looser"),
        pytest.param({"any": ["staff", "group:editors"]}, "staff", False, id="one way of several"),
        pytest.param({"all": ["staff", "group:editors"]}, "staff", True, id="half of what is needed"),
        pytest.param("staff", {"all": ["staff", "group:editors"]}, False, id="more than is needed"),
        pytest.param({"not": "staff"}, "group:editors", True, id="editors may be staff"),
        pytest.param({"not": {"not": "staff"}}, "staff", False, id="double negation"),
        pytest.param("group:a", "group:b", True, id="another group"),
        pytest.param("shop.may_read", "shop.may_read", True, id="a predicate may judge by the profile"),
        pytest.param({"any": ["staff", "shop.may_read"]}, "staff", False, id="staff either way"),
        pytest.param("shop.may_read", {"all": ["staff", "shop.may_read"]}, True, id="not provable"),
        pytest.param(None, "staff", True, id="a profile that nobody may read"),
        pytest.param("staff", None, False, id="a profile that serves nobody opens nothing"),
        pytest.param("public", "staff", False, id="anyone may read it anyway"),
    ],
)
def test_permissions_are_compared_by_what_they_mean(owning: Any, through: Any, *, leaking: bool) -> None:
    """Only the direction owning ← through is looked at here."""
    pairs = found(owning={"permission": owning}, through={"permission": through})
    assert (("owning", "through") in pairs) is leaking


def test_a_public_address_opens_its_whole_bucket() -> None:
    """A CDN or B2 itself knows no location: the bucket behind it is public."""
    cdn = {"permission": "public", "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com"}, "route": None}
    assert found(cdn={**cdn, "location": "assets/"}, staff={"permission": "staff", "location": "staff/"}) == [
        ("staff", "cdn")
    ]


def test_a_profile_without_route_opens_nothing_but_can_be_opened() -> None:
    pairs = found(backup={"permission": None, "route": None}, staff={"permission": "staff"})
    assert pairs == [("backup", "staff")]


def test_owning_rows_are_part_of_who_may_read() -> None:
    """A profile that asks for a row is stricter than one that does not."""
    pairs = found(
        invoices={"permission": "authenticated", "owner": "shop.Invoice.pdf"}, all={"permission": "authenticated"}
    )
    assert pairs == [("invoices", "all")]


def test_another_key_for_the_same_bucket_is_no_wall() -> None:
    """Bucket names are unique in B2, whatever key they are reached with."""
    pairs = found(staff={"permission": "staff"}, public={"permission": "public", "account": "eu"})
    assert pairs == [("staff", "public")]


def test_what_is_too_large_to_prove_counts_as_a_leak() -> None:
    many = {"any": [f"group:g{i}" for i in range(20)]}
    assert ("a", "b") in found(a={"permission": many}, b={"permission": many})


def test_the_text_names_both_profiles_the_bucket_and_the_address() -> None:
    config = BackblazeConfig.model_validate(
        {"profiles": {"public": PUBLIC, "staff": {"bucket": "acme-shared", "permission": "staff", "location": "s/"}}}
    )
    assert [str(leak) for leak in leaks(config)] == [
        "profile 'staff' is reachable through the looser profile 'public': the files under 's/' of bucket "
        "'acme-shared' are served at route pub/"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("production", "https://api.backblazeb2.com"),
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("https://b2.example.com", "https://B2.example.com:443"),
    ],
)
def test_another_spelling_of_the_realm_is_no_wall(one: str, other: str) -> None:
    """Nor another realm: a bucket's name is what counts, in any case of letters."""
    key = {"application_key_id": "x", "application_key": "y"}
    config = BackblazeConfig.model_validate(
        {
            **key,
            "realm": one,
            "accounts": {"eu": {**key, "realm": other}},
            "profiles": {
                "staff": {"bucket": "acme-shared", "route": "s/", "permission": "staff"},
                "public": {"bucket": "Acme-Shared", "route": "p/", "permission": "public", "account": "eu"},
            },
        }
    )
    assert [(leak.profile, leak.through) for leak in leaks(config)] == [("staff", "public")]


@pytest.mark.parametrize(
    ("owning", "through"),
    [
        pytest.param({"any": ["m.p", {"not": "m.p"}]}, "public", id="yes or no, but a predicate may fail"),
        pytest.param(
            {"any": [{"all": ["authenticated", "m.p"]}, {"all": ["authenticated", {"not": "m.p"}]}]},
            "authenticated",
            id="either way for users, but a predicate may fail",
        ),
        pytest.param({"not": "m.p"}, {"not": "m.p"}, id="one predicate, two profiles, inside not"),
        pytest.param(
            {"any": ["m.p", "staff"]}, {"any": ["m.p", "staff"]}, id="one predicate, two profiles, inside any"
        ),
    ],
)
def test_predicates_that_cannot_decide_are_part_of_the_proof(owning: Any, through: Any) -> None:
    assert ("owning", "through") in found(owning={"permission": owning}, through={"permission": through})


def test_other_owners_are_other_rules() -> None:
    """Another field, or the same field relative to another location, names other files."""
    owned = {"permission": "authenticated", "owner": "shop.Invoice.pdf"}
    assert found(a=owned, b={**owned, "owner": "shop.Invoice.xml"}) == [("a", "b"), ("b", "a")]
    assert found(a={**owned, "location": "a/"}, b=owned) == [("a", "b"), ("b", "a")]
    assert not found(a={**owned, "location": "a/"}, b={**owned, "location": "a/"})


def test_a_view_of_the_site_may_serve_what_has_no_route() -> None:
    assert found(hidden={"permission": "public", "route": None}, staff={"permission": "staff"}) == [("staff", "hidden")]


@pytest.mark.parametrize(("one", "another", "verdict", "because"), CASES, ids=[case[3] for case in CASES])
def test_the_manual_tells_what_is_decided(one: str, another: str, verdict: str, because: str) -> None:
    leaking = found(one=json.loads(one), another=json.loads(another))
    assert bool(leaking) == (verdict == "refused"), because


def test_the_manual_shows_what_is_said() -> None:
    """Its declaration is fine; without the location of `press`, the text below it is the answer."""
    (block,), said = (
        re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL),
        re.findall(r"```text\n(.+?)```", PAGE, re.DOTALL),
    )
    values = tomllib.loads(block)
    assert leaks(BackblazeConfig.model_validate(values)) == []
    del values["profiles"]["press"]["location"]
    (leak,) = leaks(BackblazeConfig.model_validate(values))
    assert str(leak) in " ".join(said[0].split())
    assert len(CASES) == 11
