"""`b2router validate`: what it finds in deployment files, where, in which words, and with which exit code."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from b2router.cli import main
from b2router.validation import judge

ROOT = Path(__file__).parents[1]
CANARY = "K001canaryCANARYcanaryCANARYcan"

BROKEN = """\
[defaults]
max_age_s = -1

[profiles.staff]
bucket = "acme-staff"
routte = "b2s/"
permission = { any = ["staff",
   "staf"] }

[profiles.members]
delivery = { mode = "cdn", base_ulr = "https://cdn.example.com/" }

[environments.staging.profiles.staff]
bucket = "x"
"""

BROKEN_FOUND = [
    "2:13: profiles.staff.max_age_s: found -1; expected at least 0. Change it there.",
    "6:1: profiles.staff.routte: unknown key; did you mean 'route'? Correct or remove it there.",
    "8:4: profiles.staff.permission.any.1: found 'staf'; expected public, authenticated, staff, superuser, group:NAME, "
    "perm:app.codename or the dotted path of a callable. Change it there.",
    "10:2: profiles.members.bucket: found nothing, expected a value. Add it here, or leave it to a layer above.",
    "11:1: profiles.members.delivery.base_url: found nothing, expected a value. Add it here, or leave it to a layer "
    "above.",
    "11:28: profiles.members.delivery.base_ulr: unknown key; did you mean 'base_url'? Correct or remove it there.",
    "14:10: profiles.staff.bucket: found 'x'; expected at least 6 characters. Change it there. [in staging]",
]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's environment says, a file is judged by itself."""
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "x")
    monkeypatch.setenv("BACKBLAZE_ENVIRONMENT", "nowhere")


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    try:
        code = main(["validate", *words])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def found(values: Any, *environments: str) -> list[tuple[str, str, tuple[str, ...]]]:
    verdict = judge("x.json", json.dumps(values), "json", environments)
    return [(finding.problem.code, finding.problem.where, finding.environments) for finding in verdict.findings]


def profiles(**declared: dict[str, Any]) -> dict[str, Any]:
    return {"profiles": {name: {"bucket": f"acme-{name}", **values} for name, values in declared.items()}}


def test_every_mistake_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b2router.toml"
    file.write_text(BROKEN)
    assert run(str(file), capsys=capsys) == (
        1,
        [*(f"{file}:{line}" for line in BROKEN_FOUND), f"{file}: 7 problems"],
        "",
    )


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.yaml"
    good.write_text(json.dumps(profiles(media={})))
    bad.write_text("defaults: {max_age_s: -1}\nprofiles: {media: {bucket: acme-media}}\n")
    code, lines, _ = run("--format", "json", str(good), str(bad), capsys=capsys)
    assert (code, json.loads("\n".join(lines))) == (
        1,
        {
            "valid": False,
            "files": [
                {"file": str(good), "valid": True, "findings": []},
                {
                    "file": str(bad),
                    "valid": False,
                    "findings": [
                        {
                            "code": "greater_than_equal",
                            "where": "profiles.media.max_age_s",
                            "source": "defaults.max_age_s",
                            "line": 1,
                            "column": 23,
                            "message": "found -1; expected at least 0.",
                            "hint": "Change it there.",
                            "environments": [],
                        }
                    ],
                },
            ],
        },
    )


