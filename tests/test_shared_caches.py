"""The manual's page about shared caches: with each of them as it stands there, two processes make one login."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from b2router.emulator import Emulator
from tests import services

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "set-up-caches.md").read_text()

SITE = """
import json, os, sys
from django.conf import settings
import django
told, blocks = json.loads(sys.argv[1]), {"__name__": "acme.routers"}
for block in told["blocks"]:
    exec(block, blocks)
sys.modules["acme"] = sys.modules["acme.routers"] = type(sys)("acme.routers")
vars(sys.modules["acme"]).update(blocks, routers=sys.modules["acme"])
config = {"profiles": {"media": {"bucket": "acme-media"}}} | blocks.pop("BACKBLAZE_CONFIG", {})
given = {name: value for name, value in blocks.items() if name.isupper()}
settings.configure(SECRET_KEY="tests", USE_TZ=True, BACKBLAZE_CONFIG=config, INSTALLED_APPS=["b2router"], **given)
django.setup()
from django.core.management import call_command
for command in told["commands"]:
    call_command(*command)
from b2router import get_storage
print(get_storage("media").exists("a.txt"))
"""


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def run_site(emulator: Emulator, blocks: list[str], commands: list[list[str]]) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BACKBLAZE_REALM": emulator.url,
        "BACKBLAZE_APPLICATION_KEY_ID": emulator.key_id,
        "BACKBLAZE_APPLICATION_KEY": emulator.key,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    told = json.dumps({"blocks": blocks, "commands": commands})
    done = subprocess.run([sys.executable, "-c", SITE, told], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heading", "place"),
    [
        ("Redis", "redis://10.0.0.5:6379/0"),
        ("Memcached", "10.0.0.5:11211"),
        ("The database", ""),
        ("Files", "/var/cache/acme"),
        ("An SQLite file, for the login alone", "/var/lib/acme/b2-login.sqlite3"),
    ],
)
def test_two_processes_make_one_login(heading: str, place: str, tmp_path: Path) -> None:
    started: AbstractContextManager[services.Service] = nullcontext(services.Service(str(tmp_path / "kept"), str))
    if heading in ("Redis", "Memcached"):
        started = {"Redis": services.redis, "Memcached": services.memcached}[heading](tmp_path)
    text = section(heading)
    blocks = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    typed = re.findall(r"^\$ python manage.py (.+)$", text, re.MULTILINE)
    assert blocks
    assert place in text
    with started as service, Emulator(buckets=["acme-media"]) as emulator:
        here = service.url.removeprefix("memcached://")
        if place:
            blocks = [block.replace(place, here) for block in blocks]
        else:  # the page's is PostgreSQL
            blocks = [
                block.replace("backends.postgresql", "backends.sqlite3").replace('"acme"', repr(here))
                for block in blocks
            ]
        run_site(emulator, blocks, [words.split() for words in typed])
        run_site(emulator, blocks, [])
        assert emulator.calls()["b2_authorize_account"] == 1
