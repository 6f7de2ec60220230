"""The console script: what needs no Django project; `python -m b2router` is the same."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from b2router import __version__

if TYPE_CHECKING:
    from b2router.validation import Verdict

__all__ = ["command_parser", "main"]

_CUT_OFF = 141
"""The exit code when the output was cut off: what shells have for programs that SIGPIPE ends."""

SCHEMA = """\
Prints the JSON Schema of deployment files, for editors and for tools that validate without b2router.
Exit code: 0, or 1 when --check finds a file that is missing or not current, or 2 when it cannot be read or written.
"""

VALIDATE = """\
Validates deployment files: every rule of the configuration and the isolation proof, as a file stands and in each
environment that it declares. Application keys and other secrets may be missing: they come from a layer above.
Exit code: 0 when every file is valid, 1 when one is not, 2 when one cannot be read or the command makes no sense.
"""

IMPORT_SEED = """\
Prints what a configuration of django-backblaze-b2 is in the words of b2router, and on the standard error what to know
before it is used. FILE is read, not run: its BACKBLAZE_CONFIG has to be spelt out, but for the application keys. With
--django, the module that DJANGO_SETTINGS_MODULE names is run, as the site runs it. No application key is printed.
Exit code: 0, or 1 when a site would not start with it, or 2 when it cannot be read or the command makes no sense.
"""


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
    parser = command_parser()
    options = parser.parse_args(words)
    try:
        code = {"validate": _validate, "schema": _schema, "import-seed": _import_seed}[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads the output has had enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not written at the end either
        return _CUT_OFF
    return code


def command_parser() -> argparse.ArgumentParser:
    """What the command understands; the emulator's own words apart."""
    parser = argparse.ArgumentParser("b2router", description="Files in Backblaze B2, served to whom they are for.")
    parser.add_argument("--version", action="version", version=f"b2router {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("emulator", help="run a B2 on this machine, for development and tests", add_help=False)
    schema = commands.add_parser("schema", help="print the JSON Schema of deployment files", description=SCHEMA)
    schema.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead")
    schema.add_argument("--check", action="store_true", help="write nothing: say whether FILE is the current schema")
    validate = commands.add_parser("validate", help="validate deployment files", description=VALIDATE)
    validate.add_argument("files", nargs="+", metavar="FILE", help="a .toml, .yaml or .json file; - is standard input")
    validate.add_argument(
        "--format", choices=("text", "json", "github"), default="text", help="how to print; github: annotations"
    )
    validate.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="validate in this environment only; can be repeated",
    )
    validate.add_argument(
        "--input", choices=("toml", "yaml", "json"), help="the language, where the file's name does not say it"
    )
    validate.add_argument("--resolved", action="store_true", help="show what every profile has in the end, and whence")
    imports = commands.add_parser(
        "import-seed", help="translate a configuration of django-backblaze-b2", description=IMPORT_SEED
    )
    source = imports.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the settings file; it is not run")
    source.add_argument("--django", action="store_true", help="run the settings that DJANGO_SETTINGS_MODULE names")
    imports.add_argument("--format", choices=("python", "json", "toml", "yaml"), default="python", help="what to print")
    imports.add_argument(
        "--audience",
        action="append",
        choices=("public", "logged_in", "staff"),
        help="a class that the site uses: public for PublicStorage, …; can be repeated; without it, all three",
    )
    imports.add_argument(
        "--accept-shared-buckets", action="store_true", help="declare that files may be read through looser profiles"
    )
    return parser


def _schema(options: argparse.Namespace) -> int:
    from b2router import schema

    published, file = schema.text(), options.output
    if file is None:
        if options.check:
            print("b2router: --check compares a file: name it with -o.", file=sys.stderr)
            return 2
        print(published, end="")
        return 0
    try:
        if not options.check:
            file.write_text(published, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != published:
            print(f"{file} is not the current schema; write it with: b2router schema -o {file}", file=sys.stderr)
            return 1
    except (OSError, UnicodeError) as error:
        print(f"b2router: {file}: {getattr(error, 'strerror', None) or type(error).__name__}.", file=sys.stderr)
        return 2
    return 0


def _validate(options: argparse.Namespace) -> int:
    from b2router import findings

    verdicts: list[Verdict] = []
    unreadable: list[str] = []
    for name in options.files:
        try:
            verdicts.append(_judge(name, options.input, options.environment))
        except ValueError as error:
            unreadable.append(f"{name}: {error}")
    printed = findings.PRINTERS[options.format](verdicts, resolved=options.resolved)
    if printed:
        print(printed)
    for message in unreadable:
        print(f"b2router: {message}", file=sys.stderr)
    return 2 if unreadable else int(any(verdict.findings for verdict in verdicts))


def _import_seed(options: argparse.Namespace) -> int:
    from b2router import import_seed, settings_files

    where = "settings" if options.django else str(options.file)
    try:
        found = settings_files.in_django() if options.django else settings_files.in_text(options.file.read_bytes())
        chosen = {"audiences": options.audience, "accept_shared_buckets": options.accept_shared_buckets or None}
        given = {**found.values, **{key: value for key, value in chosen.items() if value is not None}}
        made = import_seed.imported(given, options.format)
    except OSError as error:
        print(f"b2router: {where}: {error.strerror or type(error).__name__}.", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"b2router: {where}: {error}", file=sys.stderr)
        return 2
    except ImportError:
        print("b2router: YAML needs PyYAML: pip install 'b2router[yaml]'.", file=sys.stderr)
        return 2
    for problem in made.refused:
        print(f"error: {problem}", file=sys.stderr)
    for problem in made.warnings:
        print(f"warning: {problem}", file=sys.stderr)
    if made.text is not None:
        for key, variable in import_seed.SECRETS.items():
            whence = f", as {found.variables[key]} was" if key in found.variables else ""
            print(f"note: set {variable}{whence}; it is not printed.", file=sys.stderr)
        print(made.text, end="")
    return int(bool(made.refused))


def _judge(name: str, form: str | None, environments: Sequence[str]) -> Verdict:
    """What there is to say about a file; a ValueError says why it cannot be read."""
    from b2router import documents
    from b2router.validation import judge

    try:
        text = (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode()
        form = form or (documents.guess(text) if name == "-" else documents.form_of(name))
        if form is None:
            raise ValueError(f"expected a file that ends with one of {', '.join(documents.FORMS)}; or say --input.")
        return judge("<stdin>" if name == "-" else name, text, form, environments)
    except OSError as error:
        raise ValueError(f"{error.strerror or type(error).__name__}.") from None
    except UnicodeDecodeError:
        raise ValueError("expected text in UTF-8.") from None
    except ImportError:
        raise ValueError("YAML needs PyYAML: pip install 'b2router[yaml]'.") from None
