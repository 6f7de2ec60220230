"""Many clients at once: equal contents come and go, and nobody reads another's bytes."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from b2router.emulator import Emulator
from tests.emulator.wire import Wire

CONTENTS = [bytes([number]) * (1000 * number + 1) for number in range(5)]


def test_uploads_downloads_and_deletes_at_once(tmp_path: Path) -> None:
    """Contents are shared by address, so a delete races with the next upload of the same bytes."""
    problems: list[object] = []
    with Emulator(data_dir=tmp_path) as em:
        staff = Wire(em.url, em.key_id, em.key).bucket_id("acme-staff")
        end = time.monotonic() + 1.5

        def work(seed: int) -> None:
            dice, wire = random.Random(seed), Wire(em.url, em.key_id, em.key)
            while time.monotonic() < end:
                content = dice.choice(CONTENTS)
                name = f"{len(content)}/{dice.randint(0, 3)}"  # the name tells what it has to hold
                made = wire.upload(staff, name, content)
                read = wire.get("acme-staff", name)
                if made.status != 200 or (read.status == 200 and read.body != content):
                    problems.append((made, read.status))
                file_id = made.json["fileId"]
                removed = wire.call("b2_delete_file_version", fileId=file_id, fileName=name)
                if removed.status != 200 or read.status not in (200, 404):
                    problems.append((removed, read.status))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(em.log()) > 100
        assert {record.status for record in em.log()} <= {200, 404}
    assert problems == []
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_slow_reader_does_not_hold_up_others(em: Emulator, wire: Wire) -> None:
    """A download that nobody reads blocks its own thread only."""
    wire.upload(wire.bucket_id("acme-public"), "big", bytes(30_000_000))
    slow = Wire(em.url, em.key_id, em.key)
    slow._connection.request("GET", "/file/acme-public/big")
    began = time.monotonic()
    for _ in range(20):
        assert wire.upload(wire.bucket_id("acme-staff"), "a").status == 200
    assert time.monotonic() - began < 20
    response = slow._connection.getresponse()
    assert len(response.read()) == 30_000_000
