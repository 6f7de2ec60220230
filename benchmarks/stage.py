"""What every measurement plays on: the emulated B2 with its files, and how long and how large a run is."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from b2sdk.v3 import B2Api, InMemoryAccountInfo

from benchmarks.processes import BenchmarkError, Child, environment
from benchmarks.transfers import Address, answers, request

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
PUBLIC, MEMBERS, STAFF = "bench-public", "bench-members", "bench-staff"
SMALL_BYTES = 1024
MEDIUM_MIB = 200
HUNDRED_MIB = 100
SMALL = tuple(f"small/{number}.txt" for number in range(16))
LARGE = "large/file.bin"
HUNDRED = "large/hundred.bin"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    large_bytes: int
    small_s: float
    rounds: int = 7
    rounds_of_saving: int = 3
    clients: int = 8
    workers: int = 2
    threads: int = 8

    @classmethod
    def full(cls) -> Plan:
        """As results are published."""
        return cls(large_bytes=1024 * MIB, small_s=3.0)

    @classmethod
    def quick(cls) -> Plan:
        """For a look while developing."""
        return cls(large_bytes=100 * MIB, small_s=2.0, rounds=3)


class Stage:
    """The emulator in its own process, with the files that are asked for.

    Args:
        plan: how much is measured.
        folder: for everything that is written; the caller removes it.
        emulator: where it listens.
        emulator_pid: its process.
        key: the application key's id and secret.
    """

    def __init__(self, plan: Plan, folder: Path, emulator: Address, emulator_pid: int, key: tuple[str, str]) -> None:
        self.plan = plan
        self.folder = folder
        self.emulator = emulator
        self.emulator_pid = emulator_pid
        self.key_id, self.key = key
        self.local_file = folder / "large.bin"
        self.medium_file = folder / "medium.bin"
        self.small_file = folder / "small.bin"
        self.api = B2Api(InMemoryAccountInfo())
        self.api.authorize_account(self.key_id, self.key, emulator.url)

    def calls(self) -> dict[str, int]:
        """B2 operations since the last reset, and how often each was called."""
        return dict(json.loads(request(self.emulator, "/_emulator/counts")[1])["calls"])

    def classes(self) -> dict[str, int]:
        """Price classes of the calls since the last reset, and how many there were of each."""
        return dict(json.loads(request(self.emulator, "/_emulator/counts")[1])["classes"])

    def bytes_out(self) -> int:
        """Bytes that B2 has answered with since the last reset."""
        return int(json.loads(request(self.emulator, "/_emulator/counts")[1])["bytes_out"])

    def reset_calls(self) -> None:
        """Begin to count anew."""
        if request(self.emulator, "/_emulator/reset", "POST")[0] != 200:
            raise BenchmarkError("The emulator does not reset its counts.")

    def state_folder(self, name: str) -> Path:
        """A new, empty folder for a server."""
        folder = self.folder / f"{name}-{secrets.token_hex(4)}"
        folder.mkdir()
        return folder

    def ordinary_key(self) -> tuple[str, str]:
        """Id and secret of a new application key: addresses of the S3-compatible API take no master key."""
        made = self.api.create_key(["listBuckets", "listFiles", "readFiles", "writeFiles"], "benchmark")
        return made.id_, made.application_key

    def remove_uploads(self) -> None:
        """Forget what was uploaded, so that the disk holds one large upload at most."""
        bucket = self.api.get_bucket_by_name(PUBLIC)
        for version, _ in list(bucket.ls("uploads/", latest_only=False, recursive=True)):
            self.api.delete_file_version(version.id_, version.file_name)

    def fill(self) -> None:
        """Make the files and put them into the buckets."""
        block = secrets.token_bytes(MIB)
        sizes = {self.local_file: self.plan.large_bytes // MIB, self.medium_file: MEDIUM_MIB, self.small_file: 1}
        for path, size_mib in sizes.items():
            with path.open("wb") as file:
                for number in range(size_mib):
                    file.write(number.to_bytes(8, "big") + block[8:])
        bucket = self.api.get_bucket_by_name(PUBLIC)
        bucket.upload_local_file(str(self.local_file), LARGE, content_type="application/octet-stream")
        bucket.upload_bytes(bytes(HUNDRED_MIB * MIB), HUNDRED, content_type="application/octet-stream")
        for name in SMALL:
            bucket.upload_bytes(secrets.token_bytes(SMALL_BYTES), name, content_type="text/plain")
        self.api.get_bucket_by_name(STAFF).upload_bytes(b"for staff", SMALL[0], content_type="text/plain")


@contextmanager
def open_stage(plan: Plan, folder: Path) -> Iterator[Stage]:
    """Start the emulator, fill it, and end it afterwards.

    Raises:
        BenchmarkError: it does not start.
    """
    key = (secrets.token_hex(6), secrets.token_hex(20))
    argv: list[str | Path] = [sys.executable, "-m", "b2router.emulator", "--port", "0", "--quiet"]
    argv += ["--data", folder / "emulator", "--key", ":".join(key)]
    for name in (PUBLIC, MEMBERS, STAFF):
        argv += ["--bucket", name]
    with Child(argv, folder / "emulator.log", environment(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")) as child:
        child.wait_until(lambda: _address(child.output()) is not None)
        address = _address(child.output())
        assert address is not None  # that is what was waited for
        child.wait_until(lambda: answers(address, "/_emulator/counts"))
        stage = Stage(plan, folder, address, child.pid, key)
        stage.fill()
        yield stage


def _address(welcome: str) -> Address | None:
    """Where the emulator says that it listens."""
    said = re.search(r"http://127\.0\.0\.1:(\d+)\b", welcome)
    return Address("127.0.0.1", int(said[1])) if said else None
