"""The console script, as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from b2router import __version__
from b2router.cli import main

ROOT = Path(__file__).parents[1]


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"b2router {__version__}\n"


def test_who_reads_its_output_may_stop() -> None:
    """As `head` does: nothing more is printed, and no traceback."""
    command = [sys.executable, "-m", "b2router", "schema"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (141, b"")


def test_it_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_the_emulator_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """Its output is what has to be exported; it needs no Django settings."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "b2router",
            "emulator",
            "--port",
            "0",
            "--data",
            str(tmp_path),
            "--bucket",
            "acme-media",
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "BACKBLAZE_APPLICATION_KEY=" in line:
            break
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    text = "".join(lines) + rest
    assert re.search(r"http://127\.0\.0\.1:\d+", text)
    for name in ("BACKBLAZE_REALM", "BACKBLAZE_APPLICATION_KEY_ID", "BACKBLAZE_APPLICATION_KEY"):
        assert name in text


def test_the_schema_is_written_in_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    """RFC 8259, 8.1: JSON between systems is UTF-8."""
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "b2router", "schema", "-o", str(tmp_path / "b2router.json")]
    for words in ([], ["--check"]):
        done = subprocess.run([*command, *words], cwd=ROOT, env=plain, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    published = ROOT / "schemas" / "b2router-1.schema.json"
    assert (tmp_path / "b2router.json").read_bytes() == published.read_bytes()
