"""One URL pattern for every profile that has a route: `path("", include("b2router.urls"))`; resolved by Django.

The converter asks the router in force, so a changed configuration needs no reload of the URLconf, and a URL under no
route is left to the patterns that follow.
"""

from __future__ import annotations

import logging
from functools import lru_cache

from django.urls import path, register_converter

from b2router import views
from b2router.errors import ConfigError
from b2router.router import Target, current_router

__all__ = ["app_name", "urlpatterns"]

logger = logging.getLogger("b2router.urls")


class TargetConverter:
    """A path below the include ↔ the profile and file name that it means."""

    regex = r"(?s:.+)"

    def to_python(self, value: str) -> Target:
        """Raises ValueError for a path under no route, as Django's converters do.

        With a configuration that cannot be used there is no route: the files are not found, and the rest of the site
        goes on.
        """
        try:
            target = current_router().match(value)
        except ConfigError as error:
            _report(str(error))
            raise ValueError("b2router has no usable configuration") from None
        if target is None:
            raise ValueError("no route of b2router begins this path")
        return target

    def to_url(self, value: Target) -> str:
        """Raises ValueError for a profile without a route, as Django's converters do."""
        try:
            return current_router().path(value)
        except KeyError as error:
            raise ValueError("this profile has no route") from error


@lru_cache(maxsize=1)  # once, not with every request
def _report(text: str) -> None:
    logger.error("No file is served. %s", text)


register_converter(TargetConverter, "b2router_target")

app_name = "b2router"
urlpatterns = [path("<b2router_target:target>", views.proxy, name="file")]
