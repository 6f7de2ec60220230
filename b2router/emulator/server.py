"""The emulator as Python sees it: start, stop, counts, faults; used by tests, by the pytest plugin and the command."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from b2router.emulator import accounts, bucket_store, buckets, keys
from b2router.emulator.access import CAPABILITIES
from b2router.emulator.faults import Fault, MetFault
from b2router.emulator.listener import Listener
from b2router.emulator.meter import CallRecord
from b2router.emulator.world import World

DEFAULT_BUCKETS = ("acme-public:public", "acme-staff")


class Emulator:
    """A B2 on loopback.

    Args:
        data_dir: where metadata and contents live; None for a temporary directory that is removed on stop.
        host: address to listen on.
        port: port to listen on; 0 for a free one, which is kept over a restart of this object.
        key_id: id of the master key; None for a random one, stable across restarts of one data_dir.
        key: secret of the master key; None as for key_id.
        buckets: made when missing, as "NAME" or "NAME:public".
        latency_s: waited before every answer, in seconds.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        key_id: str | None = None,
        key: str | None = None,
        buckets: Iterable[str] = DEFAULT_BUCKETS,
        latency_s: float = 0.0,
    ) -> None:
        self._data_dir = None if data_dir is None else Path(data_dir)
        self._host = host
        self._port = port
        self._key_id = key_id
        self._key = key
        self._buckets = tuple(buckets)
        self._latency_s = latency_s
        self._temporary: Path | None = None
        self._running: tuple[World, Listener] | None = None

    def start(self) -> None:
        """Open the data folder and listen; returns when the first request can come.

        Raises:
            RuntimeError: it runs already, or another process uses the folder.
            OSError: the port is taken.
        """
        if self._running is not None:
            raise RuntimeError("This emulator is running already.")
        listener = Listener(self._host, self._port)
        try:
            folder = self._data_dir
            if folder is None:
                folder = self._temporary = Path(tempfile.mkdtemp(prefix="b2-emulator-"))
            world = World(folder, self._latency_s, lasting=self._data_dir is not None)
        except BaseException:
            listener.stop()
            self._remove_temporary()
            raise
        self._running = (world, listener)
        try:
            self._prepare(world)
        except BaseException:
            self.stop()
            raise
        self._port = listener.port
        listener.start(world, self.url)

    def stop(self) -> None:
        """End all connections and close the folder; does nothing when not running."""
        if self._running is None:
            return
        world, listener = self._running
        self._running = None
        world.stopping.set()
        listener.stop()
        world.close()
        self._remove_temporary()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The realm URL for clients."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - shown, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self._port}"

    @property
    def key_id(self) -> str:
        """Id of the master key; known once started."""
        if self._key_id is None:
            raise RuntimeError("The key is made when the emulator starts.")
        return self._key_id

    @property
    def key(self) -> str:
        """Secret of the master key; known once started."""
        if self._key is None:
            raise RuntimeError("The key is made when the emulator starts.")
        return self._key

    def create_bucket(self, name: str, public: bool = False) -> str:
        """Make a bucket and return its id.

        Raises:
            ValueError: the name is taken or not allowed.
        """
        return buckets.create(self._world.database, name, public=public).id

    def create_key(
        self, capabilities: Iterable[str] = CAPABILITIES, bucket: str | None = None, prefix: str | None = None
    ) -> tuple[str, str]:
        """Make an application key, as S3 needs one, and return its id and secret."""
        world = self._world
        bucket_ids = None if bucket is None else [bucket_store.by_name(world.database, bucket).id]
        return keys.add_key(world, "made-in-python", list(capabilities), bucket_ids, prefix, None)

    def calls(self) -> dict[str, int]:
        """Count calls by operation since the start or the last reset."""
        return dict(self._world.meter.total().calls)

    def classes(self) -> dict[str, int]:
        """Count calls by price class; a listing counts once for each started thousand of files asked for."""
        return dict(self._world.meter.total().classes)

    def bytes_in(self) -> int:
        """Bytes of request bodies."""
        return self._world.meter.total().bytes_in

    def bytes_out(self) -> int:
        """Bytes of answer bodies."""
        return self._world.meter.total().bytes_out

    def reset_counts(self) -> None:
        """Begin counts and log anew."""
        self._world.meter.reset()

    def log(self) -> list[CallRecord]:
        """Return the last calls, oldest first."""
        return self._world.meter.log()

    def watch(self, watcher: Callable[[CallRecord], None]) -> None:
        """Have every call passed to a function as it is logged."""
        self._world.meter.watcher = watcher

    def fail(
        self,
        operation: str,
        times: int = 1,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        retry_after: int | str | None = None,
        delay_s: float = 0.0,
        stall_at: int | None = None,
        cut_at: int | None = None,
        reset: bool = False,
        truncate_at: int | None = None,
        corrupt: bool = False,
        wrong_sha1: bool = False,
        drop_answer: bool = False,
        after_commit: bool = False,
    ) -> None:
        """Let the next calls of an operation go wrong; queued, and consumed in order.

        Args:
            operation: a name as in `calls`, or "*" for any.
            times: how many calls.
            status: answer with this status, and do nothing unless after_commit.
            code: B2's error code; a usual one for the status when left out.
            message: B2's error message.
            retry_after: value of Retry-After, in seconds or as an HTTP date.
            delay_s: wait so long before the operation.
            stall_at: after so many bytes of the body nothing moves until the client gives up.
            cut_at: after so many bytes of the body the connection ends.
            reset: it ends by RST instead of FIN; alone, RST instead of an answer.
            truncate_at: the body has so many bytes and is announced so.
            corrupt: one bit of the body is flipped; an upload is refused for its SHA-1.
            wrong_sha1: the SHA-1 header is another; an upload is refused for its SHA-1.
            drop_answer: the operation is done and the connection ends without an answer.
            after_commit: the operation is done before the status is answered.
        Raises:
            ValueError: nothing would go wrong, or times is below 1.
        """
        fault = Fault(
            operation, status, code, message, retry_after, delay_s, stall_at, cut_at, reset, truncate_at, corrupt,
            wrong_sha1, drop_answer, after_commit,
        )  # fmt: skip
        self._world.faults.add(fault, times)

    def expire_tokens(self) -> None:
        """Make every account token issued so far an expired one."""
        self._world.expire_tokens()

    def clear_faults(self) -> None:
        """Drop the faults that wait and forget those that were met."""
        self._world.faults.clear()

    def faults_met(self) -> list[MetFault]:
        """Return the faults that were met, oldest first."""
        return self._world.faults.met()

    @property
    def _world(self) -> World:
        if self._running is None:
            raise RuntimeError("The emulator is not running; start it first.")
        return self._running[0]

    def _prepare(self, world: World) -> None:
        database = world.database
        with database.transaction():
            row = database.one("SELECT id, secret FROM keys WHERE is_master = 1")
            if self._key_id is None:
                self._key_id = row["id"] if row is not None else world.account_id
            if self._key is None:
                self._key = row["secret"] if row is not None else "K005" + secrets.token_urlsafe(20)
            accounts.add_master_key(database, self._key_id, self._key)
            buckets.create_missing(database, self._buckets)

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None
