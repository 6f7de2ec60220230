"""Two processes that save files of one name at once, two hundred each: all of them are kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from b2router.emulator import Emulator
from tests.deployment.fleet import Host
from tests.deployment.visitors import Browser

pytestmark = [pytest.mark.slow, pytest.mark.deployment]

SAVES = 200
THREADS = 4


@pytest.fixture
def hosts(emulator: Emulator, tmp_path: Path) -> Iterator[list[Host]]:
    variables = {"B2ROUTER_TEST_CACHE": f"file:{tmp_path / 'cache'}"}
    with ExitStack() as running:
        hosts = [Host("gunicorn", emulator, tmp_path, variables, threads=THREADS) for _ in range(2)]
        for host in hosts:
            running.callback(host.stop)
            host.start()
            assert Browser(host.port).ask("GET", "/home/").body == b"home"
        yield hosts


def test_no_file_takes_the_place_of_another(hosts: list[Host]) -> None:
    def save(host: Host, number: int) -> tuple[str, bytes]:
        content = f"{host.port} {number}".encode()
        answer = Browser(host.port).save("public", "report.txt", content)
        assert answer.status == 200
        return answer.body.decode(), content

    with ThreadPoolExecutor(2 * THREADS) as pool:
        pending = [pool.submit(save, host, number) for number in range(SAVES) for host in hosts]
        saved = [done.result() for done in pending]
    found = [(address, Browser(hosts[0].port).ask("GET", address).body) for address, _ in saved]
    assert found == saved
