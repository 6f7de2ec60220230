"""How long browsers and caches may keep a file: rules by name. Part of the configuration, carried out by `delivery`.

Who may keep it is not said here: what not everybody may read is for the visitor's own browser, whatever a rule says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from b2router import names
from b2router.errors import InvalidName
from b2router.values import WHOLE, Model, Truth, error_at

__all__ = [
    "YEAR_S",
    "CachePolicy",
    "CacheRule",
    "CacheRules",
    "Pattern",
    "covers",
    "each_is_reached",
    "header",
    "is_hashed",
    "matches",
    "policy",
    "rule",
]

Rule = TypeVar("Rule", bound=Model)

YEAR_S = 31_536_000
"""The longest that a file may be kept without asking. Source: RFC 9111, 5.2.2.1, and what caches make of more."""

_HASHED = re.compile(r".+\.(?:[0-9a-f]{12}|[0-9a-f]{32})(?:\.[^.]*)?", re.DOTALL)
_EVERYTHING = frozenset({"*", "**", "**/*"})


class CachePolicy(Model):
    """How long a file may be kept without asking again."""

    max_age_s: Annotated[int, Field(ge=0, le=YEAR_S), WHOLE] | None = None
    """In seconds; 0 means that it may be kept, but not used without asking whether it is still the one."""
    immutable: Truth = False
    """Whether the file under this name never changes: then nobody asks again, not even when a page is reloaded. It is
    kept for a year, unless max_age_s says otherwise."""
    no_store: Truth = False
    """Whether nobody may keep it at all."""

    @property
    def life_s(self) -> int:
        """How long it may be kept without asking, in seconds."""
        if self.no_store:
            return 0
        return (YEAR_S if self.immutable else 0) if self.max_age_s is None else self.max_age_s

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.no_store and (self.immutable or self.max_age_s is not None):
            raise PydanticCustomError("cache", "'no_store' keeps nothing, so it goes with no other policy")
        if self.immutable and self.max_age_s == 0:
            raise PydanticCustomError("cache", "'immutable' means not to ask again, so it needs a max_age_s above 0")
        if not self.no_store and not self.immutable and self.max_age_s is None:
            raise PydanticCustomError("cache", "expected 'max_age_s', or 'immutable' or 'no_store' to be true")
        return self


def _pattern(value: str) -> str:
    try:
        names.check(value)
    except InvalidName as error:
        raise PydanticCustomError(
            "match",
            "expected a pattern of names, such as '*.css' or 'static/**'; {reason}",
            {"reason": str(error).removesuffix(".")},
        ) from None
    if any("**" in segment and segment != "**" for segment in value.split("/")):
        raise PydanticCustomError("match", "expected '**' alone between slashes, such as 'static/**/*.css'")
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""Which names a rule is for, see `CacheRule.match`."""


class CacheRule(CachePolicy):
    """A policy for the files with certain names."""

    match: Pattern = "**"
    """Which names: "*" stands for any characters of one segment, "**" between slashes for any segments, everything
    else for itself. Without a slash it is compared with the last segment, in whatever folder."""
    hashed: Truth = False
    """Only names that hold a hash of the content, as Django's ManifestStaticFilesStorage makes them:
    "app.55e7cbb9ba48.css"."""


def each_is_reached(
    key: str, takes_all_of: Callable[[Rule, Rule], bool]
) -> Callable[[tuple[Rule, ...]], tuple[Rule, ...]]:
    """A check of rules of which the first that matches counts: none may stand behind one that takes all its names.

    Args:
        key: of the configuration that holds the rules.
        takes_all_of: whether an earlier rule leaves nothing to a later one.
    """

    def check(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        errors = []
        for index, rule in enumerate(rules):
            for number, earlier in enumerate(rules[:index], 1):
                if takes_all_of(earlier, rule):
                    text = f"rule {number} takes all names that this one could match; expected the narrower rule first"
                    errors.append(error_at(key, (index,), text))
                    break
        if errors:
            raise ValidationError.from_exception_data("", errors, hide_input=True)
        return rules

    return check


def _takes_all_of(earlier: CacheRule, later: CacheRule) -> bool:
    return covers(earlier.match, later.match) and later.hashed >= earlier.hashed


CacheRules = Annotated[tuple[CacheRule, ...], AfterValidator(each_is_reached("cache", _takes_all_of))]
"""Rules of which the first that matches a name counts."""


def policy(rules: Iterable[CacheRule], name: str, max_age_s: int) -> CachePolicy:
    """How long a file may be kept.

    Args:
        rules: of its profile.
        name: the file name, relative to the profile's location.
        max_age_s: what holds where no rule matches, in seconds.
    """
    return rule(rules, name) or _usual(max_age_s)


@lru_cache(maxsize=64)
def _usual(max_age_s: int) -> CachePolicy:
    return CachePolicy(max_age_s=max_age_s)


def rule(rules: Iterable[CacheRule], name: str) -> CacheRule | None:
    """The rule that counts for this name; None when none matches.

    Args:
        rules: of its profile.
        name: the file name, relative to the profile's location.
    """
    return next((rule for rule in rules if matches(rule.match, name) and (not rule.hashed or is_hashed(name))), None)


def header(policy: CachePolicy, *, is_public: bool) -> str:
    """Cache-Control: what the policy says, to whom the permission says. Nothing makes public what not everybody may
    read."""
    if policy.no_store:
        return "no-store" if is_public else "private, no-store"
    scope = "public" if is_public else "private"
    how_long = f"max-age={policy.life_s}" if policy.life_s else "no-cache"
    return f"{scope}, {how_long}, immutable" if policy.immutable else f"{scope}, {how_long}"


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of `CacheRule.match` is for this name. Whole segments are compared, and case counts."""
    return _expression(pattern).fullmatch(name) is not None


def covers(pattern: str, other: str) -> bool:
    """Whether a pattern surely matches all names that the other one matches."""
    return pattern == other or pattern in _EVERYTHING


def is_hashed(name: str) -> bool:
    """Whether a name holds a hash of the content, as `CacheRule.hashed` has it."""
    return _HASHED.fullmatch(name.rpartition("/")[2]) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression. What stands between two "**" is looked for once, from the left, and never
    again (an atomic group): so a long name costs no more than its length, however many stars a pattern has."""
    segments = pattern.split("/") if "/" in pattern else ["**", pattern]
    runs: list[list[str]] = [[]]  # of segments between the "**"
    for segment in segments:
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(_segment(segment))
    if len(runs) == 1:
        return re.compile("/".join(runs[0]), re.DOTALL)
    first, *between, last = runs
    text = "".join(f"{segment}/" for segment in first)
    for run in between:
        text += f"(?>(?:[^/]+/)*?{''.join(f'{segment}/' for segment in run)})" if run else ""
    return re.compile(text + (f"(?:[^/]+/)*{'/'.join(last)}" if last else ".+"), re.DOTALL)


def _segment(pattern: str) -> str:
    first, *rest = (re.escape(part) for part in pattern.split("*"))
    if not rest:
        return first
    *between, last = rest
    return first + "".join(f"(?>[^/]*?{part})" for part in between) + f"[^/]*{last}"
