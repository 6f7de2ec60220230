"""`b2router import-seed`: what it prints of a django-backblaze-b2 configuration, and what it says about it."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from b2router import settings_files
from b2router.cli import main
from b2router.config import BackblazeConfig
from b2router.import_seed import FORMS, imported
from b2router.isolation import leaks
from b2router.settings import Layer, build
from tests.test_seed import CONFIGS

ROOT = Path(__file__).parents[1]
LANGUAGES = [form for form in FORMS if form != "yaml" or importlib.util.find_spec("yaml")]

SETTINGS = """\
import os

from acme.secrets import vault

BACKBLAZE_CONFIG = {
    "application_key_id": os.environ["ACME_KEY_ID"],
    "application_key": vault("b2"),
    "bucket": "acme-files",
    "specific_bucket_names": {"public": "acme-public", "logged_in": "acme-members", "staff": "acme-staff"},
    "allow_file_overwrites": True,
}
"""

PRINTED = """\
# BACKBLAZE_APPLICATION_KEY_ID and BACKBLAZE_APPLICATION_KEY belong into the environment.
BACKBLAZE_CONFIG = {
    "account_info": {"kind": "cache", "cache": "django-backblaze-b2"},
    "metadata_cache": "django-backblaze-b2",
    "defaults": {"naming": "overwrite"},
    "profiles": {
        "default": {"bucket": "acme-files"},
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
        "logged_in": {"bucket": "acme-members", "route": "b2l/", "permission": "authenticated"},
        "staff": {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"},
    },
}
"""

ABOUT_PUBLIC = (
    "warning: profiles.public.delivery: files have addresses at 'b2/' from now on, also if the bucket 'acme-public' is "
    "public at B2; addresses at B2 that are out go on working. To give out those of B2, add "
    '{"mode": "direct", "base_url": "https://f….backblazeb2.com"} with the host of the account.\n'
)


def file(folder: Path, text: str) -> str:
    path = folder / "settings.py"
    path.write_text(text)
    return str(path)


def spelt(**options: Any) -> str:
    return f"BACKBLAZE_CONFIG = {options!r}\n"


def test_a_settings_file_is_translated_without_being_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it imports need not even be there."""
    assert main(["import-seed", file(tmp_path, SETTINGS)]) == 0
    printed = capsys.readouterr()
    assert printed.out == PRINTED
    assert printed.err == (
        f"{ABOUT_PUBLIC}note: set BACKBLAZE_APPLICATION_KEY_ID, as ACME_KEY_ID was; it is not printed.\n"
        "note: set BACKBLAZE_APPLICATION_KEY; it is not printed.\n"
    )


def read(text: str, form: str) -> dict[str, Any]:
    if form == "python":
        [statement] = ast.parse(text).body
        assert isinstance(statement, ast.Assign)
        return ast.literal_eval(statement.value)  # type: ignore[no-any-return]
    if form == "yaml":
        import yaml

        return yaml.safe_load(text)  # type: ignore[no-any-return]
    return {"json": json.loads, "toml": tomllib.loads}[form](text)  # type: ignore[no-any-return]


def configured(values: dict[str, Any]) -> BackblazeConfig:
    return build([Layer("printed", values, "file")])


@pytest.mark.parametrize("form", LANGUAGES)
def test_every_form_says_the_same(form: str) -> None:
    given = {
        "bucket": "acme-public",
        "audiences": ["public"],
        "default_file_info": {"b2-content-language": "de", "note": 'a "b"\tü\x7f'},
        "cdnConfig": {"baseUrl": "https://cdn.example.com"},
        "forbid_file_property_caching": True,
    }
    made = imported(given, form)
    python = imported(given)
    assert made.text is not None and python.text is not None
    assert configured(read(made.text, form)) == configured(read(python.text, "python"))
    assert [problem.where for problem in made.warnings] == ["profiles.default", "cdnConfig.baseUrl"]


@given(CONFIGS)
@settings(deadline=None)  # whatever comes first loads modules
def test_what_is_printed_is_valid_and_starts_when_the_exit_code_says_so(given: dict[str, Any]) -> None:
    keys = {"application_key_id": "canary-0001", "applicationKey": "canary-K001"}
    seen = []
    for form in LANGUAGES:
        made = imported({**keys, **given}, form)
        assert made.text is not None, made.refused
        assert "canary" not in made.text
        config = configured(read(made.text, form))
        assert bool(leaks(config)) == bool(made.refused)
        seen.append(config)
    assert [config == seen[0] for config in seen] == [True] * len(LANGUAGES)


def test_one_bucket_for_several_audiences_has_to_be_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = file(tmp_path, spelt(bucket="acme-files"))
    assert main(["import-seed", name]) == 1
    assert capsys.readouterr().err.startswith(
        "error: bucket: found 'acme-files', as the bucket of public, logged_in and staff together: 'b2/' would serve "
        "the files of logged_in and staff too. [from BACKBLAZE_CONFIG['bucket']] Say --audience for each that the "
        "site has; or give each a bucket in 'specific_bucket_names', and move its files there; or leave it as it was, "
        "by --accept-shared-buckets.\n"
        "warning: profiles.default: its files can be read through public, logged_in, staff, with the same "
        "bucket 'acme-files'. "
    )
    assert main(["import-seed", name, "--accept-shared-buckets"]) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert [line.partition(": its")[0] for line in warnings[:3]] == [
        "warning: profiles.default",
        "warning: profiles.logged_in",
        "warning: profiles.staff",
    ]
    assert main(["import-seed", name, "--audience", "staff"]) == 0
    profiles = read(capsys.readouterr().out, "python")["profiles"]
    assert profiles == {
        "default": {"bucket": "acme-files", "readable_through": ["staff"]},
        "staff": {"bucket": "acme-files", "route": "b2s/", "permission": "staff"},
    }


def test_keys_alone_are_the_shortest_configuration_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = file(tmp_path, spelt(application_key_id="canary-1", application_key="canary-2"))
    assert main(["import-seed", name, "--audience", "public"]) == 0
    printed = capsys.readouterr()
    assert '"bucket": "django"' in printed.out
    assert "canary" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        pytest.param("BACKBLAZE_CONFIG = {", 2, "it is not Python (line 1).", id="no Python"),
        pytest.param("\0", 2, "it is not Python.", id="no text"),
        pytest.param(
            "from base import *",
            2,
            "BACKBLAZE_CONFIG is not in it. If it comes from another module, name that one, or run the settings by "
            "--django.",
            id="elsewhere",
        ),
        pytest.param(
            'x = 1\nBACKBLAZE_CONFIG = {"bucket": BUCKET}',
            2,
            "line 2: 'bucket' is not spelt out; run the settings by --django.",
            id="a name",
        ),
        pytest.param(
            "BACKBLAZE_CONFIG = {**base}", 2, "line 1: a key of BACKBLAZE_CONFIG is not spelt out; ", id="spread"
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = dict(bucket="x")',
            2,
            "line 1: BACKBLAZE_CONFIG is not spelt out as a dict; ",
            id="a call",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = {}\nBACKBLAZE_CONFIG["bucket"] = "acme-files"',
            2,
            "line 2: BACKBLAZE_CONFIG is put together of several parts; ",
            id="changed",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = {}\nBACKBLAZE_CONFIG.update(bucket="acme-files")',
            2,
            "line 2: BACKBLAZE_CONFIG is put together of several parts; ",
            id="updated",
        ),
        pytest.param(
            "if DEBUG:\n    BACKBLAZE_CONFIG = {}\nelse:\n    BACKBLAZE_CONFIG = {}",
            2,
            "line 4: BACKBLAZE_CONFIG is put together of several parts; ",
            id="two of them",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = {"profiles": {}}',
            2,
            "BACKBLAZE_CONFIG is no configuration of django-backblaze-b2, but has keys of b2router.",
            id="ours",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG: dict = {"bucket": "x", "audiences": []}',
            1,
            "error: profiles.default.bucket: found 'x'; expected at least 6 characters. "
            "[from BACKBLAZE_CONFIG['bucket']] Change it there.",
            id="a value that a model refuses",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = {"bucket": "acme-files", "buckets": 1}',
            1,
            "error: buckets: unknown option; did you mean 'bucket'? [from BACKBLAZE_CONFIG['buckets']] Correct or "
            "remove it there.",
            id="an unknown option",
        ),
        pytest.param(
            'BACKBLAZE_CONFIG = {"application_key": "acme-files", "bucket": "acme-files", "audiences": []}',
            1,
            "error: application_key: its value stands in another option too. Mend that option.",
            id="a key in the wrong place",
        ),
    ],
)
def test_what_cannot_be_used_is_told(
    text: str, code: int, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = file(tmp_path, text)
    assert main(["import-seed", name]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"b2router: {name}: {expected}" if code == 2 else expected)


def test_readers_of_the_setting_change_nothing() -> None:
    text = b'BACKBLAZE_CONFIG = {"bucket": "acme-files"}\nprint(BACKBLAZE_CONFIG["bucket"], BACKBLAZE_CONFIG.get("x"))'
    assert settings_files.in_text(text).values == {"bucket": "acme-files"}


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-seed", str(tmp_path / "settings.py")]) == 2
    assert capsys.readouterr().err == f"b2router: {tmp_path / 'settings.py'}: No such file or directory.\n"


def run_in(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "b2router", "import-seed", "--django"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def test_settings_are_run_when_asked_for(tmp_path: Path) -> None:
    file(tmp_path, SETTINGS.replace("from acme.secrets import vault", "vault = str.upper"))
    done = run_in(tmp_path, DJANGO_SETTINGS_MODULE="settings", ACME_KEY_ID="canary")
    assert (done.returncode, done.stdout) == (0, PRINTED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1 / 0", "they cannot be loaded: ZeroDivisionError.", id="raises"),
        pytest.param("import nowhere", "they cannot be loaded: No module named 'nowhere'", id="imports"),
        pytest.param("", "BACKBLAZE_CONFIG is missing; expected a dict.", id="missing"),
        pytest.param("BACKBLAZE_CONFIG = []", "BACKBLAZE_CONFIG is list; expected a dict.", id="no dict"),
    ],
)
def test_settings_that_have_none(text: str, expected: str, tmp_path: Path) -> None:
    file(tmp_path, text)
    done = run_in(tmp_path, DJANGO_SETTINGS_MODULE="settings")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"b2router: settings: {expected}\n")
