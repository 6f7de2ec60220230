"""Rules about how long files may be kept: which names a pattern is for, which rule counts, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from b2router.caching import YEAR_S, matches, policy
from b2router.config import BackblazeConfig, BucketProfile, CachePolicy
from b2router.errors import ConfigError
from b2router.settings import Layer, build


def configured(*rules: dict[str, Any], **values: Any) -> BackblazeConfig:
    profile = {"bucket": "acme-media", "cache": list(rules), **values}
    return build([Layer("BACKBLAZE_CONFIG", {"profiles": {"x": profile}}, "settings")])


def life(name: str, *rules: dict[str, Any], **values: Any) -> int:
    profile = configured(*rules, **values).profiles["x"]
    return policy(profile.cache, name, profile.max_age_s).life_s


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        pytest.param("*.css", "app.css", True, id="ending"),
        pytest.param("*.css", "a/b/app.css", True, id="without a slash, in whatever folder"),
        pytest.param("*.css", "app.css/x", False, id="the last segment, not a folder"),
        pytest.param("*.css", "app.CSS", False, id="case counts"),
        pytest.param("*.css", "appXcss", False, id="a dot is a dot"),
        pytest.param("*.css", ".css", True, id="a star may stand for nothing"),
        pytest.param("app.css", "a/app.css", True, id="a plain name, in whatever folder"),
        pytest.param("app.css", "a/myapp.css", False, id="whole segments"),
        pytest.param("/".join("*" * 2), "a/b", True, id="one star, one segment"),
        pytest.param("*/*", "a/b/c", False, id="and no more"),
        pytest.param("static/**", "static/a/b.js", True, id="all that is below"),
        pytest.param("static/**", "static", False, id="but not the folder's own name"),
        pytest.param("static/**", "static-old/a.js", False, id="letters in common are not a folder"),
        pytest.param("static/**", "x/static/a.js", False, id="from the beginning"),
        pytest.param("**/static/**", "x/static/a.js", True, id="unless it may begin anywhere"),
        pytest.param("**/static/**", "static/a.js", True, id="anywhere is also the beginning"),
        pytest.param("a/**/z", "a/z", True, id="any segments are also none"),
        pytest.param("a/**/z", "a/b/c/z", True, id="or several"),
        pytest.param("a/**/z", "ab/z", False, id="but whole ones"),
        pytest.param("a/**/b/**/c", "a/b/x/b/y/c", True, id="twice"),
        pytest.param("a/**/b/**/c", "a/x/y/c", False, id="twice, with the middle missing"),
        pytest.param("**/a*b*c/d", "x/aXbYbZc/d", True, id="stars in a segment"),
        pytest.param("a*b/c", "a/b/c", False, id="a star does not cross a slash"),
        pytest.param("**", "a/b", True, id="everything"),
        pytest.param("v?[1].css", "v?[1].css", True, id="everything else stands for itself"),
        pytest.param("v?.css", "v1.css", False, id="a question mark too"),
        pytest.param("ü/*", "ü/x", True, id="not only ASCII"),
    ],
)
def test_what_a_pattern_is_for(pattern: str, name: str, *, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_many_stars_and_a_long_name_are_decided() -> None:
    """The name is a visitor's. Going back over it for every star would take longer than anybody waits."""
    assert not matches("*" + "a*" * 40 + "b", "a" * 250)
    assert not matches("**/" + "a/**/" * 40 + "b", "/".join("a" * 500))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.55e7cbb9ba48.css", True),
        (f"app.{'5' * 32}.css", True),
        (f"app.{'5' * 20}.css", False),
        ("css/app.min.55e7cbb9ba48.css", True),
        ("README.55e7cbb9ba48", True),
        ("app.css", False),
        ("app.55e7cbb9ba4.css", False),
        ("app.55E7CBB9BA48.css", False),
        ("app.55e7cbb9ba48.min.css", False),
        (".55e7cbb9ba48.css", False),
        ("app.55e7cbb9ba48/x.css", False),
        ("app.20240101.css", False),
    ],
)
def test_which_names_hold_a_hash(name: str, *, expected: bool) -> None:
    assert (life(name, {"hashed": True, "immutable": True}) == YEAR_S) is expected


def test_the_names_that_django_makes_hold_a_hash() -> None:
    """ManifestStaticFilesStorage decides about them."""
    from django.contrib.staticfiles.storage import ManifestFilesMixin
    from django.core.files.base import ContentFile
    from django.core.files.storage import InMemoryStorage

    class Storage(ManifestFilesMixin, InMemoryStorage):
        def read_manifest(self) -> str | None:
            return None

    for name in ("css/app.css", "app.min.js", "LICENSE", "img/logo@2x.png"):
        hashed = Storage().hashed_name(name, ContentFile(b"x"))
        assert hashed != name
        assert life(hashed, {"hashed": True, "immutable": True}) == YEAR_S


