"""rclone's b2 backend against the emulator; version 1.60 of Debian speaks API version 1."""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from pathlib import Path

import pytest

from b2router.emulator import Emulator
from tests.emulator.clients.conftest import Run
from tests.emulator.clients.test_b2_command import same

Rclone = Callable[..., str]


@pytest.fixture
def rc(em: Emulator, rclone: str, run: Run, tmp_path: Path) -> Rclone:
    """rclone with the emulator as emu:, parts of 5 MB."""
    settings = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_EMU_TYPE": "b2",
        "RCLONE_CONFIG_EMU_ACCOUNT": em.key_id,
        "RCLONE_CONFIG_EMU_KEY": em.key,
        "RCLONE_CONFIG_EMU_ENDPOINT": em.url,
        "RCLONE_CONFIG_EMU_UPLOAD_CUTOFF": "6M",
        "RCLONE_CONFIG_EMU_CHUNK_SIZE": "5M",
    }
    (tmp_path / "rclone.conf").touch()
    return lambda *words: run(rclone, *words, env=settings)


def test_copy_check_and_sync_back(rc: Rclone, source: Path, tmp_path: Path, em: Emulator) -> None:
    """Small files and parts; check compares SHA-1 sums."""
    rc("mkdir", "emu:rclone-bucket")
    rc("copy", source, "emu:rclone-bucket/x")
    assert em.calls()["b2_upload_part"] == 3
    rc("check", source, "emu:rclone-bucket/x")
    rc("sync", "emu:rclone-bucket/x", tmp_path / "back")
    assert same(source, tmp_path / "back")
    (source / "a.txt").unlink()
    rc("sync", source, "emu:rclone-bucket/x")
    assert "x/a.txt" not in rc("lsf", "-R", "emu:rclone-bucket").splitlines()
    assert [line for line in rc("lsf", "-R", "--b2-versions", "emu:rclone-bucket").splitlines() if "a-v" in line]
    rc("purge", "emu:rclone-bucket")
    assert "rclone-bucket" not in rc("lsf", "emu:")


def test_ranges(rc: Rclone, source: Path) -> None:
    """cat with offset and count, head and tail."""
    rc("copy", source, "emu:acme-staff")
    assert rc("cat", "emu:acme-staff/a.txt", "--offset", "8", "--count", "2") == "of"
    assert rc("cat", "emu:acme-staff/a.txt", "--head", "7") == "content"
    assert rc("cat", "emu:acme-staff/a.txt", "--tail", "4") == "txt\n"


def test_move_and_delete(rc: Rclone, source: Path, tmp_path: Path) -> None:
    """moveto is a server-side copy; delete hides; cleanup removes what is hidden."""
    rc("copy", source, "emu:acme-staff/x")
    rc("moveto", "emu:acme-staff/x/big.bin", "emu:acme-staff/y/big.bin")
    rc("copyto", "emu:acme-staff/y/big.bin", tmp_path / "out")
    assert filecmp.cmp(source / "big.bin", tmp_path / "out", shallow=False)
    rc("deletefile", "emu:acme-staff/x/a.txt")
    rc("cleanup", "emu:acme-staff")
    versions = rc("lsf", "-R", "--files-only", "--b2-versions", "emu:acme-staff").splitlines()
    assert sorted(versions) == sorted(["x/plus+percent%.txt", "x/sub dir/b.txt", "x/ü é.txt", "y/big.bin"])


def test_large_server_side_copy(rc: Rclone, source: Path, em: Emulator) -> None:
    """Over the cutoff rclone copies by parts."""
    rc("copy", source, "emu:acme-staff/x")
    rc("copyto", "--b2-copy-cutoff", "5M", "emu:acme-staff/x/big.bin", "emu:acme-public/big.bin")
    assert em.calls()["b2_copy_part"] >= 2
    rc("check", "--download", "emu:acme-staff/x", "emu:acme-public", "--include", "big.bin")


def test_link(rc: Rclone, source: Path) -> None:
    """A token URL."""
    import urllib.request

    rc("copy", source, "emu:acme-staff")
    with urllib.request.urlopen(rc("link", "emu:acme-staff/a.txt").strip()) as answer:
        assert answer.read() == b"content of a.txt\n"


def test_no_server_error(rc: Rclone, source: Path, em: Emulator) -> None:
    """Nothing that rclone does meets a 500."""
    for words in (("copy", source, "emu:acme-staff"), ("about", "emu:"), ("size", "emu:acme-staff"), ("tree", "emu:")):
        try:
            rc(*words)
        except AssertionError:
            assert words[0] == "about"  # B2 has no such call
    assert [record for record in em.log() if record.status >= 500] == []
