"""A server in B2's place, for what the emulator does not do: it answers as a script says, byte for byte."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

Answer = Callable[[bytes], bytes | Iterable[bytes]]


class Reset(Exception):
    """Raised by an answer that comes in pieces: the connection is reset."""


class InHalves:
    """Speaks TLS, and keeps half of the last record of all that is sent until more is, or until the end.

    Args:
        context: the server's.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, plain: socket.socket, *, server_side: bool) -> _Halving:
        """As a context does."""
        return _Halving(plain, self._context)


class _Halving:
    def __init__(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        self._plain, self._came, self._going = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._going, server_side=True)
        self._kept = b""
        self._done(self._tls.do_handshake)
        self._plain.sendall(self._going.read())

    def __enter__(self) -> _Halving:
        return self

    def __exit__(self, *details: object) -> None:
        self._plain.sendall(self._kept)
        self._plain.close()

    def recv(self, size: int) -> bytes:
        return self._done(lambda: self._tls.read(size))

    def sendall(self, content: bytes) -> None:
        for first in range(0, len(content), 16 * 1024):
            self._plain.sendall(self._kept)
            self._tls.write(content[first : first + 16 * 1024])
            record = self._going.read()
            self._plain.sendall(record[: len(record) // 2])
            self._kept = record[len(record) // 2 :]

    def _done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._plain.sendall(self._going.read())
                self._came.write(self._plain.recv(65536))


class Impostor:
    """Answers each request, whatever it is, with what a script says: bytes at once, or one by one as they come.

    Args:
        tls: speaks TLS with this context.
        pause_s: between the pieces of an answer that comes in pieces.
        listener: a socket that listens already.
    """

    def __init__(
        self, tls: ssl.SSLContext | InHalves | None = None, pause_s: float = 0.1, listener: socket.socket | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.has_reset = threading.Event()
        self.script: Answer = lambda request: self.http(404)
        self._tls = tls
        self._pause_s = pause_s
        self.rest_after_s = 0.0
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{self.port}"
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def http(status: int, body: bytes = b"", **headers: str | None) -> bytes:
        """An answer that ends its connection; a header that is None is left out."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"Content-Length": str(len(body)), "Connection": "close", **given}
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + body

    def asked(self, part: bytes) -> int:
        """How many requests held this."""
        return sum(part in request for request in self.requests)

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=[client], daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:  # a client that leaves early is part of the tests
            client = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with client:
                request = self._read(client)
                if not request:
                    return
                self.requests.append(request)
                answer = self.script(request)
                if isinstance(answer, bytes):
                    client.sendall(answer)
                    return
                try:
                    for piece in answer:
                        client.sendall(piece)
                        time.sleep(self._pause_s)
                except Reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                    self.has_reset.set()

    def _read(self, client: socket.socket) -> bytes:
        request = client.recv(65536)
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(body) < length:
            time.sleep(self.rest_after_s)
        blocks = [body]
        while length > sum(map(len, blocks)) and (block := client.recv(1024 * 1024)):
            blocks.append(block)
        return request[: len(request) - len(body)] + b"".join(blocks)


def header(request: bytes, name: str) -> str:
    """A header of a request; empty when it has none of this name."""
    start = f"{name}: ".lower()
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return next((line[len(start) :] for line in lines if line.lower().startswith(start)), "")


def login(server: Impostor, **changes: Any) -> bytes:
    """The body of a login that leads to this server."""
    storage = {
        "apiUrl": server.url,
        "downloadUrl": server.url,
        "s3ApiUrl": server.url,
        "absoluteMinimumPartSize": 5_000_000,
        "recommendedPartSize": 100_000_000,
        "allowed": {"buckets": None, "capabilities": ["listBuckets"], "namePrefix": None},
        **changes,
    }
    body = {"accountId": "a", "authorizationToken": "canary-token", "apiInfo": {"storageApi": storage}}
    return json.dumps(body).encode()


def download_headers(**changes: str | None) -> dict[str, Any]:
    """What B2 sends with a file, for `Impostor.http`."""
    return {
        "Content_Type": "text/plain",
        "X_Bz_File_Id": "4_z",
        "X_Bz_Content_Sha1": "none",
        "X_Bz_Upload_Timestamp": "1500000000000",
        **changes,
    }


def certificate(folder: Path) -> Path:
    """A certificate of localhost that nobody has signed; its key lies beside it."""
    path = folder / "cert.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", path),
        ],
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    return path


def proven_by(path: Path) -> ssl.SSLContext:
    """How a server with this certificate speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, path.with_name("key.pem"))
    return context
