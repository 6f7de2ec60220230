"""`manage.py b2router stats`: what was done and what it cost at B2, by profile and day; called by the command."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.core.management.base import CommandError

from b2router import tallies
from b2router.router import current_router
from b2router.tally import Prices, Tally

__all__ = ["HELP", "PRICES_AS_OF", "add_arguments", "run"]

HELP = "print what was done and what it cost at B2, by profile"

PRICES_AS_OF = "Backblaze's page on transaction pricing, 2026-11"
"""Where the default prices come from, and when they were there."""

_CAUTION = (
    "An estimate for calls alone, without storage and traffic. Prices change, and accounts differ: since May 2026 "
    "calls of the classes A, B and C are said to be free on pay-as-you-go. Compare with the account's own report."
)


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the verb."""
    usual = Prices()
    parser.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="the last day, in UTC (default: today)")
    parser.add_argument("--days", type=int, default=1, metavar="N", help="how many days up to it (default: 1)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    parser.add_argument(
        "--price-b",
        type=_price,
        default=usual.per_10k_b,
        metavar="USD",
        help="for 10,000 calls of class B (default: %(default)s)",
    )
    parser.add_argument(
        "--price-c",
        type=_price,
        default=usual.per_1k_c,
        metavar="USD",
        help="for 1,000 calls of class C (default: %(default)s)",
    )
    parser.add_argument(
        "--free-calls",
        type=int,
        default=usual.free_calls,
        metavar="N",
        help="calls of class B, and as many of class C, that are free each day (default: %(default)s)",
    )


def run(options: Mapping[str, Any]) -> str:
    """The figures as text or JSON.

    Args:
        options: of `add_arguments`.
    Raises:
        CommandError: nothing is counted, the cache cannot be read, or an option makes no sense.
    """
    days = _days(options["day"] or date.fromisoformat(tallies.today()), options["days"])
    prices = Prices(options["price_b"], options["price_c"], max(0, options["free_calls"]))
    if not tallies.is_counting():
        raise CommandError("Nothing is counted, because metadata_cache is none. Name one of CACHES in it.")
    tallies.flush()
    try:
        found = [(day, *tallies.read(day)) for day in days]
    except Exception as error:
        raise CommandError(
            f"The cache that holds the figures cannot be read ({type(error).__name__}). Look at CACHES, and whether "
            "its server runs."
        ) from None
    profiles: dict[str, Tally] = {}
    for _, by_profile, _ in found:
        for name, tally in by_profile.items():
            profiles.setdefault(name, Tally()).merge(tally)
    report = {
        "days": days,
        "is_shared": tallies.is_shared(),
        "processes": sum(processes for _, _, processes in found),
        "prices": {
            "usd_per_10000_b": prices.per_10k_b,
            "usd_per_1000_c": prices.per_1k_c,
            "free_calls_a_day": prices.free_calls,
            "defaults_from": PRICES_AS_OF,
        },
        "profiles": {name: _figures(tally, prices) for name, tally in sorted(profiles.items())},
        "estimated_usd": round(sum(_cost(by_profile, prices) for _, by_profile, _ in found), 6),
    }
    return json.dumps(report, indent=2) if options["as_json"] else _text(report)


def _days(last: date, count: int) -> list[str]:
    if not 1 <= count <= tallies.KEPT_DAYS:
        raise CommandError(f"--days is {count}; expected 1 to {tallies.KEPT_DAYS}, for so long the figures are kept.")
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(count))]


def _figures(tally: Tally, prices: Prices) -> dict[str, Any]:
    return {
        "operations": tally.operations.total(),
        **{f"by_{name}" if name == "operations" else name: value for name, value in tally.as_plain().items()},
        "classes": {name: tally.classes[name] for name in "ABC"},
        "cache_hit_ratio": tally.cache_hit_ratio,
        "estimated_usd_before_free_calls": round(prices.of(tally.classes, is_free_part_off=False), 6),
    }


def _cost(by_profile: Mapping[str, Tally], prices: Prices) -> float:
    """What a day's calls cost: what is free is free for each account, not for each profile."""
    accounts: dict[str, Counter[str]] = {}
    declared = current_router().profiles
    for name, tally in by_profile.items():
        account = declared[name].account if name in declared else ""
        accounts.setdefault(account, Counter()).update(tally.classes)
    return sum(prices.of(classes, is_free_part_off=True) for classes in accounts.values())


def _text(report: Mapping[str, Any]) -> str:
    days = report["days"]
    lines = [f"{days[0]} to {days[-1]} (UTC)" if len(days) > 1 else f"{days[0]} (UTC)"]
    if not report["is_shared"]:
        lines.append("The cache of the figures is not shared by processes: these are of this process only.")
    if not report["profiles"]:
        lines.append("No operation was counted.")
    for name, found in report["profiles"].items():
        lines += ["", f"{name}: {found['operations']} operations"]
        lines += [f"  {what:<28}{count:>10}" for what, count in sorted(found["by_operations"].items())]
        if found["cut_short"]:
            lines.append(f"  {'of which cut short':<28}{found['cut_short']:>10}")
        lines.append(f"  bytes out {found['bytes_out']}, in {found['bytes_in']}")
        called = ", ".join(f"{count} {call}" for call, count in sorted(found["calls"].items()))
        classes = ", ".join(f"{label} {count}" for label, count in found["classes"].items())
        lines.append(f"  calls on B2: {classes}" + (f" ({called}; {found['retries']} retries)" if called else ""))
        if found["cache_hit_ratio"] is not None:
            lines.append(f"  metadata cache: {found['cache_hit_ratio']:.0%} of {sum(found['cache'].values())} answered")
        lines.append(f"  at list price, before free calls: ${found['estimated_usd_before_free_calls']:.4f}")
    prices = report["prices"]
    lines += [
        "",
        f"Estimated: ${report['estimated_usd']:.4f}, at ${prices['usd_per_10000_b']} for 10,000 B and "
        f"${prices['usd_per_1000_c']} for 1,000 C, {prices['free_calls_a_day']} of each free a day and account "
        f"(defaults: {prices['defaults_from']}).",
        _CAUTION,
    ]
    return "\n".join(lines)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"found '{text}', expected a day such as 2026-01-31") from None


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < 1e6:
        raise ArgumentTypeError(f"found '{text}', expected US dollars such as 0.004")
    return price
