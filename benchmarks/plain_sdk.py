"""Plain b2sdk in a script of its own, without a web server: what the SDK alone needs for the same files.

Started by `contenders` as `python -m benchmarks.plain_sdk`; prints its sample as JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from b2sdk.v3 import B2Api, Bucket, InMemoryAccountInfo

from benchmarks import large, paths, processors, small, storages, transfers, usage
from benchmarks.figures import Metric, Sample
from benchmarks.stage import HUNDRED, LARGE, MIB, PUBLIC, SMALL

GIB = 1024 * MIB


class Sink(io.RawIOBase):
    """Throws bytes away and remembers when the first ones came."""

    first_at: float | None = None
    size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        if self.first_at is None:
            self.first_at = time.perf_counter()
        length = len(memoryview(data))  # type: ignore[arg-type]  # any buffer
        self.size_bytes += length
        return length


def main() -> None:
    """Measure one section, once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--large-file", type=Path, required=True)
    parser.add_argument("--medium-file", type=Path, required=True)
    parser.add_argument("--small-s", type=float, required=True)
    parser.add_argument(
        "section", choices=[small.NAME, paths.NAME, paths.ALONE, large.DOWNLOAD, large.UPLOAD, storages.NAME]
    )
    options = parser.parse_args()
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(os.environ["BENCH_KEY_ID"], os.environ["BENCH_KEY"], os.environ["BENCH_REALM"])
    bucket = api.get_bucket_by_name(PUBLIC)
    for name in SMALL:
        _fetch(bucket, name)  # warm, as the servers are
    if options.section == small.NAME:
        sample = _small(bucket, options.small_s, small.RATE, small.CPU)
    elif options.section == paths.NAME:
        sample = _small(bucket, options.small_s, paths.RATE, paths.CPU)
    elif options.section == paths.ALONE:
        os.sched_setaffinity(0, processors.first_and_rest()[0])
        sample = _small(bucket, options.small_s, paths.ALONE_RATE, paths.ALONE_CPU)
    elif options.section == large.DOWNLOAD:
        sample = _download(bucket, options.large_file.stat().st_size)
    elif options.section == large.UPLOAD:
        sample = _upload(bucket, options.large_file)
    else:
        sample = _storage(bucket, options.medium_file, options.large_file)
    print(json.dumps(sample))


def _small(bucket: Bucket, seconds: float, rate: Metric, cpu: Metric) -> Sample:
    """One file after the other, by one thread."""
    started, used_s, done = time.perf_counter(), time.process_time(), 0
    for name in cycle(SMALL):
        _fetch(bucket, name)
        done += 1
        if time.perf_counter() - started >= seconds:
            break
    elapsed_s, used_s = time.perf_counter() - started, time.process_time() - used_s
    return {rate.key: done / elapsed_s, cpu.key: 1000 * used_s / done}


def _download(bucket: Bucket, size_bytes: int) -> Sample:
    """As a stream, which is how a server would pass it on: one connection, in order."""
    mark, started, used_s = usage.MemoryMark.set([os.getpid()]), time.perf_counter(), time.process_time()
    sink = _fetch(bucket, LARGE)
    elapsed_s, used_s = time.perf_counter() - started, time.process_time() - used_s
    if sink.first_at is None or sink.size_bytes != size_bytes:
        sys.exit(f"The download gave {sink.size_bytes} bytes.")
    return {
        large.FIRST_BYTE.key: 1000 * (sink.first_at - started),
        large.DOWN_SPEED.key: size_bytes / 1e6 / elapsed_s,
        large.DOWN_CPU.key: used_s * GIB / size_bytes,
        large.DOWN_MEMORY.key: mark.growth_bytes() / MIB,
    }


def _upload(bucket: Bucket, path: Path) -> Sample:
    """From the disk, in parts that b2sdk sends at the same time."""
    mark, started, used_s = usage.MemoryMark.set([os.getpid()]), time.perf_counter(), time.process_time()
    bucket.upload_local_file(str(path), "uploads/plain.bin")
    elapsed_s, used_s = time.perf_counter() - started, time.process_time() - used_s
    size_bytes = path.stat().st_size
    return {
        large.UP_SPEED.key: size_bytes / 1e6 / elapsed_s,
        large.UP_CPU.key: used_s * GIB / size_bytes,
        large.UP_MEMORY.key: mark.growth_bytes() / MIB,
    }


def _storage(bucket: Bucket, medium: Path, large_file: Path) -> Sample:
    """`upload_local_file` of the same files, which stands beside every source; and the calls of what a storage does."""
    bucket.upload_bytes(b"warm", "uploads/warm.bin")
    head_calls = _counted(lambda: bucket.download_file_by_name(HUNDRED, range_=(0, 99)).save(Sink()))
    new_calls = _counted(lambda: bucket.upload_bytes(b"new", "uploads/new.txt"))
    asked_calls = _counted(lambda: bucket.get_file_info_by_name("uploads/new.txt"))
    found: Sample = {}
    calls = _counted(lambda: found.update(_upload(bucket, medium)))
    classes = _counts()["classes"]
    saved, downloaded = _upload(bucket, large_file), _download(bucket, large_file.stat().st_size)
    return {
        storages.HEAD_CALLS.key: head_calls,
        storages.AFTER_SAVE_CALLS.key: asked_calls,
        storages.NEW_CALLS.key: new_calls,
        **{metric.key: found[large.UP_SPEED.key] for metric in storages.SPEEDS.values()},
        **{metric.key: found[large.UP_MEMORY.key] for metric in storages.MEMORIES.values()},
        storages.CALLS.key: calls,
        storages.CLASS_C.key: classes.get("C", 0),
        storages.CPU.key: found[large.UP_CPU.key],
        **{metric.key: saved[large.UP_SPEED.key] for metric in storages.LARGE_SPEEDS.values()},
        **{metric.key: saved[large.UP_MEMORY.key] for metric in storages.LARGE_MEMORIES.values()},
        **{metric.key: downloaded[large.DOWN_SPEED.key] for metric in storages.READ_SPEEDS.values()},
        **{metric.key: downloaded[large.DOWN_MEMORY.key] for metric in storages.READ_MEMORIES.values()},
    }


def _counted(act: Callable[[], object]) -> int:
    """The calls of something."""
    transfers.request(_emulator(), "/_emulator/reset", "POST")
    act()
    return sum(_counts()["calls"].values())


def _counts() -> dict[str, Any]:
    return dict(json.loads(transfers.request(_emulator(), "/_emulator/counts")[1]))


def _emulator() -> transfers.Address:
    url = urlsplit(os.environ["BENCH_REALM"])
    return transfers.Address(url.hostname or "", url.port or 0)


def _fetch(bucket: Bucket, name: str) -> Sink:
    sink = Sink()
    bucket.download_file_by_name(name).save(sink, allow_seeking=False)
    return sink


if __name__ == "__main__":
    main()
