"""What `doctor` looks at: caches, keys and buckets; files are for `trials`. Each finding says what to do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from b2router.b2.shelves import CacheShelf
from b2router.config import BackblazeConfig, BucketProfile, CacheAccountInfo, RedirectDelivery
from b2router.errors import B2RouterError
from b2router.router import Router

__all__ = ["Finding", "Verdict", "of_account", "of_bucket", "of_caches"]

Verdict = Literal["ok", "warn", "fail"]

_SURPLUS = {"writeKeys", "deleteKeys", "writeBuckets", "deleteBuckets", "bypassGovernance", "writeBucketRetentions"}
"""Rights that serving files never takes. With the first, a key can make itself any other right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        verdict: "ok", "warn" or "fail".
        what: was looked at, such as "account default: rights".
        found: what was there.
        fix: what to do about it; empty when there is nothing.
    """

    verdict: Verdict
    what: str
    found: str
    fix: str = ""


def of_caches(config: BackblazeConfig) -> Iterator[Finding]:
    """Whether the caches keep what they are given, and are shared."""
    aliases = {config.account_info.cache} if isinstance(config.account_info, CacheAccountInfo) else set()
    if config.metadata_cache is not None:
        aliases.add(config.metadata_cache)
    for alias in sorted(aliases):
        what, shelf = f"cache {alias}", CacheShelf(alias)
        key, value = f"b2router:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
        began = time.perf_counter()
        shelf.set(key, value, 60)
        came_back = shelf.get(key) == value
        took_ms = (time.perf_counter() - began) * 1000
        shelf.delete(key)
        if not came_back:
            yield Finding("fail", what, "it does not give back what was put in.", "Look at CACHES, and at its server.")
        elif shelf.is_local:
            fix = "Back it by Redis, Memcached, a database or files."
            yield Finding("warn", what, "it works, but each process has one of its own.", fix)
        else:
            yield Finding("ok", what, f"written and read in {took_ms:.1f} ms.")


def of_account(router: Router, profiles: list[BucketProfile]) -> Iterator[Finding]:
    """Whether a key works, and has the rights that its profiles need, and no others.

    Args:
        router: in force.
        profiles: that use the account; at least one.
    """
    what = f"account {profiles[0].account}"
    began = time.perf_counter()
    try:
        session = router.session(profiles[0])
        session.renew(session.login())  # one that is kept would say nothing about the key
    except B2RouterError as error:
        yield Finding("fail", f"{what}: login", str(error), "Compare the key and the realm with Backblaze's page.")
        return
    yield Finding("ok", f"{what}: login", f"accepted in {(time.perf_counter() - began) * 1000:.0f} ms.")
    if minutes := round(session.skew_s / 60):
        found = f"this machine's is {abs(minutes)} minutes {'behind' if minutes > 0 else 'ahead of'} B2's."
        yield Finding("warn", f"{what}: clock", found, "Set it: signed addresses may not work.")
    allowed = session.api.account_info.get_allowed()
    rights = set(allowed["capabilities"])
    missing = sorted(_needed(profiles) - rights)
    if missing:
        fix = "Make an application key that has them."
        yield Finding("fail", f"{what}: rights", f"the key lacks {', '.join(missing)}.", fix)
    elif surplus := sorted(_SURPLUS & rights):
        fix = "Make an application key without them, for these buckets alone."
        yield Finding("warn", f"{what}: rights", f"the key has more than it needs: {', '.join(surplus)}.", fix)
    else:
        yield Finding("ok", f"{what}: rights", f"{len(rights)}, and what the profiles need is among them.")
    prefix = allowed.get("namePrefix") or ""
    for profile in profiles:
        if not profile.location.startswith(prefix):
            yield Finding(
                "fail",
                f"profile {profile.name}: location",
                f"'{profile.location}', but the key may only reach names that begin with '{prefix}'.",
                "Change the location, or make a key that may reach it.",
            )


def of_bucket(router: Router, profile: BucketProfile) -> Iterator[Finding]:
    """Whether the bucket is there, open to nobody who may not read its files, and made for what is declared."""
    what = f"profile {profile.name}: bucket {profile.bucket}"
    session = router.session(profile)
    try:
        kind, can_lock = session.bucket_now(profile.bucket)
    except B2RouterError as error:
        yield Finding("fail", what, str(error), "Make the bucket, or compare its name and the key's buckets.")
        return
    is_public = kind == "allPublic"
    if profile.has_public_addresses and profile.delivery.mode == "direct" and not is_public:
        yield Finding("fail", what, f"it is {kind}, but browsers are sent to it.", "Make it allPublic at Backblaze.")
    elif is_public and not profile.is_public:
        found = "it is allPublic: whoever knows a name reads the file, whatever the permission says."
        yield Finding("fail", what, found, "Make it allPrivate at Backblaze.")
    elif is_public and not profile.has_public_addresses:
        found = "it is allPublic, and its files can be read without the site."
        yield Finding("warn", what, found, "Make it allPrivate, unless that is meant.")
    else:
        yield Finding("ok", what, f"it is there, and {kind}.")
    if can_lock is False and (profile.retention is not None or profile.legal_hold):
        key = "retention" if profile.retention is not None else "legal_hold"
        found = f"files cannot be locked in it, so with '{key}' nothing can be saved."
        yield Finding("fail", what + ", file lock", found, "Turn Object Lock on at Backblaze, for good.")


def _needed(profiles: list[BucketProfile]) -> set[str]:
    needed = {"listBuckets", "readFiles"}
    for profile in profiles:
        if not profile.read_only:
            needed |= {"writeFiles"} | ({"deleteFiles", "listFiles"} if profile.on_delete != "hide" else set())
        if isinstance(profile.delivery, RedirectDelivery) and profile.delivery.signer == "native":
            needed.add("shareFiles")
    return needed
