"""Addresses at B2's S3-compatible API that open one object for a while, signed with the application key; pure.

Asked by `redirect`, and through it by storage. Signing asks nobody: the signature is computed from the key. What the
answer's headers will be is part of it, so whoever holds the address can change neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

__all__ = ["MAX_LIFE_S", "OVERRIDES", "Window", "life_s", "presign", "region", "window"]

MAX_LIFE_S = 604_800
"""The longest that a signature, or a download authorisation, may live: a week. Source: B2 and AWS documentation."""

OVERRIDES = ("response-cache-control", "response-content-disposition", "response-content-type")
"""What an address may say about the answer's headers."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which an object keeps one address.

    Attributes:
        starts_at: when the signature begins to hold, in Unix seconds; not after the moment it was asked for.
        ends_at: when it ends, in Unix seconds.
    """

    starts_at: int
    ends_at: int

    @property
    def life_s(self) -> int:
        """From beginning to end, in seconds."""
        return self.ends_at - self.starts_at

    def until(self, ends_by: int | None) -> Window:
        """The same window, which ends no later than this, in Unix seconds; None for no other end."""
        return self if ends_by is None else Window(self.starts_at, max(self.starts_at + 1, min(self.ends_at, ends_by)))


def life_s(expires_in_s: int) -> int:
    """The longest that an address lives of which at least this was asked: half as long again, and at most a week."""
    return min(expires_in_s + expires_in_s // 2, MAX_LIFE_S)


def window(expires_in_s: int, now: float) -> Window:
    """The window that the present moment lies in, so that an address stays the same for a while and can be cached.

    Args:
        expires_in_s: what is left at least, in seconds; 1 to `MAX_LIFE_S`.
        now: Unix time.
    Raises:
        ValueError: the time is out of bounds.
    """
    if not 1 <= expires_in_s <= MAX_LIFE_S:
        raise ValueError(f"Found {expires_in_s} s, expected an expiry of 1 to {MAX_LIFE_S} seconds.")
    step_s = max(1, life_s(expires_in_s) - expires_in_s)
    starts_at = int(now) // step_s * step_s
    return Window(starts_at, starts_at + life_s(expires_in_s))


def region(endpoint: str) -> str:
    """The region in the address of an S3 endpoint, such as "us-west-004"; B2 accepts a signature for its own only."""
    match = re.match(r"s3\.([a-z0-9-]+)\.", urlsplit(endpoint).hostname or "")
    return match[1] if match else "us-east-1"


def presign(
    endpoint: str,
    bucket: str,
    key: str,
    *,
    key_id: str,
    secret: SecretStr,
    window: Window,
    method: Literal["GET", "HEAD", "PUT"] = "GET",
    overrides: Mapping[str, str] | None = None,
) -> str:
    """The address that opens one object to one method, without any other right.

    Args:
        endpoint: of the S3-compatible API, such as "https://s3.us-west-004.backblazeb2.com".
        bucket: its name, which becomes the first segment of the path; empty when the endpoint's host names it.
        key: of the object, unescaped; its name has passed the gate.
        key_id: of an application key; B2 refuses the master key here.
        secret: the other half of it.
        window: from when to when it holds.
        method: what it may be used for.
        overrides: headers that the answer will have, of `OVERRIDES`.
    Raises:
        ValueError: the window is out of bounds, or an override is not known.
    Source: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
    """
    if not 1 <= window.life_s <= MAX_LIFE_S:
        raise ValueError(f"Found {window.life_s} s, expected a life of 1 to {MAX_LIFE_S} seconds.")
    if unknown := set(overrides or {}) - set(OVERRIDES):
        raise ValueError(f"Found the overrides {', '.join(sorted(unknown))}; known are {', '.join(OVERRIDES)}.")
    date = datetime.fromtimestamp(window.starts_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = (date[:8], region(endpoint), "s3", "aws4_request")
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": "/".join((key_id, *scope)),
        "X-Amz-Date": date,
        "X-Amz-Expires": str(window.life_s),
        "X-Amz-SignedHeaders": "host",
        **(overrides or {}),
    }
    address = urlsplit(endpoint)
    path = address.path.rstrip("/") + "/" + quote(f"{bucket}/{key}" if bucket else key, safe="/" + _UNRESERVED)
    text = "&".join(sorted(f"{quote(k, safe=_UNRESERVED)}={quote(v, safe=_UNRESERVED)}" for k, v in query.items()))
    request = "\n".join((method, path, text, f"host:{address.netloc}\n", "host", "UNSIGNED-PAYLOAD"))
    to_sign = "\n".join((_ALGORITHM, date, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()))
    return f"{address.scheme}://{address.netloc}{path}?{text}&X-Amz-Signature={_signature(secret, scope, to_sign)}"


def _signature(secret: SecretStr, scope: tuple[str, ...], to_sign: str) -> str:
    digest = f"AWS4{secret.get_secret_value()}".encode()
    for part in (*scope, to_sign):
        digest = hmac.new(digest, part.encode(), hashlib.sha256).digest()
    return digest.hex()
