"""Deliveries in the configuration: which are accepted for whom; what the isolation proof and the checks say."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import SuspiciousFileOperation
from django.test import override_settings

from b2router import get_storage
from b2router.config import BackblazeConfig, BucketProfile, CdnDelivery
from b2router.errors import ConfigError
from b2router.isolation import leaks
from b2router.router import current_router
from b2router.settings import Layer, build

KEYS = {"application_key_id": "0001", "application_key": "canary-K001"}


def profile(permission: Any = "staff", delivery: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    return {"bucket": "acme-shared", "permission": permission, "delivery": delivery or {"mode": "proxy"}, **values}


def configured(**profiles: dict[str, Any]) -> BackblazeConfig:
    return build([Layer("BACKBLAZE_CONFIG", {**KEYS, "profiles": profiles}, "settings")])


def problem(**profiles: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        configured(**profiles)
    assert len(error.value.problems) == 1
    assert "canary" not in str(error.value)
    return str(error.value.problems[0])


def found_leaks(**profiles: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(leak.profile, leak.through, leak.address) for leak in leaks(configured(**profiles))]


def checked(**profiles: dict[str, Any]) -> list[CheckMessage]:
    with override_settings(BACKBLAZE_CONFIG={**KEYS, "profiles": profiles}):
        return run_checks(tags=["b2router"])


REDIRECT = {"mode": "redirect"}
NATIVE = {"mode": "redirect", "signer": "native"}
ACCEL = {"mode": "accel"}


# Redirects


def test_a_redirect_is_signed_by_s3_for_five_minutes_unless_told_otherwise() -> None:
    found = configured(staff=profile(delivery=REDIRECT)).profiles["staff"].delivery
    assert found.model_dump() == {"mode": "redirect", "signer": "s3", "expires_in_s": 300}


@pytest.mark.parametrize(
    ("expires_in_s", "expected"), [(9, "expected at least 10"), (604_801, "expected at most 604800")]
)
def test_a_redirect_lives_for_ten_seconds_to_a_week(expires_in_s: int, expected: str) -> None:
    assert expected in problem(staff=profile(delivery={**REDIRECT, "expires_in_s": expires_in_s}))


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        pytest.param({"permission": "staff"}, True, id="staff may read every file of the profile"),
        pytest.param({"permission": "public"}, True, id="anyone may"),
        pytest.param({"permission": {"any": ["group:a.b", "perm:shop.view_order"]}}, True, id="groups, permissions"),
        pytest.param({"permission": "shop.may_read"}, False, id="a predicate may judge by the name"),
        pytest.param({"permission": {"all": ["staff", {"not": "shop.may_read"}]}}, False, id="a predicate inside"),
        pytest.param({"permission": "staff", "owner": "shop.Invoice.pdf"}, False, id="rows decide about names"),
    ],
)
def test_native_tokens_are_for_profiles_that_do_not_tell_files_apart(values: Any, *, accepted: bool) -> None:
    """A token for "a" also opens "ab". S3 signatures are for one object, whatever the permission."""
    assert configured(x=profile(**{**values, "delivery": REDIRECT}))
    if accepted:
        assert configured(x=profile(**{**values, "delivery": NATIVE}))
    else:
        text = problem(x=profile(**{**values, "delivery": NATIVE}))
        assert "profiles.x.delivery.signer" in text
        assert "expected 's3'" in text


def test_what_a_native_token_reaches_is_in_the_profile() -> None:
    """Keys that begin with a key of a location lie in the location; another profile there has to be as loose."""
    nested = {
        "outer": profile("authenticated", NATIVE, route="o/"),
        "inner": profile("staff", location="inner/", route="i/"),
    }
    assert found_leaks(**nested) == [("inner", "outer", "route o/")]


def test_a_redirect_reaches_what_its_route_reaches_and_no_more() -> None:
    """Its addresses are signed one by one, after the permission."""
    other = profile("superuser", location="other/")
    assert found_leaks(staff=profile(delivery=REDIRECT, route="s/", location="staff/"), other=other) == []
    assert ("other", "staff", "route s/") in found_leaks(staff=profile(delivery=REDIRECT, route="s/"), other=other)


def test_signing_with_what_looks_like_the_master_key_is_a_warning() -> None:
    master = {"application_key_id": "0123456789ab"}
    for delivery, expected in ((REDIRECT, ["b2router.W003"]), (ACCEL, ["b2router.W003"]), (NATIVE, []), (None, [])):
        config = {**KEYS, **master, "profiles": {"x": profile(delivery=delivery, route="x/")}}
        with override_settings(BACKBLAZE_CONFIG=config):
            assert [message.id for message in run_checks(tags=["b2router"])] == expected
    assert checked(x=profile(delivery=REDIRECT, route="x/")) == []


def test_the_rule_of_native_tokens_has_its_check() -> None:
    assert [m.id for m in checked(x=profile(delivery=NATIVE, owner="auth.User.email"))] == ["b2router.E016"]


def test_only_direct_and_unsigned_cdn_addresses_are_public() -> None:
    base = {"base_url": "https://x.example.com"}
    public = {
        mode: BucketProfile.model_validate(profile("public", delivery)).has_public_addresses
        for mode, delivery in {
            "proxy": {"mode": "proxy"},
            "redirect": REDIRECT,
            "accel": ACCEL,
            "direct": {"mode": "direct", **base},
            "cdn": {"mode": "cdn", **base},
            "signed cdn": {"mode": "cdn", **base, "signing": {"scheme": "bunny", "secret": "canary-secret"}},
        }.items()
    }
    assert public == {
        "proxy": False,
        "redirect": False,
        "accel": False,
        "direct": True,
        "cdn": True,
        "signed cdn": False,
    }


# nginx


def test_nginx_delivers_from_one_location_unless_told_otherwise() -> None:
    found = configured(staff=profile(delivery=ACCEL)).profiles["staff"].delivery
    assert found.model_dump() == {"mode": "accel", "internal": "/_b2/"}


@pytest.mark.parametrize(
    "internal",
    [
        "_b2/",
        "/_b2",
        "/",
        "",
        "//",
        "/a b/",
        "/a/../b/",
        "/./",
        "/a{b}/",
        "/a;return 200/",
        "/$host/",
        "/\u00fc/",
        "/a/\n",
    ],
)
def test_an_internal_location_is_a_plain_path(internal: str) -> None:
    """It stands in nginx's configuration, and as a whole in a header."""
    text = problem(staff=profile(delivery={**ACCEL, "internal": internal}))
    assert "profiles.staff.delivery.internal" in text
    assert "'/_b2/'" in text


