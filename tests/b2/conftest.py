"""A session on the emulator, without a site around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2router.b2.session import Session
from b2router.config import Account
from b2router.emulator import Emulator


def account(emulator: Emulator) -> Account:
    return Account.model_validate(
        {"application_key_id": emulator.key_id, "application_key": emulator.key, "realm": emulator.url}
    )


@pytest.fixture
def session(emulator: Emulator) -> Iterator[Session]:
    opened = Session(account(emulator))
    yield opened
    opened.close()
