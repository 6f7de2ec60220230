"""`manage.py b2router routes`: which alias leads where, and who may read it: for reviews; called by the command."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse

from b2router import permissions
from b2router.config import BucketProfile
from b2router.delivery.addresses import public_address
from b2router.management.diagrams import dot, mermaid
from b2router.management.tables import table
from b2router.router import Router, Target, current_router

__all__ = ["HELP", "add_arguments", "rows", "run"]

HELP = "print which alias leads to which bucket and URL, and who may read it"

_FORMATS = {"mermaid": mermaid, "dot": dot}
_SAMPLE = "NAME"


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument(
        "--format",
        choices=["table", "json", *_FORMATS],
        default="table",
        help="a table, JSON, or a diagram for Mermaid or Graphviz (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")


def run(options: Mapping[str, Any]) -> str:
    """The routes of the site, without a call on B2.

    Args:
        options: of `add_arguments`.
    """
    found = rows(current_router())
    match options["format"]:
        case "json":
            return json.dumps(found, indent=2)
        case "table":
            return table(_columns(), [[_cell(row[key]) for key in _columns()] for row in found])
        case chosen:
            return _FORMATS[chosen](found)


def rows(router: Router) -> list[dict[str, Any]]:
    """What each alias stands for, profile by profile.

    Returns:
        For each profile: its name, aliases, bucket, account and location, the URL of a file called NAME (None when
        there is none), who may read, what others get, how it is delivered, how long it is kept in seconds.
    """
    aliases: dict[str, list[str]] = {name: [] for name in router.profiles}
    for alias, profile in router.aliases.items():
        if alias != profile:
            aliases[profile].append(alias)
    return [
        {
            "profile": profile.name,
            "aliases": sorted(aliases[profile.name]),
            "bucket": profile.bucket,
            "account": profile.account,
            "location": profile.location,
            "url": url(profile),
            "permission": permissions.describe(profile.permission),
            "owner": profile.owner,
            "on_denied": profile.on_denied,
            "delivery": _delivery(profile),
            "max_age_s": profile.max_age_s,
            "cache_rules": len(profile.cache),
            "read_only": profile.read_only,
        }
        for profile in router.profiles.values()
    ]


def url(profile: BucketProfile, name: str = _SAMPLE) -> str | None:
    """Where a file is: at the site, at B2 or a CDN; None when it has no URL."""
    if (address := public_address(profile, name)) is not None:
        return address
    try:
        return reverse("b2router:file", args=[Target(profile.name, name)]) if profile.route else None
    except NoReverseMatch:
        return None


def _columns() -> Iterable[str]:
    return ("profile", "aliases", "bucket", "location", "url", "permission", "delivery", "max_age_s")


def _delivery(profile: BucketProfile) -> str:
    delivery = profile.delivery
    signer = getattr(delivery, "signer", None) or getattr(getattr(delivery, "signing", None), "scheme", None)
    return f"{delivery.mode} ({signer})" if signer else delivery.mode


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "–"
    return "–" if value in (None, "") else str(value)
