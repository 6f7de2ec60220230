"""The console script: what needs no Django project; `python -m b2router` is the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from b2router import __version__

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: its words, without the program's name; None for those of the process.
    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["emulator"]:
        from b2router.emulator.__main__ import main as emulator

        return emulator(words[1:])
    parser = argparse.ArgumentParser("b2router", description="Files in Backblaze B2, served to whom they are for.")
    parser.add_argument("--version", action="version", version=f"b2router {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("emulator", help="run a B2 on this machine, for development and tests", add_help=False)
    parser.parse_args(words)
    return 0
