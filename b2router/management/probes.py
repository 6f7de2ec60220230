"""Asks an address, as a browser would, for a part of a file and whether it has changed; used by `examinations`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import requests

__all__ = ["of_address"]

TIMEOUT_S = 10

Answer = tuple[Literal["ok", "warn", "fail"], str, str, str]


def of_address(address: str, content: bytes) -> Iterator[Answer]:
    """Whether a public address gives the file, parts of it, and 304 when it has not changed.

    Args:
        address: of the file, at B2 or a CDN.
        content: of the file.
    Yields:
        Verdict, what was looked at, what was found, and what to do.
    """
    try:
        whole = requests.get(address, timeout=TIMEOUT_S, allow_redirects=False)
        part = requests.get(address, timeout=TIMEOUT_S, allow_redirects=False, headers={"Range": "bytes=0-99"})
    except requests.RequestException as error:
        yield "fail", "address", f"it cannot be reached ({type(error).__name__}).", "Look at base_url, and at the CDN."
        return
    if (whole.status_code, whole.content) != (200, content):
        found = f"{whole.status_code}, and not the file that was saved."
        yield "fail", "address", found, "Look at base_url and path, and at where the CDN fetches from."
        return
    yield "ok", "address", "it gives the file.", ""
    if (part.status_code, part.content) == (206, content[:100]):
        yield "ok", "ranges", "206, and the bytes that were asked for.", ""
    else:
        yield "warn", "ranges", f"{part.status_code} for a range: videos cannot be wound.", "Let the CDN pass Range on."
    if (etag := whole.headers.get("ETag")) is None:
        yield (
            "warn",
            "304",
            "there is no ETag, so browsers fetch the file again.",
            "Let the CDN add one, or set max_age_s.",
        )
        return
    same = requests.get(address, timeout=TIMEOUT_S, allow_redirects=False, headers={"If-None-Match": etag})
    if same.status_code == 304:
        yield "ok", "304", "a file that has not changed is not sent again.", ""
    else:
        yield "warn", "304", f"{same.status_code} for a file that has not changed.", "Let the CDN answer If-None-Match."
