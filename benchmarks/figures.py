"""What the numbers are: each metric's name, unit and which way is better; and the results of a run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Pick = Literal["best", "median", "worst"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table.

    Args:
        key: its name in the JSON.
        label: its name for people.
        unit: of the numbers.
        more_is_better: whether a higher number is the better one.
        pick: which of several samples stands for them.
    """

    key: str
    label: str
    unit: str
    more_is_better: bool
    pick: Pick = "best"

    def value(self, samples: Sequence[float]) -> float:
        """The one number for several samples."""
        if self.pick == "median":
            return statistics.median(samples)
        return max(samples) if self.more_is_better == (self.pick == "best") else min(samples)


Sample = dict[str, float]
"""What one round of a measurement found: a number for each metric, by its key."""

Samples = dict[str, list[float]]
"""The numbers of all rounds."""


@dataclass(frozen=True, order=True, slots=True)
class Who:
    """What was measured: a subject under a server."""

    subject: str
    server: str

    def __str__(self) -> str:
        return f"{self.subject}, {self.server}" if self.server else self.subject


@dataclass(slots=True)
class Results:
    """All that a run found out."""

    about: dict[str, Any]
    calls: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # subject, operation, B2 call
    samples: dict[Who, Samples] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what was skipped or failed, for everybody to see

    def add(self, who: Who, sample: Sample) -> None:
        """Keep what a round found."""
        kept = self.samples.setdefault(who, {})
        for key, number in sample.items():
            kept.setdefault(key, []).append(number)

    def value(self, who: Who, metric: Metric) -> float | None:
        """A number of the table; None when it was not measured."""
        samples = self.samples.get(who, {}).get(metric.key)
        return metric.value(samples) if samples else None

    def ratio(self, who: Who, to: Who, metric: Metric) -> float | None:
        """A number divided by another's; None when one of them is missing or the other is 0."""
        ours, theirs = self.value(who, metric), self.value(to, metric)
        return None if ours is None or not theirs else ours / theirs

    def as_json(self, metrics: Sequence[Metric], baselines: Sequence[Who]) -> dict[str, Any]:
        """The results as plain values, samples and ratios included."""
        figures: dict[str, dict[str, Any]] = {}
        for who, samples in self.samples.items():
            lines = figures[str(who)] = {}
            for metric in metrics:
                if (value := self.value(who, metric)) is not None:
                    ratios = {str(to): self.ratio(who, to, metric) for to in baselines if to != who}
                    lines[metric.key] = {"value": value, "samples": samples[metric.key], "ratio_to": ratios}
        return {
            "about": self.about,
            "metrics": [asdict(metric) for metric in metrics],
            "b2_calls": self.calls,
            "figures": figures,
            "notes": self.notes,
        }
