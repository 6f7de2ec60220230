"""A file on its way to the visitor, under WSGI and ASGI alike, and how many may be on their way at once; made by
`response`."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from django.http import StreamingHttpResponse

from b2router import operations
from b2router.errors import BackendError
from b2router.router import current_router

if TYPE_CHECKING:
    from b2router.b2.download import Download

__all__ = ["FileResponse", "Slots", "slots"]

BLOCK_BYTES = 512 * 1024
"""The most that a thread brings an ASGI server at a time: to go to a thread and back costs more than to read it."""

RETRY_AFTER_S = 1
"""What a visitor is told for whom there is no slot."""


class Slots:
    """So many streams at once in a process; more would take its memory and its connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    def take(self, limit: int) -> bool:
        """Take a slot, if fewer than the limit are taken."""
        with self._lock:
            if self.taken >= limit:
                return False
            self.taken += 1
            return True

    def give_back(self) -> None:
        """Give a slot back."""
        with self._lock:
            self.taken -= 1


slots = Slots()


class FileResponse(StreamingHttpResponse):
    """A streamed file; under ASGI each block is pulled in a thread, as it is needed.

    Args:
        body: an open download, for which a slot was taken; the slot is given back when the response is closed, or
            dropped by a middleware.
        status: 200 or 206.
    """

    def __init__(self, body: Download, status: int) -> None:
        operation = operations.held()
        super().__init__(body if operation is None else _Observed(body, operation), status=status)
        self._body = body
        self._give_back: Any = weakref.finalize(self, slots.give_back)
        if operation is not None:
            weakref.finalize(self, operation.drop).atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._body.block_bytes = BLOCK_BYTES
        pull = asyncio.get_running_loop().run_in_executor
        threads = _threads(os.getpid(), current_router().config.max_streams)
        within = copy_context().run  # a middleware that wraps the body may look at its context
        blocks = iter(self)  # what a middleware has made of the body, hence to its own end
        while (block := await pull(threads, within, _next, blocks)) is not None:
            yield block

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


def _next(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)  # a StopIteration cannot leave a thread for a coroutine


@cache
def _threads(process_id: int, streams: int) -> ThreadPoolExecutor:
    """The pool of this process, a forked one gets its own: a thread for each stream that there may be, started when it
    is needed, so that downloads that stall delay neither each other nor any other work."""
    return ThreadPoolExecutor(streams, thread_name_prefix="b2router-stream")
