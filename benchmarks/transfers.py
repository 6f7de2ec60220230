"""One HTTP request at a time: a plain one, a large download, a large upload; timed, and checked for completeness."""

from __future__ import annotations

import http.client
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import BenchmarkError

TIMEOUT_S = 600.0
BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a URL without a path."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How a transfer went, counted from the moment when the request was made."""

    first_byte_s: float
    total_s: float


def request(address: Address, path: str, method: str = "GET", timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """Status and body of a small answer."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers(address: Address, path: str) -> bool:
    """Whether a server answers there with 200."""
    try:
        return request(address, path, timeout_s=5)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def first_byte_s(address: Address, path: str) -> float:
    """Ask for a file, and leave with its first byte.

    Raises:
        BenchmarkError: the answer is not a 200, or has no body.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    try:
        started = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        received = response.readinto(bytearray(1))
        waited_s = time.perf_counter() - started
    finally:
        connection.close()
    if response.status != 200 or not received:
        raise BenchmarkError(f"The first byte was asked for, and {response.status} came.")
    return waited_s


def download(address: Address, path: str, size_bytes: int) -> Timing:
    """Read a file to its end and throw it away.

    Raises:
        BenchmarkError: the answer is not a 200 of `size_bytes`.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
    block = memoryview(bytearray(BLOCK_BYTES))
    try:
        started = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        received = response.readinto(block[:1])
        first_byte_s = time.perf_counter() - started
        while count := response.readinto(block):
            received += count
        total_s = time.perf_counter() - started
    finally:
        connection.close()
    if response.status != 200 or received != size_bytes:
        raise BenchmarkError(f"The download was answered with {response.status} and {received} bytes.")
    return Timing(first_byte_s, total_s)


def upload(address: Address, path: str, content: Path, name: str) -> Timing:
    """Send a file as a multipart form; the first byte is that of the answer.

    Raises:
        BenchmarkError: the answer is not a 200.
    """
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S, blocksize=BLOCK_BYTES)
    try:
        started = time.perf_counter()
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(head) + content.stat().st_size + len(tail)))
        connection.endheaders(head)
        with content.open("rb") as file:
            connection.sock.sendfile(file)
        connection.send(tail)
        response = connection.getresponse()
        first_byte_s = time.perf_counter() - started
        said = response.read()
        total_s = time.perf_counter() - started
    finally:
        connection.close()
    if response.status != 200:
        raise BenchmarkError(f"The upload was answered with {response.status}: {said[:200]!r}")
    return Timing(first_byte_s, total_s)
