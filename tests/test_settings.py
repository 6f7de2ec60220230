"""Where values come from: which layer wins, and what an error says about the layer that a value came from."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from b2router.config import BackblazeConfig, BucketProfile
from b2router.errors import ConfigError
from b2router.settings import load, misspelt_secrets, unknown_variables

CANARY = "canary-K001"


def site(config: Any = None, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(BACKBLAZE_CONFIG=config, **more)


def config(**staff: Any) -> dict[str, Any]:
    return {
        "application_key_id": "0001",
        "application_key": CANARY,
        "profiles": {"staff": {"bucket": "acme-staff", **staff}},
    }


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("BACKBLAZE_"):
            monkeypatch.delenv(name)


def staff(settings: SimpleNamespace) -> BucketProfile:
    return load(settings).profiles["staff"]


def said(settings: SimpleNamespace) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(settings)
    assert CANARY not in f"{error.value} {error.value!r} {error.value.problems}"
    assert error.value.__cause__ is None  # the cause would carry the values into a traceback
    return [str(problem) for problem in error.value.problems]


# Which layer wins


def test_the_environment_wins_over_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "env/")
    assert staff(site(config(route="settings/"))).route == "env/"


def test_null_in_a_variable_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in JSON, so that a variable can take back what a lower layer says."""
    monkeypatch.setenv("BACKBLAZE_METADATA_CACHE", "null")
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "null")
    (tmp_path / ".env").write_text("BACKBLAZE_PROFILES__STAFF__PERMISSION=null\n")
    loaded = load(site(config(route="b2s/", permission="staff"), BACKBLAZE_ENV_FILE=tmp_path / ".env"))
    assert (loaded.metadata_cache, loaded.profiles["staff"].route, loaded.profiles["staff"].permission) == (None,) * 3


@pytest.mark.parametrize(("text", "is_so"), [("1", True), ("0", False), ("yes", True), ("off", False), ("True", True)])
def test_a_truth_value_in_a_variable_may_be_a_digit_or_a_word(
    text: str, is_so: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__READ_ONLY", text)
    (tmp_path / ".env").write_text(f"BACKBLAZE_PROFILES__STAFF__LEGAL_HOLD={text}\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "profiles__staff__upload__resume").write_text(f"{text}\n")
    places = {"BACKBLAZE_ENV_FILE": tmp_path / ".env", "BACKBLAZE_SECRETS_DIR": tmp_path / "secrets"}
    found = staff(site(config(), **places))
    assert (found.read_only, found.legal_hold, found.upload.resume) == (is_so,) * 3


def test_a_number_is_no_truth_value_in_json_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__UPLOAD", '{"resume": 1}')
    assert said(site(config())) == [
        "profiles.staff.upload.resume: found 1; expected true or false. "
        "[from environment variable BACKBLAZE_PROFILES__STAFF__UPLOAD] Change it there."
    ]


def test_null_where_a_value_is_needed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "null")
    assert said(site(config())) == [
        "profiles.staff.bucket: found nothing; expected text. "
        "[from environment variable BACKBLAZE_PROFILES__STAFF__BUCKET] Change it there."
    ]


def test_the_layers_stand_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, settings, .env, secrets, environment: each beats the one before, value by value."""
    routes = ["file/", "settings/", "dotenv/", "secrets/", "env/"]
    file = tmp_path / "b2router.json"
    file.write_text(json.dumps({"$schema": "x", "profiles": {"staff": {"bucket": "acme-staff", "route": "file/"}}}))
    dotenv, secrets = tmp_path / ".env", tmp_path / "secrets"
    secrets.mkdir()
    seen = []
    settings = site(None, BACKBLAZE_CONFIG_FILE=file)
    seen.append(staff(settings).route)
    settings.BACKBLAZE_CONFIG = {"profiles": {"staff": {"route": "settings/"}}}
    seen.append(staff(settings).route)
    dotenv.write_text("BACKBLAZE_PROFILES__STAFF__ROUTE=dotenv/\nDATABASE_URL=sqlite://\n")
    settings.BACKBLAZE_ENV_FILE = dotenv
    seen.append(staff(settings).route)
    (secrets / "profiles__staff__route").write_text("secrets/\n")
    settings.BACKBLAZE_SECRETS_DIR = secrets
    seen.append(staff(settings).route)
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "env/")
    seen.append(staff(settings).route)
    assert seen == routes
    assert staff(settings).bucket == "acme-staff"


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".toml", '[profiles.staff]\nbucket = "acme-staff"\nroute = "file/"\n'),
        (".yaml", "profiles:\n  staff: {bucket: acme-staff, route: file/}\n"),
        (".json", '{"profiles": {"staff": {"bucket": "acme-staff", "route": "file/"}}}'),
    ],
)
def test_the_file_may_be_toml_yaml_or_json(
    suffix: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".yaml":
        pytest.importorskip("yaml")
    file = tmp_path / f"b2router{suffix}"
    file.write_text(text)
    monkeypatch.setenv("BACKBLAZE_CONFIG_FILE", str(file))
    assert staff(site()).route == "file/"


def test_everything_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY_ID", "0001")
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY", CANARY)
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-staff")
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__PERMISSION", '{"any": ["staff", "group:editors"]}')
    loaded = load(site())
    assert loaded.account() is not None
    assert loaded.profiles["staff"].permission.any == ("staff", "group:editors")  # type: ignore[union-attr]


def test_single_values_refine_json_for_the_whole_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order the environment lists them in."""
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "one/")
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF", '{"bucket": "acme-staff", "route": "json/"}')
    assert staff(site()).route == "one/"


