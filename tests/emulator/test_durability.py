"""Restarts, kill -9 in the middle of uploads, one process a folder, memory."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from b2router.emulator import Emulator
from tests.emulator.process import KEY, Process
from tests.emulator.wire import Wire


def blobs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "blobs").rglob("*") if path.is_file())


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Buckets, versions, unfinished parts, contents."""
    em = Emulator(data_dir=tmp_path)
    with em:
        wire = Wire(em.url, em.key_id, em.key)
        bucket_id = wire.bucket_id("acme-staff")
        for content in (b"one", b"two"):
            wire.upload(bucket_id, "a", content)
        wire.ok("b2_hide_file", bucketId=bucket_id, fileName="a")
        wire.ok("b2_start_large_file", bucketId=bucket_id, fileName="big", contentType="b2/x-auto")
        before = wire.ok("b2_list_file_versions", bucketId=bucket_id)
        port = urlsplit(em.url).port
    with em:
        assert urlsplit(em.url).port == port
        wire = Wire(em.url, em.key_id, em.key)
        assert wire.ok("b2_list_file_versions", bucketId=bucket_id) == before
        newer = wire.upload(bucket_id, "a", b"three").json
        assert wire.get("acme-staff", "a").body == b"three"
        assert newer["fileId"] > before["files"][0]["fileId"]


def test_kill_9_in_the_middle_of_uploads(tmp_path: Path) -> None:
    """Every upload that was answered is there whole; the rest left no file behind."""
    emulator = Process(tmp_path)
    answered: dict[str, str] = {}

    def upload(worker: int) -> None:
        try:
            wire = emulator.wire()
            bucket_id = wire.bucket_id("acme-staff")
            for number in range(1000):
                content = os.urandom(50_000 + number)
                name = f"{worker}/{number}"
                if wire.upload(bucket_id, name, content).status == 200:
                    answered[name] = hashlib.sha1(content).hexdigest()
        except Exception:
            pass

    workers = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 10
    while len(answered) < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    emulator.end(signal.SIGKILL)
    for worker in workers:
        worker.join()
    (tmp_path / "incoming" / "left-behind").write_bytes(b"half")
    (tmp_path / "blobs" / "00").mkdir(exist_ok=True)
    (tmp_path / "blobs" / "00" / ("0" * 64)).write_bytes(b"orphan")

    with Emulator(data_dir=tmp_path) as em:
        wire = Wire(em.url, *KEY)
        listed = wire.ok("b2_list_file_names", bucketId=wire.bucket_id("acme-staff"), maxFileCount=10_000)["files"]
        assert answered.items() <= {item["fileName"]: item["contentSha1"] for item in listed}.items()
        for item in listed:
            assert hashlib.sha1(wire.get("acme-staff", item["fileName"]).body).hexdigest() == item["contentSha1"]
        assert len(blobs(tmp_path)) == len(listed)
        assert list((tmp_path / "incoming").iterdir()) == []


def test_deleted_contents_leave_the_disk(tmp_path: Path) -> None:
    """With their last user."""
    with Emulator(data_dir=tmp_path) as em:
        wire = Wire(em.url, em.key_id, em.key)
        bucket_id = wire.bucket_id("acme-staff")
        made = [wire.upload(bucket_id, name, b"same").json for name in ("a", "b")]
        assert len(blobs(tmp_path)) == 1
        for entry, left in zip(made, (1, 0), strict=True):
            wire.ok("b2_delete_file_version", fileId=entry["fileId"], fileName=entry["fileName"])
            assert len(blobs(tmp_path)) == left


def test_one_process_a_folder(tmp_path: Path) -> None:
    """Two would overwrite each other."""
    with Emulator(data_dir=tmp_path), pytest.raises(RuntimeError, match="another emulator"):
        Emulator(data_dir=tmp_path).start()
    with Emulator(data_dir=tmp_path):
        pass


def test_a_temporary_folder_goes_with_the_emulator() -> None:
    """Nothing is left in /tmp."""
    em = Emulator()
    em.start()
    folder = em._temporary
    assert folder is not None and folder.is_dir()
    em.stop()
    assert not folder.exists()
    em.stop()


def test_start_takes_less_than_a_tenth_of_a_second() -> None:
    """Tests start hundreds of them; one that does is enough, for the machine may be busy."""
    for _ in range(50):
        began = time.perf_counter()
        with Emulator():
            if time.perf_counter() - began < 0.1:
                return
    pytest.fail("none of fifty did")


def test_stop_ends_idle_connections_at_once() -> None:
    """Kept connections would hold it for their timeout."""
    em = Emulator()
    em.start()
    with socket.create_connection((urlsplit(em.url).hostname, urlsplit(em.url).port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 400"
        began = time.monotonic()
        em.stop()
        assert time.monotonic() - began < 5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_memory_does_not_grow_with_the_size_of_a_file(tmp_path: Path) -> None:
    """128 MiB up and down through a process that keeps its size."""
    emulator = Process(tmp_path)
    try:
        wire = emulator.wire()
        bucket_id = wire.bucket_id("acme-staff")
        wire.upload(bucket_id, "warm", bytes(1_000_000))
        before = _resident_bytes(emulator.process.pid)
        wire.upload(bucket_id, "big", bytes(128 * 1024 * 1024), X_Bz_Content_Sha1="do_not_verify")
        wire.send("GET", "/file/acme-staff/big", {"Authorization": wire.token})
        assert _resident_bytes(emulator.process.pid) - before < 16 * 1024 * 1024
    finally:
        emulator.end(signal.SIGKILL)


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
