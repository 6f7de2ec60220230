"""`manage.py b2router nginx`: options, and whom to ask for the text; called by the command."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from b2router.management import nginx_config
from b2router.management.nginx_sources import profiles
from b2router.router import current_router

__all__ = ["HELP", "add_arguments", "run"]

HELP = "print the nginx configuration for the profiles that nginx delivers (mode accel)"


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument(
        "--context",
        choices=nginx_config.CONTEXTS,
        help="print only what belongs into this block of nginx's configuration",
    )
    parser.add_argument(
        "--resolver",
        default=_nameserver(),
        metavar="ADDRESS",
        help="name server that nginx asks for B2's host (default: %(default)s, as on this machine)",
    )
    parser.add_argument(
        "--ca-file",
        default="/etc/ssl/certs/ca-certificates.crt",
        metavar="FILE",
        help="certificates by which nginx knows B2 (default: %(default)s)",
    )
    parser.add_argument(
        "--headers-more",
        action="store_true",
        help="nginx has the module headers-more: hide all file information, not only what is known by name",
    )


def run(options: Mapping[str, Any]) -> str:
    """The configuration for the site's profiles.

    Args:
        options: of `add_arguments`.
    Raises:
        CommandError: no profile is delivered by nginx, or an option would not be one word of nginx's configuration.
    """
    config = current_router().config
    if not profiles(config):
        raise CommandError(
            "No profile has the delivery mode 'accel', so there is nothing for nginx to deliver. "
            "Expected profiles.NAME.delivery to be {'mode': 'accel'} somewhere in BACKBLAZE_CONFIG."
        )
    for option in ("resolver", "ca_file"):
        if not re.fullmatch(r"[A-Za-z0-9_./:\[\]@+-]+", options[option]):
            raise CommandError(
                f"--{option.replace('_', '-')} is '{options[option]}'; expected letters, digits and _./:[]@+- only."
            )
    return nginx_config.text(
        config,
        context=options["context"],
        resolver=options["resolver"],
        ca_file=options["ca_file"],
        hides_all_info=options["headers_more"],
    )


def _nameserver() -> str:
    """The first name server of this machine, as nginx writes it. Source: resolv.conf(5)."""
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = next((words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:]), "")
    address = found.partition("%")[0] or "127.0.0.53"
    return f"[{address}]" if ":" in address else address
