"""A file on its way to the visitor, whole or by blocks, under WSGI and ASGI alike, and how many may be on their way at
once; made by `response`."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from b2router import operations
from b2router.errors import BackendError
from b2router.router import current_router

if TYPE_CHECKING:
    from b2router.b2.download import Download

__all__ = ["FileResponse", "Slot", "Slots", "WholeResponse", "slots"]

BLOCK_BYTES = 512 * 1024
"""The most that a thread brings an ASGI server at a time: to go to a thread and back costs more than to read it."""

PIECE_BYTES = 64 * 1024
"""What Django hands an ASGI server at a time: it would cut larger ones into such."""

RETRY_AFTER_S = 1
"""What a visitor is told for whom there is no slot."""


class Slot:
    """A stream that may be: taken from `Slots`."""

    __slots__ = ("_taken",)

    def __init__(self, taken: set[Slot]) -> None:
        self._taken = taken

    def give_back(self) -> None:
        """Give it back. A second time does nothing. The garbage collector may call within any lock, so none is used."""
        self._taken.discard(self)


class Slots:
    """So many streams at once in a process; more would take its memory and its connections."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nobody has a slot: those that are taken are of the process that this one was forked from."""
        self._lock = threading.Lock()
        self._taken: set[Slot] = set()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return len(self._taken)

    def take(self, limit: int) -> Slot | None:
        """Take a slot; None if as many as the limit are taken."""
        with self._lock:
            if len(self._taken) >= limit:
                return None
            slot = Slot(self._taken)
            self._taken.add(slot)
            return slot


slots = Slots()
os.register_at_fork(after_in_child=slots.forget)


class _AsStored(HttpResponseBase):
    """An answer whose bytes nobody may compress: the headers of a part, and the ETag, are those of the stored bytes.

    Whoever would compress looks whether there is a Content-Encoding, as Django's GZipMiddleware does. So there is one
    for all code of the site; to the visitor it is not sent. Source: RFC 9110, 8.4: "identity" should not be sent.
    """

    def items(self) -> Iterable[tuple[str, str]]:
        """The headers that the server sends."""
        found = self.headers.items()
        if self.headers.get("Content-Encoding") != "identity":
            return found
        return [field for field in found if field[0] != "Content-Encoding"]


class WholeResponse(_AsStored, HttpResponse):
    """A file, a part of one, or what HEAD is told of one, in one piece."""


class FileResponse(_AsStored, StreamingHttpResponse):
    """A streamed file; under ASGI each block that has to be waited for is pulled in a thread, as it is needed.

    Args:
        body: an open download.
        status: 200 or 206.
        slot: taken for it; given back when the response is closed, or dropped by a middleware.
    """

    def __init__(self, body: Download, status: int, slot: Slot) -> None:
        operation = operations.held()
        self._own: Iterator[bytes] = body if operation is None else _Observed(body, operation)
        super().__init__(self._own, status=status)
        self._body = body
        self._give_back: Any = weakref.finalize(self, slot.give_back)
        if operation is not None:
            weakref.finalize(self, operation.drop).atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await sync_to_async(_let_databases_go)()  # the view has its answer; a slow visitor would keep them for minutes
        if self.is_async:  # a middleware has put an asynchronous generator around the body
            async for block in self.streaming_content:  # type: ignore[union-attr]  # Django's stubs know one kind
                yield block
            return
        body = self._body
        body.block_bytes = BLOCK_BYTES
        pull = asyncio.get_running_loop().run_in_executor
        threads = _threads(os.getpid(), current_router().config.max_streams)
        within = copy_context().run  # a middleware that wraps the body may look at its context
        is_own = getattr(self, "_iterator", None) is self._own  # else a middleware has put something around it
        body.lends = is_own
        blocks = self._own if is_own else iter(self)
        while True:
            if is_own and body.is_at_hand():
                await asyncio.sleep(0)  # the loop has others to serve
                block = _next(blocks)
            else:
                block = await pull(threads, within, _next, blocks)
            if block is None:
                return
            for first in range(0, len(block), PIECE_BYTES):
                yield bytes(block[first : first + PIECE_BYTES])

    def close(self) -> None:
        """Let the download go; called by the server, also when the visitor leaves."""
        super().close()
        self._give_back()


class _Observed:
    """A body whose operation hears of every block, and of the end: everything sent, or the visitor left."""

    def __init__(self, body: Download, operation: operations.Operation) -> None:
        self._body = body
        self._operation = operation
        operation.promised = body.size_bytes

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            with operations.within(self._operation):
                block = next(self._body)
        except BackendError as error:
            self._operation.failed(error)
            raise
        self._operation.handed_out(len(block))
        return block

    def close(self) -> None:
        self._body.close()
        self._operation.end()


def _let_databases_go() -> None:
    """Close the connections of this request: under ASGI it has a thread of its own, hence connections that nobody else
    can use. With a pool they go back to it. Whoever needs one again gets one."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            with suppress(DatabaseError):
                connection.close()


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)  # a StopIteration cannot leave a thread for a coroutine


@cache
def _threads(process_id: int, streams: int) -> ThreadPoolExecutor:
    """The pool of this process, a forked one gets its own: a thread for each stream that there may be, started when it
    is needed, so that downloads that stall delay neither each other nor any other work."""
    return ThreadPoolExecutor(streams, thread_name_prefix="b2router-stream")
