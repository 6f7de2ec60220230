"""How many files are on their way at once, and that a slot always comes back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.delivery.streams import BLOCK_BYTES, Slots, slots
from b2router.emulator import Emulator
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
    assert [counted.take(2) for _ in range(3)] == [True, True, False]
    counted.give_back()
    assert counted.take(2)


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


async def _read(answer: Any) -> bytes:
    return b"".join([block async for block in answer])
