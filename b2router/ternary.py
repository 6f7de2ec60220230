"""Yes, no and neither: how permissions combine when a part of them cannot decide; asked by permissions and isolation.

True and False are answers; None is none. Source: Kleene's strong logic of three values.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["all_of", "any_of", "not_"]


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """True if one is; else None if one cannot decide. Answers after a True are not asked for."""
    result: bool | None = False
    for answer in answers:
        if answer is True:
            return True
        result = None if answer is None else result
    return result


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """False if one is; else None if one cannot decide. Answers after a False are not asked for."""
    return not_(any_of(not_(answer) for answer in answers))


def not_(answer: bool | None) -> bool | None:
    """The opposite; of no answer, none."""
    return None if answer is None else not answer
