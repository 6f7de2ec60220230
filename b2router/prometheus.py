"""Metrics of operations for Prometheus; connected by the site, needs `b2router[prometheus]`.

Labels are profiles, verbs, statuses and price classes: few, and never a file's name.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from b2router.records import Record
from b2router.signals import operation_finished

__all__ = ["connect"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class _Metrics:
    """The metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._operations = Counter(
            "b2router_operations",
            "Answers to visitors and calls of storages.",
            ["profile", "verb", "status"],
            registry=registry,
        )
        self._bytes = Counter(
            "b2router_bytes",
            "Bytes handed out to visitors and the site's code (out), and stored (in).",
            ["profile", "direction"],
            registry=registry,
        )
        self._calls = Counter(
            "b2router_b2_calls", "Requests that reached B2, by price class.", ["profile", "class"], registry=registry
        )
        self._retries = Counter(
            "b2router_b2_retries", "Requests to B2 that repeated one that had failed.", ["profile"], registry=registry
        )
        self._cut_short = Counter(
            "b2router_cut_short",
            "Answers of which the visitor got less than promised: left, or B2 broke off.",
            ["profile"],
            registry=registry,
        )
        self._cache = Counter(
            "b2router_metadata_cache",
            "What the metadata cache knew: hit, miss, negative.",
            ["profile", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "b2router_operation_seconds",
            "From the beginning to the last byte, or to the file being closed.",
            ["profile", "verb"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_byte_seconds = Histogram(
            "b2router_first_byte_seconds",
            "Until there was something to hand on.",
            ["profile", "verb"],
            buckets=_SECONDS,
            registry=registry,
        )

    def observe(self, record: Record, **_: Any) -> None:
        """Count an operation: a receiver of `operation_finished`."""
        profile = record.profile
        self._operations.labels(profile, record.verb, record.status).inc()
        self._bytes.labels(profile, "out").inc(record.bytes_out)
        self._bytes.labels(profile, "in").inc(record.bytes_in)
        for price_class, count in record.classes.items():
            self._calls.labels(profile, price_class).inc(count)
        self._retries.labels(profile).inc(record.retries)
        self._cut_short.labels(profile).inc(not record.is_complete)
        if record.cache is not None:
            self._cache.labels(profile, record.cache).inc()
        self._seconds.labels(profile, record.verb).observe(record.duration_ms / 1000)
        self._first_byte_seconds.labels(profile, record.verb).observe(record.first_byte_ms / 1000)


_connected: dict[CollectorRegistry, _Metrics] = {}


def connect(registry: CollectorRegistry = REGISTRY) -> None:
    """Keep metrics of every operation from now on; a second call for the same registry changes nothing.

    Args:
        registry: where they are registered.
    Raises:
        ValueError: the registry has a metric of one of these names.
    Source: Prometheus documentation, "Metric and label naming".
    """
    if registry not in _connected:
        _connected[registry] = _Metrics(registry)
        operation_finished.connect(_connected[registry].observe)
