"""How many files are on their way at once, and that a slot always comes back."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.delivery.streams import Slots, slots
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
