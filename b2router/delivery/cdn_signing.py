"""Addresses at a CDN that open one file for a while: the site signs, the CDN's edge checks; pure. Asked by `redirect`.

The secret is shared with the CDN and with nobody else. Both schemes are HMAC-SHA256 over the path and a time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from b2router import content_types
from b2router.config import CdnSigning
from b2router.delivery.signing import Window, life_s

__all__ = ["bunny", "cloudflare", "signed"]


def signed(signing: CdnSigning, address: str, window: Window) -> str | None:
    """The address with its signature.

    Args:
        signing: the profile's scheme and secret.
        address: at the CDN, percent-encoded, without a query.
        window: from when to when it holds; its life is at most that of `signing.expires_in_s`.
    Returns:
        None when the scheme cannot tell this address from another's.
    """
    if signing.scheme == "cloudflare":
        return cloudflare(address, signing.secret, window.ends_at - life_s(signing.expires_in_s))
    return bunny(address, signing.secret, window.ends_at) if _has_one_reading(address) else None


def _has_one_reading(address: str) -> bool:
    """Whether Bunny's signed text can be cut only into this path and this time. Parameters begin where a "=" follows,
    so a path has none; the time begins after the last letter, or after the digit of a type such as .mp4."""
    path = unquote(urlsplit(address).path)
    ends_clearly = path[-1:].isalpha() or content_types.of_name(path) != content_types.UNKNOWN
    return ends_clearly and "=" not in path


def bunny(address: str, secret: SecretStr, ends_at: int) -> str:
    """An address for Bunny's token authentication.

    Path, time and parameters are signed without anything between them: who may open "report7" until 1700000000 holds a
    token for "report" until 71700000000, which is for ever; and one for a name in which a time and "token_path=/" stand
    is one for every file. So `signed` does without, for names that could be cut so.

    Args:
        address: at the CDN, percent-encoded, without a query.
        secret: the pull zone's "URL token authentication key".
        ends_at: when it ends, in Unix seconds.
    Source: bunny.net documentation, "Advanced token authentication"; BunnyWay/BunnyCDN.TokenAuthentication.
    """
    digest = _digest(secret, f"{unquote(urlsplit(address).path)}{ends_at}")
    return f"{address}?token=HS256-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}&expires={ends_at}"


def cloudflare(address: str, secret: SecretStr, issued_at: int) -> str:
    """An address for a rule of Cloudflare's firewall that asks `is_timed_hmac_valid_v0`. The rule knows how long it
    holds. The time has always ten digits, so path and time cannot be cut in another way.

    Args:
        address: at the CDN, percent-encoded, without a query.
        secret: the same as in the rule.
        issued_at: from when on the rule counts, in Unix seconds.
    Source: Cloudflare documentation, "HMAC validation" and "Configure token authentication".
    """
    digest = _digest(secret, f"{urlsplit(address).path}{issued_at}")
    return f"{address}?verify={issued_at}-{quote(base64.b64encode(digest), safe='')}"


def _digest(secret: SecretStr, message: str) -> bytes:
    return hmac.new(secret.get_secret_value().encode(), message.encode(), hashlib.sha256).digest()
