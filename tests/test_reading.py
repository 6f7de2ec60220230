"""What reading costs: calls and bytes, by the emulator's own count."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from typing import Any

import pytest
from django.core.files.base import ContentFile, File

from b2router import B2Storage, get_storage
from b2router.b2.download import BLOCK_BYTES
from b2router.emulator import Emulator
from b2router.errors import Unavailable
from b2router.reading import FIRST_BYTES, KEPT_BYTES, WINDOW_BYTES
from tests.conftest import Configure, forget

MIB = 1024 * 1024


@pytest.fixture
def storage(configure: Configure) -> B2Storage:
    return get_storage("staff")


def saved(storage: B2Storage, emulator: Emulator, size: int) -> bytes:
    """A file "a.bin" that is remembered; the counts begin anew."""
    content = os.urandom(min(size, MIB)) * -(-size // MIB)
    storage.save("a.bin", ContentFile(content[:size]))
    emulator.reset_counts()
    return content[:size]


class Zeros(io.RawIOBase):
    """As many as are wanted, then an end; nothing is held."""

    def __init__(self, size: int, end: bytes) -> None:
        super().__init__()
        self._left, self._end = size - len(end), end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        if not self._left:
            count = min(len(target), len(self._end))
            target[:count], self._end = self._end[:count], self._end[count:]
            return count
        count = min(len(target), self._left)
        target[:count] = bytes(count)
        self._left -= count
        return count


@pytest.mark.slow
@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_hundred_bytes_of_a_hundred_mib(is_remembered: bool, storage: B2Storage, emulator: Emulator) -> None:
    storage.save("a.bin", File(Zeros(100 * MIB, b"end"), name="a.bin"))
    if not is_remembered:
        forget()
        storage.exists("other.bin")
    emulator.reset_counts()
    with storage.open("a.bin") as file:
        assert file.read(100) == bytes(100)
    assert emulator.calls() == {"download": 1}
    assert emulator.bytes_out() <= (WINDOW_BYTES if is_remembered else FIRST_BYTES) <= 64 * 1024


@pytest.mark.slow
def test_the_end_of_a_large_zip(storage: B2Storage, emulator: Emulator) -> None:
    """300 MiB: listed, and a small member extracted, with the traffic of a web page."""
    archive = io.BytesIO()
    padding = 300 * MIB
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(100):
            made.writestr(f"folder/{number:03}.txt", f"member {number} " * 50)
    # zipfile finds an archive behind anything else
    storage.save("a.zip", File(Zeros(padding + len(archive.getvalue()), archive.getvalue()), name="a.zip"))
    emulator.reset_counts()
    with storage.open("a.zip") as file:
        file.seek(-100, io.SEEK_END)
        assert file.read() == archive.getvalue()[-100:]
        assert emulator.bytes_out() <= 2 * WINDOW_BYTES + 100
        with zipfile.ZipFile(file) as members:
            assert len(members.namelist()) == 100
            assert members.read("folder/042.txt") == b"member 42 " * 50
    assert emulator.calls()["download"] <= 4
    assert emulator.bytes_out() <= 4 * WINDOW_BYTES


def test_a_small_file_is_one_call(storage: B2Storage, emulator: Emulator) -> None:
    for size in (1, WINDOW_BYTES, FIRST_BYTES, BLOCK_BYTES):
        with storage.open(storage.save(f"{size}.bin", ContentFile(bytes(size)))) as file:
            emulator.reset_counts()
            assert file.read() == bytes(size)
            assert emulator.calls() == {}
    forget()
    emulator.reset_counts()
    with storage.open(f"{FIRST_BYTES}.bin") as file:
        assert len(file.read()) == FIRST_BYTES
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 1}


def test_an_empty_file_is_one_call_when_it_is_known(storage: B2Storage, emulator: Emulator) -> None:
    saved(storage, emulator, 0)
    assert storage.open("a.bin").read() == b""
    assert emulator.calls() == {"head": 1}


def test_a_file_that_grew_since_it_was_known_is_read_whole(storage: B2Storage, emulator: Emulator) -> None:
    """What is remembered only says how to ask."""
    from b2router.b2.metadata import Metadata

    for before, after in ((0, 5), (5, 3 * BLOCK_BYTES), (3 * BLOCK_BYTES, 0)):
        with pytest.MonkeyPatch.context() as patch:
            storage.open("a.bin", "wb").close()
            with storage.open("a.bin", "wb") as file:
                file.write(b"1" * before)
            patch.setattr(Metadata, "saved", lambda *args: None)
            with storage.open("a.bin", "wb") as file:
                file.write(b"2" * after)
        assert storage.size("a.bin") == before
        with storage.open("a.bin") as file:
            assert (file.size, file.read()) == (after, b"2" * after)


@pytest.mark.parametrize("how", ["read", "pieces", "chunks", "copy"])
def test_reading_in_order_is_one_download_after_the_first_block(
    how: str, storage: B2Storage, emulator: Emulator
) -> None:
    content = saved(storage, emulator, 5 * MIB + 1)
    with storage.open("a.bin") as file:
        if how == "read":
            found = file.read()
        elif how == "pieces":
            found = b"".join(iter(lambda: file.read(1000), b""))
        elif how == "chunks":
            found = b"".join(file.chunks())
        else:
            with storage.open("b.bin", "wb") as other:
                for chunk in file.chunks():
                    other.write(chunk)
            found = storage.open("b.bin").read()
            emulator.reset_counts()
    assert found == content
    if how != "copy":
        assert emulator.calls() == {"download": 2}
        assert emulator.bytes_out() == len(content)


def test_going_back_a_little_asks_for_nothing(storage: B2Storage, emulator: Emulator) -> None:
    content = saved(storage, emulator, 3 * MIB)
    with storage.open("a.bin") as file:
        file.read(2 * MIB)
        emulator.reset_counts()
        for back in (10, 10_000, 500_000):
            file.seek(2 * MIB - back)
            assert file.read(back) == content[2 * MIB - back : 2 * MIB]
        assert emulator.calls() == {}
        assert file.read(100) == content[2 * MIB :][:100]  # and the download goes on
        assert emulator.calls() == {}


def test_going_ahead_a_little_asks_for_nothing(storage: B2Storage, emulator: Emulator) -> None:
    content = saved(storage, emulator, 3 * MIB)
    with storage.open("a.bin") as file:
        file.read(MIB)
        emulator.reset_counts()
        file.seek(MIB + BLOCK_BYTES // 2)
        assert file.read(10) == content[MIB + BLOCK_BYTES // 2 :][:10]
        assert emulator.calls() == {}


def test_reading_elsewhere_asks_for_what_is_wanted(storage: B2Storage, emulator: Emulator) -> None:
    content = saved(storage, emulator, 8 * MIB)
    with storage.open("a.bin") as file:
        emulator.reset_counts()
        for start, count in ((5 * MIB, 10), (3 * MIB + 7, 10), (6 * MIB, MIB)):
            file.seek(start)
            assert file.read(count) == content[start : start + count]
        assert emulator.calls() == {"download": 3}
        assert emulator.bytes_out() <= MIB + 4 * WINDOW_BYTES


def test_reading_elsewhere_uses_the_same_connection(storage: B2Storage, emulator: Emulator) -> None:
    """What is left of a window is read, so that no handshake is needed."""
    saved(storage, emulator, 8 * MIB)
    pool = storage._place().session.login().host
    with storage.open("a.bin") as file:
        made = pool.num_connections
        for start in (5 * MIB, MIB, 7 * MIB, 2 * MIB):
            file.seek(start)
            file.read(10)
    assert (emulator.calls(), pool.num_connections) == ({"download": 5}, made)


def test_what_is_kept_is_bounded(storage: B2Storage, emulator: Emulator) -> None:
    saved(storage, emulator, 12 * MIB)
    with storage.open("a.bin") as file:
        file.read(10)
        tracemalloc.start()
        while file.read(64 * 1024):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < KEPT_BYTES + 4 * BLOCK_BYTES


def test_a_whole_file_is_held_once(storage: B2Storage, emulator: Emulator) -> None:
    """Not the blocks that came, and then all of them once more."""
    size = 48 * MIB
    content = saved(storage, emulator, size)
    with storage.open("a.bin") as file:
        tracemalloc.start()
        try:
            whole = file.read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert whole == content
    assert peak < 1.3 * size


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_an_open_file_is_read_as_it_was(change: str, storage: B2Storage, emulator: Emulator) -> None:
    content = saved(storage, emulator, 2 * MIB)
    with storage.open("a.bin") as file:
        assert file.read(10) == content[:10]
        if change == "delete":
            storage.delete("a.bin")
        else:
            with storage.open("a.bin", "wb") as other:
                other.write(bytes(len(content)))
        file.seek(MIB)
        assert file.read() == content[MIB:]
        assert file.size == len(content)


def test_a_version_that_is_gone_is_not_found(storage: B2Storage, emulator: Emulator) -> None:
    saved(storage, emulator, 2 * MIB)
    with storage.open("a.bin") as file:
        storage.purge("a.bin")
        file.seek(MIB)
        with pytest.raises(FileNotFoundError):
            file.read()


def test_a_failure_in_the_middle_is_raised_and_reading_can_go_on(storage: B2Storage, emulator: Emulator) -> None:
    content = saved(storage, emulator, 2 * MIB)
    with storage.open("a.bin") as file:
        file.seek(MIB)
        emulator.fail("download", status=503, times=100)
        with pytest.raises(Unavailable):
            file.read(10)
        assert file.tell() == MIB
        emulator.clear_faults()
        assert file.read(10) == content[MIB:][:10]


def test_a_file_that_is_only_opened_costs_one_small_call(storage: B2Storage, emulator: Emulator) -> None:
    saved(storage, emulator, 2 * MIB)
    storage.open("a.bin").close()
    assert emulator.calls() == {"download": 1}
    assert emulator.bytes_out() <= WINDOW_BYTES


def test_reading_on_asks_nothing_but_the_download(storage: B2Storage, emulator: Emulator) -> None:
    """B2 has told the id of the version, so the id of the bucket is not needed."""
    content = saved(storage, emulator, MIB)
    forget()
    with storage.open("a.bin") as file:
        assert file.read() == content
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 2}


def test_a_forked_process_reads_on_for_itself(storage: B2Storage, emulator: Emulator) -> None:
    """Two processes that read from one connection would each get pieces of what comes, and none would know."""
    content = os.urandom(8 * MIB)
    storage.save("a.bin", ContentFile(content))
    with storage.open("a.bin") as file:
        file.seek(MIB)
        for size in (100, 4 * FIRST_BYTES):  # the second goes on, by a download to the end
            file.read(size)
        position = file.tell()
        child = os.fork()
        if not child:
            is_right = file.read(MIB) == content[position : position + MIB]
            file.close()
            os._exit(0 if is_right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert file.read() == content[position:]


@pytest.mark.parametrize("size", [0, 7])
def test_what_is_too_short_for_a_zip_is_none(size: int, storage: B2Storage, emulator: Emulator) -> None:
    """Who looks for the end of an archive goes back so far, and takes an OSError for an answer, as from the disk."""
    saved(storage, emulator, size)
    assert not zipfile.is_zipfile(storage.open("a.bin"))
    with pytest.raises(OSError, match="no position -1"):
        storage.open("a.bin").seek(-1)