def test_nginx_delivers_to_whom_the_route_does_and_to_nobody_else() -> None:
    other = profile("superuser", location="other/", route="o/")
    assert found_leaks(staff=profile(delivery=ACCEL, route="s/", location="staff/"), other=other) == []
    assert ("other", "staff", "route s/") in found_leaks(staff=profile(delivery=ACCEL, route="s/"), other=other)


def test_files_below_the_internal_location_are_out_of_reach() -> None:
    messages = checked(x=profile("public", {**ACCEL, "internal": "/files/"}, route="files/of-x/"))
    assert [message.id for message in messages] == ["b2router.E017"]
    assert "/files/of-x/" in messages[0].msg
    assert checked(x=profile("public", {**ACCEL, "internal": "/files/"}, route="files-of-x/")) == []
    assert checked(x=profile("public", route="_b2/")) == []


# CDNs


def cdn(scheme: str = "bunny", base_url: str = "https://cdn.example.com", **signing: Any) -> dict[str, Any]:
    return {"mode": "cdn", "base_url": base_url, "signing": {"scheme": scheme, "secret": "canary-secret", **signing}}


def test_a_cdn_on_loopback_may_do_without_tls() -> None:
    """A stand-in for development: nobody is on the way who could read the address."""
    for host in ("127.0.0.1:8080", "localhost", "[::1]:80"):
        assert configured(x=profile("staff", cdn(base_url=f"http://{host}/")))


@pytest.mark.parametrize("permission", ["public", "staff", "shop.may_read"])
def test_a_signed_cdn_may_serve_any_profile(permission: str) -> None:
    """It hands out only what the site has signed, after the permission."""
    assert not configured(x=profile(permission, cdn())).profiles["x"].has_public_addresses
    if permission != "public":
        assert "anyone can open" in problem(
            x=profile(permission, {"mode": "cdn", "base_url": "https://cdn.example.com"})
        )


