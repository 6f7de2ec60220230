"""`manage.py b2router doctor`: goes online and looks whether what is declared works; called by the command.

It changes nothing, and asks public addresses, and the site, for a part of a file that is stored already; with
`--round-trip` it saves, reads and deletes a small file for each profile.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError

from b2router.management import examinations, trials
from b2router.management.examinations import Finding
from b2router.management.tables import table
from b2router.router import current_router

__all__ = ["HELP", "Failed", "add_arguments", "run"]


class Failed(Exception):
    """What was found, when something does not work: printed, and the exit code is 1."""


HELP = "go online and look whether keys, buckets, caches and addresses work"


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--profile", action="append", metavar="NAME", help="look at this one only; repeatable")
    parser.add_argument(
        "--round-trip", action="store_true", help="save a small file for each profile, read it in every way, delete it"
    )
    parser.add_argument(
        "--site",
        metavar="URL",
        help="where the site answers, such as https://www.acme.example: ask for a file on each profile's route",
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")


def run(options: Mapping[str, Any]) -> str:
    """What was found, a line each.

    Args:
        options: of `add_arguments`.
    Raises:
        CommandError: there is no such profile, or the site has no such address.
        Failed: with the same text, when something does not work.
    """
    site = options["site"]
    if site is not None and not (urlsplit(site).hostname and urlsplit(site).scheme in ("http", "https")):
        raise CommandError(f"Found --site {site}, expected an address such as https://www.acme.example.")
    found = list(_findings(options["profile"], site, with_files=options["round_trip"]))
    text = _json(found) if options["as_json"] else _text(found)
    if any(finding.verdict == "fail" for finding in found):
        raise Failed(text)
    return text


def _findings(wanted: list[str] | None, site: str | None, *, with_files: bool) -> Iterator[Finding]:
    router = current_router()
    for name in wanted or ():
        if name not in router.aliases:
            known = ", ".join(sorted(router.aliases))
            raise CommandError(f"There is no profile '{name}'; the profiles and aliases are {known}.")
    profiles = [router.profile(name) for name in wanted] if wanted else list(router.profiles.values())
    yield from examinations.of_caches(router.config)
    for account in sorted({profile.account for profile in profiles}):
        users = [profile for profile in profiles if profile.account == account]
        works = True
        for finding in examinations.of_account(router, users):
            works = works and finding.verdict != "fail"
            yield finding
        if not works:
            continue
        for profile in users:
            yield from examinations.of_bucket(router, profile)
            look = trials.of_files if with_files else trials.of_addresses
            yield from look(profile, site)


def _json(found: list[Finding]) -> str:
    return json.dumps(
        [{"verdict": one.verdict, "what": one.what, "found": one.found, "fix": one.fix} for one in found], indent=2
    )


def _text(found: list[Finding]) -> str:
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("ok", "warn", "fail")}
    lines = table(
        ("", "what", "found"),
        [[one.verdict, one.what, f"{one.found} {one.fix}".strip()] for one in found],
    )
    return f"{lines}\n\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
