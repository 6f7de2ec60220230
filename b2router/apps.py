"""Registers the system checks and who counts operations; nothing else. Loaded by Django from INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class B2RouterConfig(AppConfig):
    """The application "b2router"."""

    name = "b2router"
    verbose_name = "b2router"

    def ready(self) -> None:
        """Register what loads the configuration when it runs, not now."""
        from b2router import checks, health, tallies
        from b2router.signals import operation_finished

        register(checks.check_configuration, "b2router")
        register(checks.check_environment, "b2router")
        register(checks.check_seed, "b2router")
        register(checks.check_permissions, "b2router")
        register(checks.check_site, "b2router")
        register(checks.check_sharing, "b2router")
        register(checks.check_deployment, "b2router", deploy=True)
        operation_finished.connect(tallies.count, dispatch_uid="b2router.tallies")
        operation_finished.connect(health.notice, dispatch_uid="b2router.health")
