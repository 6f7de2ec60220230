"""Where values stand in TOML, YAML and JSON texts, and what is said about texts that are none of them."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2router.documents import Document, Position, Unparsable, form_of, guess, read

TOML = """\
# a comment with [brackets] = "and quotes"
title = '''
one
= two''' # more
dates = [1979-05-27 07:32:00, "x",  # why
   {a.b = 1, "c d" = 2}]
[profiles.staff]
bucket = "acme"
"quoted".'key' . last = \"\"\"a \\\"\"\" b\"\"\"
ends = {x = \"\"\"it says "so\"\"\"\"\", y = 1}
[[list]]
name = 1
[list.inner]
name = 1
[[list]]
name = 2
"""

YAML = """\
base: &base
  bucket: acme
profiles:
  staff:
    <<: *base
    permission: {any: [staff, 'group:a']}
"""

JSON = """\
{
  "profiles": {"staff": {"bucket": "ac\\"me", "n": [1, {"x": null}]},
               "a b": []}
}
"""


def spot(document: Document, *path: str, key: bool = False) -> tuple[int, int] | None:
    position = document.position(path, key=key)
    return None if position is None else (position.line, position.column)


def test_places_in_toml() -> None:
    """Comments, strings of all four kinds, dotted keys, inline tables and lists of tables."""
    document = read(TOML, "toml")
    expected = {
        ("title",): ((2, 1), (2, 9)),
        ("dates",): ((5, 1), (5, 9)),
        ("dates", "0"): ((5, 10), (5, 10)),
        ("dates", "1"): ((5, 31), (5, 31)),
        ("dates", "2"): ((6, 4), (6, 4)),
        ("dates", "2", "a", "b"): ((6, 7), (6, 11)),
        ("dates", "2", "c d"): ((6, 14), (6, 22)),
        ("profiles", "staff", "bucket"): ((8, 1), (8, 10)),
        ("profiles", "staff", "quoted", "key", "last"): ((9, 18), (9, 25)),
        ("profiles", "staff", "ends", "y"): ((10, 34), (10, 38)),
        ("list", "0", "name"): ((12, 1), (12, 8)),
        ("list", "0", "inner", "name"): ((14, 1), (14, 8)),
        ("list", "1", "name"): ((16, 1), (16, 8)),
    }
    assert {path: (spot(document, *path, key=True), spot(document, *path)) for path in expected} == expected
    assert document.repeated == ()


def test_places_in_yaml() -> None:
    """A value that a merge key brings stands where it is written."""
    document = read(YAML, "yaml")
    assert spot(document, "profiles", "staff", "bucket", key=True) == (2, 3)
    assert spot(document, "profiles", "staff", "permission", "any", "1") == (6, 31)
    assert document.repeated == ()


def test_places_in_json() -> None:
    document = read(JSON, "json")
    assert spot(document, "profiles", "staff", "bucket") == (2, 36)
    assert spot(document, "profiles", "staff", "n", "1", "x", key=True) == (2, 56)
    assert spot(document, "profiles", "a b", key=True) == (3, 16)


def test_what_is_missing_is_pointed_at_by_what_it_is_missing_in() -> None:
    document = read(JSON, "json")
    assert spot(document, "profiles", "staff", "route") == (2, 16)
    assert spot(document, "storages") is None


def test_yaml_may_begin_with_a_byte_order_mark() -> None:
    found = read("\ufeffa: 1\n", "yaml")
    assert (found.values, found.starts) == ({"a": 1}, {("a",): Position(1, 5)})


@pytest.mark.parametrize(
    ("form", "text", "place"),
    [
        pytest.param("json", '{"a": {"b": 1},\n "a": {"b": 2}}', Position(2, 2), id="json"),
        pytest.param("yaml", "a:\n  b: 1\na:\n  b: 2\n", Position(3, 1), id="yaml"),
    ],
)
def test_a_repeated_key_is_noticed_once(form: str, text: str, place: Position) -> None:
    """Readers keep the last one without a word: of two permissions, say."""
    assert read(text, form).repeated == ((("a",), place),)


@pytest.mark.parametrize(
    ("form", "text", "message", "place"),
    [
        pytest.param("toml", 'a = 1\nb = "canary\n', "it is not TOML: Illegal character '\\n'", (2, 12), id="toml"),
        pytest.param("toml", "a = [1,\n", "it is not TOML: Invalid value", (2, 1), id="toml that ends early"),
        pytest.param("json", '{"a": "canary" "b"}', "it is not JSON: ", (1, 16), id="json"),
        pytest.param("json", "", "it is not JSON: Expecting value", (1, 1), id="nothing"),
        pytest.param("toml", "\ufeffa = 1\n", "it begins with a byte order mark", (1, 1), id="a mark before toml"),
        pytest.param("json", '\ufeff{"a": 1}', "it begins with a byte order mark", (1, 1), id="a mark before json"),
        pytest.param("yaml", "a: canary: b\n", "it is not YAML", (1, 10), id="yaml"),
        pytest.param("yaml", "a: *canary\n", "it is not YAML", (1, 4), id="yaml with an unknown reference"),
        pytest.param("yaml", "a: \x00", "it is not YAML", None, id="yaml with a control character"),
        pytest.param("yaml", "&a [*a]", "it is nested too deeply, or refers to itself", None, id="yaml in a circle"),
        pytest.param("json", "[" * 50_000, "it is nested too deeply, or refers to itself", None, id="deep json"),
        pytest.param(
            "yaml",
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)),
            "it holds more than 100,000 values",
            None,
            id="yaml that blows up",
        ),
    ],
)
def test_a_text_that_cannot_be_read_is_told_where(
    form: str, text: str, message: str, place: tuple[int, int] | None
) -> None:
    with pytest.raises(Unparsable) as error:
        read(text, form)
    assert str(error.value).startswith(message)
    assert error.value.position == place
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": 1}', "json"),
        ("\n  {\n", "json"),
        ("# x\n[a]\n", "toml"),
        ('a.b = "x: y"\n', "toml"),
        ('"$schema" = "x"\n', "toml"),
        ("# x\n\na: b = c\n", "yaml"),
        ("---\na: 1\n", "yaml"),
        ("", "yaml"),
    ],
)
def test_the_language_of_a_nameless_text_is_guessed(text: str, form: str) -> None:
    assert guess(text) == form


def test_the_language_of_a_file_is_in_its_name() -> None:
    assert [form_of(name) for name in ("a.TOML", "a.yml", "a.yaml", "a.json", "a.ini")] == [
        "toml",
        "yaml",
        "yaml",
        "json",
        None,
    ]


NAMES = st.text(st.sampled_from("ab.\"'\\ é#=[]{},:"), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)


def paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, part in items:
        below = (*path, str(key))
        found += [(below, part), *paths(part, below)]
    return found


def index_of(text: str, position: Position | None) -> int:
    assert position is not None
    return sum(len(line) + 1 for line in text.split("\n")[: position.line - 1]) + position.column - 1


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from([None, 1]))
def test_any_json_is_pointed_into_at_every_value(values: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    document = read(text, "json")
    assert document.values == values
    assert set(document.starts) == {path for path, _ in paths(values)}
    for path, value in paths(values):
        assert json.JSONDecoder().raw_decode(text, index_of(text, document.position(path)))[0] == value


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ", # ]\n".join(map(toml, value)) + "\n]"
    if isinstance(value, str) and "'" not in value:
        return f"'{value}'"
    return json.dumps(value) if not isinstance(value, float) else repr(float(value))


TOML_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, TOML_VALUES, max_size=4), st.lists(st.tuples(NAMES, TOML_VALUES), max_size=3))
def test_any_toml_is_pointed_into_at_every_value(values: dict[str, Any], items: list[tuple[str, Any]]) -> None:
    """Written with inline tables, lists over several lines, comments, and lists of tables after them."""
    text = "".join(f"{json.dumps(key)} = {toml(part)} # = [\n" for key, part in values.items())
    text += "".join(f'[["it.ems"]] # x\n{json.dumps(key)}={toml(part)}\n' for key, part in items)
    expected = {**values, **({"it.ems": [{key: part} for key, part in items]} if items else {})}
    document = read(text, "toml")
    assert document.values == tomllib.loads(text) == expected
    for path, value in paths(expected):
        if path in document.starts:
            rest = text[index_of(text, document.position(path)) :]
            assert re.match(re.escape(toml(value)), rest), (path, rest)
        else:
            assert path[0] == "it.ems"
            assert len(path) < 3
        assert spot(document, *path, key=True) is not None
