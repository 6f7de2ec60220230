"""Proves from the configuration alone that no file is reachable through a looser rule than its own; pure.

Asked by `router` before anything is served and by `checks`. Two profiles are compared when their files can be the
same objects of the same bucket. The proof is a truth table over everything that their permissions mention: a visitor
for whom the reaching profile says yes and the owning profile says no is a leak. What cannot be proved counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

from b2router.config import AllOf, AnyOf, BackblazeConfig, BucketProfile, CdnDelivery, DirectDelivery, Not, Permission

__all__ = ["Leak", "leaks"]

MAX_FACTS = 12
"""More facts than this in one comparison (4,096 rows) count as not provable."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Files of one profile that another profile hands to more people.

    Attributes:
        profile: the profile whose files are reachable.
        through: the profile that reaches them.
        address: how: "route b2/", "direct https://…", "cdn https://…".
        bucket: the bucket that both use.
        location: the key prefix that both reach, empty for the whole bucket.
    """

    profile: str
    through: str
    address: str
    bucket: str
    location: str

    def __str__(self) -> str:
        part = f"the files under '{self.location}'" if self.location else "all files"
        return (
            f"profile '{self.profile}' is reachable through the looser profile '{self.through}': "
            f"{part} of bucket '{self.bucket}' are served at {self.address}"
        )


def leaks(config: BackblazeConfig) -> list[Leak]:
    """Every pair of profiles of which one opens the files of the other; empty when the declaration is safe.

    A route reaches the keys under its profile's location. A public address (direct or CDN) needs a public bucket, and
    so reaches every key of it, whatever the location says.
    """
    found = []
    for owning, through in permutations(config.profiles.values(), 2):
        if _bucket(config, owning) != _bucket(config, through):
            continue
        for address, reached in _addresses(through):
            shared = _overlap(owning.location, reached)
            if shared is not None and not _implies(through, owning):
                found.append(Leak(owning.name, through.name, address, owning.bucket, shared))
    return found


def _bucket(config: BackblazeConfig, profile: BucketProfile) -> tuple[str, str]:
    """What makes two buckets the same one: names are unique within a realm, whatever key they are reached with."""
    account = config.accounts.get(profile.account)
    return account.realm if account else config.realm, profile.bucket.lower()


def _addresses(profile: BucketProfile) -> Iterator[tuple[str, str]]:
    if profile.route and profile.permission is not None:
        yield f"route {profile.route}", profile.location
    if isinstance(profile.delivery, DirectDelivery | CdnDelivery) and profile.has_public_addresses:
        yield f"{profile.delivery.mode} {profile.delivery.base_url}", ""


def _overlap(one: str, other: str) -> str | None:
    """The longer of two locations when one lies in the other, else None."""
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return longer if longer.startswith(shorter) else None


def _implies(through: BucketProfile, owning: BucketProfile) -> bool:
    """Whether everyone who may read through one profile may read the other's files anyway."""
    rules = _formula(through), _formula(owning)
    facts = sorted({fact for rule in rules for fact in _facts(rule)} | {"active"})
    if len(facts) > MAX_FACTS:
        return False
    for values in product((False, True), repeat=len(facts)):
        visitor = dict(zip(facts, values, strict=True))
        if _possible(visitor) and _holds(rules[0], visitor) and not _holds(rules[1], visitor):
            return False
    return True


Formula = Permission | None


def _formula(profile: BucketProfile) -> Formula:
    """The profile's permission, with its predicates and owner made its own.

    A predicate of the site's own is asked about a profile and a name, so for two profiles it is two different facts.
    """
    rule = _own(profile.permission, profile.name) if profile.permission is not None else None
    return AllOf.model_construct(all=(rule, f"owner {profile.owner}")) if rule is not None and profile.owner else rule


def _own(rule: Permission, profile: str) -> Permission:
    match rule:
        case AnyOf():
            return AnyOf.model_construct(any=tuple(_own(part, profile) for part in rule.any))
        case AllOf():
            return AllOf.model_construct(all=tuple(_own(part, profile) for part in rule.all))
        case Not():
            return Not.model_construct(not_=_own(rule.not_, profile))
        case _:
            return f"{profile} {rule}" if "." in rule and ":" not in rule else rule


def _facts(rule: Formula) -> Iterator[str]:
    match rule:
        case None | "public":
            return
        case AnyOf():
            parts = rule.any
        case AllOf():
            parts = rule.all
        case Not():
            parts = (rule.not_,)
        case _:
            yield rule
            return
    for part in parts:
        yield from _facts(part)


def _holds(rule: Formula, visitor: dict[str, bool]) -> bool:
    match rule:
        case None:
            return False
        case "public":
            return True
        case AnyOf():
            return any(_holds(part, visitor) for part in rule.any)
        case AllOf():
            return all(_holds(part, visitor) for part in rule.all)
        case Not():
            return not _holds(rule.not_, visitor)
        case "authenticated":
            return visitor["active"]
        case _:
            return visitor[rule]


def _possible(visitor: dict[str, bool]) -> bool:
    """Whether Django knows such a visitor: only active users have ranks, groups and permissions; superusers have all
    permissions. Source: `django.contrib.auth`, `User` and `ModelBackend`."""
    for fact, value in visitor.items():
        ranked = fact in ("staff", "superuser", "authenticated") or fact.startswith(("group:", "perm:"))
        if ranked and value and not visitor["active"]:
            return False
        if fact == "authenticated" and value != visitor["active"]:
            return False
        if fact.startswith("perm:") and visitor.get("superuser") and not value:
            return False
    return True
