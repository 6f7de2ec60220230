"""What a configuration of django-backblaze-b2 becomes, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from hypothesis import given, settings
from hypothesis import strategies as st

import b2router
from b2router import router, seed
from b2router.config import BackblazeConfig
from b2router.declaration import build
from b2router.errors import ConfigError
from b2router.isolation import leaks
from b2router.layers import Layer
from b2router.problems import LAYER_KEYS
from b2router.seed_options import OPTIONS, OURS
from b2router.settings import load

ROOT = Path(__file__).parents[1]
KEYS = {"application_key_id": "0001", "application_key": "canary-K001"}
APART = {"public": "acme-public", "logged_in": "acme-members", "staff": "acme-staff"}

CACHE = {"kind": "cache", "cache": "django-backblaze-b2"}
PROFILES = {
    "default": {"bucket": "acme-files"},
    "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
    "logged_in": {"bucket": "acme-members", "route": "b2l/", "permission": "authenticated"},
    "staff": {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"},
}
PLAIN = {"account_info": CACHE, "metadata_cache": "django-backblaze-b2", "profiles": PROFILES}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("BACKBLAZE_"):
            monkeypatch.delenv(name)


def translated(**options: Any) -> dict[str, Any]:
    return seed.translate({"bucket": "acme-files", "specific_bucket_names": APART, **options}).values


def camel(value: Any) -> Any:
    """The same options as versions before 4.0 spelt them; what B2 or its SDK is given stays as it is."""
    if not isinstance(value, Mapping):
        return value
    kept = {"default_file_info", "non_existent_bucket_details", "application_key", "application_key_id"}
    return {
        key if key.startswith("application") else re.sub(r"_([a-z])", lambda found: found[1].upper(), key): part
        if key in kept
        else camel(part)
        for key, part in value.items()
    }


def said(config: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(SimpleNamespace(BACKBLAZE_CONFIG=config))
    assert "canary" not in str(error.value)
    return [str(problem) for problem in error.value.problems]


EACH = [
    pytest.param({}, PLAIN, id="nothing but buckets"),
    pytest.param({**KEYS, "realm": "staging"}, {**KEYS, "realm": "staging", **PLAIN}, id="keys and realm"),
    pytest.param({"authorize_on_init": False, "validate_on_init": False}, PLAIN, id="when to go online"),
    pytest.param({"non_existent_bucket_details": {"bucket_type": "allPublic"}}, PLAIN, id="buckets to be made"),
    pytest.param({"allow_file_overwrites": True}, {**PLAIN, "defaults": {"naming": "overwrite"}}, id="overwrites"),
    pytest.param({"allow_file_overwrites": False}, {**PLAIN, "defaults": {"naming": "suffix"}}, id="no overwrites"),
    pytest.param(
        {"default_file_info": {"b2-cache-control": "max-age=60"}},
        {**PLAIN, "defaults": {"file_info": {"b2-cache-control": "max-age=60"}}},
        id="file information",
    ),
    pytest.param(
        {"forbid_file_property_caching": True},
        {**PLAIN, "defaults": {"metadata_ttl_s": 0}},
        id="nothing remembered",
    ),
    pytest.param({"forbid_file_property_caching": False, "cdn_config": None}, PLAIN, id="their defaults"),
    pytest.param({"account_info": {"type": "django-cache"}}, PLAIN, id="a cache without a name"),
    pytest.param(
        {"account_info": {"type": "django-cache", "cache": "files"}},
        {**PLAIN, "account_info": {"kind": "cache", "cache": "files"}, "metadata_cache": "files"},
        id="a cache",
    ),
    pytest.param(
        {"account_info": {"type": "sqlite", "database_path": Path("/srv/b2"), "cache": "left over"}},
        {
            "account_info": {"kind": "sqlite", "path": "/srv/b2"},
            "defaults": {"metadata_ttl_s": 0},
            "profiles": PROFILES,
        },
        id="a file, with what a merge left over",
    ),
    pytest.param(
        {"account_info": {"type": "memory"}},
        {
            "account_info": {"kind": "memory"},
            "defaults": {"metadata_ttl_s": 0},
            "profiles": PROFILES,
        },
        id="memory",
    ),
    pytest.param(
        {"cdn_config": {"base_url": "https://cdn.example.com", "include_bucket_url_segments": True}},
        {
            **PLAIN,
            "profiles": {
                **PROFILES,
                "public": {
                    **PROFILES["public"],
                    "delivery": {
                        "mode": "cdn",
                        "base_url": "https://cdn.example.com",
                        "path": "file/{bucket}/{location}{name}",
                    },
                },
            },
        },
        id="a CDN before the host of B2",
    ),
    pytest.param(
        {"cdn_config": {"base_url": "cdn.example.com"}},
        {
            **PLAIN,
            "profiles": {
                **PROFILES,
                "public": {
                    **PROFILES["public"],
                    "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com", "path": "{location}{name}"},
                },
            },
        },
        id="a CDN before the bucket, without a scheme and a flag",
    ),
    pytest.param(
        {"audiences": ["staff"]},
        {**PLAIN, "profiles": {"default": {"bucket": "acme-files"}, "staff": PROFILES["staff"]}},
        id="one audience",
    ),
    pytest.param(
        {"bucket": "acme-public"},
        {
            **PLAIN,
            "profiles": {**PROFILES, "default": {"bucket": "acme-public", "readable_through": ["public"]}},
        },
        id="the files of no audience beside public ones",
    ),
    pytest.param(
        {"bucket": "Acme-Members", "specific_bucket_names": {"staff": None}, "accept_shared_buckets": True},
        {
            **PLAIN,
            "profiles": {
                "default": {"bucket": "Acme-Members", "readable_through": ["public", "logged_in", "staff"]},
                "public": {"bucket": "Acme-Members", "route": "b2/", "permission": "public"},
                "logged_in": {
                    "bucket": "Acme-Members",
                    "route": "b2l/",
                    "permission": "authenticated",
                    "readable_through": ["public"],
                },
                "staff": {
                    "bucket": "Acme-Members",
                    "route": "b2s/",
                    "permission": "staff",
                    "readable_through": ["public", "logged_in"],
                },
            },
        },
        id="one bucket for all, accepted",
    ),
]


@pytest.mark.parametrize("spelt", [pytest.param(dict, id="snake_case"), pytest.param(camel, id="camelCase")])
@pytest.mark.parametrize(("options", "expected"), EACH)
def test_every_option_is_translated(options: dict[str, Any], expected: dict[str, Any], spelt: Any) -> None:
    given = spelt({"bucket": "acme-files", "specific_bucket_names": APART, **options})
    made = seed.translate(given)
    assert (made.values, made.problems, made.shared) == (expected, (), ())
    config = load(SimpleNamespace(BACKBLAZE_CONFIG=given))
    assert config == build([Layer("the same", expected, "file")])
    assert leaks(config) == []


def test_the_table_is_tried_whole() -> None:
    """Every option of it stands in one of the rows above."""

    def names(given: Mapping[str, Any], group: str = "") -> Iterator[str]:
        for key, value in given.items():
            inner = f"{group}{key}." in {name[: name.find(".") + 1] for name in OPTIONS}
            yield from names(value, f"{key}.") if inner and value is not None else [group + key]

    tried = {name for row in EACH for name in names(row.values[0])}
    assert set(OPTIONS) - tried - {"specific_bucket_names.public", "specific_bucket_names.logged_in"} == set()


def test_the_two_kinds_of_keys_are_told_apart_by_all_there_are() -> None:
    ours = {*BackblazeConfig.model_fields, *LAYER_KEYS}
    theirs = {name.partition(".")[0] for name in OPTIONS}
    assert ours - theirs == OURS
    assert ours & theirs == {"application_key_id", "application_key", "realm", "account_info"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            {"specificBucketNames": {**APART, "staff": "x"}},
            "profiles.staff.bucket: found 'x'; expected at least 6 characters. "
            "[from BACKBLAZE_CONFIG['specificBucketNames']['staff']] Change it there.",
            id="a value that a model refuses",
        ),
        pytest.param(
            {"specific_bucket_names": {**APART, "staf": "acme-staff"}},
            "specific_bucket_names.staf: unknown option; did you mean 'staff'? "
            "[from BACKBLAZE_CONFIG['specific_bucket_names']['staf']] Correct or remove it there.",
            id="a typo further in",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "cdnConfig": {"baseURL": "https://cdn.example.com"}},
            "cdnConfig.baseURL: unknown option; did you mean 'baseUrl'? "
            "[from BACKBLAZE_CONFIG['cdnConfig']['baseURL']] Correct or remove it there.",
            id="a typo in camel case",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "max_retries": 3},
            "max_retries: unknown option; known are accept_shared_buckets, account_info, allow_file_overwrites, "
            "application_key, application_key_id, audiences, authorize_on_init, bucket, cdn_config, "
            "default_file_info, forbid_file_property_caching, non_existent_bucket_details, realm, "
            "specific_bucket_names, validate_on_init. "
            "[from BACKBLAZE_CONFIG['max_retries']] Correct or remove it there.",
            id="an unknown option",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "specificBucketNames": APART},
            "specificBucketNames: it is given twice, as 'specific_bucket_names' and 'specificBucketNames'. "
            "[from BACKBLAZE_CONFIG['specificBucketNames']] Correct or remove it there.",
            id="both spellings",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "account_info": {"cache": "canary"}},
            "account_info.type: expected one of 'django-cache', 'sqlite', 'memory'. "
            "[from BACKBLAZE_CONFIG['account_info']['type']] Correct or remove it there.",
            id="no type",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "account_info": {"type": "sqlite"}},
            "account_info.database_path: found nothing, expected a path. "
            "[from BACKBLAZE_CONFIG['account_info']['database_path']] Correct or remove it there.",
            id="no path",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "cdn_config": {"base_url": 7}},
            "cdn_config.base_url: expected text. "
            "[from BACKBLAZE_CONFIG['cdn_config']['base_url']] Correct or remove it there.",
            id="another type",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "cdn_config": {"base_url": "cdn.example.com?x"}},
            "profiles.public.delivery.base_url: expected an absolute address such as 'https://cdn.example.com/', "
            "without query or login. [from BACKBLAZE_CONFIG['cdn_config']['base_url']] Change it there.",
            id="an address that is none",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "cdnConfig": {"includeBucketUrlSegments": True}},
            "cdnConfig.baseUrl: found nothing, expected the address of the CDN. "
            "[from BACKBLAZE_CONFIG['cdnConfig']['baseUrl']] Correct or remove it there.",
            id="a CDN without an address",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "audiences": ["members"]},
            "audiences: expected some of 'public', 'logged_in', 'staff'. "
            "[from BACKBLAZE_CONFIG['audiences']] Correct or remove it there.",
            id="an audience that there is not",
        ),
        pytest.param(
            {"specific_bucket_names": APART, "default_file_info": {"b2-nonsense": "x"}},
            "profiles.default.file_info: found the key 'b2-nonsense'; of those that begin with 'b2-', B2 takes "
            "'b2-cache-control', 'b2-content-disposition', 'b2-content-encoding', 'b2-content-language', "
            "'b2-expires'. "
            "[from BACKBLAZE_CONFIG['default_file_info']] Change it there.",
            id="what B2 refuses, once and not for each profile",
        ),
    ],
)
def test_problems_name_the_option_as_it_is_spelt(options: dict[str, Any], expected: str) -> None:
    assert said({**KEYS, "bucket": "acme-files", **options}) == [expected]


def test_one_bucket_for_several_audiences_is_refused_with_the_ways_out() -> None:
    assert said({**KEYS, "bucket": "acme-files", "specificBucketNames": {"public": "acme-public"}}) == [
        "bucket: found 'acme-files', as the bucket of logged_in and staff together: 'b2l/' would serve the files of "
        "staff too. [from BACKBLAZE_CONFIG['bucket']] Name the audiences that the site has, such as 'audiences': "
        "['staff']; or give each a bucket in 'specific_bucket_names', and move its files there; or leave it as it "
        "was, by 'accept_shared_buckets': True."
    ]


def test_the_bucket_that_nobody_named_is_told() -> None:
    [problem] = said({**KEYS, "authorize_on_init": True})
    assert problem.startswith("bucket: found 'django', as no other is named, as the bucket of public, logged_in and s")


def test_a_key_that_stands_in_the_wrong_place_is_not_shown() -> None:
    [problem] = said({**KEYS, "bucket": KEYS["application_key"]})
    assert problem.startswith("bucket: found the same, as the bucket of public, logged_in and staff together: ")


def test_keys_alone_may_be_of_either_kind() -> None:
    """Profiles may come from another layer, so nothing is guessed."""
    assert said(KEYS) == [
        "profiles: found nothing, expected a value. Add it, for example as BACKBLAZE_CONFIG['profiles']. A "
        "configuration of django-backblaze-b2 has to name its bucket: 'bucket': 'django'."
    ]


@pytest.mark.parametrize(
    ("more", "ours"),
    [({"profiles": {}}, "profiles"), ({"account_info": {"kind": "memory"}}, "account_info.kind")],
)
def test_a_mixture_of_both_kinds_is_refused(more: dict[str, Any], ours: str) -> None:
    assert said({"cdnConfig": None, **more}) == [
        f"BACKBLAZE_CONFIG: found 'cdnConfig', a key of django-backblaze-b2, beside '{ours}', one of b2router; "
        "expected one kind of configuration. [from settings.BACKBLAZE_CONFIG] Print the former in the words of "
        "b2router, by b2router import-seed, and keep one of them."
    ]


def test_other_layers_are_laid_over_it_and_below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "b2router.toml"
    file.write_text('[profiles.exports]\nbucket = "acme-exports"\n[limits]\nrequest_s = 5\n')
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-staging")
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY", "from-the-environment")
    given = {**KEYS, "bucket": "acme-files", "specific_bucket_names": APART}
    config = load(SimpleNamespace(BACKBLAZE_CONFIG=given, BACKBLAZE_CONFIG_FILE=str(file)))
    assert {name: profile.bucket for name, profile in config.profiles.items()} == {
        "exports": "acme-exports",
        "default": "acme-files",
        "public": "acme-public",
        "logged_in": "acme-members",
        "staff": "acme-staging",
    }
    assert config.application_key is not None
    assert (config.application_key.get_secret_value(), config.limits.request_s) == ("from-the-environment", 5)


def test_the_dict_itself_is_left_as_it_is() -> None:
    details: dict[str, Any] = {}
    given = {**KEYS, "bucket": "acme-files", "audiences": ["staff"], "non_existent_bucket_details": details}
    load(SimpleNamespace(BACKBLAZE_CONFIG=given))
    assert (details, len(given)) == ({}, 5)


def test_warnings_are_system_checks(settings: Any) -> None:
    settings.CACHES = {**settings.CACHES, "django-backblaze-b2": settings.CACHES["default"]}
    settings.BACKBLAZE_CONFIG = {
        **KEYS,
        "bucket": "acme-public",
        "specificBucketNames": APART,
        "cdnConfig": {"baseUrl": "http://cdn.example.com"},
        "accountInfo": {"type": "sqlite", "databasePath": "b2.sqlite"},
        "nonExistentBucketDetails": {},
    }
    messages = [message for message in run_checks(tags=["b2router"]) if message.id != "b2router.E011"]
    assert sorted((message.id, message.msg.partition(":")[0]) for message in messages) == [
        ("b2router.W014", "profiles.default.readable_through"),
        ("b2router.W014", "profiles.default.readable_through"),
        ("b2router.W015", "accountInfo.databasePath"),
        ("b2router.W015", "cdnConfig.baseUrl"),
        ("b2router.W015", "cdnConfig.baseUrl"),
        ("b2router.W015", "nonExistentBucketDetails"),
    ]
    router.reload()


def test_what_can_be_used_as_it_is_has_no_warnings(settings: Any) -> None:
    settings.CACHES = {**settings.CACHES, "django-backblaze-b2": settings.CACHES["default"]}
    settings.BACKBLAZE_CONFIG = {**KEYS, "bucket": "acme-files", "specific_bucket_names": APART}
    assert run_checks(tags=["b2router"]) == []
    router.reload()


def test_django_storages_has_an_alias_for_each_class() -> None:
    made = b2router.django_storages({"bucket": "acme-files", "audiences": ["public"]})
    assert made == {
        "default": {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": "default"}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "public": {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": "public"}},
    }


BUCKETS = st.sampled_from(["acme-one", "acme-two", "ACME-ONE", "acme-three", None])
CONFIGS = st.fixed_dictionaries(
    {"bucket": st.sampled_from(["acme-one", "acme-two"])},
    optional={
        "realm": st.sampled_from(["production", "https://b2.example.com"]),
        "specific_bucket_names": st.fixed_dictionaries(
            {}, optional={"public": BUCKETS, "logged_in": BUCKETS, "staff": BUCKETS}
        ),
        "allow_file_overwrites": st.booleans(),
        "default_file_info": st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(max_size=9)),
        "account_info": st.one_of(
            st.just({"type": "memory"}),
            st.fixed_dictionaries({"type": st.just("django-cache")}, optional={"cache": st.text(min_size=1)}),
            st.fixed_dictionaries({"type": st.just("sqlite"), "database_path": st.text(min_size=1)}),
        ),
        "forbid_file_property_caching": st.booleans(),
        "cdn_config": st.fixed_dictionaries(
            {"base_url": st.sampled_from(["https://cdn.example.com/x", "cdn.example.com", "HTTP://cdn.example.com"])},
            optional={"include_bucket_url_segments": st.booleans()},
        ),
        "authorize_on_init": st.booleans(),
        "validate_on_init": st.booleans(),
        "non_existent_bucket_details": st.just({"bucket_type": "allPublic"}),
        "audiences": st.lists(st.sampled_from(list(seed.AUDIENCES))),
        "accept_shared_buckets": st.booleans(),
    },
)


@given(CONFIGS)
@settings(deadline=None)  # whatever comes first loads modules
def test_what_is_not_refused_starts_and_nothing_else_does(given: dict[str, Any]) -> None:
    """The translation's own look at shared buckets and the isolation proof agree."""
    made = seed.translate({**KEYS, **given})
    config = build([Layer("BACKBLAZE_CONFIG", made.values, "settings", origins=made.origins)])
    assert made.problems == ()
    assert bool(leaks(config)) == bool(made.shared)
    assert seed.translate({**KEYS, **camel(given)}).values == made.values


def test_the_manual_has_a_row_for_every_option() -> None:
    page = (ROOT / "docs" / "from-django-backblaze-b2.md").read_text().partition("## The options\n")[2]
    cells = [row.split(" | ")[0] for row in page.partition("\n\n#")[0].splitlines() if row.startswith("| `")]
    named: list[str] = []
    for cell in cells:
        words = re.findall(r"`([^`]+)`", cell)
        named += [word if word[0] != "." else words[0].partition(".")[0] + word for word in words]
    assert sorted(named) == sorted(OPTIONS)
