"""The SQLite file with everything but contents; one connection, one lock, every change a transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = sqlite3.Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, secret TEXT NOT NULL, name TEXT NOT NULL, capabilities TEXT NOT NULL,
    bucket_ids TEXT, name_prefix TEXT, expires_ms INTEGER, is_master INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, folded_name TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
    revision INTEGER NOT NULL, settings TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, bucket_id TEXT NOT NULL, name TEXT NOT NULL,
    action TEXT NOT NULL, uploaded_ms INTEGER NOT NULL, size INTEGER NOT NULL, sha1 TEXT, md5 TEXT,
    content_type TEXT NOT NULL, info TEXT NOT NULL, sse_mode TEXT, sse_key_md5 TEXT,
    retention_mode TEXT, retain_until_ms INTEGER, legal_hold TEXT, replication TEXT, slices TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS versions_by_name ON versions (bucket_id, name, uploaded_ms DESC, seq DESC);
CREATE INDEX IF NOT EXISTS versions_unfinished ON versions (bucket_id, seq) WHERE action = 'start';
CREATE TABLE IF NOT EXISTS parts (
    file_id TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, sha1 TEXT NOT NULL,
    uploaded_ms INTEGER NOT NULL, slices TEXT NOT NULL, PRIMARY KEY (file_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (address TEXT PRIMARY KEY, uses INTEGER NOT NULL) WITHOUT ROWID;
"""


class FolderInUse(RuntimeError):
    """Another process has this data folder open."""


class Database:
    """Access to the metadata; safe to call from any thread."""

    def __init__(self, path: Path, *, lasting: bool = True) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._after_commit: list[Callable[[], None]] = []
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
        self._connection.row_factory = Row
        try:
            # The exclusive lock ends with the process, however it ends, and spares the shared memory file.
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            # A folder that goes with the process need not survive the machine.
            self._connection.execute(f"PRAGMA synchronous={'NORMAL' if lasting else 'OFF'}")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise FolderInUse(
                f"Cannot open {path}: {error}. If another emulator runs on this folder, stop it first."
            ) from error

    def one(self, sql: str, *values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen whole or not at all; nested ones join the outermost."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
                self._after_commit = []
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")
                for action in self._after_commit:  # still under the lock, so nobody sees a state between
                    action()

    def execute(self, sql: str, *values: Any) -> int:
        """Change rows inside a transaction; return how many."""
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run an action when the running transaction has been committed."""
        self._after_commit.append(action)

    def fact(self, name: str, default: str) -> str:
        """Return a stored fact about this account; store the default when there is none."""
        with self.transaction():
            row = self.one("SELECT value FROM facts WHERE name = ?", name)
            if row is None:
                self.set_fact(name, default)
                return default
            return str(row["value"])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact about this account."""
        with self.transaction():
            self.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def close(self) -> None:
        """Close the file; later calls fail."""
        with self._lock:
            self._connection.close()
