"""What all operations of one emulator share, and one call as they see it; made by `server` and `exchange`."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from b2router.emulator.access import Caller
from b2router.emulator.blobs import Blobs
from b2router.emulator.database import Database
from b2router.emulator.faults import FaultBook
from b2router.emulator.fields import Fields
from b2router.emulator.http1 import Request
from b2router.emulator.meter import Meter
from b2router.emulator.tokens import Tokens
from b2router.emulator.webhooks import Webhooks


class World:
    """One account: its folder, its tokens, its counts and faults."""

    def __init__(self, folder: Path, latency_s: float, *, lasting: bool = True) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds the keys
        self.database = Database(folder / "metadata.sqlite3", lasting=lasting)
        self.blobs = Blobs(folder, self.database)
        with self.database.transaction():
            self.account_id = self.database.fact("account_id", secrets.token_hex(6))
            token_secret = self.database.fact("token_secret", secrets.token_hex(32))
            epoch = int(self.database.fact("token_epoch", "0"))
            if self.database.fact("running", "no") == "yes":
                self.blobs.sweep()
            self.database.set_fact("running", "yes")
        self.tokens = Tokens(bytes.fromhex(token_secret), epoch)
        self.meter = Meter()
        self.faults = FaultBook()
        self.webhooks = Webhooks()
        self.latency_s = latency_s
        self.stopping = threading.Event()
        self.busy_tokens: set[str] = set()  # upload tokens with a request under way
        self.test_mode_calls = 0
        row = self.database.one("SELECT max(seq) AS last FROM versions")
        self._sequence = (row["last"] or 0) if row is not None else 0
        self._sequence_lock = threading.Lock()

    @staticmethod
    def now_ms() -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def next_sequence(self) -> int:
        """Return a number greater than that of every version so far; it orders one millisecond's uploads."""
        with self._sequence_lock:
            self._sequence += 1
            return self._sequence

    def expire_tokens(self) -> None:
        """Make every account token issued so far an expired one."""
        self.tokens.epoch += 1
        self.database.set_fact("token_epoch", str(self.tokens.epoch))

    def close(self) -> None:
        """Write down that the end was orderly and close the folder."""
        self.webhooks.stop()
        self.database.set_fact("running", "no")
        self.database.close()


@dataclass(slots=True)
class Call:
    """One call of an operation."""

    world: World
    request: Request
    operation: str
    version: int  # of the API: the N of /b2api/vN/
    base_url: str  # as the client addressed this server
    tail: str = ""  # what follows the operation's name in the path, still encoded
    fields: Fields = field(default_factory=lambda: Fields({}))
    caller: Caller = field(default_factory=Caller.nobody)
