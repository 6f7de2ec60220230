"""The ways to a file that b2router could have gone: requests a second on small files, and what a request costs. The
way of a large file is measured as every large file is."""

from __future__ import annotations

from functools import partial

from benchmarks import small
from benchmarks.figures import Metric

NAME = "paths"
RATE = Metric("paths_requests_per_s", "1 KiB files: requests a second", "1/s", more_is_better=True)
CPU = Metric("paths_cpu_ms_per_request", "1 KiB files: server CPU for a request", "ms", more_is_better=False)
FAILED = Metric("paths_failed_requests", "1 KiB files: failed requests", "", more_is_better=False, pick="worst")
METRICS = (RATE, CPU, FAILED)

VIEWS = {
    "view, b2sdk anew": "/new/",
    "view, b2sdk kept": "/kept/",
    "view, requests": "/requests/",
    "view, urllib3": "/urllib3/",
}
"""The views of `sites/paths_site`, and where each answers."""

STREAMED = "view, urllib3 streamed"
STREAMED_PREFIX = "/streamed/"

SmallFiles = partial(small.SmallFiles, metrics=METRICS)
