"""System checks: each cause has its id and its hint, and every id is documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING, CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.test import override_settings

from b2router import router
from b2router.checks import IDS
from b2router.config import BackblazeConfig

ROOT = Path(__file__).parents[1]
KEYS = {"application_key_id": "0001", "application_key": "canary-K001"}


def checked(config: Any, **settings: Any) -> list[CheckMessage]:
    with override_settings(BACKBLAZE_CONFIG=config, **settings):
        return run_checks(tags=["b2router"])


def ids(profiles: dict[str, Any], **more: Any) -> list[str | None]:
    return [message.id for message in checked({**KEYS, "profiles": profiles, **more})]


def profile(**values: Any) -> dict[str, Any]:
    return {"bucket": "acme-media", "route": "media/", "permission": "public", **values}


def test_a_sound_configuration_has_nothing_to_report() -> None:
    assert ids({"media": profile()}) == []


@pytest.mark.parametrize(
    ("config", "expected", "mentions"),
    [
        pytest.param({"profiles": {"media": profile(permission="staf")}}, "E001", "'staf'", id="invalid value"),
        pytest.param({"profiles": {"media": profile(routte="x/")}}, "E002", "did you mean 'route'", id="unknown key"),
        pytest.param(
            {"profiles": {"media": profile()}, "storages": {"default": "medai"}},
            "E003",
            "'medai'",
            id="unknown profile",
        ),
        pytest.param({"profiles": {"media": profile(account="eu")}}, "E004", "'eu'", id="unknown account"),
        pytest.param(
            {"profiles": {"media": profile()}, "application_key": None}, "E005", "'default'", id="no application key"
        ),
        pytest.param(
            {"profiles": {"a": profile(), "b": profile(bucket="acme-other", route="media/b/")}},
            "E006",
            "'media/b/' lies under 'media/'",
            id="overlapping routes",
        ),
        pytest.param(
            {"profiles": {"a": profile(), "b": profile(route="b/", permission="staff")}},
            "E007",
            "'b' is reachable through the looser profile 'a'",
            id="two profiles that reach the same files",
        ),
        pytest.param(
            {"profiles": {"media": profile(permission="nowhere.at_all")}}, "E008", "'nowhere.at_all'", id="no predicate"
        ),
        pytest.param(
            {"profiles": {"media": profile(permission="tests.test_checks.ROOT")}},
            "E008",
            "expected a callable",
            id="predicate that cannot be called",
        ),
        pytest.param(
            {
                "profiles": {
                    "media": profile(
                        permission="staff", delivery={"mode": "cdn", "base_url": "https://cdn.example.com"}
                    )
                }
            },
            "E009",
            "not 'public'",
            id="public delivery of files that are not public",
        ),
        pytest.param(
            {"profiles": {"media": profile(owner="auth.Nobody.pdf")}}, "E010", "auth.Nobody.pdf", id="no model"
        ),
        pytest.param({"profiles": {"media": profile(owner="auth.User.pdf")}}, "E010", "auth.User.pdf", id="no field"),
        pytest.param(
            {"profiles": {"media": profile(owner="auth.User.id")}},
            "E010",
            "holds no file's name",
            id="not a text field",
        ),
        pytest.param(None, "E013", "BACKBLAZE_CONFIG", id="no configuration"),
        pytest.param("media", "E001", "expected a dict", id="configuration of another type"),
        pytest.param(
            {"profiles": {"media": profile(permission=None)}}, "W002", "no permission", id="route that serves nobody"
        ),
    ],
)
def test_each_cause_has_its_id_and_says_what_to_do(config: Any, expected: str, mentions: str) -> None:
    messages = checked({**KEYS, **config} if isinstance(config, dict) else config)
    assert [message.id for message in messages] == [f"b2router.{expected}"]
    assert mentions in messages[0].msg
    assert messages[0].hint
    assert "canary" not in str(messages)


def test_a_site_that_does_not_include_the_urls() -> None:
    messages = checked({**KEYS, "profiles": {"media": profile()}}, ROOT_URLCONF="django.contrib.auth.urls")
    assert [message.id for message in messages] == ["b2router.E011"]


def test_a_profile_for_users_on_a_site_without_users() -> None:
    config = {**KEYS, "profiles": {"media": profile(permission="staff")}}
    assert [message.id for message in checked(config, MIDDLEWARE=[])] == ["b2router.E012"]
    assert checked({**KEYS, "profiles": {"media": profile()}}, MIDDLEWARE=[]) == []


def test_a_layer_that_cannot_be_read() -> None:
    config = {**KEYS, "profiles": {"media": profile()}}
    assert [m.id for m in checked(config, BACKBLAZE_CONFIG_FILE="/none/b2router.toml")] == ["b2router.E014"]


def test_an_emulator_is_for_development() -> None:
    for realm in ("http://127.0.0.1:8080", "https://localhost"):
        config = {**KEYS, "realm": realm, "profiles": {"media": profile()}}
        assert [message.id for message in checked(config, DEBUG=False)] == ["b2router.E015"]
        assert checked(config, DEBUG=True) == []


def test_a_variable_that_names_a_file_is_told_where_files_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY_FILE", "/run/secrets/key")
    (message,) = checked({**KEYS, "profiles": {"media": profile()}})
    assert (message.id, message.hint) == (
        "b2router.W001",
        "Put the value into BACKBLAZE_APPLICATION_KEY, "
        "or its file into the directory that BACKBLAZE_SECRETS_DIR names.",
    )


def test_a_misspelt_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a warning: others may use the prefix for their own."""
    monkeypatch.setenv("BACKBLAZE_PROFILE__MEDIA__ROUTE", "x/")
    messages = checked({**KEYS, "profiles": {"media": profile()}})
    assert [message.id for message in messages] == ["b2router.W001"]
    assert "BACKBLAZE_PROFILES__MEDIA__ROUTE" in str(messages[0].hint)
    final = BackblazeConfig.model_validate({**KEYS, "profiles": {"media": profile()}})
    assert checked(final) == []