def test_the_first_rule_that_matches_counts() -> None:
    rules: tuple[dict[str, Any], ...] = (
        {"match": "static/**", "hashed": True, "immutable": True},
        {"match": "*.css", "max_age_s": 60},
        {"match": "static/**", "max_age_s": 600},
        {"match": "*.json", "no_store": True},
    )
    found = {
        name: life(name, *rules, max_age_s=5)
        for name in ("static/a.55e7cbb9ba48.css", "static/a.css", "static/a.js", "a.json", "b.55e7cbb9ba48.js", "a.js")
    }
    assert found == {
        "static/a.55e7cbb9ba48.css": YEAR_S,
        "static/a.css": 60,
        "static/a.js": 600,
        "a.json": 0,
        "b.55e7cbb9ba48.js": 5,
        "a.js": 5,
    }


def test_immutable_files_can_be_kept_for_less_than_a_year() -> None:
    assert life("a", {"immutable": True, "max_age_s": 86_400}) == 86_400


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param({"match": "*.css"}, "expected 'max_age_s', or 'immutable' or 'no_store'", id="nothing said"),
        pytest.param({"no_store": True, "max_age_s": 5}, "goes with no other policy", id="kept and not kept"),
        pytest.param({"no_store": True, "immutable": True}, "goes with no other policy", id="for ever and not kept"),
        pytest.param({"immutable": True, "max_age_s": 0}, "needs a max_age_s above 0", id="for ever, for no time"),
        pytest.param({"max_age_s": -1}, "found -1; expected at least 0", id="negative"),
        pytest.param({"max_age_s": YEAR_S + 1}, "expected at most 31536000", id="more than a year"),
        pytest.param({"max_age": 1}, "did you mean 'max_age_s'?", id="misspelt key"),
        pytest.param({"match": "", "max_age_s": 5}, "found ''; expected a pattern of names", id="empty"),
        pytest.param({"match": "/a", "max_age_s": 5}, "expected a pattern of names", id="slash before"),
        pytest.param({"match": "static/", "max_age_s": 5}, "found 'static/'; expected a pattern", id="slash after"),
        pytest.param({"match": "a//b", "max_age_s": 5}, "expected a pattern of names", id="empty segment"),
        pytest.param({"match": "a/../b", "max_age_s": 5}, "expected a pattern of names", id="dot segments"),
        pytest.param({"match": "a**", "max_age_s": 5}, "expected '**' alone between slashes", id="two stars in a word"),
        pytest.param({"match": "***", "max_age_s": 5}, "expected '**' alone between slashes", id="three stars"),
    ],
)
def test_what_a_rule_cannot_say(rule: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=r"profiles\.x\.cache\.0") as error:
        configured(rule)
    assert expected in str(error.value)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(({"max_age_s": 1}, {"match": "*.css", "max_age_s": 2}), id="after one for all names"),
        pytest.param(({"match": "*", "max_age_s": 1}, {"match": "a/b", "max_age_s": 2}), id="after a star"),
        pytest.param(({"match": "a", "max_age_s": 1}, {"match": "a", "max_age_s": 2}), id="the same again"),
        pytest.param(
            ({"match": "a", "max_age_s": 1}, {"match": "a", "hashed": True, "immutable": True}), id="narrower"
        ),
        pytest.param(
            ({"hashed": True, "immutable": True}, {"match": "a", "hashed": True, "no_store": True}), id="all hashed"
        ),
    ],
)
def test_a_rule_that_never_counts_is_a_mistake(rules: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ConfigError, match=r"profiles\.x\.cache\.1") as error:
        configured(*rules)
    assert "rule 1 takes all names that this one could match" in str(error.value)


def test_hashed_names_may_have_a_rule_before_all_others() -> None:
    assert len(configured({"hashed": True, "immutable": True}, {"max_age_s": 2}).profiles["x"].cache) == 2


def test_rules_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    from b2router.router import current_router

    settings.BACKBLAZE_CONFIG = {"profiles": {"x": {"bucket": "acme-media", "cache": [{"max_age_s": 1}]}}}
    monkeypatch.setenv("BACKBLAZE_PROFILES__X__CACHE", '[{"match": "*.css", "max_age_s": 60}]')
    assert [rule.match for rule in current_router().config.profiles["x"].cache] == ["*.css"]


def test_a_policy_of_the_site_s_own_code_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="expected 'max_age_s'"):
        CachePolicy()
    assert CachePolicy(max_age_s=0).life_s == 0
    assert BucketProfile(bucket="acme-media").cache == ()
