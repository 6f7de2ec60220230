"""`manage.py b2router explain [PROFILE[.KEY]]`: every value in force, where it was written, and its default."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from syrupy.assertion import SnapshotAssertion

from b2router import BackblazeConfig, router

ROOT = Path(__file__).parents[2]

FILE = """\
application_key_id = "canary-file-id"
application_key = "canary-file-key"

[defaults]
max_age_s = 60
file_info = { "b2-content-language" = "de" }

[accounts.eu]
application_key_id = "canary-file-eu-id"
application_key = "canary-file-eu"

[profiles.members]
bucket = "acme-media"
location = "members/"
route = "b2l/"
permission = "authenticated"
metadata_ttl_s = 30

[profiles.reports]
extends = "members"
location = "reports/"
route = "b2s/"
permission = { all = ["staff", { any = ["group:editors", "perm:library.change_book", "library.rules.may_read"] }] }
file_info = { Department = "books" }
cache = [
  { match = "static/**/*.css", hashed = true, immutable = true },
  { max_age_s = 5 },
]

[environments.staging.defaults]
max_age_s = 5

[environments.staging.profiles.members]
bucket = "acme-staging"
"""

SETTINGS: dict[str, Any] = {
    "application_key": "canary-settings",
    "profiles": {
        "prints": {
            "bucket": "acme-prints",
            "permission": "authenticated",
            "account": "eu",
            "delivery": {
                "mode": "cdn",
                "base_url": "https://cdn.example.com/",
                "signing": {"scheme": "bunny", "secret": "canary-settings-cdn"},
            },
        }
    },
    "storages": {"default": "members"},
}

DOTENV = """\
BACKBLAZE_APPLICATION_KEY=canary-dotenv
BACKBLAZE_LIMITS={"request_s": 5, "request_tries": 3}
"""

SECRETS = {
    "accounts__eu__application_key": "canary-secrets-eu",
    "PROFILES__PRINTS__DELIVERY__SIGNING__SECRET": "canary-secrets-cdn",
}

VARIABLES = {
    "BACKBLAZE_CONFIG_FILE": "b2router.toml",
    "BACKBLAZE_ENV_FILE": ".env",
    "BACKBLAZE_SECRETS_DIR": "secrets",
    "BACKBLAZE_ENVIRONMENT": "staging",
    "BACKBLAZE_APPLICATION_KEY": "canary-environment",
    "BACKBLAZE_PROFILES__REPORTS__FRAMES": '["https://one.example.com", "https://two.example.com"]',
}


@pytest.fixture(autouse=True)
def _all_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("b2router.toml").write_text(FILE)
    Path(".env").write_text(DOTENV)
    Path("secrets").mkdir()
    for name, text in SECRETS.items():
        Path("secrets", name).write_text(text)
    for name, text in VARIABLES.items():
        monkeypatch.setenv(name, text)
    with override_settings(BACKBLAZE_CONFIG=SETTINGS):
        yield
    router.reload()


def printed(*words: str) -> str:
    output = StringIO()
    call_command("b2router", "explain", *words, stdout=output)
    return output.getvalue()


def explained(*words: str) -> dict[str, dict[str, Any]]:
    return {value["key"]: value for value in json.loads(printed("--json", *words))}


def refused(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        printed(*words)
    assert "canary" not in str(error.value)
    return f"{error.value.returncode}: {error.value}"


def test_every_value_of_every_layer(snapshot: SnapshotAssertion) -> None:
    assert printed() == snapshot


def test_programs_get_the_same_as_json(snapshot: SnapshotAssertion) -> None:
    assert printed("--json", "reports") == snapshot
    assert list(explained()) == [line.split()[0] for line in printed().splitlines()[2:] if line[0] != " "]


def test_no_output_holds_a_secret_of_any_layer() -> None:
    """Of those that are in force, and of those that another layer covers."""
    outputs = [printed(), printed("--json"), *(printed(*way, key) for key in explained() for way in ([], ["--json"]))]
    assert len(outputs) == 2 + 2 * len(explained())
    assert [output for output in outputs if "canary" in output] == []
    hidden = [value for value in explained().values() if value["secret"]]
    assert {value["key"]: value["from"] for value in hidden} == {
        ".application_key_id": "file b2router.toml:1, application_key_id",
        ".application_key": "environment variable BACKBLAZE_APPLICATION_KEY",
        ".accounts.eu.application_key_id": "file b2router.toml:9, accounts.eu.application_key_id",
        ".accounts.eu.application_key": "secrets directory secrets, file accounts__eu__application_key",
        "prints.delivery.signing.secret": (
            "secrets directory secrets, file PROFILES__PRINTS__DELIVERY__SIGNING__SECRET"
        ),
    }
    assert {value["value"] for value in hidden} == {"**********"}


def test_a_secret_that_got_into_another_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__MEMBERS__FILE_INFO", '{"note": "it is canary-environment"}')
    router.reload()
    assert "canary" not in printed()
    assert explained("members.file_info.note")["members.file_info.note"]["value"] == "**********"


def test_a_stand_in_for_a_secret_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that have no secrets set the key to any text."""
    monkeypatch.setenv("BACKBLAZE_APPLICATION_KEY", "b2")
    router.reload()
    assert explained("members.route")["members.route"]["value"] == "b2l/"


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ("reports.bucket", ["reports.bucket"]),
        ("default.bucket", ["members.bucket"]),
        ("prints.delivery.signing", [f"prints.delivery.signing.{key}" for key in ("scheme", "secret", "expires_in_s")]),
        (".limits.request_s", [".limits.request_s"]),
        (".storages", [".storages.default"]),
        (".environment", [".environment"]),
    ],
)
def test_one_value_or_what_is_below_a_key(asked: str, keys: list[str]) -> None:
    assert list(explained(asked)) == keys


