"""The bytes of an answer as they come from a connection: by a deadline, and in large blocks; made by `deadlines`.

No thread watches: each read gets what is left of the time, and the system ends it.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from urllib3.util import wait_for_read

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Blocks", "Wait"]

DESK_BYTES = 512 * 1024
"""The most that one read gives."""

_KEPT_DESKS = 8

_SMALL_BYTES = 64 * 1024
_BUFFER_BYTES = 8 * 1024
"""Less than what is small, whatever Python's default: `read1` empties the buffer into a block."""


class Wait(io.RawIOBase):
    """What comes from a socket, until a moment; then it raises TimeoutError.

    The socket is told of a timeout only when it has to wait by another one: that takes a call to the system, for which
    the thread lets others have the interpreter, and most answers come by one read.

    Args:
        sock: connected, TLS included; its timeout is the one that is given.
        timeout_s: from now on, for everything; None for no limit.
    """

    def __init__(self, sock: Any, timeout_s: float | None) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._is_first = True
        self._each_s: float | None = None
        self.may_be_ahead = False
        """Whether the buffer before it may hold bytes that nobody has asked for yet."""

    def makefile(self, mode: str) -> io.BufferedReader:
        """As http.client asks a socket for what it reads from."""
        return Blocks(self)

    def be_patient(self, timeout_s: float) -> None:
        """From now on the limit is one for each read."""
        self._ends_at = None
        self._each_s = timeout_s

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """What has come, by one read; waits if that is nothing.

        Raises:
            TimeoutError: nothing has come in time.
        """
        if self._ends_at is not None and not self._is_first:
            left_s = self._ends_at - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("The deadline of this answer has passed.")
            self._sock.settimeout(left_s)
        elif self._each_s is not None:
            self._sock.settimeout(self._each_s)
            self._each_s = None
        self._is_first = False
        self.may_be_ahead = True
        return cast("int | None", self._raw.readinto(buffer))

    def readinto_at_once(self, buffer: memoryview) -> int:
        """How many further bytes have come, and they are in the buffer; nobody waits, for the rest of a record of TLS
        neither. What goes wrong is for the next read to hear of."""
        count = 0
        with suppress(OSError, ValueError):  # of one that is closed
            if not buffer or not wait_for_read(cast("socket.socket", self), timeout=0):
                return 0
            timeout_s = self._sock.gettimeout()
            self._sock.settimeout(0)
            try:
                while count < len(buffer) and (more := self._raw.readinto(buffer[count:])):
                    count += more
            finally:
                self._sock.settimeout(timeout_s)
        return count

    def fileno(self) -> int:
        """Of the socket."""
        return int(self._raw.fileno())

    def close(self) -> None:
        """Let the socket go."""
        self._raw.close()
        super().close()


class Blocks(io.BufferedReader):
    """Gives large blocks: what has come, in one block that takes no more memory than that.

    TLS gives 16 KiB at a time, and a block each would cost more than it brings. And an allocator that gets large blocks
    back cut short finds no room for the next whole one between them: a worker grew by megabytes with every thread.
    What came with the head is a block of its own: whoever waits for the first byte has it before the rest is gathered.
    """

    lends = False
    """Whether large blocks are views of memory that the next read uses again."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait, _BUFFER_BYTES)
        self._wait = wait
        self.be_patient = wait.be_patient
        self._desk: memoryview | None = None  # of the block that was fetched, or is lent
        self._fetched = memoryview(b"")

    def fetch(self, size: int) -> bool:
        """Read ahead what has come, at most so much; the next read gives it. False when nothing has come, or only
        little is wanted; nobody waits."""
        if self._fetched:
            return True
        if self._wait.may_be_ahead or size <= _SMALL_BYTES:
            return False
        desk = self._taken_desk()
        self._fetched = desk[: self._wait.readinto_at_once(desk[:size])]
        return len(self._fetched) > 0

    def read1(self, size: int = -1, /) -> bytes:
        """What has come, at most so much; waits only if that is nothing."""
        if size <= _SMALL_BYTES and not self._fetched:
            return super().read1(size)
        if self._wait.may_be_ahead:
            first = super().read1(_BUFFER_BYTES)
            self._wait.may_be_ahead = False
            return first
        desk = self._taken_desk()
        if self._fetched:
            came = self._fetched if size < 0 else self._fetched[:size]
            self._fetched = self._fetched[len(came) :]
        else:
            came = desk[: self._fill(desk[:size])]
        if self.lends:
            return cast("bytes", came.toreadonly())
        block = bytes(came)
        if not self._fetched:
            _desks.give_back(desk)
            self._desk = None
        return block

    def _fill(self, desk: memoryview) -> int:
        count = self._wait.readinto(desk) or 0
        if count:
            count += self._wait.readinto_at_once(desk[count:])
        self._wait.may_be_ahead = False
        return count

    def _taken_desk(self) -> memoryview:
        """A desk of its own, from now until it has given a block that is not lent. One that is lent when the reader
        goes is left to the garbage collector: somebody may still look at it."""
        if self._desk is None:
            self._desk = _desks.take()
        return self._desk


class _Desks:
    """Where the bytes of large blocks are put together, one at a time at each. A few are kept for whoever reads next,
    the last one first, as its memory is at hand. No thread has its own: green threads would share it, and a signal
    handler always does."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A desk that nobody else has meanwhile."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(DESK_BYTES))

    def give_back(self, desk: memoryview) -> None:
        """One that nobody looks at any more."""
        if len(self._free) < _KEPT_DESKS:
            self._free.append(desk)


_desks = _Desks()