def test_a_misspelt_secret_file_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "aplication_key").write_text("canary-K002")
    (tmp_path / "database_password").write_text("x")
    config = {**KEYS, "profiles": {"media": profile()}}
    (message,) = checked(config, BACKBLAZE_SECRETS_DIR=str(tmp_path))
    assert (message.id, message.msg, message.hint) == (
        "b2router.W016",
        "secrets directory, file aplication_key: it means nothing to b2router.",
        "Did you mean application_key?",
    )
    assert checked(BackblazeConfig.model_validate(config), BACKBLAZE_SECRETS_DIR=str(tmp_path)) == []


def test_a_leak_that_a_variable_makes_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-media")
    config = {**KEYS, "profiles": {"media": profile(), "staff": profile(bucket="acme-staff", route=None)}}
    config["profiles"]["staff"]["permission"] = "staff"
    messages = checked(config)
    assert [message.id for message in messages] == ["b2router.E007"]
    assert "[from environment variable BACKBLAZE_PROFILES__STAFF__BUCKET]" in messages[0].msg


def test_all_problems_are_reported_at_once() -> None:
    config = {**KEYS, "profiles": {"a": {"bucket": "x"}, "b": profile(permission="staf"), "c": profile(rout="")}}
    assert len(checked(config)) == 3


