"""Sums over operations, and what their calls cost by a list of prices; pure. Kept by `tallies`, shown by
`manage.py b2router stats`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from b2router.records import CLASSES, Record

__all__ = ["Prices", "Tally"]

_COUNTERS = ("operations", "calls", "cache")
_NUMBERS = ("bytes_out", "bytes_in", "retries", "cut_short")


@dataclass(slots=True)
class Tally:
    """What many operations came to.

    Attributes:
        operations: how many, by verb and status: {"GET 200": 7}.
        calls: requests that reached B2, by operation.
        cache: what the metadata cache knew: {"hit": 5, "miss": 2}.
        bytes_out: to visitors and to the site's code.
        bytes_in: stored.
        retries: calls that repeated one that had failed.
        cut_short: answers of which the visitor got less than promised.
    """

    operations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    bytes_out: int = 0
    bytes_in: int = 0
    retries: int = 0
    cut_short: int = 0

    @property
    def classes(self) -> Counter[str]:
        """The calls by price class: "A", "B", "C"."""
        found: Counter[str] = Counter()
        for call, count in self.calls.items():
            if price_class := CLASSES.get(call):
                found[price_class] += count
        return found

    @property
    def cache_hit_ratio(self) -> float | None:
        """Of the questions to the metadata cache, the part that it could answer; None when it was asked nothing."""
        asked = self.cache.total()
        return (asked - self.cache["miss"]) / asked if asked else None

    def add(self, record: Record) -> None:
        """Count one more operation."""
        self.operations[f"{record.verb} {record.status}"] += 1
        for call, count in record.calls.items():
            self.calls[call] += count
        if record.cache is not None:
            self.cache[record.cache] += 1
        self.bytes_out += record.bytes_out
        self.bytes_in += record.bytes_in
        self.retries += record.retries
        self.cut_short += not record.is_complete

    def merge(self, other: Tally) -> None:
        """Count what another has counted."""
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_plain(self) -> dict[str, Any]:
        """The same as plain values, for a cache and for JSON."""
        return {name: dict(getattr(self, name)) for name in _COUNTERS} | {
            name: getattr(self, name) for name in _NUMBERS
        }

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """The inverse of `as_plain`.

        Raises:
            ValueError: it is none; caches are not ours alone.
        """
        try:
            parts: dict[str, Any] = {
                name: Counter({str(k): int(v) for k, v in value[name].items()}) for name in _COUNTERS
            }
            return cls(**parts | {name: int(value[name]) for name in _NUMBERS})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"a tally was expected, and a {type(value).__name__} was found") from error


@dataclass(frozen=True, slots=True)
class Prices:
    """What calls cost. The defaults are the list that Backblaze has on its page "Transaction pricing".

    Attributes:
        per_10k_b: US dollars for 10,000 calls of class B.
        per_1k_c: US dollars for 1,000 calls of class C.
        free_calls: calls of each of these classes that are free each day, for the whole account.
    """

    per_10k_b: float = 0.004
    per_1k_c: float = 0.004
    free_calls: int = 2500

    def of(self, classes: Counter[str], *, is_free_part_off: bool) -> float:
        """US dollars for the calls of one day.

        Args:
            classes: calls by price class; A is free.
            is_free_part_off: take the day's free calls off, which is right for the sum of an account only.
        """
        off = self.free_calls if is_free_part_off else 0
        charged_b, charged_c = max(0, classes["B"] - off), max(0, classes["C"] - off)
        return charged_b * self.per_10k_b / 10_000 + charged_c * self.per_1k_c / 1000
