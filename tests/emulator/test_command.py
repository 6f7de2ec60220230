"""The command: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from b2router.emulator.__main__ import main
from tests.emulator.process import KEY, Process
from tests.emulator.wire import Wire


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: int) -> None:
    """Exit code 0, nothing on standard error, and the folder is closed in order."""
    emulator = Process(tmp_path, "--bucket", "first-bucket:public", "--bucket", "second-bucket")
    wire = Wire(emulator.url, *KEY)
    listed = wire.ok("b2_list_buckets", accountId=wire.account["accountId"])["buckets"]
    assert [(bucket["bucketName"], bucket["bucketType"]) for bucket in listed] == [
        ("first-bucket", "allPublic"),
        ("second-bucket", "allPrivate"),
    ]
    assert emulator.end(number) == (0, "")


@pytest.fixture
def printed() -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[str]]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
        """Start the command and return its process and what it prints first."""
        command = [sys.executable, "-u", "-m", "b2router.emulator", "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
        return process, lines

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_prints_what_to_paste_and_each_call(printed: Any) -> None:
    """Realm, key and settings; then a line for each call with its price class."""
    process, lines = printed()
    settings = dict(line.strip().split("=", 1) for line in lines if line.startswith("  BACKBLAZE_"))
    assert list(settings) == ["BACKBLAZE_REALM", "BACKBLAZE_APPLICATION_KEY_ID", "BACKBLAZE_APPLICATION_KEY"]
    assert settings["BACKBLAZE_REALM"] in lines[0]
    assert Wire(*settings.values()).token
    assert process.stdout.readline().split()[1:4] == ["C", "b2_authorize_account", "200"]
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)
    assert rest.endswith("Stopped.\n")


def test_listening_beyond_loopback_is_warned_of(printed: Any) -> None:
    """It is no production server."""
    process, lines = printed("--host", "0.0.0.0", "--quiet")
    assert process.stdout.readline().startswith("Warning: other machines reach 0.0.0.0")
    assert "http://127.0.0.1:" in lines[0]


def test_it_says_why_it_cannot_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2: a taken port, a bad key, a bad bucket."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "Address already in use" in capsys.readouterr().err
    assert main(["--key", "nocolon", "--port", "0"]) == 2
    assert "ID:SECRET" in capsys.readouterr().err
    assert main(["--bucket", "bad", "--port", "0"]) == 2
    assert "6 to 63" in capsys.readouterr().err
