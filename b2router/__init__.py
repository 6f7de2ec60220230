"""Files in Backblaze B2 buckets, declared once and served to exactly the people who may see them.

Reading order: `config` (what may be declared), `settings` (where the values come from), `router` (which alias and
which URL belongs to which profile), then a request through `urls`, `views`, `permissions`, `delivery`, `b2`,
and a save through `storage`, `files`, `b2`.

The public names below load on first use, so that importing this package costs nothing: neither Django nor b2sdk
nor pydantic is imported here.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "B2Storage",
    "BackblazeConfig",
    "BucketProfile",
    "__version__",
    "django_storages",
    "get_storage",
    "storage_ref",
]

_HOMES = {
    "B2Storage": "b2router.storage",
    "BackblazeConfig": "b2router.config",
    "BucketProfile": "b2router.config",
    "django_storages": "b2router.aliases",
    "get_storage": "b2router.aliases",
    "storage_ref": "b2router.aliases",
}

if TYPE_CHECKING:
    from b2router.aliases import django_storages, get_storage, storage_ref
    from b2router.config import BackblazeConfig, BucketProfile
    from b2router.storage import B2Storage


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'b2router' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
