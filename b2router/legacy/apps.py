"""The application "b2router.legacy": old migrations go on working. Loaded by Django from INSTALLED_APPS."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from django.apps import AppConfig

__all__ = ["LegacyConfig"]

OLD_NAME = "django_backblaze_b2"
OLD_MODULES = (OLD_NAME, f"{OLD_NAME}.storage", f"{OLD_NAME}.storages")
"""Where migrations import the classes from."""


class LegacyConfig(AppConfig):
    """The application "b2router.legacy"."""

    name = "b2router.legacy"
    label = "b2router_legacy"
    verbose_name = "b2router, for what came from django-backblaze-b2"

    def ready(self) -> None:
        """Stand in for the package that migrations import, unless it is still there."""
        if OLD_NAME not in sys.modules and find_spec(OLD_NAME) is None:
            stand_in()


def stand_in() -> None:
    """Let imports from the old package find the classes of this one."""
    from b2router import legacy

    for name in OLD_MODULES:
        module = ModuleType(name, f"Stands in for {name}; made by b2router.legacy.")
        module.__spec__ = ModuleSpec(name, None, is_package=name == OLD_NAME)
        vars(module).update({word: getattr(legacy, word) for word in legacy.__all__})
        sys.modules[name] = module
        if name != OLD_NAME:
            setattr(sys.modules[OLD_NAME], name.rpartition(".")[2], module)
    sys.modules[OLD_NAME].__path__ = []
