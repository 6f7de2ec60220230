"""Registers the system checks; nothing else. Loaded by Django from INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class B2RouterConfig(AppConfig):
    """The application "b2router"."""

    name = "b2router"
    verbose_name = "b2router"

    def ready(self) -> None:
        """Register the checks; they load the configuration when they run, not now."""
        from b2router import checks

        register(checks.check_configuration, "b2router")
        register(checks.check_environment, "b2router")
        register(checks.check_permissions, "b2router")
        register(checks.check_site, "b2router")
        register(checks.check_sharing, "b2router")
        register(checks.check_deployment, "b2router", deploy=True)
