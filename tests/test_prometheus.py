"""Metrics, with Prometheus' own client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.emulator import Emulator
from b2router.signals import operation_finished
from tests.conftest import Configure, tell_all

client = pytest.importorskip("prometheus_client")

pytestmark = pytest.mark.django_db


@pytest.fixture
def registry(configure: Configure) -> Iterator[Any]:
    """A registry of this test's own."""
    from b2router import prometheus

    tell_all()
    own = client.CollectorRegistry()
    prometheus.connect(own)
    yield own
    operation_finished.disconnect(prometheus._connected.pop(own).observe)


def samples(registry: Any) -> dict[str, float]:
    """The counters and how many each histogram has seen, as Prometheus scrapes them."""
    lines = client.generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        if "_bucket" not in name and "_sum" not in name and "_created" not in name and float(value)
    }


def test_every_operation_is_in_the_metrics(registry: Any, emulator: Emulator) -> None:
    get_storage("public").save("a.bin", ContentFile(b"x" * 200_000))
    b"".join(Client().get("/b2/a.bin"))
    partly: Any = Client().get("/b2/a.bin")
    partly.close()
    Client().get("/b2s/a.bin", headers={"accept": "application/json"})
    found = samples(registry)
    denied = found.pop('b2router_bytes_total{direction="out",profile="staff"}')
    assert denied < 100
    assert found == {
        'b2router_operations_total{profile="public",status="ok",verb="save"}': 1,
        'b2router_operations_total{profile="public",status="200",verb="GET"}': 2,
        'b2router_operations_total{profile="staff",status="403",verb="GET"}': 1,
        'b2router_bytes_total{direction="in",profile="public"}': 200_000,
        'b2router_bytes_total{direction="out",profile="public"}': 200_000,
        'b2router_b2_calls_total{class="A",profile="public"}': emulator.classes()["A"],
        'b2router_b2_calls_total{class="B",profile="public"}': emulator.classes()["B"],
        'b2router_b2_calls_total{class="C",profile="public"}': emulator.classes()["C"],
        'b2router_cut_short_total{profile="public"}': 1,
        'b2router_metadata_cache_total{outcome="miss",profile="public"}': 1,
        'b2router_metadata_cache_total{outcome="hit",profile="public"}': 2,
        'b2router_operation_seconds_count{profile="public",verb="save"}': 1,
        'b2router_operation_seconds_count{profile="public",verb="GET"}': 2,
        'b2router_operation_seconds_count{profile="staff",verb="GET"}': 1,
        'b2router_first_byte_seconds_count{profile="public",verb="save"}': 1,
        'b2router_first_byte_seconds_count{profile="public",verb="GET"}': 2,
        'b2router_first_byte_seconds_count{profile="staff",verb="GET"}': 1,
    }


def test_connecting_twice_counts_once(registry: Any) -> None:
    from b2router import prometheus

    prometheus.connect(registry)
    Client().get("/b2s/a.bin")
    assert samples(registry)['b2router_operations_total{profile="staff",status="302",verb="GET"}'] == 1


def test_strange_methods_make_no_labels(registry: Any) -> None:
    for method in ("BREW", "PROPFIND", "X" * 50):
        Client().generic(method, "/b2/a.bin")
    assert samples(registry)['b2router_operations_total{profile="public",status="405",verb="OTHER"}'] == 3


def test_processes_add_up_in_the_clients_multiprocess_mode(tmp_path: Path) -> None:
    """As gunicorn's workers do: each writes files, whoever is scraped reads all of them."""
    code = """
import django; django.setup()
from django.test import Client
from b2router import prometheus
prometheus.connect()
Client().get("/b2s/a.bin")
"""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], env=environment)
    scrape = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    seen = subprocess.run(
        [sys.executable, "-c", scrape], check=True, env=environment, capture_output=True, text=True
    ).stdout
    assert 'b2router_operations_total{profile="staff",status="302",verb="GET"} 2.0' in seen
