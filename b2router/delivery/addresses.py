"""The address of a file that browsers fetch without the site: at B2 or a CDN; asked by storage and `response`."""

from __future__ import annotations

from urllib.parse import quote

from b2router import names
from b2router.config import BucketProfile, CdnDelivery, DirectDelivery

__all__ = ["cdn_address", "public_address"]


def public_address(profile: BucketProfile, name: str) -> str | None:
    """Where anyone can fetch the file; None when the site delivers it, or signs where it is.

    Args:
        profile: whose file it is.
        name: the file name, relative to the profile's location.
    Raises:
        InvalidName: no file can have this name.
    Source: B2 documentation, "b2_download_file_by_name" and "String encoding".
    """
    match profile.delivery:
        case CdnDelivery(base_url=base, signing=None):
            return cdn_address(profile, base, name)
        case DirectDelivery(base_url=base):
            return f"{base}file/{profile.bucket}/{_key(profile, name)}"
        case _:
            _key(profile, name)
            return None


def cdn_address(profile: BucketProfile, base_url: str, name: str) -> str:
    """Where the CDN has the file, not yet signed.

    Args:
        profile: whose file it is.
        base_url: of its delivery.
        name: the file name, relative to the profile's location.
    Raises:
        InvalidName: no file can have this name.
    """
    return base_url + _key(profile, name)


def _key(profile: BucketProfile, name: str) -> str:
    return quote(names.key(profile.location, name), safe="/")
