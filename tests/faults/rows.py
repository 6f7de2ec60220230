"""What can go wrong at B2, in words and as a fault switch of the emulator; read by both tables."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

CAPS = ["cap_exceeded", "download_cap_exceeded", "storage_cap_exceeded", "transaction_cap_exceeded", ""]
"""How B2 spells that a cap is used up; the last one is an answer without a code."""

LASTING = 99
"""Times that are more than any call has tries."""


def date_in(seconds: float) -> str:
    """Retry-After as a date."""
    return formatdate(time.time() + seconds, usegmt=True)


PASSING: dict[str, dict[str, Any]] = {
    "token expired": {"code": "expired_auth_token"},
    "token bad": {"code": "bad_auth_token"},
    "408": {"status": 408},
    "500": {"status": 500},
    "503": {"status": 503},
    "503 with a wait that fits": {"status": 503, "retry_after": 1},
    "504": {"status": 504, "code": "x"},
    "429 without a wait": {"status": 429},
    "429 with a wait that fits": {"status": 429, "retry_after": 1},
    "429 with a wait that is absurd": {"status": 429, "retry_after": "9" * 12},
    "429 with a wait that is none": {"status": 429, "retry_after": "soon"},
    "429 with a date that has passed": {"status": 429, "retry_after": date_in(-99)},
    "reset": {"reset": True},
    "answer cut": {"cut_at": 0, "status": 503},
}
"""Meets one try, and the next goes well."""

WAITS: dict[str, dict[str, Any]] = {
    "429 with a long wait": {"status": 429, "retry_after": 77},
    "503 with a long wait": {"status": 503, "retry_after": 77},
}
"""B2 asks for more patience than a call has."""
