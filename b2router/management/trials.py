"""What `doctor` tries with files: there and back, and by every address that a browser could come by; nothing is written
unless that is wished.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import urljoin

from django.core.files.base import ContentFile

from b2router import names
from b2router.aliases import get_storage
from b2router.config import BucketProfile
from b2router.errors import B2RouterError, InvalidName, Refused
from b2router.management import probes
from b2router.management.examinations import Finding, Verdict

__all__ = ["of_addresses", "of_files"]

_SCRATCH = "b2router-doctor"
_LINK_S = 300
_BEGINNING_BYTES = 100
_DEEPEST, _MOST_ENTRIES = 6, 100
"""How many folders, and how many entries of each, are looked at for a file."""


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
        yield from _left_out(profile, site)
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
    storage, what = get_storage(profile.name), f"profile {profile.name}: "
    yield from _left_out(profile, site)
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


def _left_out(profile: BucketProfile, site: str | None) -> Iterator[Finding]:
    if site is not None and profile.route is not None and profile.owner is not None:
        found = "left out, because only files that a row names are found there."
        yield Finding("ok", f"profile {profile.name}: route", found)


def _ways(profile: BucketProfile, site: str | None) -> Iterator[tuple[probes.Way, Callable[[Any, str], str]]]:
    """The ways to a file of a profile that can be tried, each with what makes its address."""
    if profile.has_public_addresses:
        yield probes.ADDRESS, lambda storage, name: str(storage.url(name))
        return
    if profile.delivery.mode == "cdn":
        yield probes.ADDRESS, lambda storage, name: str(storage.signed_url(name))
    if site is not None and profile.route is not None and profile.owner is None:
        yield probes.ROUTE, lambda storage, name: urljoin(site, _path(profile, storage, name))


def _path(profile: BucketProfile, storage: Any, name: str) -> str:
    return str(storage.url(name) if profile.is_public else storage.share_url(name, expires_in=_LINK_S))


def _found(
    profile: BucketProfile, site: str | None, name: str, probe: Callable[[str, probes.Way], Iterator[probes.Answer]]
) -> Iterator[Finding]:
    storage, what = get_storage(profile.name), f"profile {profile.name}: "
    for way, address_of in _ways(profile, site):
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