def test_another_kind_of_delivery_replaces_instead_of_blending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__DELIVERY__MODE", "proxy")
    cdn = {"mode": "cdn", "base_url": "https://cdn.example.com/"}
    assert staff(site(config(permission="public", delivery=cdn))).delivery.mode == "proxy"


def test_a_permission_is_one_value_never_a_blend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__PERMISSION", '{"all": ["staff", "group:a"]}')
    loaded = staff(site(config(permission={"any": ["staff", "group:b"]})))
    assert loaded.permission.all == ("staff", "group:a")  # type: ignore[union-attr]


def test_a_profile_given_as_a_model_keeps_its_rules_under_an_override(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing the instance would drop its permission without a word."""
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "env/")
    given = {"profiles": {"staff": BucketProfile(bucket="acme-staff", permission={"not": "staff"})}}  # type: ignore[arg-type]
    loaded = staff(site(given))
    assert (loaded.route, loaded.permission.not_) == ("env/", "staff")  # type: ignore[union-attr]


def test_a_ready_made_configuration_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "env/")
    ready = BackblazeConfig.model_validate(config(route="settings/"))
    assert load(site(ready)) is ready


def test_validating_a_model_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY_ID", "from-the-environment")
    assert BackblazeConfig.model_validate({"profiles": config()["profiles"]}).application_key_id is None


# What errors say


def test_an_error_names_path_value_expectation_and_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "x")
    assert said(site(config())) == [
        "profiles.staff.bucket: found 'x'; expected at least 6 characters. "
        "[from environment variable BACKBLAZE_PROFILES__STAFF__BUCKET] Change it there."
    ]


def test_an_error_in_a_json_variable_names_that_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES", '{"staff": {"bucket": "x"}}')
    assert "[from environment variable BACKBLAZE_PROFILES]" in said(site(config()))[0]


def test_an_error_in_the_settings_names_the_key_to_change() -> None:
    assert said(site(config(permission="staf"))) == [
        "profiles.staff.permission: found 'staf'; expected public, authenticated, staff, superuser, group:NAME, "
        "perm:app.codename or the dotted path of a callable. "
        "[from BACKBLAZE_CONFIG['profiles']['staff']['permission']] Change it there."
    ]


def test_an_error_in_a_file_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "b2router.toml"
    file.write_text('[profiles.staff]\nbucket = "x"\n')
    assert f"[from file {file}:2, profiles.staff.bucket]" in said(site(BACKBLAZE_CONFIG_FILE=file))[0]


def test_a_file_in_another_encoding_is_told_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / "b2router.toml"
    for content, place, found in (
        ("a = 1".encode("utf-16"), file, "is not text in UTF-8."),
        (b"\xef\xbb\xbfa = 1", f"{file}:1:1", "it begins with a byte order mark: save it as UTF-8 without one."),
    ):
        file.write_bytes(content)
        assert said(site(BACKBLAZE_CONFIG_FILE=file)) == [
            f"{place}: {found} [from settings.BACKBLAZE_CONFIG_FILE] Mend the file."
        ]


@pytest.mark.parametrize("where", ["bucket", "route", "location", "permission", "owner", "naming"])
def test_an_application_key_in_any_place_is_not_shown(where: str) -> None:
    """Also when b2router knows no key yet."""
    like_a_key = "K005" + "zY/1x+wVu" * 3
    with pytest.raises(ConfigError) as error:
        load(site({"profiles": {"staff": {"bucket": "acme-staff", "route": "b2s/", where: like_a_key}}}))
    assert like_a_key not in f"{error.value} {error.value!r}"


def test_what_is_no_mode_is_shown_when_it_may_be_one() -> None:
    modes = "'proxy', 'redirect', 'accel', 'direct', 'cdn'"
    place = "[from BACKBLAZE_CONFIG['profiles']['staff']['delivery']] Change it there."
    for found, message in {
        "mail": f"found 'mail' as its 'mode'; expected one of {modes}.",
        "not-a-word-but-some-secret": f"expected one of {modes} as its 'mode'.",
    }.items():
        assert said(site(config(delivery={"mode": found}))) == [f"profiles.staff.delivery: {message} {place}"]


def test_a_number_in_the_place_of_a_text_is_called_one() -> None:
    (problem,) = said(site({**config(), "application_key_id": 4123}))
    assert problem.startswith("application_key_id: found a number; expected text.")


def test_an_error_of_an_object_names_the_variables_that_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that nobody has set."""
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__CACHE__0__MATCH", "*.js")
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__CACHE__0__MAX_AGE_S", "9")
    assert said(site(config())) == [
        "profiles.staff.cache: found an object; expected a list. [from environment variable "
        "BACKBLAZE_PROFILES__STAFF__CACHE__0__MATCH and BACKBLAZE_PROFILES__STAFF__CACHE__0__MAX_AGE_S] "
        "Change it there."
    ]


def test_an_error_in_the_secrets_directory_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "profiles__staff__bucket").write_text("x")
    assert "file profiles__staff__bucket]" in said(site(config(), BACKBLAZE_SECRETS_DIR=tmp_path))[0]


