"""The demo, run as a person would run it: `demo.py --check` in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.slow


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=180, env=environment, cwd=SITE
    )


def table(output: str) -> list[list[str]]:
    """The rows of the table that the check prints, cell by cell."""
    lines = output.partition("Who reads what\n")[2].partition("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines[2:]]


@pytest.mark.parametrize(
    ("front", "streamer"),
    [
        pytest.param([], "nginx", id="with nginx", marks=pytest.mark.skipif(not NGINX, reason="nginx is missing")),
        pytest.param(["--no-nginx"], "the site", id="without nginx"),
    ],
)
def test_every_visitor_reads_what_is_declared_and_nothing_else(front: list[str], streamer: str) -> None:
    """The table is the point of the whole package: a row here that changes is a leak or a lock-out."""
    done = run("demo.py", "--check", *front)
    assert done.returncode == 0, done.stdout + done.stderr
    assert table(done.stdout) == [
        ["public", "streamed by the site", "any", "200 read", "200 read", "200 read", "yes"],
        ["logged_in", "streamed by the site", "any", "302 to login", "200 read", "200 read", "yes"],
        ["staff", "streamed by the site", "any", "302 to login", "403 refused", "200 read", "yes"],
        ["talks", f"streamed by {streamer}", "any", "302 to login", "200 read", "200 read", "yes"],
        ["exports", "redirect to B2, signed here", "any", "302 to login", "403 refused", "200 read", "yes"],
        ["ledgers", "redirect to B2, with its download token", "any", "302 to login", "403 refused", "200 read", "yes"],
        ["catalogue", "straight from B2", "any", "200 read", "200 read", "200 read", "yes"],
        ["cdn", "straight from the CDN", "any", "200 read", "200 read", "200 read", "yes"],
        ["prints", "redirect to the CDN, signed here", "any", "302 to login", "200 read", "200 read", "yes"],
        ["invoices", "streamed by the site", "for alice", "404 hidden", "200 read", "200 read", "yes"],
        ["invoices", "streamed by the site", "for sam", "404 hidden", "404 hidden", "200 read", "yes"],
    ]
    assert "Everything is as declared." in done.stdout
    assert "NOT" not in done.stdout
    assert done.stderr == ""


def test_the_check_notices_a_profile_that_lets_too_many_in() -> None:
    """A check that cannot fail proves nothing: here the staff's bucket is opened to everybody."""
    done = run("-c", LOOSENED)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ["staff", "streamed by the site", "any", "200 read", "200 read", "200 read"] in [
        row[:6] for row in table(done.stdout)
    ]
    assert "staff , anonymous: 200 read instead of 302 to login" in done.stdout.replace("staff, ", "staff , ")


LOOSENED = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, ".")
from check import check
from demo import Demo
with tempfile.TemporaryDirectory() as folder:
    with Demo(Path(folder), 0, {"BACKBLAZE_PROFILES__STAFF__PERMISSION": "public"}) as demo:
        status = check(demo.url, demo.emulator)
sys.exit(status)
"""


def test_the_migrations_are_those_of_the_models() -> None:
    """Migrations hold aliases only: any key will do, and nothing is asked of B2."""
    done = run("-c", UNCHANGED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No changes detected" in done.stdout


UNCHANGED = """
import os, sys, tempfile
sys.path.insert(0, ".")
from django.core.management import execute_from_command_line
with tempfile.TemporaryDirectory() as folder:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="acme.settings",
        ACME_DATA_DIR=folder,
        BACKBLAZE_REALM="http://127.0.0.1:9",
        BACKBLAZE_APPLICATION_KEY_ID="none",
        BACKBLAZE_APPLICATION_KEY="none",
        BACKBLAZE_PROFILES__PRINTS__DELIVERY__SIGNING__SECRET="none of yours",
    )
    execute_from_command_line(["manage.py", "makemigrations", "--check", "--dry-run"])
"""
