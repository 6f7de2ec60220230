"""Under real servers, WSGI and ASGI, records and sums hold exactly what B2 was asked."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from b2router import get_storage, tallies
from b2router.emulator import Emulator
from b2router.tally import Tally
from tests.conftest import Configure
from tests.servers import Server, serving

pytestmark = pytest.mark.slow

BIG = bytes(range(256)) * 32 * 1024  # 8 MiB


def told(server: Server) -> list[dict[str, Any]]:
    """The records in the server's log."""
    lines = server.log.read_text().splitlines()
    return [json.loads(line.removeprefix("operation ")) for line in lines if line.startswith("operation ")]


def eventually(found: Callable[[], bool]) -> bool:
    """Whether it becomes true; nobody measures how fast."""
    deadline = time.monotonic() + 30
    while not found() and time.monotonic() < deadline:
        time.sleep(0.1)
    return found()


@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn"])
def test_what_a_server_tells_adds_up_to_what_b2_was_asked(
    kind: str, configure: Configure, emulator: Emulator, tmp_path: Path, settings: Any
) -> None:
    pytest.importorskip(kind)
    get_storage("public").save("big.bin", ContentFile(BIG))
    emulator.reset_counts()
    tallies.begin_anew()  # this process's own save is none of the server's
    observed = {"DJANGO_SETTINGS_MODULE": "tests.project.observed", "OBSERVED_CACHE": str(tmp_path / "cache")}
    with serving(kind, emulator, tmp_path, **observed) as server:
        assert server.get("/b2/big.bin") == BIG
        emulator.fail("download", cut_at=5_000_000)
        assert server.get("/b2/big.bin") == BIG  # resumed, by a thread that is not the view's
        leaving = server.connect()
        leaving.request("GET", "/b2/big.bin")
        leaving.getresponse().read(1000)
        leaving.close()
        server.get("/b2/gone.txt")
        server.get("/b2s/denied.txt")
        assert eventually(lambda: len(told(server)) == 5), server.log.read_text()
        records = told(server)
        asked = emulator.calls()
        assert sorted((record["b2_status"], record["b2_is_complete"]) for record in records) == [
            ("200", False),
            ("200", True),
            ("200", True),
            ("302", True),
            ("404", True),
        ]
        whole = sorted(record["b2_bytes_out"] for record in records if record["b2_status"] == "200")
        assert whole[1:] == [len(BIG), len(BIG)]
        assert 0 < whole[0] < len(BIG)
        total: Counter[str] = Counter()
        for record in records:
            total.update(record["b2_calls"])
        assert dict(total) == asked

        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": observed["OBSERVED_CACHE"],
            }
        }

        def summed() -> Tally:
            both = Tally()
            for tally in tallies.read(tallies.today())[0].values():
                both.merge(tally)
            return both

        assert eventually(lambda: summed().operations.total() == 5), (summed(), server.log.read_text())
        assert dict(summed().calls) == asked
        assert summed().bytes_out == sum(record["b2_bytes_out"] for record in records)