def test_a_misspelt_key_is_told_the_right_one() -> None:
    assert said(site({**config(routte="b2s/"), "storagse": {}})) == [
        "profiles.staff.routte: unknown key; did you mean 'route'? "
        "[from BACKBLAZE_CONFIG['profiles']['staff']['routte']] Correct or remove it there.",
        "storagse: unknown key; did you mean 'storages'? [from BACKBLAZE_CONFIG['storagse']] "
        "Correct or remove it there.",
    ]


def test_a_misspelt_key_of_a_delivery_is_told_the_right_one() -> None:
    problems = said(site(config(permission="public", delivery={"mode": "cdn", "base_ulr": "https://x.example"})))
    assert any("did you mean 'base_url'?" in problem for problem in problems)


def test_a_misspelt_key_of_a_profile_that_is_called_like_a_key() -> None:
    problems = said(site({"profiles": {"cache": {"bucket": "acme-cache", "routte": "c/"}}}))
    assert problems[0].startswith("profiles.cache.routte: unknown key; did you mean 'route'?")


def test_a_key_of_another_delivery_is_told_those_of_this_one() -> None:
    problems = said(site(config(delivery={"mode": "accel", "base_url": "https://x.example"})))
    assert problems[0].startswith(
        "profiles.staff.delivery.base_url: unknown key with the mode 'accel'; known are mode, internal. [from "
    )


def test_a_secret_that_is_too_short_is_not_measured() -> None:
    signing = {"scheme": "bunny", "secret": "cana"}
    problems = said(site(config(delivery={"mode": "cdn", "base_url": "https://x.example", "signing": signing})))
    assert problems == [
        "profiles.staff.delivery.signing.secret: expected at least 8 characters. "
        "[from BACKBLAZE_CONFIG['profiles']['staff']['delivery']['signing']['secret']] Change it there."
    ]