def test_as_annotations_on_github(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What means something to GitHub is escaped, in values and in texts differently."""
    file = tmp_path / "50%,a:b.json"
    file.write_text('{"profiles": {"media": {"bucket": "acme-media", "buck%t": 1}}}')
    code, lines, _ = run("--format", "github", str(file), capsys=capsys)
    assert (code, lines) == (
        1,
        [
            f"::error file={tmp_path}/50%25%2Ca%3Ab.json,title=profiles.media.buck%25t,line=1,col=49::"
            "profiles.media.buck%25t: unknown key; did you mean 'bucket'? Correct or remove it there."
        ],
    )


@pytest.mark.parametrize("text", ["profiles: {m: {bucket: acme-m}}", '[profiles.m]\nbucket = "acme-m"', "", "]"])
def test_standard_input(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, lines, _ = run("-", capsys=capsys)
    expected = {
        "": "<stdin>:1:1: expected an object with 'profiles'. Declare your buckets in it.",
        "]": "<stdin>:1:1: it is not YAML. Mend it there.",
    }
    assert (code, lines[0]) == ((1, expected[text]) if text in expected else (0, "<stdin>: valid"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("none.toml", None, "No such file or directory.", id="missing"),
        pytest.param("b2router.ini", b"", "expected a file that ends with one of .toml, .yaml, .yml, .json", id="ini"),
        pytest.param("b2router.toml", b"\xff", "expected text in UTF-8.", id="another encoding"),
    ],
)
def test_what_cannot_be_read_is_another_exit_code(
    name: str, content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are judged all the same."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    good = tmp_path / "good.json"
    good.write_text(json.dumps(profiles(media={})))
    code, lines, err = run(str(tmp_path / name), str(good), capsys=capsys)
    assert (code, lines) == (2, [f"{good}: valid"])
    assert err.startswith(f"b2router: {tmp_path / name}: {message}")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    code, _, err = run(str(ROOT / "examples/deployment/magazine.yaml"), capsys=capsys)
    assert (code, "pip install 'b2router[yaml]'" in err) == (2, True)


def test_the_language_can_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config"
    file.write_text('profiles.media.bucket = "acme-media"')
    assert run("--input", "toml", str(file), capsys=capsys)[0] == 0


def test_no_file_at_all_is_a_wrong_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys=capsys)[0] == 2


def test_a_syntax_error_has_a_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b2router.json"
    file.write_text('{"profiles": {}\n ]')
    assert run(str(file), capsys=capsys) == (
        1,
        [f"{file}:2:2: it is not JSON: Expecting ',' delimiter. Mend it there.", f"{file}: 1 problem"],
        "",
    )


def test_secrets_may_come_from_the_environment() -> None:
    """Of accounts and of CDNs; the rest is judged as if they were there."""
    values = profiles(media={"account": "eu", "permission": "staff"})
    values["accounts"] = {"eu": {}, "us": {"application_key_id": "0001"}}
    values["profiles"]["media"]["delivery"] = {
        "mode": "cdn",
        "base_url": "https://cdn.example.com/",
        "signing": {"scheme": "bunny"},
    }
    assert found(values) == []
    del values["profiles"]["media"]["delivery"]["signing"]
    assert found(values) == [("public_delivery", "profiles.media.delivery.mode", ())]
    assert ("string_type", "accounts.eu.realm", ()) in found({**values, "accounts": {"eu": {"realm": 1}}})


def test_files_that_are_open_to_more_people_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The isolation proof runs on what profiles have in the end."""
    file = tmp_path / "b2router.yaml"
    file.write_text(
        "defaults: {bucket: acme-shared}\n"
        "profiles:\n"
        "  staff: {permission: staff, route: s/}\n"
        "  members: {permission: authenticated, route: m/, extends: staff}\n"
    )
    code, lines, _ = run(str(file), capsys=capsys)
    assert (code, lines[0][: len(str(file)) + 90]) == (
        1,
        f"{file}:3:3: profiles.staff: profile 'staff' is reachable through the looser profile 'members': a",
    )


def test_every_environment_is_judged_and_named_where_it_is_wrong() -> None:
    overlay = {"profiles": {"one": {"permission": "public"}}}
    values = {
        **profiles(one={"permission": "staff", "location": "a/"}, two={"permission": "staff", "bucket": "acme-one"}),
        "environments": {"live": {}, "test": overlay, "dev": overlay},
    }
    assert found(values) == [("leak", "profiles.two", ("test", "dev"))]
    assert found(values, "live") == []
    assert found(values, "dev") == [("leak", "profiles.two", ("dev",))]
    assert found(values, "stage") == [("environment", "environment", ("stage",))]


def test_what_is_wrong_everywhere_is_said_once_and_without_an_environment() -> None:
    values = {**profiles(one={"max_age_s": -1}), "environments": {"live": {}, "test": {}}}
    assert found(values) == [("greater_than_equal", "profiles.one.max_age_s", ())]


def test_a_file_that_picks_an_environment_stands_as_it_is_there() -> None:
    values = {"profiles": {"one": {}}, "environments": {"live": {"profiles": {"one": {"bucket": "acme-one"}}}}}
    assert found(values) == [("missing", "profiles.one.bucket", ())]
    assert found({**values, "environment": "live"}) == []


def test_repeated_keys_are_refused() -> None:
    text = '{"profiles": {"media": {"bucket": "acme-media", "permission": "staff",\n"permission": "public"}}}'
    (finding,) = judge("x.json", text, "json").findings
    assert (finding.problem.code, finding.problem.where, finding.position) == (
        "repeated_key",
        "profiles.media.permission",
        (2, 1),
    )


def test_resolved_shows_what_profiles_have_in_the_end_and_whence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inherited permissions can be seen, secrets cannot."""
    file = tmp_path / "b2router.json"
    signing = {"scheme": "bunny", "secret": CANARY}
    values = profiles(one={"delivery": {"mode": "cdn", "base_url": "https://x.example/", "signing": signing}})
    values["application_key"] = CANARY
    values["defaults"] = {"permission": {"any": ["staff"]}}
    values["environments"] = {"test": {"profiles": {"one": {"max_age_s": 5}}}}
    file.write_text(json.dumps(values))
    code, lines, _ = run("--resolved", "--environment", "test", str(file), capsys=capsys)
    assert (code, lines) == (
        0,
        [
            f"{file}: valid",
            "  in test:",
            '    profiles.one.permission.any = ["staff"]  (from defaults.permission.any)',
            '    profiles.one.bucket = "acme-one"',
            '    profiles.one.delivery.mode = "cdn"',
            '    profiles.one.delivery.base_url = "https://x.example/"',
            '    profiles.one.delivery.signing.scheme = "bunny"',
            "    profiles.one.delivery.signing.secret = (secret)",
            "    profiles.one.max_age_s = 5  (from environments.test.profiles.one.max_age_s)",
        ],
    )
    _, lines, _ = run("--resolved", "--format", "json", str(file), capsys=capsys)
    (entry,) = json.loads("\n".join(lines))["files"]
    assert CANARY not in str(lines)
    assert entry["resolved"][0] == {
        "environment": None,
        "where": "profiles.one.permission.any",
        "value": ["staff"],
        "source": "defaults.permission.any",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_resolved_hides_a_secret_wherever_it_stands(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b2router.json"
    file.write_text(json.dumps(profiles(one={"file_info": {"note": f"key {CANARY}"}}) | {"application_key": CANARY}))
    code, lines, _ = run("--resolved", "--format", form, str(file), capsys=capsys)
    assert (code, CANARY in str(lines), "file_info.note" in str(lines)) == (0, False, True)


@pytest.mark.parametrize("form", ["text", "json", "github"])
@pytest.mark.parametrize(
    "values",
    [
        {"application_key": CANARY, "realm": CANARY},
        {"application_key": CANARY, "profiles": {"one": {"delivery": {"mode": CANARY}}}},
        {"application_key": CANARY, "profiles": {"one": {"extends": CANARY, "bucket": CANARY}}},
        {"application_key": CANARY, "environment": CANARY},
        {"application_key": CANARY, "account_info": {"kind": CANARY}},
        {"application_key": CANARY, "limits": {"request_s": CANARY}},
        {"application_key": CANARY, "defaults": {"permission": CANARY, "owner": CANARY}, "profiles": {"one": {}}},
        {"application_key": {"key": CANARY}, "accounts": [CANARY]},
    ],
)
def test_no_output_shows_a_key(
    values: dict[str, Any], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b2router.json"
    file.write_text(json.dumps(values))
    code, lines, err = run("--format", form, str(file), capsys=capsys)
    assert (code, CANARY in f"{lines}{err}") == (1, False)


def test_it_needs_no_django_project(tmp_path: Path) -> None:
    (tmp_path / "b2router.toml").write_text(BROKEN)
    words = [sys.executable, "-m", "b2router", "validate", "b2router.toml"]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    said = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (said.returncode, said.stdout.splitlines()[-1], said.stderr) == (1, "b2router.toml: 7 problems", "")


def test_the_hook_for_pre_commit_runs(capsys: pytest.CaptureFixture[str]) -> None:
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *words = shlex.split(hook["entry"])
    names = ["b2router.toml", "deploy/b2router-live.yml", "b2router.json", "b2router.py", "other.yaml"]
    assert [bool(re.search(hook["files"], name)) for name in names] == [True, True, True, False, False]
    assert (hook["language"], program) == ("python", "b2router")
    example = ROOT / "examples/deployment/minimal.toml"
    assert main([*words, str(example)]) == 0
    assert capsys.readouterr().out == f"{example}: valid\n"
