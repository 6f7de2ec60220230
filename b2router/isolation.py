"""Proves from the configuration alone that no file is reachable through a looser rule than its own; pure.

Asked by `leaks` before anything is served, and by `checks`. Two profiles are compared when their files can be the
same objects of the same bucket. The proof is a truth table over everything that their permissions mention, with a
third value for predicates that cannot decide: a visitor for whom the reaching profile says yes and the owning profile
does not is a leak. What cannot be proved counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from urllib.parse import quote, unquote, urlsplit

from b2router import grammar, modes, ternary
from b2router.config import (
    AllOf,
    AnyOf,
    BackblazeConfig,
    BucketProfile,
    CdnDelivery,
    DirectDelivery,
    Not,
    Permission,
)

__all__ = ["Leak", "declared_leaks", "leaks"]

MAX_ROWS = 10_000
"""A comparison that needs a larger truth table counts as not provable."""


Formula = Permission | None
Visitor = dict[str, bool | None]


@dataclass(frozen=True, slots=True)
class Leak:
    """Files of one profile that another profile hands to more people.

    Attributes:
        profile: the profile whose files are reachable.
        through: the profile that reaches them.
        address: how: "route b2/", "direct https://…", "cdn https://…".
        bucket: the bucket that both use.
        location: the key prefix that both reach, empty for the whole bucket.
        is_by_address: whether the keys differ, but not the addresses that a CDN would know them by.
    """

    profile: str
    through: str
    address: str
    bucket: str
    location: str
    is_by_address: bool = False

    def __str__(self) -> str:
        part = f"the files under '{self.location}'" if self.location else "all files"
        return (
            f"profile '{self.profile}' is reachable through the looser profile '{self.through}': "
            f"{part} of bucket '{self.bucket}' are served at {self.address}"
        )


def leaks(config: BackblazeConfig) -> list[Leak]:
    """Every pair of profiles of which one opens the files of the other, undeclared; empty when the declaration is safe.

    A route reaches the keys under its profile's location. A public address (direct or CDN) needs a public bucket, and
    so reaches every key of it, whatever the location says. What a CDN makes of an address is not known here: an
    address that two profiles give out may stand for a file of either.
    """
    return [leak for leak in _all(config) if leak.through not in config.profiles[leak.profile].readable_through]


def declared_leaks(config: BackblazeConfig) -> list[Leak]:
    """The pairs that are leaks but for `readable_through`, which says that they are meant."""
    return [leak for leak in _all(config) if leak.through in config.profiles[leak.profile].readable_through]


def _all(config: BackblazeConfig) -> Iterator[Leak]:
    profiles = list(config.profiles.values())
    keys = [(f"{one.bucket.lower()}/{reached}", n) for n, one in enumerate(profiles) for reached in _reached(one)]
    addresses = [
        (beginning, n)
        for n, one in enumerate(profiles)
        if isinstance(one.delivery, CdnDelivery | DirectDelivery)
        for beginning in _beginnings(one, one.delivery)
    ]
    for owning, through in sorted({*_meeting(keys), *_meeting(addresses)}):
        pair = profiles[owning], profiles[through]
        yield from list(_by_keys(*pair)) or _by_addresses(*pair)


def _reached(profile: BucketProfile) -> set[str]:
    """Where in its bucket a profile has files, or reaches those of others."""
    return {profile.location, *(reached for _, reached, _ in _ways_in(profile))}


def _meeting(places: list[tuple[str, int]]) -> Iterator[tuple[int, int]]:
    """The profiles, in pairs, of which one has a place within one of the other: sorted, what begins alike stands
    together, so that a thousand tenants with a place each are compared with nobody."""
    places = sorted(places)
    for index, (outer, one) in enumerate(places):
        for inner, other in islice(places, index + 1, None):
            if not inner.startswith(outer):
                break
            if one != other:
                yield from ((one, other), (other, one))


def _by_keys(owning: BucketProfile, through: BucketProfile) -> Iterator[Leak]:
    if owning.bucket.lower() != through.bucket.lower():
        return  # names are unique in B2, whatever key or address of a realm they are reached with
    for address, reached, rule in _ways_in(through):
        shared = _overlap(owning.location, reached)
        if shared is not None and not _implies(rule, _formula(owning)):
            yield Leak(owning.name, through.name, address, owning.bucket, shared)


def _by_addresses(owning: BucketProfile, through: BucketProfile) -> list[Leak]:
    """What is signed for one profile opens the other's address, when both are signed with one secret; so does what is
    open. A signature is of the path alone, whatever the scheme: it is as good for another host."""
    lock, key = owning.delivery, through.delivery
    if not isinstance(lock, CdnDelivery) or lock.signing is None or not isinstance(key, CdnDelivery | DirectDelivery):
        return []
    rule: Formula = "public"
    one, other = _beginnings(owning, lock)[0], _beginnings(through, key)[0]
    if isinstance(key, CdnDelivery) and key.signing is not None:
        if lock.signing.secret != key.signing.secret:
            return []
        rule = _formula(through)
        one, other = _beginnings(owning, lock)[1], _beginnings(through, key)[1]
    if _overlap(one, other) is None or _implies(rule, _formula(owning)):
        return []
    address = f"{key.mode} {key.base_url}"
    return [Leak(owning.name, through.name, address, owning.bucket, owning.location, is_by_address=True)]


def _beginnings(profile: BucketProfile, delivery: CdnDelivery | DirectDelivery) -> list[str]:
    """What the public or signed addresses of a profile begin with, in one spelling; and, where they are signed, what is
    signed of that, after the secret."""
    address = urlsplit(modes.before_names(delivery.base_url, delivery.path, profile.bucket, profile.location))
    host, path = (address.hostname or "").rstrip("."), quote(unquote(address.path))
    places = [f"{host}:{address.port or {'http': 80, 'https': 443}[address.scheme]}{path}"]
    if isinstance(delivery, CdnDelivery) and delivery.signing is not None:
        places.append(f"{delivery.signing.secret.get_secret_value()} {path}")
    return places


def _ways_in(profile: BucketProfile) -> Iterator[tuple[str, str, Formula]]:
    """Where files of the profile's bucket are handed out, which keys that reaches, and to whom."""
    if profile.permission is not None:  # without a route, a view of the site may serve it
        yield f"route {profile.route}" if profile.route else "a view of the site", profile.location, _formula(profile)
    if isinstance(profile.delivery, DirectDelivery | CdnDelivery) and profile.has_public_addresses:
        yield f"{profile.delivery.mode} {profile.delivery.base_url}", "", "public"


