"""How verdicts on deployment files are printed: for people, for programs, for GitHub. Called by the console script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from b2router.validation import Finding, Value, Verdict

__all__ = ["PRINTERS"]


class Printer(Protocol):
    """Puts verdicts into words."""

    def __call__(self, verdicts: Sequence[Verdict], *, resolved: bool) -> str:
        """The whole output, without a last line break; `resolved` adds the values of every profile."""


def text(verdicts: Sequence[Verdict], *, resolved: bool) -> str:
    """A line for every finding, `file:line:column: …`, as compilers and editors have it; and one for every file."""
    lines: list[str] = []
    for verdict in verdicts:
        lines += [f"{_place(verdict, finding)}: {_sentence(finding)}" for finding in verdict.findings]
        count = len(verdict.findings)
        lines.append(f"{verdict.file}: {count} problem{'s' * (count > 1)}" if count else f"{verdict.file}: valid")
        lines += _table(verdict.resolved) if resolved else []
    return "\n".join(lines)


def as_json(verdicts: Sequence[Verdict], *, resolved: bool) -> str:
    """One object: {"valid": …, "files": [{"file": …, "valid": …, "findings": […]}]}."""
    files = []
    for verdict in verdicts:
        entry: dict[str, Any] = {"file": verdict.file, "valid": not verdict.findings}
        entry["findings"] = [_fields(finding) for finding in verdict.findings]
        if resolved:
            entry["resolved"] = [
                {"environment": value.environment or None, "where": value.where}
                | ({"secret": True} if value.is_secret else {"value": value.value})
                | {"source": value.source}
                for value in verdict.resolved
            ]
        files.append(entry)
    valid = not any(verdict.findings for verdict in verdicts)
    return json.dumps({"valid": valid, "files": files}, indent=2, ensure_ascii=False, default=str)


def github(verdicts: Sequence[Verdict], *, resolved: bool) -> str:
    """Workflow commands that put every finding beside its line. Source: GitHub, "Workflow commands", error message."""
    lines = []
    for verdict in verdicts:
        for finding in verdict.findings:
            properties = {"file": verdict.file, "title": finding.problem.where or "b2router"}
            if finding.position:
                properties |= {"line": str(finding.position.line), "col": str(finding.position.column)}
            listed = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
            lines.append(f"::error {listed}::{_escaped(_sentence(finding))}")
    return "\n".join(lines)


PRINTERS: dict[str, Printer] = {"text": text, "json": as_json, "github": github}
"""Name of a format → what prints it."""


def _place(verdict: Verdict, finding: Finding) -> str:
    return ":".join([verdict.file, *map(str, finding.position or ())])


def _sentence(finding: Finding) -> str:
    problem = finding.problem
    where = f"{problem.where}: " if problem.where else ""
    environments = f" [in {', '.join(finding.environments)}]" if finding.environments else ""
    return f"{where}{problem.message} {problem.hint}{environments}"


def _fields(finding: Finding) -> dict[str, Any]:
    problem, position = finding.problem, finding.position
    return {
        "code": problem.code,
        "where": problem.where,
        "source": ".".join(problem.path),
        "line": position.line if position else None,
        "column": position.column if position else None,
        "message": problem.message,
        "hint": problem.hint,
        "environments": list(finding.environments),
    }


def _table(values: Sequence[Value]) -> Iterator[str]:
    environment = None
    for value in values:
        if value.environment != environment:
            environment = value.environment
            yield f"  in {environment}:" if environment else "  as it stands:"
        shown = "(secret)" if value.is_secret else json.dumps(value.value, ensure_ascii=False, default=str)
        source = f"  (from {value.source})" if value.source != value.where else ""
        yield f"    {value.where} = {shown}{source}"


def _escaped(value: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        value = value.replace(char, f"%{ord(char):02X}")
    return value
