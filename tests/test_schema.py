"""The published JSON Schema: current, strict, and of one mind with the models but for the rules that are listed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from b2router import schema
from b2router.cli import main
from b2router.declaration import resolve
from b2router.layers import Layer
from b2router.settings import load
from b2router.validation import judge

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path for path in (ROOT / "examples" / "deployment").iterdir() if path.suffix != ".md")


class Published(SingleFileSnapshotExtension):
    """The golden file is the published one: `pytest --snapshot-update` writes it, as `b2router schema -o` does."""

    _write_mode = WriteMode.TEXT
    file_extension = "schema.json"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(ROOT / "schemas")

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        return f"b2router-{schema.MAJOR}"


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Any:
    """As the standard has it: `$` is the end of the text, for Python also what stands before a last line break."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield jsonschema.ValidationError(f"{value!r} does not match")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
VALIDATOR = Validator(schema.build())


def codes(values: Any) -> set[str]:
    """What the models, and everything else that `b2router validate` looks at, have against a file."""
    return {finding.problem.code for finding in judge("x.json", json.dumps(values), "json").findings}


def read(path: Path) -> Any:
    text = path.read_text()
    if path.suffix == ".yaml":
        return pytest.importorskip("yaml").safe_load(text)
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def test_the_published_schema_is_current(snapshot: SnapshotAssertion) -> None:
    assert schema.text() == snapshot(extension_class=Published)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.build())


