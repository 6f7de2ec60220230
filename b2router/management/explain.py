"""`manage.py b2router explain`: every value in force and where it was written, or what a visitor gets at a URL, and
why; called by the command. Neither asks B2."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from b2router.management import in_force, visits

__all__ = ["HELP", "add_arguments", "run"]

HELP = "explain every value and where it was written, or who gets what at a URL; without asking B2"


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument(
        "key",
        nargs="?",
        metavar="PROFILE[.KEY]",
        help="a profile or an alias, a value of it such as staff.bucket, or, with a dot before it, a value at the top "
        "such as .limits.request_s (default: every value)",
    )
    parser.add_argument("--url", metavar="PATH", help="a URL of the site instead, such as /b2s/report.pdf")
    parser.add_argument("--user", metavar="NAME", help="who asks for it (default: somebody who is not signed in)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")


def run(options: Mapping[str, Any]) -> str:
    """The values, or the steps from a URL to an answer.

    Args:
        options: of `add_arguments`.
    Raises:
        CommandError: the options do not go together, or there is no such value or user.
    """
    key, url, user = options["key"], options["url"], options["user"]
    if key is not None and url is not None:
        raise CommandError(f"Found '{key}' and --url: expected one of them, the value or the URL.", returncode=2)
    if url is None and user is not None:
        raise CommandError("Found --user without --url: a visitor asks for a URL.", returncode=2)
    if url is None:
        return in_force.text(key, as_json=options["as_json"])
    return visits.text(url, user, as_json=options["as_json"])