def test_what_is_found_after_the_validation_names_its_layer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever looks at the whole: the isolation proof, what can be imported, caches, addresses."""
    monkeypatch.setenv("BACKBLAZE_PROFILES__MEDIA__PERMISSION", "nowhere.may_read")
    (predicate,) = checked({**KEYS, "profiles": {"media": profile()}})
    assert "[from environment variable BACKBLAZE_PROFILES__MEDIA__PERMISSION]" in predicate.msg
    inner = profile(location="in/", route="in/", permission="staff")
    monkeypatch.setenv("BACKBLAZE_PROFILES__MEDIA__PERMISSION", "public")
    (leak,) = checked({**KEYS, "profiles": {"media": profile(), "inner": inner}})
    assert leak.msg.endswith("are served at route media/. [from BACKBLAZE_CONFIG['profiles']['inner']]")


def test_a_command_stops_with_the_text_of_the_check() -> None:
    """No traceback: commands run the checks first."""
    expected = pytest.raises(SystemCheckError, match=r"b2router\.E001\) profiles\.media\.permission: found 'staf'")
    with override_settings(BACKBLAZE_CONFIG={**KEYS, "profiles": {"media": profile(permission="staf")}}), expected:
        call_command("check")
    router.reload()


def test_a_declared_leak_is_warned_of_as_long_as_it_makes_a_difference() -> None:
    staff = profile(route="b2s/", permission="staff", readable_through=["media"])
    messages = checked({**KEYS, "profiles": {"media": profile(), "staff": staff}})
    assert [(message.id, message.level) for message in messages] == [("b2router.W014", WARNING)]
    assert "reachable through the looser profile 'media'" in messages[0].msg
    assert ids({"media": profile(), "staff": {**staff, "bucket": "acme-staff"}}) == []


def test_only_other_profiles_can_be_declared_to_reach_files() -> None:
    messages = checked({**KEYS, "profiles": {"media": profile(readable_through=["media", "medai"])}})
    assert [(message.id, message.msg.partition(":")[0]) for message in messages] == [
        ("b2router.E003", "profiles.media.readable_through.0"),
        ("b2router.E003", "profiles.media.readable_through.1"),
    ]


def test_every_id_is_unique_and_documented() -> None:
    documented = re.findall(r"b2router\.[EW]\d{3}", (ROOT / "docs" / "checks.md").read_text())
    assert len(set(IDS.values())) == len(IDS)
    assert sorted(set(documented)) == sorted(IDS.values())


# Before going live


def deployed(config: Any, **settings: Any) -> list[CheckMessage]:
    with override_settings(BACKBLAZE_CONFIG=config, **settings):
        return run_checks(tags=["b2router"], include_deployment_checks=True)


SHARED = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "cache"}}


def test_a_sound_deployment_has_nothing_to_report() -> None:
    assert deployed({**KEYS, "profiles": {"media": profile()}}, CACHES=SHARED) == []


@pytest.mark.parametrize(
    ("changes", "settings", "expected", "mentions"),
    [
        pytest.param({"metadata_cache": "redis"}, {}, "E018", "CACHES has only default", id="cache of facts"),
        pytest.param({"account_info": {"cache": "redis"}}, {}, "E018", "account_info.cache", id="cache of the login"),
        pytest.param(
            {"account_info": {"kind": "sqlite", "path": "/no/such/folder/x"}},
            {},
            "E020",
            "/no/such/folder/x",
            id="folder",
        ),
        pytest.param(
            {
                "profiles": {
                    "media": profile(route=None, delivery={"mode": "cdn", "base_url": "http://cdn.example.com"})
                }
            },
            {},
            "W005",
            "without TLS",
            id="CDN over http",
        ),
        pytest.param(
            {"profiles": {"a": profile(permission="staff", delivery={"mode": "redirect", "expires_in_s": 100_000})}},
            {},
            "W006",
            "profiles.a.delivery.expires_in_s: found 100000 seconds",
            id="a long redirect",
        ),
        pytest.param({"application_key_id": "0123456789ab"}, {}, "W007", "looks like the master key", id="wide key"),
        pytest.param({}, {"SESSION_SAVE_EVERY_REQUEST": True}, "W008", "public files of media", id="cookies"),
        pytest.param(
            {},
            {"MIDDLEWARE": ["django.middleware.cache.UpdateCacheMiddleware"]},
            "W009",
            "outlive their deletion",
            id="site cache",
        ),
    ],
)
def test_what_to_look_at_before_going_live(
    changes: dict[str, Any], settings: dict[str, Any], expected: str, mentions: str
) -> None:
    config = {**KEYS, "profiles": {"media": profile()}, **changes}
    (message,) = deployed(config, **{"CACHES": SHARED, **settings})
    assert message.id == f"b2router.{expected}"
    assert mentions in str(message.msg)
    assert message.hint


def test_the_cache_of_each_process_is_shared_by_none() -> None:
    found = deployed({**KEYS, "profiles": {"media": profile()}})
    assert [(message.id, message.msg.split(":")[0]) for message in found] == [
        ("b2router.W004", "account_info.cache"),
        ("b2router.W004", "metadata_cache"),
    ]
    own = {"account_info": {"kind": "memory"}, "metadata_cache": None}
    assert deployed({**KEYS, "profiles": {"media": profile()}, **own}) == []


def test_the_package_that_encrypts_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (message,) = checked({**KEYS, "profiles": {"media": profile()}, "account_info": {"encrypt": True}})
    assert (message.id, message.hint) == ("b2router.E019", "Install b2router[encrypt], or leave the key out.")


@pytest.mark.parametrize(
    ("backend", "options", "usual", "mentions"),
    [
        ("memcached.PyMemcacheCache", {}, None, '"timeout": 2'),
        ("memcached.PyMemcacheCache", {"timeout": 1}, None, None),
        ("redis.RedisCache", {}, None, '"socket_timeout": 2'),
        ("redis.RedisCache", {}, 5, None),
        ("redis.RedisCache", {"SOCKET_TIMEOUT": 1}, None, None),
    ],
)
def test_a_cache_that_may_hang_for_ever(
    backend: str, options: dict[str, int], usual: int | None, mentions: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(self: object, *, socket_timeout: int | None = usual) -> None: ...

    monkeypatch.setattr("redis.connection.AbstractConnection.__init__", init)
    caches = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "127.0.0.1:1", "OPTIONS": options}
    found = deployed({**KEYS, "profiles": {"media": profile()}, "metadata_cache": None}, CACHES={"default": caches})
    assert [message.id for message in found] == (["b2router.W013"] if mentions else [])
    assert mentions is None or mentions in str(found[0].hint)


@pytest.mark.parametrize("atomic", [False, True])
def test_a_cache_that_joins_the_sites_transactions(atomic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
    backend = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
    found = deployed({**KEYS, "profiles": {"media": profile()}}, CACHES={"default": backend})
    assert [message.id for message in found] == ["b2router.W012"] * (2 if atomic else 0)