def test_it_says_what_it_is() -> None:
    built = schema.build()
    assert built["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert re.fullmatch(rf"https://\S+/{re.escape(schema.NAME)}", built["$id"])
    assert f"-{schema.MAJOR}.schema.json" in schema.NAME


def nodes(part: Any) -> list[dict[str, Any]]:
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return ([part] if isinstance(part, dict) else []) + [node for inner in below for node in nodes(inner)]


def test_it_has_no_words_that_strict_validators_refuse() -> None:
    """OpenAPI's, and formats that are none of the standard's; `nox -s schema` asks ajv."""
    words = {key for node in nodes(schema.build()) for key in node if key in ("discriminator", "format", "title")}
    assert words == {"title"}  # of the whole


def test_every_key_is_described() -> None:
    """By the docstring below it in the model; editors show it."""
    built = schema.build()
    places = [built, *built["$defs"].values(), built["properties"]["environments"]["additionalProperties"]]
    bare = [
        (place.get("title") or place.get("description"), key)
        for place in places
        for key, part in place["properties"].items()
        if isinstance(part, dict) and "description" not in part and "$ref" not in part and key not in ("mode", "kind")
    ]
    assert bare == []


def test_every_object_refuses_unknown_keys() -> None:
    """`if`, `then` and unions say more about an object that is closed elsewhere."""
    partial = ("if", "then", "else", "oneOf")
    closed = [
        "additionalProperties" in node
        for node in nodes(schema.build())
        if node.get("type") == "object" and not any(word in node for word in partial) and len(node) > 3
    ]
    assert closed
    assert all(closed)


def test_secrets_are_write_only_and_never_needed() -> None:
    built = schema.build()
    secrets = [(key, part) for node in nodes(built) for key, part in node.get("properties", {}).items() if part]
    secrets = [(key, part) for key, part in secrets if key in ("application_key", "secret")]
    assert len(secrets) > 3
    assert all("writeOnly" in json.dumps(part) for _, part in secrets)
    required = {key for node in nodes(built) for key in node.get("required", [])}
    assert required.isdisjoint({"application_key_id", "application_key", "secret"})


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_examples_are_valid_for_schema_and_models(path: Path) -> None:
    VALIDATOR.validate(read(path))
    assert judge(path.name, path.read_text(), path.suffix[1:]).findings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_examples_name_the_published_schema(path: Path) -> None:
    """For editors: as a key in JSON, as a comment in the others."""
    (reference,) = re.findall(r"[\w./-]+\.schema\.json", path.read_text())
    assert (path.parent / reference).resolve() == ROOT / "schemas" / schema.NAME


def test_the_example_for_kubernetes_is_completed_by_its_secrets(tmp_path: Path) -> None:
    """Those that the table beside it lists, mounted as files."""
    table = (ROOT / "examples/deployment/README.md").read_text().partition("key in the Secret")[2]
    for name in re.findall(r"`(\w+)`", table):
        (tmp_path / name).write_text("a-secret-value\n")
    site = SimpleNamespace(
        BACKBLAZE_CONFIG_FILE=ROOT / "examples/deployment/kubernetes.json", BACKBLAZE_SECRETS_DIR=tmp_path
    )
    config = load(site)
    assert config.account("books") is not None
    assert config.account() is not None
    secret = config.profiles["downloads"].delivery.signing.secret  # type: ignore[union-attr]
    assert secret.get_secret_value() == "a-secret-value"


# One mind with the models

SHARED = {"bucket": "acme-shared"}
RULES: dict[str, Any] = {
    "missing": {"profiles": {"a": {"permission": "staff"}}},
    "unknown_key": {"profiles": {"a": {**SHARED, "delivery": {"expires_in_s": 60}}}},
    "extends": {"profiles": {"a": {**SHARED, "extends": "b"}}},
    "environment": {"environment": "live", "profiles": {"a": SHARED}},
    "unknown_account": {"profiles": {"a": {**SHARED, "account": "eu"}}},
    "unknown_profile": {"profiles": {"a": SHARED}, "storages": {"x": "b"}},
    "alias": {"profiles": {"a": SHARED, "b": {"bucket": "acme-b"}}, "storages": {"a": "b"}},
    "overlapping_routes": {"profiles": {"a": {**SHARED, "route": "x/"}, "b": {"bucket": "acme-b", "route": "x/y/"}}},
    "public_delivery": {
        "profiles": {"a": {**SHARED, "delivery": {"mode": "direct", "base_url": "https://f004.example.com"}}}
    },
    "prefix_token": {
        "profiles": {"a": {**SHARED, "permission": "site.may", "delivery": {"mode": "redirect", "signer": "native"}}}
    },
    "bunny": {
        "profiles": {
            "a": {
                **SHARED,
                "location": "a=b/",
                "delivery": {
                    "mode": "cdn",
                    "base_url": "https://cdn.example.com/",
                    "signing": {"scheme": "bunny", "secret": "not a secret"},
                },
            }
        }
    },
    "leak": {"defaults": SHARED, "profiles": {"a": {"permission": "staff"}, "b": {"permission": "public"}}},
    "location": {"profiles": {"a": {**SHARED, "location": "é" * 126 + "/"}}},
    "file_info": {"profiles": {"a": {**SHARED, "file_info": {"x": "y" * 7000}}}},
    "stored_as": {"profiles": {"a": {**SHARED, "stored_as": [{"match": "**"}, {"match": "*.css"}]}}},
    "expires": {"profiles": {"a": {**SHARED, "stored_as": [{"expires": "2030-01-31T00:00:00"}]}}},
    "customer_key": {
        "profiles": {
            "a": {**SHARED, "encryption": {"mode": "sse_c", "key": "site.key"}, "delivery": {"mode": "redirect"}}
        }
    },
    "locked": {"profiles": {"a": {**SHARED, "legal_hold": True, "on_delete": "purge"}}},
    "cache": {"profiles": {"a": {**SHARED, "cache": [{"match": "*.css"}]}}},
    "match": {"profiles": {"a": {**SHARED, "cache": [{"match": "a**/b", "max_age_s": 5}]}}},
    "path": {
        "profiles": {
            "a": {
                **SHARED,
                "permission": "public",
                "delivery": {"mode": "cdn", "base_url": "https://a", "path": "../{name}"},
            }
        }
    },
    "permission": {"profiles": {"a": {**SHARED, "permission": "site.may-read"}}},
    "web_address": {
        "profiles": {
            "a": {**SHARED, "permission": "public", "delivery": {"mode": "cdn", "base_url": "https://a:99999/"}}
        }
    },
    "realm": {"realm": "http://b2.example.com", "profiles": {"a": SHARED}},
}


def test_every_listed_rule_has_an_example() -> None:
    assert set(schema.BEYOND) - {"repeated_key"} == set(RULES)  # no dict can repeat a key: see test_validation


@pytest.mark.parametrize("code", RULES)
def test_a_listed_rule_is_one_that_only_the_models_know(code: str) -> None:
    assert VALIDATOR.is_valid(RULES[code])
    assert codes(RULES[code]) == {code}


def a(**values: Any) -> dict[str, Any]:
    """A file with one profile."""
    return {"profiles": {"a": {**SHARED, **values}}}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="no profiles"),
        pytest.param({"profiles": {}}, id="profiles, but none"),
        pytest.param({**a(), "storage": {}}, id="unknown key"),
        pytest.param({"profiles": {"Staff": SHARED}}, id="name of a profile"),
        pytest.param({**a(), "storages": {"a__b": "a"}}, id="name of an alias"),
        pytest.param({**a(), "accounts": {"default": {}}}, id="account with the name of the one at the top"),
        pytest.param(a(routte="x/"), id="unknown key of a profile"),
        pytest.param(a(bucket="b2-reserved"), id="reserved bucket"),
        pytest.param(a(location="a"), id="location without a slash"),
        pytest.param(a(location="../"), id="location of dots"),
        pytest.param(a(route="./"), id="route of dots"),
        pytest.param(a(permission="staf"), id="misspelt permission"),
        pytest.param(a(permission={"any": []}), id="any of nothing"),
        pytest.param(a(delivery={"mode": "cdn"}), id="delivery without its address"),
        pytest.param(a(delivery={"mode": "proxy", "base_url": "https://a"}), id="key of another delivery"),
        pytest.param(a(delivery={"base_ulr": "https://a"}), id="refinement with an unknown key"),
        pytest.param(a(delivery={"mode": "cdn", "base_url": "//a"}), id="address without a scheme"),
        pytest.param(a(frames=["https://a.example/"]), id="origin with a path"),
        pytest.param(a(file_info={"a b": "x"}), id="file information under a wrong key"),
        pytest.param({**a(), "realm": "dev"}, id="realm"),
        pytest.param({**a(), "max_streams": True}, id="truth value as a number"),
        pytest.param({**a(), "account_info": {"kind": "sqlite"}}, id="file without a path"),
        pytest.param({**a(), "defaults": {"route": "x/"}}, id="shared route"),
        pytest.param({**a(), "environments": {"live": {"environments": {}}}}, id="environments of an environment"),
        pytest.param({**a(), "environments": {"live": {"profiles": {"a": {"routte": "x/"}}}}}, id="below one"),
    ],
)
def test_what_a_schema_can_refuse_it_refuses(values: dict[str, Any]) -> None:
    assert codes(values)
    assert not VALIDATOR.is_valid(values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"max_streams": "5"}, id="number as text"),
        pytest.param({"account_info": {"encrypt": "yes"}}, id="truth value as text"),
    ],
)
def test_values_as_environment_variables_have_them_are_for_the_models_only(values: dict[str, Any]) -> None:
    """The one case in which the schema refuses what the models take; the manual says so."""
    values = {"profiles": {"a": SHARED}, **values}
    assert codes(values) == set()
    assert not VALIDATOR.is_valid(values)


