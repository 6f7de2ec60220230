"""Which profiles nginx delivers, and from which addresses it may fetch; pure, asked by `nginx` and `nginx_config`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from b2router.config import AccelDelivery, BackblazeConfig, BucketProfile

__all__ = ["profiles", "sources"]


def profiles(config: BackblazeConfig) -> list[tuple[BucketProfile, str]]:
    """The profiles that nginx delivers, each with the place of its location."""
    return [
        (profile, profile.delivery.internal)
        for profile in config.profiles.values()
        if isinstance(profile.delivery, AccelDelivery)
    ]


def sources(config: BackblazeConfig) -> list[str]:
    """How the addresses begin that may be fetched, as regular expressions: the buckets of the profiles, by realm."""
    buckets: dict[str, set[str]] = {}
    for profile, _ in profiles(config):
        account = config.accounts.get(profile.account)
        buckets.setdefault(_endpoint(account.realm if account else config.realm), set()).add(profile.bucket)
    return [f"{endpoint}/(?:{'|'.join(sorted(names))})/" for endpoint, names in sorted(buckets.items())]


def _endpoint(realm: str) -> str:
    """The S3-compatible endpoints that a login in this realm may name, see `b2.wire`."""
    if realm == "production":
        return r"https://s3\.[a-z0-9-]+\.backblazeb2\.com"
    if "://" not in realm:
        return r"https://(?:[a-z0-9-]+\.)+backblaze(?:b2)?\.(?:com|net)"
    own = urlsplit(realm)
    host = own.hostname or ""
    if ":" in host:
        name = re.escape(f"[{host}]")
    elif host.rpartition(".")[2].isdigit():
        name = re.escape(host)
    else:
        name = r"(?:[a-z0-9-]+\.)*" + re.escape(host).replace(r"\-", "-")
    return f"{'https' if own.scheme == 'https' else 'https?'}://{name}(?::[0-9]+)?"
