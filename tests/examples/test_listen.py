"""The socket that `examples/listen.py` opens: what connections get of it, and that a stopped visitor is let go."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from b2router import get_storage
from b2router.emulator import Emulator
from tests.conftest import Configure
from tests.servers import serving

LISTEN = Path(__file__).resolve().parents[2] / "examples" / "listen.py"
MiB = 1024 * 1024

ACCEPT = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
accepted, _ = listener.accept()
options = (socket.TCP_NODELAY, socket.TCP_USER_TIMEOUT)
accepted.sendall(" ".join(str(accepted.getsockopt(socket.IPPROTO_TCP, option)) for option in options).encode())
"""


def test_every_connection_has_the_options_of_the_socket() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(LISTEN), f"127.0.0.1:{port}", "--give-up=7.5", "--", sys.executable, "-c", ACCEPT]
    server = subprocess.Popen([*command, "{fd}"])
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    said = client.makefile("rb").read()
                    break
            time.sleep(0.05)
        else:
            pytest.fail("nobody listened")
    finally:
        server.wait(10)
    assert said == b"1 7500"


@pytest.mark.parametrize("address", ["8000", "127.0.0.1:", "127.0.0.1:http"])
def test_what_is_no_address_is_told(address: str) -> None:
    done = subprocess.run([sys.executable, str(LISTEN), address, "--", "true"], capture_output=True, text=True)
    assert (done.returncode, f"'{address}' is not HOST:PORT" in done.stderr) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn", "uvicorn 2 workers"])
def test_a_visitor_who_stops_reading_is_let_go(
    emulator: Emulator, configure: Configure, tmp_path: Path, kind: str
) -> None:
    """He holds the connection open and takes nothing: without a limit he holds a thread, and a download, for ever."""
    pytest.importorskip(kind.partition(" ")[0])
    with get_storage("public").open("film.bin", "wb") as file:
        for _ in range(40):
            file.write(bytes(MiB))
    with serving(kind, emulator, tmp_path, give_up_s=2) as server:
        emulator.reset_counts()
        with socket.create_connection(("127.0.0.1", server.port)) as visitor:
            visitor.sendall(b"GET /b2/film.bin HTTP/1.1\r\nHost: site.example\r\n\r\n")
            assert visitor.recv(5) == b"HTTP/"
            deadline = time.monotonic() + 20
            while sent(emulator) in ([], [40 * MiB]) and time.monotonic() < deadline:
                time.sleep(0.05)  # what is planned counts until the connection has ended
            (sent_bytes,) = sent(emulator)
            assert sent_bytes < 20 * MiB
            assert server.get("/home/") == b"home"


def sent(emulator: Emulator) -> list[int]:
    return [record.bytes_out for record in emulator.log() if record.operation == "download"]