def is_number(text: str) -> bool:
    try:
        float(text.replace("_", ""))
    except ValueError:
        return False
    return True


# No text that means a number: models read it, as from a variable, and the schema does not; see below.
WORDS = st.text(st.sampled_from("ab_-.:/é٣ \n\x00{@#?[]2%\\"), max_size=6).filter(lambda text: not is_number(text))
ODD: list[Any] = [
    *(None, [], {}, ["x"], {"x": 1}, -1, 0, 1, 9, 1.0, 1.5, 10**9, "x" * 64, "1a", "a", "b", "Staff"),
    *("b2-reserved", "short", "acme_x", "../", "./", ".../", "..a/", "a//", "/", "/../", "/.a/", "a/b/"),
    *("staf", "group:", "perm:a", "site.1", {"any": []}, {"any": ["staff"], "all": ["staff"]}, {"not": "staf"}),
    *("a.B", "a.B.c__d", "dev", "http://b2.example", "https://a.example/?", "https://a:0/", "https://u@a.example/"),
    *("HTTP://[::1]:8", {"mode": "cdn"}, {"mode": "mail"}, {"mode": "proxy", "signer": "s3"}, {"signer": "s3"}),
    *(
        [{"max_age_s": 1, "no_store": True}],
        [{"match": "**b"}],
        "deny",
        ["https://a.example/"],
        ["HTTPS://a"],
        "x/{name}",
    ),
    *("{location}{location}{name}", "./{name}", "{name}/", "{bucket}{name}", "{location}{name}"),
    *({"kind": "sqlite"}, {"kind": "memory", "path": "x"}, {"path": "x"}, {"scheme": "bunny", "secret": "short"}),
]
KEYS = [
    "odd",
    "mode",
    "extends",
    "route",
    "bucket",
    "signing",
    "kind",
    "path",
    "profiles",
    "default",
    "a b",
    "base_url",
]


def keys(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=known)


def named(value: st.SearchStrategy[Any], *, least: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(["a", "b", "c_d"]), value, min_size=least, max_size=2)