def _overlap(one: str, other: str) -> str | None:
    """The longer of two locations when one lies in the other, else None."""
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return longer if longer.startswith(shorter) else None


def _implies(through: Formula, owning: Formula) -> bool:
    """Whether everyone whom one rule lets in is let in by the other anyway."""
    facts = sorted({*_facts(through), *_facts(owning), "active"})
    choices = [(False, True, None) if " " in fact else (False, True) for fact in facts]
    if prod(map(len, choices)) > MAX_ROWS:
        return False
    for values in product(*choices):
        visitor = dict(zip(facts, values, strict=True))
        if _possible(visitor) and _holds(through, visitor) is True and _holds(owning, visitor) is not True:
            return False
    return True


def _formula(profile: BucketProfile) -> Formula:
    """The profile's permission, with its predicates and owner made its own.

    A predicate of the site's own is asked about a profile and a name, so for two profiles it is two different facts;
    a row names a file relative to a location. Facts of this kind have a space in them.
    """
    if profile.permission is None:
        return None
    rule = _own(profile.permission, profile.name)
    if profile.owner is None:
        return rule
    return AllOf.model_construct(all=(rule, f"owner {profile.owner} {profile.location}"))


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
    """What has to be known about a visitor, besides whether somebody is signed in."""
    return (word for word in grammar.words(rule) if word not in ("public", "authenticated"))


def _holds(rule: Formula, visitor: Visitor) -> bool | None:
    match rule:
        case None:
            return False
        case "public":
            return True
        case AnyOf():
            return ternary.any_of(_holds(part, visitor) for part in rule.any)
        case AllOf():
            return ternary.all_of(_holds(part, visitor) for part in rule.all)
        case Not():
            return ternary.not_(_holds(rule.not_, visitor))
        case "authenticated":
            return visitor["active"]
        case _:
            return visitor[rule]


def _possible(visitor: Visitor) -> bool:
    """Whether Django knows such a visitor: only active users have ranks, groups and permissions; superusers have all
    permissions. Source: `django.contrib.auth`, `User` and `ModelBackend`."""
    for fact, value in visitor.items():
        ranked = fact in ("staff", "superuser") or fact.startswith(("group:", "perm:"))
        if ranked and value and not visitor["active"]:
            return False
        if fact.startswith("perm:") and visitor.get("superuser") and not value:
            return False
    return True
