"""Four processes behind nginx, on Redis, Memcached or PostgreSQL, while everything that they stand on goes wrong.

The load lasts 15 seconds; B2ROUTER_LOAD_S=60 makes a minute of it, with an outage of ten seconds. What was measured is
printed (pytest -s), and written to the folder that B2ROUTER_REPORT names.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from b2router.emulator import CallRecord, Emulator
from tests import services
from tests.conftest import BUCKETS
from tests.deployment.fleet import Fleet, fleet, site
from tests.deployment.visitors import FOR_MEMBERS, LARGE, SMALL, Asked, Browser, Visitor, percentile
from tests.services import Service

pytestmark = [pytest.mark.slow, pytest.mark.deployment]

LOAD_S = float(os.environ.get("B2ROUTER_LOAD_S", "15"))
VISITORS = 8

ALLOWANCE_S = 5.0  # for a machine that is busy with other things
READING_S = 10.0 + ALLOWANCE_S
SAVING_S = 60.0 + ALLOWANCE_S


@dataclass
class Scene:
    """A fleet, and what it stands on."""

    fleet: Fleet
    b2: Emulator
    cache: Service
    logins: list[CallRecord]


@pytest.fixture(params=["redis", "memcached", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    services.need("nginx", "nginx")
    logins: list[CallRecord] = []
    with ExitStack() as running:
        match request.param:
            case "redis":
                cache = running.enter_context(services.redis(tmp_path))
                variables = site(tmp_path, cache.url)
            case "memcached":
                cache = running.enter_context(services.memcached(tmp_path))
                variables = site(tmp_path, cache.url)
            case _:
                cache = running.enter_context(services.postgresql())
                variables = site(tmp_path, "db", cache.url)
        b2 = running.enter_context(Emulator(buckets=BUCKETS))
        b2.watch(lambda record: logins.append(record) if record.operation == "b2_authorize_account" else None)
        yield Scene(running.enter_context(fleet(b2, tmp_path, variables)), b2, cache, logins)


def test_every_answer_is_right_or_says_when_to_come_again(scene: Scene, request: pytest.FixtureRequest) -> None:
    """And nothing that was saved is lost, whatever goes wrong: the cache is emptied, B2's tokens expire, B2 is away,
    a process dies."""
    hosts = [host.port for host in scene.fleet.hosts]
    front = Browser(scene.fleet.port)
    cookie, etag = furnish(front)
    visitors = [Visitor(scene.fleet.port, hosts, number, cookie, etag) for number in range(VISITORS)]
    began = time.monotonic()
    for visitor in visitors:
        visitor.start()

    wait_until(began + 0.2 * LOAD_S)
    scene.cache.flush()
    wait_until(began + 0.3 * LOAD_S)
    scene.b2.expire_tokens()
    wait_until(began + 0.4 * LOAD_S)
    outage_began = time.monotonic()
    scene.b2.fail("*", times=1_000_000, status=503, retry_after=1)
    wait_until(outage_began + LOAD_S / 6)
    met = len(scene.b2.faults_met())
    scene.b2.clear_faults()
    outage_ended = time.monotonic()
    wait_until(began + 0.75 * LOAD_S)
    killed = time.monotonic()
    scene.fleet.hosts[0].kill()
    wait_until(killed + 1.0)
    scene.fleet.hosts[0].start()
    back = time.monotonic()
    wait_until(max(began + LOAD_S, back + 1.0))
    for visitor in visitors:
        visitor.leave()
    for visitor in visitors:
        visitor.say_goodbye()

    asked = sorted((each for visitor in visitors for each in visitor.asked), key=lambda each: each.began)
    report(scene, request.node.callspec.id, asked, (outage_began, outage_ended), (killed, back))
    assert met, "B2 was away, and nobody noticed"
    assert {each.what for each in asked if each.outcome == "right"} >= {"small", "large", "range", "head", "unchanged"}
    assert [each for each in asked if each.outcome == "wrong"] == [], said(scene)
    assert [each for each in asked if each.outcome == "broken" and (each.ended < killed or each.began > back)] == []
    assert [each for each in asked if each.outcome == "later" and each.ended < outage_began] == []
    limits = {"save": SAVING_S, "delete": SAVING_S}
    assert [each for each in asked if each.took_s > limits.get(each.what, READING_S)] == []

    recovered(scene)
    check_nothing_is_lost(scene, visitors)
    succeeded = [record for record in scene.logins if record.status == 200]
    # One at the start, and one for the token that expired, for all processes together. Where the machine is so busy
    # that the cache answers late, a process makes its own rather than wait.
    assert 2 <= len(succeeded) <= 5


def furnish(front: Browser) -> tuple[str, str]:
    """Save the files that everybody reads; gives the cookie of a member, and the small file's ETag."""
    assert front.save("public", "small.txt", SMALL).body == b"/b2/small.txt"
    assert front.save("public", "large.bin", LARGE).body == b"/b2/large.bin"
    assert front.save("logged_in", "members.txt", FOR_MEMBERS).body == b"/b2l/members.txt"
    cookie = front.ask("GET", "/enter/alice/").headers["set-cookie"].partition(";")[0]
    return cookie, front.ask("GET", "/b2/small.txt").headers["etag"]


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def recovered(scene: Scene) -> None:
    """Every process answers again, all by itself."""
    deadline = time.monotonic() + 60
    for host in scene.fleet.hosts:
        while (answer := Browser(host.port).ask("GET", "/b2/small.txt")).status != 200:
            assert answer.is_later and time.monotonic() < deadline
            time.sleep(0.2)