def test_a_profile_may_have_the_name_of_a_key_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBLAZE_PROFILES__LIMITS__BUCKET", "acme-limits")
    router.reload()
    assert list(explained("limits.bucket")) == ["limits.bucket"]
    assert list(explained(".limits.request_s")) == [".limits.request_s"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reports.buckt"], "1: The profile 'reports' has no value 'buckt'; did you mean 'reports.bucket'?"),
        (["report"], "1: There is no profile 'report'; did you mean 'reports'?"),
        (["defalt"], "1: There is no profile 'defalt'; did you mean 'default'?"),
        (["limits.request_s"], "1: There is no profile 'limits'; did you mean '.limits.request_s'?"),
        (["profiles.members.bucket"], "1: There is no profile 'profiles'; did you mean 'members.bucket'?"),
        (["zzz"], "1: There is no profile 'zzz'; the profiles and aliases are default, members, prints, reports."),
        (
            [".zzz"],
            "1: There is no value '.zzz' at the top of the configuration; there are .environment, .application_key_id, "
            ".application_key, .realm, .accounts, .storages, .account_info, .metadata_cache, .limits, .max_streams.",
        ),
        (
            [".limts"],
            "1: There is no value '.limts' at the top of the configuration; did you mean '.limits'?",
        ),
        (
            ["reports", "--url=/b2s/a"],
            "2: Found 'reports' and --url: expected one of them, the value or the URL.",
        ),
        (["--user=sam"], "2: Found --user without --url: a visitor asks for a URL."),
        (["reports", "--user=sam"], "2: Found --user without --url: a visitor asks for a URL."),
    ],
)
def test_what_cannot_be_explained(words: list[str], said: str) -> None:
    assert refused(*words) == said


def test_a_ready_made_configuration_is_its_own_layer() -> None:
    config = BackblazeConfig.model_validate({"profiles": {"media": {"bucket": "acme-media", "max_age_s": 0}}})
    with override_settings(BACKBLAZE_CONFIG=config):
        found = explained("media")
    assert found["media.bucket"]["from"] == "the BackblazeConfig in settings.BACKBLAZE_CONFIG"
    assert (found["media.max_age_s"]["layer"], found["media.route"]["layer"]) == ("instance", "default")


def manage(*words: str, key: str = "canary-key") -> subprocess.CompletedProcess[str]:
    """`manage.py …` of the example site, with this application key."""
    ours = {
        "PYTHONPATH": str(ROOT),
        "ACME_DATA_DIR": str(Path.cwd() / "var"),
        "BACKBLAZE_APPLICATION_KEY_ID": "canary-id-0001",
        "BACKBLAZE_PROFILES__PRINTS__DELIVERY__SIGNING__SECRET": "canary-signing",
    }
    if key:
        ours["BACKBLAZE_APPLICATION_KEY"] = key
    others = {name: text for name, text in os.environ.items() if not name.startswith(("BACKBLAZE_", "DJANGO_"))}
    command = [sys.executable, str(ROOT / "examples/site/manage.py"), *words]
    return subprocess.run(command, env=others | ours, capture_output=True, text=True)


def test_the_manual_shows_what_the_example_site_prints() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    command = "$ python manage.py b2router explain prints.delivery\n"
    shown = page.partition(command)[2].partition("\n```")[0]
    ran = manage("b2router", "explain", "prints.delivery")
    assert (ran.returncode, ran.stdout.rstrip("\n")) == (0, shown)


def test_a_site_that_lacks_its_key_is_explained_without_the_checks() -> None:
    assert "b2router.E005" in manage("b2router", "explain", "staff.bucket", key="").stderr
    assert "acme-staff" in manage("b2router", "--skip-checks", "explain", "staff.bucket", key="").stdout


def test_the_exit_code_of_a_process() -> None:
    whole = manage("b2router", "explain")
    assert (whole.returncode, "canary" in whole.stdout + whole.stderr) == (0, False)
    assert whole.stdout.count("\n") > 250
    unknown = manage("b2router", "explain", "staf")
    assert unknown.returncode == 1
    assert unknown.stderr == "CommandError: There is no profile 'staf'; did you mean 'staff'?\n"
    assert manage("b2router", "explain", "staff", "--url", "/b2s/x").returncode == 2
