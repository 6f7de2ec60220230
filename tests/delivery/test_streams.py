"""How many files are on their way at once, and that a slot always comes back."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, RequestFactory

from b2router import get_storage
from b2router.delivery import streams
from b2router.delivery.streams import BLOCK_BYTES, Slots, slots
from b2router.emulator import Emulator
from b2router.views import serve
from tests.conftest import Configure

pytestmark = pytest.mark.django_db


@pytest.fixture
def two_streams(configure: Configure, settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "max_streams": 2}
    get_storage("public").save("big.bin", ContentFile(b"x" * 500_000))
    get_storage("public").save("small.bin", ContentFile(b"x"))


def test_no_more_than_the_limit_are_streamed_at_once(two_streams: None, emulator: Emulator) -> None:
    """Whoever comes then is told when to come back, instead of waiting in line."""
    running: list[Any] = [Client().get("/b2/big.bin") for _ in range(2)]
    refused = Client().get("/b2/big.bin")
    assert (refused.status_code, refused["Retry-After"]) == (503, "1")
    assert Client().get("/b2/small.bin").status_code == 200  # sent in one piece, it takes no slot
    assert b"".join(running[0].streaming_content) == b"x" * 500_000
    running[0].close()
    running[0].close()
    again: Any = Client().get("/b2/big.bin")
    assert again.status_code == 200
    for answer in (running[1], again):
        answer.close()
    assert slots.taken == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_answer_that_a_middleware_drops_gives_its_slot_back(two_streams: None) -> None:
    answer: Any = Client().get("/b2/big.bin")
    assert slots.taken == 1
    del answer
    gc.collect()
    assert slots.taken == 0


def test_slots_are_counted() -> None:
    counted = Slots()
    taken = [counted.take(2) for _ in range(3)]
    assert [slot is not None for slot in taken] == [True, True, False]
    assert taken[0] is not None
    taken[0].give_back()
    taken[0].give_back()
    assert counted.taken == 1
    assert counted.take(2)
    assert not counted.take(2)


def test_a_forked_process_begins_without_slots() -> None:
    """Those that are taken are of the other's streams, and so is the lock, which nobody here would ever open."""
    taken = slots.take(2)
    assert taken is not None
    with slots._lock:
        child = os.fork()
        if not child:
            threading.Timer(5, lambda: os._exit(99)).start()
            taken.give_back()  # as the copy of a stream does when it is thrown away
            is_new = slots.taken == 0 and slots.take(1) is not None
            os._exit(0 if is_new else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    taken.give_back()
    assert slots.taken == 0


def test_whoever_finds_no_slot_costs_no_download(two_streams: None, emulator: Emulator) -> None:
    """Whatever B2 begins to send is paid for."""
    held = [slots.take(2) for _ in range(2)]
    emulator.reset_counts()
    for _ in range(2):
        assert Client().get("/b2/big.bin").status_code == 503
    assert emulator.calls() == {}
    cache.clear()
    assert Client().get("/b2/big.bin").status_code == 503
    assert Client().get("/b2/big.bin", HTTP_RANGE="bytes=0-0").content == b"x"
    assert Client().get("/b2/small.bin").content == b"x"
    assert emulator.calls() == {"head": 2, "download": 2}  # nothing was known of either
    for slot in held:
        assert slot is not None
        slot.give_back()


def test_only_a_stream_keeps_its_slot(two_streams: None) -> None:
    """Before the download nobody knows that it is small, or that it is not there."""
    cache.clear()
    current: Any = Client().get("/b2/small.bin")
    assert Client().get("/b2/missing.bin").status_code == 404
    cache.clear()
    assert Client().get("/b2/big.bin", HTTP_RANGE="bytes=900000-").status_code == 416
    cache.clear()
    assert Client().get("/b2/big.bin", HTTP_IF_NONE_MATCH="*").status_code == 304
    assert (current.content, slots.taken) == (b"x", 0)


STALLED = 70
asked_by: ContextVar[str] = ContextVar("asked_by")


def test_streams_that_stall_do_not_delay_another(configure: Configure, emulator: Emulator) -> None:
    """Under ASGI: each that stalls keeps a thread waiting, and there is one for the next all the same."""
    content = b"x" * 500_000
    get_storage("public").save("big.bin", ContentFile(content))
    emulator.fail("download", stall_at=1, times=STALLED)
    stalled: list[Any] = [Client().get("/b2/big.bin") for _ in range(STALLED)]
    healthy: Any = Client().get("/b2/big.bin")

    async def read_all() -> bytes:
        streams = [aiter(answer) for answer in stalled]
        assert [await anext(stream) for stream in streams] == [b"x"] * STALLED
        waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.sleep(0)  # by now each has asked for its second block
        received = await asyncio.wait_for(_read(healthy), 20)
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        for answer in (*stalled, healthy):
            answer.close()  # wakes the threads
        return received

    assert asyncio.run(read_all()) == content
    assert slots.taken == 0


def test_a_body_comes_whole_and_in_bounded_blocks_under_asgi(configure: Configure) -> None:
    content = b"0123456789" * 300_000
    get_storage("public").save("big.bin", ContentFile(content))

    async def blocks(answer: Any) -> list[bytes]:
        return [block async for block in answer]

    with_all: Any = Client().get("/b2/big.bin")
    came = asyncio.run(blocks(with_all))
    assert b"".join(came) == content
    assert max(map(len, came)) <= BLOCK_BYTES
    with_all.close()


def test_what_has_come_needs_no_thread_under_asgi(
    configure: Configure, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what has to be waited for is pulled in one; the loop has its turn between any two blocks."""
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "defaults": {"upload": {"part_bytes": 5_000_000}}}
    content = b"0123456789" * 1_200_000
    storage: Any = get_storage("public")
    storage.save("whole.bin", ContentFile(content[:4_000_000]))  # B2 knows its SHA-1, which is computed in threads
    storage.save("parts.bin", ContentFile(content))
    pulled: list[str] = []

    class Counted(ThreadPoolExecutor):
        def submit(self, *given: Any, **options: Any) -> Any:
            pulled.append("block")
            return super().submit(*given, **options)

    threads = Counted(2)
    monkeypatch.setattr(streams, "_threads", lambda *given: threads)

    async def read(name: str) -> tuple[int, int, int]:
        answer: Any = await sync_to_async(serve)(RequestFactory().get("/"), "public", name)
        pulled.clear()
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.ensure_future(others())
        blocks, seen = [], set()
        async for block in answer:
            blocks.append(block)
            seen.add(turns)
            time.sleep(0.001)  # a visitor who is slower than B2
        other.cancel()
        await sync_to_async(answer.close)()
        assert b"".join(blocks) == content[: sum(map(len, blocks))]
        return sum(map(len, blocks)), len(pulled), len(seen)

    size, in_threads, turns = asyncio.run(read("parts.bin"))
    assert size == len(content)
    assert in_threads < size / BLOCK_BYTES / 2
    assert turns >= size / BLOCK_BYTES
    size, in_threads, _ = asyncio.run(read("whole.bin"))
    assert size == 4_000_000
    assert in_threads >= size / BLOCK_BYTES
    threads.shutdown()


def test_what_a_middleware_puts_around_a_body_sees_its_context(two_streams: None) -> None:
    """Under ASGI the blocks are pulled in another thread."""
    answer: Any = Client().get("/b2/big.bin")
    seen = []

    def wrapped(blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            seen.append(asked_by.get())
            yield block

    answer.streaming_content = wrapped(answer.streaming_content)

    async def as_alice() -> bytes:
        asked_by.set("alice")
        return await _read(answer)

    assert asyncio.run(as_alice()) == b"x" * 500_000
    assert set(seen) == {"alice"}
    answer.close()


def test_a_middleware_may_put_an_asynchronous_generator_around_a_body(two_streams: None) -> None:
    answer: Any = Client().get("/b2/big.bin")

    async def wrapped(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
        for block in blocks:
            yield block.upper()

    answer.streaming_content = wrapped(answer.streaming_content)
    assert asyncio.run(_read(answer)) == b"X" * 500_000
    answer.close()


@pytest.mark.django_db(transaction=True)
def test_a_stream_holds_no_connection_of_the_database(two_streams: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI each request has a connection of its own, and a slow visitor would keep it for minutes."""
    closed: list[bool] = []
    kind = type(connections["default"])
    close = kind.close

    def counted(self: BaseDatabaseWrapper) -> None:
        closed.append(self.connection is not None)
        close(self)

    monkeypatch.setattr(kind, "close", counted)

    def view() -> Any:
        User.objects.exists()  # as who may read is decided
        return Client().get("/b2/big.bin")

    def end() -> None:
        BaseDatabaseWrapper.close(connections["default"])  # a database in memory ignores it, unless it is told so

    async def serve() -> tuple[list[bool], bytes]:
        async with ThreadSensitiveContext():  # as Django's handler does for each request
            answer = await sync_to_async(view)()
            closed.clear()
            blocks = aiter(answer)
            first = await anext(blocks)
            so_far = list(closed)
            rest = [block async for block in blocks]
            answer.close()
            await sync_to_async(end)()
            return so_far, b"".join([first, *rest])

    assert asyncio.run(serve()) == ([True], b"x" * 500_000)


async def _read(answer: Any) -> bytes:
    return b"".join([block async for block in answer])