def test_a_variable_of_a_profile_that_is_not_there_is_told_the_one_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAF__ROUTE", "b2s/")
    assert said(site(config())) == [
        "profiles.staf.bucket: found nothing, expected a value. Add it, for example as environment variable "
        "BACKBLAZE_PROFILES__STAF__BUCKET. Or did you mean the profile 'staff'?"
    ]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"max_age_s": "soon"}, "found 'soon'; expected a whole number"),
        ({"read_only": "perhaps"}, "found 'perhaps'; expected true or false"),
        ({"cache": {"match": "*"}}, "found an object; expected a list"),
        ({"bucket": 7}, "found 7; expected text"),
        ({"bucket": None}, "found nothing; expected text"),
        ({"delivery": "redirect"}, "found text; expected an object, such as {'mode': 'redirect'}"),
        ({"upload": {"resume": print}}, "found a builtin_function_or_method; expected true or false"),
        ({"account": "EU"}, "expected a name of lower-case letters"),
        ({"file_info_from": "stamp"}, "expected the dotted path of a callable"),
        ({"permission": '{"any": ["staff"'}, "which begins like JSON but is none; expected public"),
        ({"on_denied": "x" * 100}, "expected 'login', '403' or '404'"),
    ],
)
def test_what_is_expected_is_said_in_words(wrong: dict[str, Any], expected: str) -> None:
    assert expected in said(site(config(**wrong)))[0]


def test_an_unknown_delivery_is_told_the_known_ones() -> None:
    assert said(site(config(delivery={"mode": "mail"})))[0].startswith(
        "profiles.staff.delivery: found 'mail' as its 'mode'; expected one of 'proxy', "
    )


def test_a_list_of_wrong_items_is_reported_by_its_items() -> None:
    problems = said(site(config(permission={"any": ["staf"]})))
    assert [problem.split(":")[0] for problem in problems] == ["profiles.staff.permission.any.0"]


def test_a_missing_value_is_told_where_to_add_it() -> None:
    assert said(site({"profiles": {"staff": {}}})) == [
        "profiles.staff.bucket: found nothing, expected a value. "
        "Add it, for example as BACKBLAZE_CONFIG['profiles']['staff']['bucket']."
    ]


def test_a_bad_name_is_told_what_names_look_like() -> None:
    problems = said(site({"profiles": {"Staff": {"bucket": "acme-staff"}}}))
    assert "lower-case letters" in problems[0]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"realm": CANARY}, id="the key in the wrong place"),
        pytest.param({"profiles": CANARY}, id="the key instead of profiles"),
        pytest.param({"storages": {"default": CANARY}}, id="the key as a profile"),
        pytest.param({"application_key": {"a": CANARY}}, id="the key in a dict"),
        pytest.param({"accounts": {"eu": {"application_key": CANARY, "realm": CANARY}}}, id="a second account"),
        pytest.param({"profiles": {"staff": {"bucket": f"x {CANARY}"}}}, id="the key inside a value"),
        pytest.param({"accounts": {"eu": CANARY}}, id="the key instead of an account"),
        pytest.param({"profiles": {"staff": CANARY}}, id="the key instead of a profile"),
        pytest.param({"application_key": None, "realm": CANARY}, id="the only key in the wrong place"),
        pytest.param(
            {
                "application_key": None,
                "profiles": {
                    "staff": {
                        "bucket": "acme-staff",
                        "delivery": {"mode": "cdn", "base_url": f"https://cdn.example.com/?token={CANARY}"},
                    }
                },
            },
            id="a token in an address",
        ),
    ],
)
def test_no_error_shows_a_key(broken: dict[str, Any]) -> None:
    """`said` looks for it in every form of the error."""
    assert said(site({**config(), **broken}))


def test_no_configuration_at_all_is_told_how_to_begin() -> None:
    assert "BACKBLAZE_CONFIG" in said(site())[0]


def test_a_setting_of_another_type_is_named() -> None:
    assert "found str, expected a dict" in said(site("staff"))[0]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("missing.toml", None, "does not exist", id="missing"),
        pytest.param("b2router.ini", "", "ends with one of .toml", id="another format"),
        pytest.param("b2router.toml", f'application_key = "{CANARY}\n', ".toml:1:31: it is not TOML", id="broken TOML"),
        pytest.param("b2router.json", f'{{\n"application_key": "{CANARY}" 1}}', ".json:2:34: it is", id="broken JSON"),
        pytest.param("b2router.json", "[]", "found a list or a single value, expected an object", id="a list"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, text: str | None, expected: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    problem = said(site(BACKBLAZE_CONFIG_FILE=file))[0]
    assert expected in problem
    assert str(file) in problem
    assert "[from settings.BACKBLAZE_CONFIG_FILE]" in problem


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("b2router.yaml", "profiles:\n  a: {bucket: acme-a1, permission: staff, permission: public}\n", ":2:43"),
        ("b2router.json", '{"profiles": {"a": {"permission": "staff",\n"permission": "public"}}}', ":2:1"),
    ],
)
def test_a_key_that_stands_twice_is_refused(name: str, text: str, place: str, tmp_path: Path) -> None:
    """Its reader would take the last, which may be the looser permission."""
    (tmp_path / name).write_text(text)
    (problem,) = said(site(BACKBLAZE_CONFIG_FILE=tmp_path / name))
    assert f"{name}{place}, profiles.a.permission: it stands there twice" in problem