def test_a_signed_cdn_reaches_what_its_route_reaches_and_an_unsigned_one_the_whole_bucket() -> None:
    staff = profile("staff", location="staff/")
    unsigned = {"mode": "cdn", "base_url": "https://cdn.example.com"}
    assert found_leaks(staff=staff, cdn=profile("public", cdn(), location="cdn/", route="c/")) == []
    assert found_leaks(staff=staff, cdn=profile("public", cdn(), route="c/")) == [("staff", "cdn", "route c/")]
    assert found_leaks(staff=staff, cdn=profile("public", unsigned, location="cdn/")) == [
        ("staff", "cdn", "cdn https://cdn.example.com/")
    ]


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        pytest.param(cdn("akamai"), "'bunny' or 'cloudflare'", id="another scheme"),
        pytest.param(cdn(secret="canary"), "at least 8", id="short secret"),
        pytest.param(cdn(base_url="http://cdn.example.com"), "expected https", id="readable on the way"),
        pytest.param(cdn(expires_in_s=0), "expected at least 10", id="no time"),
        pytest.param(cdn(expire_in_s=60), "did you mean 'expires_in_s'?", id="misspelt key"),
        pytest.param(cdn(expires_in_s="canary-secret"), "expires_in_s", id="the secret in another place"),
    ],
)
def test_what_cannot_be_signed_with_is_refused_without_the_secret(delivery: dict[str, Any], expected: str) -> None:
    assert expected in problem(x=profile("staff", delivery))


def test_a_secret_in_another_place_is_not_shown() -> None:
    """Such as one that was put into two places by mistake."""
    assert "expected URL segments" in problem(x=profile("staff", cdn(), route="canary-secret"))


def test_the_secret_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__X__DELIVERY__SIGNING__SECRET", "canary-from-outside")
    delivery = cdn()
    del delivery["signing"]["secret"]
    with override_settings(BACKBLAZE_CONFIG={**KEYS, "profiles": {"x": profile("staff", delivery)}}):
        found = current_router().config.profiles["x"].delivery
    assert isinstance(found, CdnDelivery)
    assert found.signing is not None
    assert found.signing.secret.get_secret_value() == "canary-from-outside"
    assert "canary" not in f"{found!r} {found} {found.model_dump_json()}"


# Paths of public and signed addresses


CDN = {"mode": "cdn", "base_url": "https://cdn.example.com/media"}
DIRECT = {"mode": "direct", "base_url": "https://f004.backblazeb2.com"}


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        pytest.param(CDN, "https://cdn.example.com/media/pub/%C3%BC/a%20b.txt", id="the key"),
        pytest.param({**CDN, "path": "{name}"}, "https://cdn.example.com/media/a%20b.txt", id="the name alone"),
        pytest.param({**CDN, "path": "assets/{name}"}, "https://cdn.example.com/media/assets/a%20b.txt", id="a folder"),
        pytest.param(
            {**CDN, "path": "{bucket}/{location}v2/{name}"},
            "https://cdn.example.com/media/acme-shared/pub/%C3%BC/v2/a%20b.txt",
            id="all of them",
        ),
        pytest.param(
            DIRECT, "https://f004.backblazeb2.com/file/acme-shared/pub/%C3%BC/a%20b.txt", id="B2's download host"
        ),
        pytest.param(
            {
                "mode": "direct",
                "base_url": "https://s3.us-west-004.backblazeb2.com",
                "path": "{bucket}/{location}{name}",
            },
            "https://s3.us-west-004.backblazeb2.com/acme-shared/pub/%C3%BC/a%20b.txt",
            id="B2's S3 host",
        ),
    ],
)
def test_an_address_follows_its_template(delivery: dict[str, Any], expected: str) -> None:
    config = {**KEYS, "profiles": {"x": profile("public", delivery, location="pub/ü/")}}
    with override_settings(BACKBLAZE_CONFIG=config):
        assert get_storage("x").url("a b.txt") == expected
        with pytest.raises(SuspiciousFileOperation):
            get_storage("x").url("../a.txt")


def test_without_a_location_there_is_nothing_in_its_place() -> None:
    config = {**KEYS, "profiles": {"x": profile("public", {**CDN, "path": "{bucket}/{location}{name}"})}}
    with override_settings(BACKBLAZE_CONFIG=config):
        assert get_storage("x").url("{bucket}/{name}") == (
            "https://cdn.example.com/media/acme-shared/%7Bbucket%7D/%7Bname%7D"
        )


@pytest.mark.parametrize(
    "path",
    [
        *("", "assets/", "{name}/", "{name}/x", "{name}.jpg", "{name}{name}", "/{name}", "a//{name}", "../{name}"),
        *("a/./{name}", "x-{name}", "x{location}{name}", "{bucket}{name}", "{location}x{name}", "{location}/{name}"),
        *("{location}{location}{name}", "{bucket}/{bucket}/{name}", "{key}", "{name!r}", "{name.x}", "{{name}}"),
        *("a b/{name}", "a?x={name}", "#/{name}", "a%2fb/{name}", "ü/{name}", "a/{name}\n", "a\\{name}"),
    ],
)
def test_two_names_never_share_an_address(path: str) -> None:
    text = problem(x=profile("public", {**CDN, "path": path}))
    assert "profiles.x.delivery.path" in text
    assert "such as '{location}{name}' or 'assets/{name}'" in text


