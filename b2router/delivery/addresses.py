"""The address of a file that browsers fetch without the site: at B2 or a CDN; asked by storage and `response`."""

from __future__ import annotations

from urllib.parse import quote

from b2router import modes, names
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
        case CdnDelivery(signing=None):
            return cdn_address(profile, profile.delivery, name)
        case DirectDelivery(base_url=base, path=path):
            return _address(profile, base, path, name)
        case _:
            names.key(profile.location, name)
            return None


def cdn_address(profile: BucketProfile, delivery: CdnDelivery, name: str) -> str:
    """Where the CDN has the file, not yet signed.

    Args:
        profile: whose file it is.
        delivery: the profile's.
        name: the file name, relative to the profile's location.
    Raises:
        InvalidName: no file can have this name.
    """
    return _address(profile, delivery.base_url, delivery.path, name)


def _address(profile: BucketProfile, base_url: str, path: str, name: str) -> str:
    names.key(profile.location, name)
    return modes.before_names(base_url, path, profile.bucket, profile.location) + quote(name, safe="/")
