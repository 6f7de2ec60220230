"""The command `python -m b2router.emulator`, which is also `b2router emulator`."""

from __future__ import annotations

import argparse
import ipaddress
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

from b2router.emulator.database import FolderInUse
from b2router.emulator.meter import CallRecord
from b2router.emulator.server import DEFAULT_BUCKETS, Emulator

DEFAULT_PORT = 9700


def main(argv: Sequence[str] | None = None) -> int:
    """Run an emulator until it is interrupted.

    Args:
        argv: arguments; None for those of the process.
    Returns:
        0 after SIGINT or SIGTERM; 2 when it cannot start.
    """
    options = _parser().parse_args(argv)
    key_id, _, key = (options.key or "").partition(":")
    if options.key and not (key_id and key):
        return _failed("--key takes ID:SECRET")
    emulator = Emulator(
        data_dir=options.data,
        host=options.host,
        port=options.port,
        key_id=key_id or None,
        key=key or None,
        buckets=options.bucket or DEFAULT_BUCKETS,
        latency_s=options.latency / 1000,
    )
    try:
        emulator.start()
    except (OSError, ValueError, FolderInUse) as error:
        return _failed(str(error))
    # No Event: the signal may come while this very thread holds the Event's lock.
    stop: SimpleQueue[None] = SimpleQueue()
    former = {number: signal.signal(number, lambda *_: stop.put(None)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if not options.quiet:
            emulator.watch(_print_call)
        print(_welcome(emulator, options.data), flush=True)
        if not _is_loopback(options.host):
            print(f"Warning: other machines reach {options.host}; this is no production server.", flush=True)
        stop.get()
    finally:
        emulator.stop()
        for number, handler in former.items():
            signal.signal(number, handler)
    print("Stopped.", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="b2router emulator", description="A Backblaze B2 on loopback, for development and tests."
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="keep everything here; else a temporary folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument(
        "--bucket", action="append", metavar="NAME[:public]", help="make this bucket when missing; repeatable"
    )
    parser.add_argument("--key", metavar="ID:SECRET", help="the master key; else a random one")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="wait before every answer")
    parser.add_argument("--quiet", action="store_true", help="do not print the calls")
    return parser


def _welcome(emulator: Emulator, folder: Path | None) -> str:
    return "\n".join(
        [
            f"B2 emulator at {emulator.url}, data in {folder or 'a temporary folder that goes when it stops'}",
            "",
            "Settings for b2router:",
            f"  BACKBLAZE_REALM={emulator.url}",
            f"  BACKBLAZE_APPLICATION_KEY_ID={emulator.key_id}",
            f"  BACKBLAZE_APPLICATION_KEY={emulator.key}",
            "",
            "The b2 command line:",
            f"  b2 account authorize --environment {emulator.url} {emulator.key_id} {emulator.key}",
            "",
            f"Counts, log and faults: {emulator.url}/_emulator/counts, …/log, …/faults. Stop with Ctrl-C.",
        ]
    )


def _print_call(record: CallRecord) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(record.time))
    fault = f"  fault: {record.fault}" if record.fault else ""
    print(
        f"{at} {record.price_class or '-'} {record.operation:<30} {record.status or 'cut':>3}"
        f" in {record.bytes_in:>9} out {record.bytes_out:>9}  {record.method} {record.path}{fault}",
        flush=True,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _failed(message: str) -> int:
    print(f"b2router emulator: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
