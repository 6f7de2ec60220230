"""What a site that keeps its static files in B2 gets wrong in its settings; asked by checks, offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from b2router.errors import Problem

if TYPE_CHECKING:
    from b2router.config import BackblazeConfig

__all__ = ["alias_problems", "cache_problems", "order_problems"]

_DJANGO, _OURS = "django.contrib.staticfiles", "b2router"
_HASHED = "app.0123456789ab.css"


def alias_problems(config: BackblazeConfig) -> Iterator[Problem]:
    """The alias has to be declared."""
    if (used := _used()) is not None:
        alias = used[1]
        if alias not in config.profiles and alias not in config.storages:
            yield Problem(
                "unknown_profile",
                "STORAGES['staticfiles']['OPTIONS']['alias']",
                f"found '{alias}'; the aliases are {', '.join(sorted({*config.profiles, *config.storages}))}.",
                "Name one of these, or declare it.",
            )


def order_problems() -> Iterator[Problem]:
    """The first app that has a command of a name is the one whose command runs."""
    if _used() is None:
        return
    apps = [next((name for name in (_DJANGO, _OURS) if app.startswith(name)), app) for app in settings.INSTALLED_APPS]
    if _DJANGO in apps and _OURS in apps and apps.index(_DJANGO) < apps.index(_OURS):
        yield Problem(
            "static_order",
            "INSTALLED_APPS",
            f"'{_DJANGO}' comes before '{_OURS}', so Django's collectstatic runs: it uploads one file after another, "
            "and deletes what it is about to replace.",
            f"Put '{_OURS}' above '{_DJANGO}'.",
        )


def cache_problems(config: BackblazeConfig) -> Iterator[Problem]:
    """Names with hashes are of use where browsers keep the files."""
    from b2router import caching
    from b2router.staticfiles import B2ManifestStaticStorage

    used = _used()
    if used is None or not issubclass(used[0], B2ManifestStaticStorage):
        return
    profile = config.profiles.get(config.storages.get(used[1], used[1]))
    is_by_site = profile is not None and profile.route is not None and not profile.has_public_addresses
    if profile is not None and is_by_site and caching.rule(profile.cache, _HASHED) is None and not profile.max_age_s:
        yield Problem(
            "static_cache",
            f"profiles.{profile.name}.cache",
            "its static files have names with hashes, but browsers ask for each of them on every page.",
            'Add the rule {"hashed": true, "immutable": true}.',
        )


def _used() -> tuple[type[Any], str] | None:
    """The class and the alias of the site's storage of static files; None when it is not one of ours."""
    from b2router.staticfiles import B2StaticStorage

    declared = settings.STORAGES.get("staticfiles", {})
    try:
        kind = import_string(declared.get("BACKEND", ""))
    except ImportError:  # reported by Django when it is used
        return None
    if not (isinstance(kind, type) and issubclass(kind, B2StaticStorage)):
        return None
    return kind, str(declared.get("OPTIONS", {}).get("alias", "staticfiles"))
