"""The models: what they accept, what they refuse and where they say the mistake is."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from b2router.config import Account, BackblazeConfig, BucketProfile, CdnDelivery
from b2router.sharing import SqliteAccountInfo

KEYS = {"application_key_id": "0001", "application_key": "canary-K001"}


def errors(values: dict[str, Any]) -> list[tuple[str, str]]:
    """(place, kind) of every error."""
    with pytest.raises(ValidationError) as caught:
        BackblazeConfig.model_validate(values)
    found = caught.value.errors(include_input=False, include_url=False)
    return [(".".join(map(str, error["loc"])), error["type"]) for error in found]


def profile(**values: Any) -> dict[str, Any]:
    return {"profiles": {"media": {"bucket": "acme-media", **values}}}


def test_a_profile_is_private_unless_it_says_otherwise() -> None:
    """No route, no permission: nothing is served."""
    media = BackblazeConfig.model_validate(profile()).profiles["media"]
    assert (media.route, media.permission, media.delivery.mode, media.on_denied) == (None, None, "proxy", "login")
    assert not media.is_public


def test_a_profile_knows_its_name() -> None:
    shared = BucketProfile(bucket="acme-media")
    config = BackblazeConfig(profiles={"one": shared, "other": shared})
    assert [p.name for p in config.profiles.values()] == ["one", "other"]


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://cdn.example.com/日本/é", "https://cdn.example.com/%E6%97%A5%E6%9C%AC/%C3%A9/"),
        ("https://bücher.example:8443", "https://xn--bcher-kva.example:8443/"),
        ("https://cdn.example.com/%C3%A9/a+b", "https://cdn.example.com/%C3%A9/a+b/"),
    ],
)
def test_an_address_is_kept_as_it_travels(written: str, used: str) -> None:
    """Headers hold ASCII, and a signature is of what browsers send."""
    delivery = CdnDelivery.model_validate({"mode": "cdn", "base_url": written})
    assert delivery.base_url == used


@pytest.mark.parametrize("written", ["https://cdn.example.com/a\u3000b/", f"https://{'ü' * 64}.example/"])
def test_what_is_no_address_does_not_become_one(written: str) -> None:
    with pytest.raises(ValidationError, match="absolute address"):
        CdnDelivery.model_validate({"mode": "cdn", "base_url": written})


@pytest.mark.parametrize(
    ("values", "place", "kind"),
    [
        pytest.param({"bucket": "short"}, "bucket", "string_too_short", id="bucket of five letters"),
        pytest.param({"bucket": "b2-reserved"}, "bucket", "bucket", id="reserved bucket name"),
        pytest.param({"bucket": "acme_media"}, "bucket", "string_pattern_mismatch", id="underscore in a bucket"),
        pytest.param({"route": "b2"}, "route", "route", id="route without slash"),
        pytest.param({"route": "/b2/"}, "route", "route", id="route from the root"),
        pytest.param({"route": "a/../b/"}, "route", "route", id="dot segments in a route"),
        pytest.param({"route": "a b/"}, "route", "route", id="space in a route"),
        pytest.param({"route": ""}, "route", "route", id="empty route"),
        pytest.param({"location": "a"}, "location", "location", id="location without slash"),
        pytest.param({"location": "../a/"}, "location", "location", id="dot segments in a location"),
        pytest.param({"location": "/"}, "location", "location", id="location of a slash"),
        pytest.param({"permission": "staf"}, "permission.word", "permission", id="misspelt permission"),
        pytest.param({"permission": "group:"}, "permission.word", "permission", id="group without a name"),
        pytest.param({"permission": "perm:view"}, "permission.word", "permission", id="permission without an app"),
        pytest.param({"permission": {"any": []}}, "permission.any.any", "too_short", id="any of nothing"),
        pytest.param({"permission": {"al": ["staff"]}}, "permission", "permission", id="unknown combinator"),
        pytest.param({"permission": True}, "permission", "permission", id="permission of another type"),
        pytest.param({"on_denied": "500"}, "on_denied", "literal_error", id="unknown answer"),
        pytest.param({"owner": "Invoice.pdf"}, "owner", "string_pattern_mismatch", id="owner without app"),
        pytest.param({"max_age_s": -1}, "max_age_s", "greater_than_equal", id="negative age"),
        pytest.param({"delivery": {"mode": "mail"}}, "delivery", "union_tag_invalid", id="unknown delivery"),
        pytest.param({"delivery": {"mode": "cdn"}}, "delivery.cdn.base_url", "missing", id="CDN without address"),
        pytest.param(
            {"permission": "public", "delivery": {"mode": "cdn", "base_url": "//cdn.example.com"}},
            "delivery.cdn.base_url",
            "web_address",
            id="CDN address without scheme",
        ),
        pytest.param(
            {"permission": "public", "delivery": {"mode": "cdn", "base_url": "https://u:p@cdn.example.com/"}},
            "delivery.cdn.base_url",
            "web_address",
            id="CDN address with a login",
        ),
        pytest.param(
            {"permission": "public", "delivery": {"mode": "direct", "base_url": "https://f004.example.com?"}},
            "delivery.direct.base_url",
            "web_address",
            id="address with an empty query",
        ),
        pytest.param(
            {"permission": "public", "delivery": {"mode": "direct", "base_url": "\x01https://f004.example.com"}},
            "delivery.direct.base_url",
            "web_address",
            id="address after a control character",
        ),
        pytest.param(
            {"permission": "public", "delivery": {"mode": "direct", "base_url": "https://f004.example.com/?token=x"}},
            "delivery.direct.base_url",
            "web_address",
            id="address with a query",
        ),
        pytest.param(
            {
                "permission": "public",
                "owner": "shop.Invoice.pdf",
                "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/"},
            },
            "owner",
            "public_delivery",
            id="owner of files that anyone can fetch",
        ),
        pytest.param({"owner": "shop.Invoice.pdf__startswith"}, "owner", "string_pattern_mismatch", id="a lookup"),
        pytest.param({"file_info": {"a b": "c"}}, "file_info", "file_info", id="file info key that is no header"),
        pytest.param({"file_info": {"a": "x" * 7000}}, "file_info", "file_info", id="file info too long"),
        pytest.param(
            {"file_info": {"a": "x" * 2048}, "encryption": {"mode": "sse_b2"}},
            "file_info",
            "file_info",
            id="... with encryption",
        ),
        pytest.param({"file_info": {"b2-content-md5": "x"}}, "file_info", "file_info", id="a key that B2 reserves"),
        pytest.param({"file_info": {"b2-expires": "\n"}}, "file_info", "file_info", id="a value that is no header"),
        pytest.param({"file_info": {"A": "1", "a": "2"}}, "file_info", "file_info", id="keys that differ by case"),
        pytest.param(
            {"stored_as": [{"cache_control": "a\r\nb: c"}]},
            "stored_as.0.cache_control",
            "header",
            id="a header more",
        ),
        pytest.param({"stored_as": [{"content_type": "csv"}]}, "stored_as.0.content_type", "content_type", id="type"),
        pytest.param(
            {"stored_as": [{"content_language": "de"}, {"match": "*.css"}]},
            "stored_as.1",
            "stored_as",
            id="a rule",
        ),
        pytest.param(
            {"encryption": {"mode": "sse_c", "key": "a.b"}, "delivery": {"mode": "accel"}},
            "encryption.mode",
            "customer_key",
            id="a key that only the site has",
        ),
        pytest.param(
            {"retention": {"mode": "governance", "days": 1}, "on_delete": "purge"}, "on_delete", "locked", id="locked"
        ),
        pytest.param({"legal_hold": True, "on_delete": "version"}, "on_delete", "locked", id="held"),
        pytest.param({"buket": "x"}, "buket", "extra_forbidden", id="unknown key"),
        pytest.param({"account": "other"}, "account", "unknown_account", id="unknown account"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(values: dict[str, Any], place: str, kind: str) -> None:
    assert (f"profiles.media.{place}", kind) in errors(profile(**values))


@pytest.mark.parametrize("mode", ["cdn", "direct"])
@pytest.mark.parametrize("permission", [None, "authenticated", "staff", {"any": ["public", "staff"]}])
def test_public_addresses_are_for_public_files(mode: str, permission: Any) -> None:
    """What anyone can fetch from B2 or a CDN is not protected by any permission of the site."""
    delivery = {"mode": mode, "base_url": "https://cdn.example.com/"}
    found = errors(profile(permission=permission, delivery=delivery))
    assert found == [("profiles.media.delivery.mode", "public_delivery")]


def test_profiles_that_do_not_fit_together_are_all_named() -> None:
    """Several mistakes, several errors, each at its own place."""
    values = {
        "profiles": {
            "one": {"bucket": "acme-one", "route": "files/"},
            "two": {"bucket": "acme-two", "route": "files/two/", "account": "nobody"},
        },
        "storages": {"default": "three", "one": "two"},
        "accounts": {"default": KEYS},
    }
    assert errors(values) == [
        ("accounts.default", "account"),
        ("profiles.two.account", "unknown_account"),
        ("storages.default", "unknown_profile"),
        ("storages.one", "alias"),
        ("profiles.two.route", "overlapping_routes"),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("b2/", "b2/", id="the same"),
        pytest.param("b2/", "b2/staff/", id="one below the other"),
        pytest.param("a/b/c/", "a/", id="deeper"),
    ],
)
def test_routes_may_not_overlap(one: str, other: str) -> None:
    """An outer route would answer for an inner one; order is no protection."""
    profiles = {"one": {"bucket": "acme-one", "route": one}, "other": {"bucket": "acme-two", "route": other}}
    assert [kind for _, kind in errors({"profiles": profiles})] == ["overlapping_routes"]


def test_routes_are_compared_by_whole_segments() -> None:
    """ "b2/" and "b2s/" share letters, not files."""
    profiles = {"one": {"bucket": "acme-one", "route": "b2/"}, "other": {"bucket": "acme-two", "route": "b2s/"}}
    assert BackblazeConfig.model_validate({"profiles": profiles})


@pytest.mark.parametrize("name", ["Staff", "logged-in", "a__b", "_a", "a_", "1a", "ä", "x" * 41])
def test_names_can_be_written_in_an_environment_variable(name: str) -> None:
    """The environment is case-blind, has no hyphen, and uses `__` between the parts of a path."""
    assert errors({"profiles": {name: {"bucket": "acme-media"}}})


@pytest.mark.parametrize(
    ("realm", "accepted"),
    [
        ("production", True),
        ("https://b2.example.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080/", True),
        ("http://[::1]:8080", True),
        ("http://b2.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("ftp://b2.example.com", False),
        ("produktion", False),
        ("dev", False),
    ],
)
def test_the_key_travels_in_clear_on_loopback_only(realm: str, *, accepted: bool) -> None:
    values = {**profile(), "realm": realm}
    if accepted:
        assert BackblazeConfig.model_validate(values).realm == realm.rstrip("/")
    else:
        assert [place for place, _ in errors(values)] == ["realm"]


def test_no_text_of_the_models_shows_the_key() -> None:
    config = BackblazeConfig.model_validate({**KEYS, **profile(), "accounts": {"eu": KEYS}})
    account = config.account()
    assert isinstance(account, Account)
    shown = f"{config!r} {config} {account!r} {config.accounts} {config.model_dump()} {config.model_dump_json()}"
    assert "canary" not in shown
    with pytest.raises(ValidationError) as error:
        BackblazeConfig.model_validate({**KEYS, "realm": "canary-K001"})
    assert "canary" not in f"{error.value} {error.value!r}"


def test_half_a_key_is_no_account() -> None:
    assert BackblazeConfig.model_validate({"application_key_id": "0001", **profile()}).account() is None


def test_a_configuration_cannot_be_changed() -> None:
    config = BackblazeConfig.model_validate(profile())
    with pytest.raises(ValidationError):
        config.profiles["media"].permission = "public"  # type: ignore[misc]


@pytest.mark.parametrize(
    "upload",
    [{"part_bytes": 4_999_999}, {"part_bytes": 5_000_000_001}, {"threads": 0}, {"threads": 17}, {"resumes": True}],
)
def test_files_are_cut_as_b2_takes_them(upload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BucketProfile.model_validate({"bucket": "acme-media", "upload": upload})


def test_the_file_of_the_login_may_be_a_path(tmp_path: Path) -> None:
    """As settings build it from BASE_DIR."""
    info = {"kind": "sqlite", "path": tmp_path / "login.sqlite3"}
    loaded = BackblazeConfig.model_validate({"profiles": {"media": {"bucket": "acme-media"}}, "account_info": info})
    assert isinstance(loaded.account_info, SqliteAccountInfo)
    assert loaded.account_info.path == str(tmp_path / "login.sqlite3")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"max_streams": True}, "int_type"),
        ({"limits": {"request_s": True}}, "float_type"),
        ({"profiles": {"a": {"bucket": "acme-a", "cache": [{"max_age_s": False}]}}}, "int_type"),
        ({"profiles": {"a": {"bucket": "acme-a", "upload": {"threads": True}}}}, "int_type"),
    ],
)
def test_true_is_no_number(values: dict[str, Any], kind: str) -> None:
    """Nor does the schema take it for one."""
    with pytest.raises(ValidationError) as caught:
        BackblazeConfig.model_validate({"profiles": {"a": {"bucket": "acme-a"}}, **values})
    assert [error["type"] for error in caught.value.errors()] == [kind]