def test_broken_json_in_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES", f'{{"{CANARY}"')
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__ROUTE", "b2s/")
    assert said(site(config())) == [
        "environment variable BACKBLAZE_PROFILES: expected JSON, because the value is a list or an object. "
        "Mend its text."
    ]


def test_broken_json_is_told_where_it_stands(tmp_path: Path) -> None:
    """In a `.env` file and in a secrets directory too, whatever variables this process has."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("BACKBLAZE_LIMITS={request_s: 5}\n")
    assert said(site(config(), BACKBLAZE_ENV_FILE=dotenv))[0].startswith(f"{dotenv}, variable BACKBLAZE_LIMITS: ")
    (tmp_path / "Limits").write_text("[")
    assert said(site(config(), BACKBLAZE_SECRETS_DIR=tmp_path))[0].startswith(
        f"secrets directory {tmp_path}, file Limits: expected JSON"
    )


def test_an_error_in_json_below_a_variable_of_another_layer_names_that_variable(tmp_path: Path) -> None:
    dotenv, secrets = tmp_path / ".env", tmp_path / "secrets"
    secrets.mkdir()
    dotenv.write_text('BACKBLAZE_PROFILES={"staff": {"max_age_s": -1}}\n')
    (secrets / "LIMITS").write_text('{"request_s": -1}')
    problems = said(site(config(), BACKBLAZE_ENV_FILE=dotenv, BACKBLAZE_SECRETS_DIR=secrets))
    assert [problem.partition("[from ")[2].partition("]")[0] for problem in problems] == [
        f"{dotenv}, variable BACKBLAZE_PROFILES",
        f"secrets directory {secrets}, file LIMITS",
    ]


def test_an_item_of_a_list_is_named_by_its_number() -> None:
    problems = said(site(config(cache=[{"max_age_s": 5}, {"max_age_s": -1}])))
    assert "[from BACKBLAZE_CONFIG['profiles']['staff']['cache'][1]['max_age_s']]" in problems[0]


def test_the_variable_that_names_a_layer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_SECRETS_DIR", "/nowhere")
    assert said(site(config())) == [
        "/nowhere: does not exist. [from environment variable BACKBLAZE_SECRETS_DIR] "
        "Mend it, or the setting or variable that names it."
    ]


def test_a_missing_secrets_directory_is_named(tmp_path: Path) -> None:
    assert "does not exist" in said(site(config(), BACKBLAZE_SECRETS_DIR=tmp_path / "none"))[0]


def test_a_file_in_the_place_of_the_secrets_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(CANARY)
    assert "expected a directory" in said(site(config(), BACKBLAZE_SECRETS_DIR=file))[0]


def test_the_secrets_directory_may_be_a_mounted_one_that_others_share(tmp_path: Path) -> None:
    """As Kubernetes mounts it, through links to a hidden folder; and with secrets of other programs in it."""
    (tmp_path / "..2026_11_22").mkdir()
    (tmp_path / "..data").symlink_to("..2026_11_22")
    for name, value in {"profiles__staff__route": " mounted/\n", "database_password": "x", "APPLICATION": "y"}.items():
        (tmp_path / "..2026_11_22" / name).write_text(value)
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert staff(site(config(route="settings/"), BACKBLAZE_SECRETS_DIR=tmp_path)).route == "mounted/"


def test_files_of_others_in_the_secrets_directory_are_not_opened(tmp_path: Path) -> None:
    """A keystore is no text, a link leads nowhere, and neither is ours."""
    (tmp_path / "site.p12").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "token").symlink_to("gone")
    with (tmp_path / "dump").open("wb") as file:
        file.truncate(64 * 2**20)
    (tmp_path / "profiles__staff__route").write_text("mounted/")
    assert staff(site(config(), BACKBLAZE_SECRETS_DIR=tmp_path)).route == "mounted/"


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "application_key").write_bytes(b"\xff" + CANARY.encode())
    assert said(site(config(), BACKBLAZE_SECRETS_DIR=tmp_path)) == [
        f"secrets directory {tmp_path}, file application_key: is not text in UTF-8. "
        "[from settings.BACKBLAZE_SECRETS_DIR] Mend the file, or its rights."
    ]


def test_a_secret_file_may_be_linked_from_elsewhere_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_bytes(b"\xef\xbb\xbf" + CANARY.encode() + b"\r\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "application_key").symlink_to(tmp_path / "key.txt")
    loaded = load(site({**config(), "application_key": "another"}, BACKBLAZE_SECRETS_DIR=tmp_path / "secrets"))
    assert loaded.application_key is not None
    assert loaded.application_key.get_secret_value() == CANARY


def test_secret_files_that_are_almost_named_right_are_told_the_right_name(tmp_path: Path) -> None:
    """And no other program's: what is not near a key, or is one, is left alone."""
    right = {
        "aplication_key": "application_key",
        "application-key-id": "application_key_id",
        "application_key.txt": "application_key",
        "BACKBLAZE_REALM": "realm",
        "profile__staff__bucket": "profiles__staff__bucket",
    }
    others = ["APPLICATION", "account", "api_key", "database_password", "django_secret_key", "key__id", "tls.key"]
    for name in (*right, *others, "application_key", "profiles__staff__bucket"):
        (tmp_path / name).write_text("x")
    assert dict(misspelt_secrets(site(BACKBLAZE_SECRETS_DIR=tmp_path))) == right
    assert misspelt_secrets(site(BACKBLAZE_SECRETS_DIR=tmp_path / "none")) == misspelt_secrets(site()) == []


