"""The ways to a storage by its alias: for code, model fields and Django's STORAGES; called by a site's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from b2router import seed
from b2router.seed_options import shape
from b2router.storage import B2Storage

if TYPE_CHECKING:
    from b2router.config import BackblazeConfig

__all__ = ["StorageRef", "django_storages", "get_storage", "storage_ref"]


class StorageRef:
    """A storage by its alias, for `FileField(storage=...)`: migrations hold the alias and nothing else.

    Args:
        alias: of the configuration's `storages`, or a profile's name.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def __call__(self) -> B2Storage:
        """The storage itself: how Django's FileField asks for it."""
        return B2Storage(self.alias)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageRef) and other.alias == self.alias

    def __hash__(self) -> int:
        return hash((StorageRef, self.alias))

    def __repr__(self) -> str:
        return f"storage_ref({self.alias!r})"

    def deconstruct(self) -> tuple[str, list[str], dict[str, Any]]:
        """How a migration writes it."""
        return "b2router.storage_ref", [self.alias], {}


def storage_ref(alias: str) -> StorageRef:
    """The storage of an alias, for a model field: `FileField(storage=b2router.storage_ref("staff"))`."""
    return StorageRef(alias)


def get_storage(alias: str) -> B2Storage:
    """The storage of an alias, for code. Nothing is read or asked before it is used.

    Args:
        alias: of the configuration's `storages`, or a profile's name; an unknown one raises `ConfigError` on first use.
    """
    return B2Storage(alias)


def django_storages(config: Mapping[str, Any] | BackblazeConfig) -> dict[str, dict[str, Any]]:
    """Django's `STORAGES` with an entry for every alias, beside Django's own defaults.

    Args:
        config: the same dict, or `BackblazeConfig`, that the setting `BACKBLAZE_CONFIG` gets. It is not validated
            here: `manage.py check` does that, with every other layer.
    Returns:
        A new dict: "default" and "staticfiles" as Django has them, unless an alias of that name is declared.
    """
    if isinstance(config, Mapping) and shape(config) == "seed":
        config = seed.translate(config).values
    declared = []
    for part in ("profiles", "storages"):
        aliases = config.get(part) if isinstance(config, Mapping) else getattr(config, part, None)
        declared += [str(alias) for alias in aliases] if isinstance(aliases, Mapping) else []
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    } | {alias: {"BACKEND": "b2router.B2Storage", "OPTIONS": {"alias": alias}} for alias in declared}
