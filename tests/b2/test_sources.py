"""The bytes of an upload, from every kind of source, without a copy of the whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
from django.core.files.base import File
from django.test import override_settings

from b2router.b2.contents import BLOCK_BYTES, Content, InMemory, OnDisk, OwnError
from b2router.b2.sources import MEMORY_BYTES, Stream, opened
from b2router.contents import upload_source

CONTENT = os.urandom(MEMORY_BYTES + 4321)


def read(content: Content) -> bytes:
    return b"".join(bytes(block) for block in content.blocks())


def spooled() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=8 * MEMORY_BYTES)


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    path = tmp_path / "x.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(io.BytesIO, InMemory, id="memory"),
        pytest.param(tempfile.TemporaryFile, OnDisk, id="open file"),
        pytest.param(tempfile.NamedTemporaryFile, OnDisk, id="open file with a name"),
        pytest.param(spooled, OnDisk, id="spool"),
    ],
)
@pytest.mark.parametrize("first", [0, 3, len(CONTENT)])
def test_what_can_be_read_again_is_sent_from_where_it_is(make: Callable[[], IO[bytes]], kind: type, first: int) -> None:
    """From where it stands to its end."""
    with make() as source:
        source.write(CONTENT)
        source.seek(first)
        with opened(source) as content:
            assert isinstance(content, kind if first < len(CONTENT) or make is not spooled else Content)
            assert read(content) == read(content) == CONTENT[first:]
            assert content.size_bytes == len(CONTENT) - first
            middle = content.part(5, 100) if first < len(CONTENT) else content
            assert read(middle) == CONTENT[first:][5:105]
            assert middle.hashed() == hashlib.sha1(CONTENT[first:][5:105]).hexdigest()
        assert not source.closed


def test_memory_is_not_copied() -> None:
    source = io.BytesIO(bytes(20 * MEMORY_BYTES))
    tracemalloc.start()
    with opened(source) as content:
        assert isinstance(content, InMemory)
        assert sum(len(block) for block in content.part(7, 10 * MEMORY_BYTES).blocks()) == 10 * MEMORY_BYTES
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY_BYTES
    source.close()


def test_a_closed_memory_source_is_no_trouble_after_a_failure() -> None:
    """A view of the buffer itself would keep it from being closed."""
    source = io.BytesIO(CONTENT)
    with opened(source) as content:
        blocks = content.blocks() if isinstance(content, Content) else iter(())
        next(blocks)
        source.close()
        assert b"".join(bytes(block) for block in blocks) == CONTENT[BLOCK_BYTES:]


def test_a_path_is_opened_and_closed(on_disk: Path) -> None:
    with opened(io.BytesIO(b"not this"), str(on_disk)) as content:
        assert isinstance(content, OnDisk)
        assert read(content) == CONTENT


class Reversing(io.FileIO):
    """Gives other bytes than the file has, as one that decrypts does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size)[::-1]


def test_a_source_that_changes_its_bytes_is_read_and_not_bypassed(on_disk: Path, tmp_path: Path) -> None:
    """A gzip file has the descriptor of the packed one."""
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(CONTENT))
    with gzip.open(packed) as unpacking, opened(unpacking) as stream:
        assert isinstance(stream, Stream)
        with closing(stream.take(len(CONTENT))) as content:
            assert read(content) == CONTENT
    with Reversing(on_disk) as reversing, opened(reversing) as stream:
        assert isinstance(stream, Stream)
        assert read(stream.take(10)) == CONTENT[:10][::-1]


def test_a_file_class_that_changes_its_bytes_is_read_and_not_bypassed() -> None:
    class Upper(File):  # type: ignore[type-arg]
        def read(self, size: int = -1) -> bytes:
            return bytes(self.file.read(size).upper())

    plain, _, _ = upload_source(File(io.BytesIO(b"abc")))
    changed, _, _ = upload_source(Upper(io.BytesIO(b"abc")))
    with opened(plain) as content, opened(changed) as stream:
        assert isinstance(content, InMemory)
        assert isinstance(stream, Stream)
        assert read(stream.take(9)) == b"ABC"


class Pieces:
    """A source that gives pieces as they come, whatever is asked for."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        return piece  # type: ignore[no-any-return]


@pytest.fixture
def stream() -> Iterator[Stream]:
    with opened(Pieces(CONTENT[:10], CONTENT[10 : MEMORY_BYTES + 20], CONTENT[MEMORY_BYTES + 20 :])) as made:
        assert isinstance(made, Stream)
        yield made


@pytest.mark.parametrize("size", [1, 10, 11, MEMORY_BYTES, MEMORY_BYTES + 1, len(CONTENT), 10 * len(CONTENT)])
def test_a_stream_is_taken_in_parts_of_the_size_asked_for(size: int, stream: Stream) -> None:
    taken = b""
    for _ in range(3):
        part = stream.take(size)
        assert part.size_bytes == len(read(part)) == min(size, len(CONTENT) - len(taken))
        taken += read(part)
        part.close()
    assert taken == CONTENT[: 3 * size]
    assert stream.is_over == (len(taken) == len(CONTENT))
    assert stream.is_over == (len(taken) == len(CONTENT))


def test_a_part_of_a_stream_lies_where_django_puts_uploads(stream: Stream, tmp_path: Path) -> None:
    with override_settings(FILE_UPLOAD_TEMP_DIR=tmp_path / "gone"), pytest.raises(OwnError) as caught:
        stream.take(len(CONTENT))
    assert isinstance(caught.value.error, FileNotFoundError)


@pytest.mark.parametrize("error", [ZeroDivisionError(), None])
def test_a_source_that_fails_is_not_taken_for_its_end(error: Exception | None) -> None:
    """None says that there are no bytes yet: taken for the end, half a file would be stored."""
    with opened(Pieces(b"half", error)) as stream, pytest.raises(OwnError) as caught:
        assert isinstance(stream, Stream)
        stream.take(100)
    assert type(caught.value.error) is (type(error) if error else BlockingIOError)


def test_a_file_that_shrinks_raises(on_disk: Path) -> None:
    with opened(io.BytesIO(), str(on_disk)) as content:
        os.truncate(on_disk, BLOCK_BYTES)
        assert isinstance(content, OnDisk)
        with pytest.raises(OwnError) as caught:
            read(content)
    assert "ended after 262144 bytes" in str(caught.value.error)
