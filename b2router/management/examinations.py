"""What `doctor` looks at: caches, keys, buckets, files on their way there and back. Each finding says what to do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal
from urllib.parse import urljoin

from django.core.files.base import ContentFile

from b2router import names
from b2router.aliases import get_storage
from b2router.b2.shelves import CacheShelf
from b2router.config import BackblazeConfig, BucketProfile, CacheAccountInfo, RedirectDelivery
from b2router.errors import B2RouterError, InvalidName, Refused
from b2router.management import probes
from b2router.router import Router

__all__ = ["Finding", "of_account", "of_addresses", "of_bucket", "of_caches", "of_files"]

Verdict = Literal["ok", "warn", "fail"]

_SURPLUS = {"writeKeys", "deleteKeys", "writeBuckets", "deleteBuckets", "bypassGovernance", "writeBucketRetentions"}
"""Rights that serving files never takes. With the first, a key can make itself any other right."""

_SCRATCH = "b2router-doctor"
_LINK_S = 300
_BEGINNING_BYTES = 100
_DEEPEST, _MOST_ENTRIES = 6, 100
"""How many folders, and how many entries of each, are looked at for a file."""


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


def of_files(profile: BucketProfile, site: str | None) -> Iterator[Finding]:
    """Whether a small file is saved, read by ranges, found at its public address, or on the route, and deleted.

    Args:
        profile: whose file it is.
        site: where the site answers, such as "https://www.acme.example"; None to leave the route out.
    """
    what = f"profile {profile.name}: "
    if profile.read_only:
        yield Finding("ok", f"{what}round trip", "left out, because the profile is read_only.")
        yield from of_addresses(profile, site)
        return
    storage, content = get_storage(profile.name), secrets.token_bytes(2048)
    name = None
    try:
        name = storage.save(f"{_SCRATCH}-{secrets.token_hex(4)}.bin", ContentFile(content))
        with storage.open(name) as file:
            file.seek(1024)
            is_same = file.read() == content[1024:]
        verdict: Verdict = "ok" if is_same else "fail"
        said = "saved, and read back by range." if is_same else "other bytes came back than were saved."
        yield Finding(verdict, f"{what}round trip", said)
        yield from _found(profile, site, name, lambda address, way: probes.of_address(address, content, way))
    except B2RouterError as error:
        yield Finding("fail", f"{what}round trip", str(error), "Compare the key's rights with what the profile does.")
    finally:
        if name is not None:
            yield from _cleaned(storage, name, what)


def of_addresses(profile: BucketProfile, site: str | None) -> Iterator[Finding]:
    """Whether a file that is stored already is found at its public address, or on the route; nothing is written.

    Args:
        profile: whose files they are.
        site: see `of_files`.
    """
    what, storage = f"profile {profile.name}: ", get_storage(profile.name)
    if not [*_ways(profile, site)]:
        return
    try:
        name = _some_file(storage)
        if name is None:
            yield from _found(profile, site, f"{_SCRATCH}-{secrets.token_hex(4)}.bin", probes.of_missing)
            return
        with storage.open(name) as file:
            beginning = file.read(_BEGINNING_BYTES)
        yield from _found(profile, site, name, lambda address, way: probes.of_stored(address, beginning, way))
    except B2RouterError as error:
        yield Finding("warn", f"{what}address", f"left out: {error}", "Compare the key's rights with what is needed.")


def _ways(profile: BucketProfile, site: str | None) -> Iterator[tuple[probes.Way, Callable[[Any, str], str]]]:
    """The ways to a file of a profile that can be tried, each with what makes its address."""
    if profile.has_public_addresses:
        yield probes.ADDRESS, lambda storage, name: str(storage.url(name))
        return
    if profile.delivery.mode == "cdn":
        yield probes.ADDRESS, lambda storage, name: str(storage.signed_url(name))
    if site is not None and profile.route is not None:
        yield probes.ROUTE, lambda storage, name: urljoin(site, _path(profile, storage, name))


def _path(profile: BucketProfile, storage: Any, name: str) -> str:
    return str(storage.url(name) if profile.is_public else storage.share_url(name, expires_in=_LINK_S))


def _found(
    profile: BucketProfile, site: str | None, name: str, probe: Callable[[str, probes.Way], Iterator[probes.Answer]]
) -> Iterator[Finding]:
    storage, what = get_storage(profile.name), f"profile {profile.name}: "
    for way, address_of in _ways(profile, site):
        if way is probes.ROUTE and profile.owner is not None:
            yield Finding("ok", f"{what}route", "left out, because only files that a row names are found there.")
            continue
        for verdict, aspect, found, fix in probe(address_of(storage, name), way):
            yield Finding(verdict, f"{what}{aspect}", found, fix)


def _some_file(storage: Any) -> str | None:
    """A file that has a byte at least, not too far down; None when none is found, or the key may not list. Each folder
    costs one list."""
    folder = ""
    with suppress(Refused):
        for _ in range(_DEEPEST):
            below = None
            for entry in islice(storage.iterdir(folder), _MOST_ENTRIES):
                if not _has_name(entry.name):
                    continue  # stored by others; no way leads there
                if entry.size_bytes:
                    return f"{folder}{entry.name}"
                if entry.is_folder and below is None:
                    below = f"{folder}{entry.name}/"
            if below is None:
                break
            folder = below
    return None


def _has_name(name: str) -> bool:
    try:
        names.check(name)
    except InvalidName:
        return False
    return True


def _cleaned(storage: Any, name: str, what: str) -> Iterator[Finding]:
    try:
        storage.purge(name)
    except B2RouterError as error:
        fix = f"Delete '{name}' by hand; and give the key deleteFiles."
        yield Finding("warn", f"{what}clean-up", f"the scratch file is still there: {error}", fix)


def _needed(profiles: list[BucketProfile]) -> set[str]:
    needed = {"listBuckets", "readFiles"}
    for profile in profiles:
        if not profile.read_only:
            needed |= {"writeFiles"} | ({"deleteFiles", "listFiles"} if profile.on_delete != "hide" else set())
        if isinstance(profile.delivery, RedirectDelivery) and profile.delivery.signer == "native":
            needed.add("shareFiles")
    return needed