@pytest.mark.parametrize("path", ["file/{bucket}/{name}", "{name}", "{location}v2/{name}"])
def test_b2_itself_needs_the_key(path: str) -> None:
    text = problem(x=profile("public", {**DIRECT, "path": path}))
    assert "expected it to end with '{location}{name}': B2 knows a file by both of them" in text


def test_a_path_does_not_hide_what_a_public_address_opens() -> None:
    """Whatever the CDN makes of it, the bucket behind it is public."""
    for path in ("{name}", "pub/{name}"):
        public = profile("public", {**CDN, "path": path}, location="pub/")
        assert found_leaks(staff=profile("staff", location="staff/"), cdn=public) == [
            ("staff", "cdn", "cdn https://cdn.example.com/media/")
        ]


SIGNED = {**CDN, "signing": {"scheme": "bunny", "secret": "canary-secret"}}


@pytest.mark.parametrize(
    ("members", "staff", "leaking"),
    [
        pytest.param({}, {}, True, id="the same addresses for two buckets"),
        pytest.param({"location": "m/"}, {"location": "s/"}, False, id="locations apart"),
        pytest.param({"location": "m/", "path": "{name}"}, {"location": "s/"}, True, id="one template drops it"),
        pytest.param({"path": "m/{name}"}, {"path": "s/{name}"}, False, id="templates apart"),
        pytest.param({"path": "m/{name}"}, {"path": "members/{name}"}, False, id="letters in common"),
        pytest.param({"path": "{bucket}/{name}"}, {"path": "{bucket}/{name}"}, False, id="buckets apart"),
        pytest.param({"base_url": "https://CDN.example.com:443/media"}, {}, True, id="another spelling of the host"),
        pytest.param({"base_url": "https://cdn.example.com"}, {"path": "x/{name}"}, True, id="a folder around it"),
        pytest.param({"base_url": "https://CDN.example.com./media"}, {}, True, id="the host with its last dot"),
        pytest.param({"base_url": "https://cdn.example.com/%6Dedia"}, {}, True, id="another spelling of the path"),
        pytest.param({"base_url": "https://m.example.com/media"}, {}, True, id="hosts apart, but no signature tells"),
        pytest.param({"base_url": "https://m.example.com/m"}, {}, False, id="hosts and paths apart"),
        pytest.param({"base_url": "https://m.example.com/media", "secret": "canary-other"}, {}, False, id="both apart"),
        pytest.param(
            {"signing": {"scheme": "cloudflare", "secret": "canary-secret"}}, {}, True, id="two schemes, one secret"
        ),
        pytest.param(
            {"permission": "public", "signing": None, "base_url": "https://m.example.com/media"},
            {},
            False,
            id="open on another host",
        ),
        pytest.param({"secret": "canary-other"}, {}, False, id="another secret"),
        pytest.param({"permission": "staff"}, {}, False, id="the same people"),
        pytest.param({"permission": None}, {}, False, id="nobody is given an address"),
        pytest.param({"permission": "public", "signing": None}, {}, True, id="open to anyone"),
    ],
)
def test_an_address_is_of_one_profile(members: dict[str, Any], staff: dict[str, Any], *, leaking: bool) -> None:
    """The CDN has one file at an address. Who gets it signed for one profile must not open another's by it."""

    def declared(bucket: str, permission: str, values: dict[str, Any]) -> dict[str, Any]:
        delivery = {**SIGNED, **{key: values[key] for key in ("base_url", "path", "signing") if key in values}}
        if "secret" in values:
            delivery["signing"] = {"scheme": "bunny", "secret": values["secret"]}
        rest = {key: values[key] for key in ("location", "permission") if key in values}
        return {**profile(permission, delivery, bucket=bucket), **rest}

    found = leaks(
        configured(
            members=declared("acme-members", "authenticated", members), staff=declared("acme-staff", "staff", staff)
        )
    )
    through_members = [(leak.profile, leak.is_by_address) for leak in found if leak.through == "members"]
    assert through_members == ([("staff", True)] if leaking else [])


def test_what_to_do_about_a_shared_address_is_said() -> None:
    messages = checked(
        members=profile("authenticated", SIGNED, route="m/"),
        staff=profile("staff", SIGNED, bucket="acme-staff", route="s/"),
    )
    assert [message.id for message in messages] == ["b2router.E007"]
    assert "addresses of their own at the CDN (by path or the secret that signs; by base_url where one is open)" in str(
        messages[0].hint
    )
