"""Heads of answers: read as http.client reads them, and refused when they are none."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from b2router.b2.heads import MAX_BYTES, MAX_INTERIM, Answer

NAMES = [
    *("Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Content-Type", "Set-Cookie"),
    *("x-bz-file-name", "X-Bz-Info-a!#$%&'*+.^_`|~1"),
]
VALUES = ["0", "17", "close", "Keep-Alive", "chunked", "text/plain", "a=b; Path=/", "\xe9t\xe9", "", "with: colon"]


class Sent(io.RawIOBase):
    """A connection that gives so many bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self._data[: min(self._size, len(buffer))]
        self._data = self._data[len(block) :]
        buffer[: len(block)] = block
        return len(block)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def read(data: bytes, method: str = "GET", size: int = 8192, kind: type[http.client.HTTPResponse] = Answer) -> Any:
    answer = kind(Sent(data, size), method=method)  # type: ignore[arg-type]  # what http.client needs of a socket
    answer.begin()
    return answer


def facts(answer: http.client.HTTPResponse) -> dict[str, Any]:
    names = ["version", "status", "reason", "chunked", "length", "will_close"]
    found = {name: getattr(answer, name) for name in names}
    return found | {
        "fields": answer.headers.items(),
        "raw": list(answer.headers.raw_items()),
        "getheaders": answer.getheaders(),
    }


@given(
    st.sampled_from(["1.0", "1.1"]),
    st.sampled_from([200, 204, 206, 301, 304, 404, 416, 503, 599]),
    st.sampled_from(["", " ", " OK", " Not  Found "]),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=12),
    st.sampled_from(["GET", "HEAD"]),
    st.sampled_from([1, 7, 100, 8192]),
    st.sampled_from(["", " ", "\t "]),
)
def test_a_head_is_read_as_http_client_reads_it(
    version: str, status: int, reason: str, fields: list[tuple[str, str]], method: str, size: int, padding: str
) -> None:
    framing = [value for name, value in fields if name == "Transfer-Encoding"]
    assume(framing in ([], ["chunked"]) and not (framing and "Content-Length" in dict(fields)))  # see below
    lines = [f"HTTP/{version} {status}{reason}", *(f"{name}:{padding}{value}" for name, value in fields)]
    data = ("\r\n".join(lines) + "\r\n\r\n4\r\nbody\r\n0\r\n\r\n").encode("iso-8859-1")
    expected = read(data, method, kind=http.client.HTTPResponse)
    found = read(data, method, size)
    assert facts(found) == facts(expected)
    assert found.read(4) == expected.read(4)


@pytest.mark.parametrize("size", [1, 8192])
def test_interim_answers_are_passed_over(size: int) -> None:
    """RFC 9110, section 15.2."""
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    answer = read(data, size=size)
    assert (answer.status, answer.headers.items()) == (200, [("A", "b")])


def test_a_folded_field_is_one_line() -> None:
    """RFC 9112, section 5.2."""
    answer = read(b"HTTP/1.1 200 OK\r\nA: b\r\n\t c\r\n  d\r\nE: f\r\n\r\n")
    assert answer.headers.items() == [("A", "b c d"), ("E", "f")]


def test_the_first_of_two_lengths_counts_and_both_are_told() -> None:
    """urllib3 refuses lengths that differ."""
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")
    assert (answer.length, answer.headers.get_all("content-length")) == (5, ["5", "6"])


def test_white_space_around_a_value_is_not_of_it() -> None:
    """RFC 9110, section 5.5; http.client leaves it at the end, and takes "chunked " for something else."""
    answer = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding \t:\t chunked \t\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    assert (answer.headers.items(), answer.read()) == ([("Transfer-Encoding", "chunked")], b"ab")


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "0x10", "５", "5, 5", "9" * 5000])
def test_a_length_is_decimal(length: str) -> None:
    """RFC 9110, section 8.6; such a body ends with its connection."""
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: " + length.encode() + b"\r\n\r\n")
    assert (answer.length, answer.will_close) == (None, True)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\nA: b\r\n",  # broke off
        "HTTP/1.1 200 OK\r\nA: b",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 20",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "<html>\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\0: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: folded onto nothing\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\n" + f"A: {'b' * MAX_BYTES}\r\n\r\n",
        "HTTP/1.1 200 OK\r\n" + "A: b\r\n" * MAX_BYTES,
        "HTTP/1.1 200 " + "O" * MAX_BYTES + "\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n" * MAX_INTERIM,
    ],
)
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_what_is_no_head_is_an_error(head: str, size: int) -> None:
    with pytest.raises(http.client.HTTPException):
        read(head.encode("iso-8859-1"), size=size)


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", "chunked, chunked", ""])
def test_a_body_in_another_coding_ends_with_its_connection(coding: str) -> None:
    """RFC 9112, section 6.3: its length is none, so nothing of it is taken for the next answer."""
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: " + coding.encode() + b"\r\n\r\nabc")
    assert (answer.chunked, answer.length, answer.will_close, answer.read()) == (False, None, True, b"abc")


def test_a_body_with_chunks_and_a_length_has_the_last_word_of_its_connection() -> None:
    """RFC 9112, section 6.3."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    answer = read(data)
    assert (answer.chunked, answer.will_close, answer.read()) == (True, True, b"ab")


@pytest.mark.parametrize("size", [1, 20, 8192])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_may_end_with_a_line_feed_alone(end: str, size: int) -> None:
    """RFC 9112, section 2.2; whatever the body holds, and however it comes."""
    head = ["HTTP/1.1 100 Continue", "", "HTTP/1.1 200 OK", "Content-Length: 9", "", ""]
    answer = read("\n".join(head[:-1]).encode() + end.encode() + b"a\r\n\r\nb\n\nc", size=size)
    assert (answer.status, answer.read()) == (200, b"a\r\n\r\nb\n\nc")


def test_nothing_follows_the_head_of_101() -> None:
    """RFC 9110, section 15.2.2: what comes then is no HTTP, and nobody has asked for that."""
    answer = read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    assert (answer.status, answer.length) == (101, 0)


def test_a_name_that_is_no_token_does_no_harm() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nX/Y: 1\r\nA: b\r\n\r\n").headers.items() == [("X/Y", "1"), ("A", "b")]


def test_a_connection_that_was_closed_says_so() -> None:
    """urllib3 knows it by the kind of the error."""
    with pytest.raises(http.client.RemoteDisconnected):
        read(b"")


def test_a_head_is_read_once() -> None:
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
    answer.begin()
    assert answer.read() == b"ab"
