"""The address of a file that browsers fetch without the site: at B2 or a CDN; asked by storage and `response`."""

from __future__ import annotations

from urllib.parse import quote

from b2router import names
from b2router.config import BucketProfile, CdnDelivery, DirectDelivery

__all__ = ["public_address"]


def public_address(profile: BucketProfile, name: str) -> str | None:
    """Where anyone can fetch the file; None when the profile is delivered by the site.

    Args:
        profile: whose file it is.
        name: the file name, relative to the profile's location.
    Raises:
        InvalidName: no file can have this name.
    Source: B2 documentation, "b2_download_file_by_name" and "String encoding".
    """
    key = quote(names.key(profile.location, name), safe="/")
    match profile.delivery:
        case CdnDelivery(base_url=base):
            return base + key
        case DirectDelivery(base_url=base):
            return f"{base}file/{profile.bucket}/{key}"
        case _:
            return None