def test_a_variable_that_names_a_file_is_told_the_one_that_holds_the_value() -> None:
    named = {"BACKBLAZE_APPLICATION_KEY_FILE": "/run/secrets/key"}
    assert list(unknown_variables(named)) == [("BACKBLAZE_APPLICATION_KEY_FILE", "BACKBLAZE_APPLICATION_KEY")]


def test_unknown_variables_are_told_the_nearest_right_one() -> None:
    environ = {
        "BACKBLAZE_REALM": "",
        "BACKBLAZE_CONFIG_FILE": "",
        "BACKBLAZE_PROFILE__STAFF__BUCKET": "",
        "BACKBLAZE_ZZZ": "",
        "PATH": "",
    }
    assert list(unknown_variables(environ)) == [
        ("BACKBLAZE_PROFILE__STAFF__BUCKET", "BACKBLAZE_PROFILES__STAFF__BUCKET"),
        ("BACKBLAZE_ZZZ", None),
    ]


def test_names_that_look_like_parts_of_a_profile_are_only_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias "mode" or a profile "permission" is merged like any other."""
    monkeypatch.setenv("BACKBLAZE_STORAGES__MODE", "permission")
    monkeypatch.setenv("BACKBLAZE_PROFILES__PERMISSION__ROUTE", "p/")
    loaded = load(
        site(
            {
                "profiles": {"permission": {"bucket": "acme-one", "file_info": {"mode": "a", "x": "1"}}},
                "storages": {"mode": "permission", "default": "permission"},
            }
        )
    )
    assert loaded.storages == {"mode": "permission", "default": "permission"}
    assert loaded.profiles["permission"].bucket == "acme-one"
    assert loaded.profiles["permission"].file_info == {"mode": "a", "x": "1"}


def test_a_broken_yaml_file_is_told_its_line(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "b2router.yaml"
    file.write_text("profiles:\n  staff:\n    bucket: [\n")
    assert re.search(r"b2router.yaml:[34]:\d+: it is not YAML", said(site(BACKBLAZE_CONFIG_FILE=file))[0])


def test_a_dotenv_file_may_name_the_other_layers(tmp_path: Path) -> None:
    """As the environment may; they are read from there only."""
    file = tmp_path / ".env"
    file.write_text("BACKBLAZE_CONFIG_FILE=/elsewhere\nBACKBLAZE_PROFILES__STAFF__ROUTE=d/\n")
    assert staff(site(config(), BACKBLAZE_ENV_FILE=file)).route == "d/"