ADDRESSES = st.sampled_from(["https://a.example", "https://a.example:80/b/", "http://a.example/", "HTTPS://[::1]:8/"])
PERMISSIONS = st.recursive(
    st.sampled_from(["public", "staff", "authenticated", "group:a b", "perm:a.b", "site.may"]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=3,
)
SIGNING_KEYS = {"scheme": st.sampled_from(["bunny", "cloudflare"]), "expires_in_s": st.integers(10, 604_800)}
SIGNING = st.fixed_dictionaries(
    {"scheme": SIGNING_KEYS["scheme"]},
    optional={"expires_in_s": SIGNING_KEYS["expires_in_s"], "secret": st.just("long-enough")},
)
REDIRECT_KEYS = {"signer": st.sampled_from(["s3", "native"]), "expires_in_s": st.integers(10, 604_800)}
PATH = {"path": st.sampled_from(["{location}{name}", "a/{bucket}.x/{location}{name}"])}
MODES = st.one_of(
    st.just({"mode": "proxy"}),
    st.fixed_dictionaries({"mode": st.just("redirect")}, optional=REDIRECT_KEYS),
    st.fixed_dictionaries({"mode": st.just("accel")}, optional={"internal": st.just("/_b2/")}),
    st.fixed_dictionaries({"mode": st.just("direct"), "base_url": ADDRESSES}, optional=PATH),
    st.fixed_dictionaries(
        {"mode": st.just("cdn"), "base_url": ADDRESSES}, optional={**PATH, "signing": st.none() | SIGNING}
    ),
)
REFINED = keys(**REDIRECT_KEYS, base_url=ADDRESSES, **PATH, signing=keys(**SIGNING_KEYS))
OVERLAID = st.one_of(MODES, REFINED, st.fixed_dictionaries({"mode": st.sampled_from(["cdn", "redirect", "proxy"])}))
RULES_OF_A_PROFILE: dict[str, st.SearchStrategy[Any]] = {
    "account": st.sampled_from(["default", "a"]),
    "location": st.sampled_from(["", "a/", "a/b/", "..a/é/"]),
    "permission": PERMISSIONS,
    "on_denied": st.sampled_from(["login", "403", "404"]),
    "owner": st.sampled_from(["a.B.c", "a.B.c_1"]),
    "max_age_s": st.integers(0, 31_536_000),
    "naming": st.sampled_from(["suffix", "uuid", "content_hash", "overwrite"]),
    "read_only": st.booleans(),
    "cache": st.lists(st.sampled_from([{"match": "*.css", "immutable": True}, {"no_store": True}]), max_size=2),
    "frames": st.sampled_from(["same-origin", "any", ["https://*.a.example:8", "http://[::1]"]]),
    "file_info": st.dictionaries(st.sampled_from(["a", "b2-x"]), st.text(max_size=3)),
    "stored_as": st.lists(
        st.sampled_from(
            [
                {"match": "*.css", "content_language": "de", "expires": "2030-01-31T00:00:00Z"},
                {"content_type": "text/x; a=b", "file_info": {"a": ""}, "content_disposition": "inline"},
            ]
        ),
        max_size=2,
    ),
    "encryption": st.none() | st.sampled_from([{"mode": "sse_b2"}, {"mode": "sse_c", "key": "a.b"}]),
    "retention": st.none() | st.just({"mode": "governance", "days": 1}),
    "legal_hold": st.booleans(),
}
BUCKET = {"bucket": st.sampled_from(["acme-one", "acme-two", "acme-three", "ACME-four"])}
OWN = {"route": st.sampled_from(["b2/", "c/", "d/", ".../e/"]), "extends": st.sampled_from(["a", "b", ["a", "c_d"]])}
PROFILES = named(
    st.fixed_dictionaries(BUCKET, optional={**OWN, **RULES_OF_A_PROFILE, "delivery": MODES | REFINED}), least=1
)
TOP: dict[str, st.SearchStrategy[Any]] = {
    "application_key_id": st.none() | st.just("0001"),
    "application_key": st.none() | st.just("canary"),
    "realm": st.sampled_from(["production", "staging", "https://b2.example", "http://127.0.0.1:1"]),
    "accounts": named(keys(application_key=st.just("canary"), realm=st.just("production"))),
    "storages": named(st.sampled_from(["a", "b"])),
    "account_info": st.sampled_from([{}, {"encrypt": True}, {"kind": "sqlite", "path": "x"}, {"kind": "memory"}]),
    "metadata_cache": st.none() | st.just("redis"),
    "limits": keys(request_s=st.floats(0.5, 300), request_tries=st.integers(1, 20)),
    "max_streams": st.integers(1),
}
ENVIRONMENT = keys(
    profiles=named(keys(**BUCKET, **OWN, **RULES_OF_A_PROFILE, delivery=OVERLAID)),
    defaults=keys(**BUCKET, **RULES_OF_A_PROFILE, delivery=OVERLAID),
    **TOP,
)
SOUND = st.fixed_dictionaries(
    {"profiles": PROFILES},
    optional={
        "$schema": st.just("x"),
        "defaults": keys(**RULES_OF_A_PROFILE, delivery=MODES),
        "environment": st.sampled_from(["live", "test", ""]),
        "environments": st.dictionaries(st.sampled_from(["live", "test"]), ENVIRONMENT),
        **TOP,
    },
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A file that is sound by itself, with up to two values replaced, removed or added anywhere."""
    values = draw(SOUND)
    for _ in range(draw(st.integers(0, 2))):
        values = json.loads(json.dumps(values))  # the values to draw from are shared
        node = draw(st.sampled_from([node for node in nodes(values) if node] or [values]))
        key = draw(st.sampled_from(sorted(node) or ["odd"]))
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                node[key] = draw(st.sampled_from(ODD) | WORDS)
            case "remove":
                node.pop(key, None)
            case "add":
                node[draw(st.sampled_from(KEYS) | WORDS)] = draw(st.sampled_from(ODD))
    return dict(values)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_schema_and_models_agree_but_for_the_listed_rules(values: Any) -> None:
    """What the schema takes, the models refuse for a listed rule only; what it refuses, they refuse, unless it is a
    value that no profile has."""
    found = codes(values)
    if VALIDATOR.is_valid(values):
        assert found <= set(schema.BEYOND)
    else:
        assert found or all(VALIDATOR.is_valid(one) for one in in_force(values))


def in_force(values: dict[str, Any]) -> Iterator[Any]:
    """What is left in each environment, with complete profiles: nothing that another value replaces."""
    for environment in ["", *values.get("environments", {})]:
        chosen = {**values, "environment": environment} if environment else values
        yield resolve([Layer("x.json", chosen, "file")])[0].plain()


@pytest.mark.parametrize(
    ("defaults", "own"),
    [
        ({"delivery": None}, {"delivery": {"mode": "proxy"}}),
        ({"delivery": {"mode": 5}}, {"delivery": {"mode": "proxy"}}),
        ({"permission": 5}, {"permission": "public"}),
        ({"upload": {"part_bytes": None}}, {"upload": {"part_bytes": 5_000_000}}),
    ],
)
def test_a_value_that_is_never_in_force_is_judged_by_the_schema_alone(defaults: Any, own: Any) -> None:
    values = {"profiles": {"a": {"bucket": "acme-one", "route": "b2/", **own}}, "defaults": defaults}
    assert not VALIDATOR.is_valid(values)
    assert codes(values) == set()
    assert all(VALIDATOR.is_valid(one) for one in in_force(values))
    values["profiles"]["b"] = {"bucket": "acme-two", "route": "b2b/"}
    assert codes(values)
    assert not any(VALIDATOR.is_valid(one) for one in in_force(values))


@pytest.mark.parametrize(
    ("key", "text", "number"), [("max_age_s", "5", 5), ("read_only", "yes", 1), ("legal_hold", "false", 0.0)]
)
def test_text_is_read_as_what_it_means_and_the_schema_wants_it_typed(key: str, text: str, number: float) -> None:
    def of(value: object) -> dict[str, Any]:
        return {"profiles": {"a": {"bucket": "acme-one", "route": "b2/", key: value}}}

    assert codes(of(text)) == set()
    assert not VALIDATOR.is_valid(of(text))
    is_truth = key != "max_age_s"
    assert codes(of(number)) == ({"bool_type"} if is_truth else set())  # no number is a truth value
    assert VALIDATOR.is_valid(of(number)) is not is_truth


# The command


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr() == (schema.text(), "")


def test_the_command_writes_and_compares_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b2router.schema.json"
    assert main(["schema", "--check", "-o", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"{file} is not the current schema; write it with: b2router schema -o")
    assert main(["schema", "-o", str(file)]) == 0
    assert main(["schema", "--check", "-o", str(file)]) == 0
    file.write_text(file.read_text().replace("staff", "stuff"))
    assert main(["schema", "--check", "-o", str(file)]) == 1
    assert "stuff" in file.read_text()


@pytest.mark.parametrize("words", [["--check"], ["-o", "/nowhere/at/all.json"], ["--check", "-o", "/"]])
def test_a_command_that_makes_no_sense_has_another_exit_code(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", *words]) == 2
    assert capsys.readouterr().err.startswith("b2router: ")
