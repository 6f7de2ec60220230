"""Shows results as tables in Markdown, which reads well in a terminal too; called by `command`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.contenders import BASELINES, OURS, PEER, SERVERS, TABLES
from benchmarks.figures import Metric, Results, Who

DASH = "–"


def as_markdown(results: Results) -> str:
    """Everything that a run found, machine and notes included."""
    parts = [
        "# Benchmark results",
        "Written by `benchmarks/run.py --record`; what each line means stands in README.md.",
    ]
    parts += [_about(results), tables(results)]
    if results.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in results.notes)]
    return "\n\n".join(parts) + "\n"


def tables(results: Results) -> str:
    """The measured numbers and their ratios."""
    parts = []
    if results.calls:
        parts += ["## B2 calls per operation", _calls(results)]
    for title, metrics in TABLES.items():
        parts += _section(results, title, metrics)
    return "\n\n".join(parts)


def _section(results: Results, title: str, metrics: Sequence[Metric]) -> list[str]:
    """A table of numbers, and one of ratios to each baseline that has some."""
    columns = [who for who in results.samples if any(results.value(who, metric) is not None for metric in metrics)]
    if not columns:
        return []
    parts = [f"## {title}", _figures(results, columns, metrics)]
    for to in BASELINES:
        others = [who for who in columns if who != to and _comparable(who, to)]
        if to in columns and others:
            parts += [f"## {title}, ratios to {to}", _ratios(results, others, to, metrics)]
    return parts


def _comparable(who: Who, to: Who) -> bool:
    """Packages are compared under the same server; with a yardstick, everybody is."""
    return to.server not in SERVERS or who.server == to.server


def _about(results: Results) -> str:
    lines = []
    for name, value in results.about.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {said}" for key, said in value.items())
        lines.append(f"- {name}: {value}")
    return "\n".join(lines)


def _calls(results: Results) -> str:
    subjects = list(results.calls)
    has_ratio = OURS in subjects and PEER in subjects
    head = ["operation", *subjects, *(["ratio"] if has_ratio else [])]
    rows = []
    for label in dict.fromkeys(label for calls in results.calls.values() for label in calls):
        counted = {subject: results.calls[subject].get(label) for subject in subjects}
        row = [label, *(DASH if calls is None else _spelled(calls) for calls in counted.values())]
        if has_ratio:
            ours, theirs = counted[OURS], counted[PEER]
            row.append(DASH if ours is None or theirs is None else _quotient(sum(ours.values()), sum(theirs.values())))
        rows.append(row)
    return _table(head, rows)


def _spelled(calls: dict[str, int]) -> str:
    total = sum(calls.values())
    if not total:
        return "0"
    names = ", ".join(
        f"{times} {name.removeprefix('b2_')}" if times > 1 else name.removeprefix("b2_")
        for name, times in sorted(calls.items())
    )
    return f"**{total}**: {names}"


def _figures(results: Results, columns: Sequence[Who], metrics: Sequence[Metric]) -> str:
    rows = []
    for metric in _measured(results, columns, metrics):
        values = [results.value(who, metric) for who in columns]
        rows.append([_named(metric), *(DASH if value is None else number(value) for value in values)])
    return _table(["", *map(str, columns)], rows)


def _ratios(results: Results, columns: Sequence[Who], to: Who, metrics: Sequence[Metric]) -> str:
    rows = []
    for metric in _measured(results, columns, metrics):
        ratios = [results.ratio(who, to, metric) for who in columns]
        if any(ratio is not None for ratio in ratios):
            better = "more" if metric.more_is_better else "less"
            rows.append([metric.label, better, *(DASH if ratio is None else f"{number(ratio)} ×" for ratio in ratios)])
    return _table(["", "better is", *map(str, columns)], rows)


def _measured(results: Results, columns: Iterable[Who], metrics: Sequence[Metric]) -> list[Metric]:
    return [metric for metric in metrics if any(results.value(who, metric) is not None for who in columns)]


def _named(metric: Metric) -> str:
    return f"{metric.label} ({metric.unit})" if metric.unit else metric.label


def _quotient(ours: int, theirs: int) -> str:
    if not theirs:
        return "both 0" if not ours else DASH
    return f"{number(ours / theirs)} ×"


def number(value: float) -> str:
    """Three digits that count, or the whole number."""
    if value == 0:
        return "0"
    digits = 3
    for bound in (1, 10, 100):
        if abs(value) >= bound:
            digits -= 1
    return f"{value:,.{max(0, digits)}f}".replace(",", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [_line(head, widths), "|".join(["", *("-" * (width + 2) for width in widths), ""])]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
