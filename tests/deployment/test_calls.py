"""What a site of two processes costs at B2, call by call: eight threads in each, one cache for both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from b2router import get_storage
from b2router.emulator import Emulator
from tests import services
from tests.conftest import Configure, forget
from tests.deployment.fleet import Host
from tests.deployment.visitors import Browser

pytestmark = [pytest.mark.slow, pytest.mark.deployment]

CONTENT = b"0123456789" * 100


@pytest.fixture(params=["file", "redis"])
def host(request: pytest.FixtureRequest, emulator: Emulator, configure: Configure, tmp_path: Path) -> Iterator[Host]:
    """A site that has just started, with a file at B2 of which it knows nothing."""
    get_storage("public").save("a.txt", ContentFile(CONTENT))
    forget()
    with ExitStack() as running:
        cache = f"file:{tmp_path / 'cache'}"
        if request.param == "redis":
            cache = running.enter_context(services.redis(tmp_path)).url
        host = Host("gunicorn", emulator, tmp_path, {"B2ROUTER_TEST_CACHE": cache}, workers=2, threads=8)
        running.callback(host.stop)
        host.start()
        emulator.reset_counts()
        yield host


def get(host: Host) -> None:
    answer = Browser(host.port).ask("GET", "/b2/a.txt")
    assert (answer.status, answer.body) == (200, CONTENT)


def at_once(count: int, work: Callable[[], None]) -> None:
    """Do the same in so many threads, as close together as can be."""
    ready = threading.Barrier(count)

    def when_all_are_ready() -> None:
        ready.wait()
        work()

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(when_all_are_ready) for _ in range(count)]:
            done.result()


def test_twenty_files_cost_twenty_downloads_and_one_login(host: Host, emulator: Emulator) -> None:
    for _ in range(20):
        get(host)
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 20}


def test_a_crowd_at_the_start_makes_one_login(host: Host, emulator: Emulator) -> None:
    at_once(8, lambda: get(host))
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 8}


def test_a_crowd_that_finds_the_token_expired_makes_one_login(host: Host, emulator: Emulator) -> None:
    """And each of them one call in vain, at most: B2 says so only when it is asked."""
    at_once(8, lambda: get(host))
    emulator.reset_counts()
    emulator.expire_tokens()
    at_once(8, lambda: get(host))
    in_vain = [record for record in emulator.log() if record.status == 401]
    assert len(in_vain) <= 8
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 8 + len(in_vain)}


def test_a_restart_finds_the_login_of_before(host: Host, emulator: Emulator) -> None:
    get(host)
    emulator.reset_counts()
    host.stop()
    host.start()
    at_once(8, lambda: get(host))
    assert emulator.calls() == {"download": 8}


def test_what_is_known_costs_nothing_in_any_process(host: Host, emulator: Emulator) -> None:
    """Both processes know what one of them has learned."""
    get(host)
    etag = Browser(host.port).ask("HEAD", "/b2/a.txt").headers["etag"]
    emulator.reset_counts()

    def look() -> None:
        browser = Browser(host.port)
        assert browser.ask("HEAD", "/b2/a.txt").headers["content-length"] == str(len(CONTENT))
        assert browser.ask("GET", "/b2/a.txt", If_None_Match=etag).status == 304
        assert browser.ask("GET", "/stored/public/a.txt").body == f"{len(CONTENT)} bytes".encode()
        assert browser.ask("GET", "/b2s/a.txt", Accept="application/json").status == 403

    at_once(8, look)
    assert emulator.calls() == {}
