"""The b2 command line against the emulator."""

from __future__ import annotations

import filecmp
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from b2router.emulator import Emulator
from tests.emulator.clients.conftest import Run

B2 = Callable[..., str]


@pytest.fixture
def b2(em: Emulator, tools: Path, run: Run, tmp_path: Path) -> B2:
    """The command, authorized with the master key."""

    def command(*words: str | Path) -> str:
        return run(tools / "b2", *words, env={"B2_ACCOUNT_INFO": str(tmp_path / "account.sqlite")})

    command("account", "authorize", "--environment", em.url, em.key_id, em.key)
    return command


def same(one: Path, two: Path) -> bool:
    compared = filecmp.dircmp(one, two)
    nested = all(same(one / name, two / name) for name in compared.common_dirs)
    return nested and not (compared.left_only or compared.right_only or compared.diff_files)


def test_life_of_a_bucket(b2: B2) -> None:
    """Create, show, update, delete."""
    b2("bucket", "create", "cli-bucket", "allPrivate", "--lifecycle-rule", '{"fileNamePrefix": "x/"}')
    b2("bucket", "update", "cli-bucket", "allPublic", "--bucket-info", '{"color": "blue"}')
    shown = json.loads(b2("bucket", "get", "cli-bucket"))
    assert (shown["bucketType"], shown["bucketInfo"]) == ("allPublic", {"color": "blue"})
    b2("bucket", "delete", "cli-bucket")
    assert "cli-bucket" not in b2("bucket", "list")


def test_upload_in_parts_and_download(b2: B2, source: Path, tmp_path: Path, em: Emulator) -> None:
    """The recommended part has 100 MB, so the file has two and a bit."""
    big = source / "big.bin"
    with big.open("r+b") as file:
        file.truncate(210_000_000)
    b2("file", "upload", "--quiet", "--threads", "3", "acme-staff", big, "b")
    assert em.calls()["b2_upload_part"] >= 2
    b2("file", "download", "--quiet", "b2://acme-staff/b", tmp_path / "out")
    assert filecmp.cmp(big, tmp_path / "out", shallow=False)
    assert json.loads(b2("file", "info", "b2://acme-staff/b"))["size"] == 210_000_000


def test_sync_both_ways(b2: B2, source: Path, tmp_path: Path, em: Emulator) -> None:
    """A second sync transfers nothing."""
    b2("sync", "--quiet", source, "b2://acme-staff/dir")
    uploads = em.calls()["b2_upload_file"]
    b2("sync", "--quiet", source, "b2://acme-staff/dir")
    assert em.calls()["b2_upload_file"] == uploads
    b2("sync", "--quiet", "b2://acme-staff/dir", tmp_path / "back")
    assert same(source, tmp_path / "back")
    (source / "a.txt").unlink()
    b2("sync", "--quiet", "--delete", source, "b2://acme-staff/dir")
    assert "dir/a.txt" not in b2("ls", "-r", "b2://acme-staff").splitlines()


def test_versions_hide_and_unhide(b2: B2, source: Path) -> None:
    """As the command shows them."""
    for _ in range(2):
        b2("file", "upload", "--quiet", "acme-staff", source / "a.txt", "dir/a.txt")
    b2("file", "hide", "b2://acme-staff/dir/a.txt")
    assert b2("ls", "-r", "b2://acme-staff") == ""
    assert len(b2("ls", "-r", "--versions", "b2://acme-staff").splitlines()) == 3
    b2("file", "unhide", "b2://acme-staff/dir/a.txt")
    assert b2("ls", "-r", "b2://acme-staff").splitlines() == ["dir/a.txt"]
    b2("file", "server-side-copy", "b2://acme-staff/dir/a.txt", "b2://acme-public/copy.txt")
    b2("rm", "-r", "--versions", "--quiet", "--no-progress", "b2://acme-staff")
    assert b2("ls", "-r", "--versions", "b2://acme-staff") == ""
    assert b2("file", "cat", "--no-progress", "b2://acme-public/copy.txt") == "content of a.txt\n"


def test_restricted_key(b2: B2, em: Emulator, source: Path, tools: Path, run: Run, tmp_path: Path) -> None:
    """What it may and may not."""
    b2("file", "upload", "--quiet", "acme-staff", source / "a.txt", "dir/a.txt")
    b2("file", "upload", "--quiet", "acme-staff", source / "a.txt", "other/a.txt")
    key_id, key = b2(
        "key", "create", "--bucket", "acme-staff", "--name-prefix", "dir/", "limited", "listBuckets,listFiles,readFiles"
    ).split()
    assert key_id in b2("key", "list")
    env = {"B2_ACCOUNT_INFO": str(tmp_path / "limited.sqlite")}
    run(tools / "b2", "account", "authorize", "--environment", em.url, key_id, key, env=env)
    assert run(tools / "b2", "ls", "-r", "b2://acme-staff/dir/", env=env).splitlines() == ["dir/a.txt"]
    refused = subprocess.run(
        [tools / "b2", "file", "cat", "b2://acme-staff/other/a.txt"], env=env, capture_output=True, text=True
    )
    assert refused.returncode != 0
    assert "unauthorized" in refused.stderr


def test_token_urls(b2: B2, source: Path) -> None:
    """Fetched by someone who knows nothing but the address."""
    b2("file", "upload", "--quiet", "acme-staff", source / "a.txt", "a.txt")
    url = b2("file", "url", "--with-auth", "--duration", "60", "b2://acme-staff/a.txt").strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"content of a.txt\n"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.partition("?")[0])
    assert caught.value.code == 401
    caught.value.close()
