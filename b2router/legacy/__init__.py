"""The classes of django-backblaze-b2 on the profiles of b2router: who used them changes the import.

`storages` has the classes. `apps` lets old migrations find them under the names that they were written with, for sites
that have "b2router.legacy" in INSTALLED_APPS.
"""

from b2router.legacy.storages import (
    B2FileInformationNotAvailableException,
    BackblazeB2Storage,
    LoggedInStorage,
    PublicStorage,
    StaffStorage,
)

__all__ = [
    "B2FileInformationNotAvailableException",
    "BackblazeB2Storage",
    "LoggedInStorage",
    "PublicStorage",
    "StaffStorage",
]