def check_nothing_is_lost(scene: Scene, visitors: list[Visitor]) -> None:
    """What was answered 200 holds in every process: saved is there, byte for byte, and deleted is gone."""
    for port in [scene.fleet.port, *(host.port for host in scene.fleet.hosts)]:
        with Browser(port, keeps=True) as browser:
            for visitor in visitors:
                found = {address: browser.ask("GET", address).body for address in visitor.saved}
                assert found == visitor.saved
                assert {browser.ask("GET", address).status for address in visitor.deleted} <= {404}


def said(scene: Scene) -> str:
    """The ends of the logs of all processes."""
    return "\n".join(host.server.log.read_text()[-3000:] for host in scene.fleet.hosts)


def report(
    scene: Scene, cache: str, asked: list[Asked], outage: tuple[float, float], death: tuple[float, float]
) -> None:
    """Print what was measured."""
    busy = [each.ended for each in asked if each.outcome == "later" and each.ended > outage[1]]
    phases = {
        "before": [each for each in asked if each.ended < outage[0]],
        "during": [each for each in asked if each.ended >= outage[0] and each.began <= outage[1]],
        "after": [each for each in asked if each.began > outage[1]],
    }
    lines = [f"{cache}: {LOAD_S:.0f} s, {VISITORS} visitors, {len(asked)} requests; B2 away for {LOAD_S / 6:.1f} s"]
    for phase, those in phases.items():
        reads = [each.took_s for each in those if each.outcome == "right" and each.what not in ("save", "delete")]
        outcomes = Counter(each.outcome for each in those)
        lines.append(
            f"  {phase:7}{len(those):6} requests, {outcomes['later']:4} 503s, {outcomes['broken']:3} broken;"
            f" reads: p50 {percentile(reads, 0.5) * 1000:6.1f} ms, p99 {percentile(reads, 0.99) * 1000:7.1f} ms"
        )
    statuses = Counter(record.status for record in scene.logins)
    lines.append(f"  last 503 {max(busy, default=outage[1]) - outage[1]:.1f} s after the outage")
    lines.append(f"  process killed and back within {death[1] - death[0]:.1f} s; logins: {dict(statuses)}")
    lines.append(f"  calls: {dict(sorted(scene.b2.calls().items()))}")
    text = "\n".join(lines) + "\n"
    print("\n" + text)
    if folder := os.environ.get("B2ROUTER_REPORT"):
        Path(folder, f"outages-{cache}.txt").write_text(text)
