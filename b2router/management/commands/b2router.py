"""`manage.py b2router VERB`: what needs the site's configuration; called by Django. A verb is a module of its own."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from b2router.errors import ConfigError
from b2router.management import doctor, explain, nginx, routes, stats

_VERBS = {"doctor": doctor, "explain": explain, "nginx": nginx, "routes": routes, "stats": stats}


class Command(BaseCommand):
    """Takes the words apart and hands them to the verb."""

    help = "What can be done with the buckets that the site declares."
    requires_system_checks = ["b2router"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Every verb brings its own options."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in _VERBS.items():
            verb.add_arguments(verbs.add_parser(name, help=verb.HELP, description=verb.HELP))

    def handle(self, *args: Any, **options: Any) -> str:
        """Run the verb; what it gives is printed.

        Raises:
            CommandError: there is nothing that it could do, or the configuration cannot be used.
            SystemExit: with 1, when `doctor` found something that does not work.
        """
        try:
            text: str = _VERBS[options["verb"]].run(options)
        except doctor.Failed as error:
            self.stdout.write(str(error))
            raise SystemExit(1) from None
        except ConfigError as error:  # without the checks, which say it before
            raise CommandError(str(error)) from None
        return text
