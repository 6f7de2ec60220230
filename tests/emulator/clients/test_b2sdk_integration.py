"""b2sdk's own integration tests, out of its source archive, against the emulator."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from b2router.emulator import Emulator
from tests.emulator.clients.conftest import Run, missing

VERSION = "2.10.3"  # the last archive that carries test/integration


def test_all_integration_tests_of_b2sdk_pass(em: Emulator, tools: Path, run: Run, tmp_path: Path) -> None:
    """Fifteen tests that Backblaze runs against its real service."""
    source_only = ["--no-deps", "--no-binary", ":all:"]
    fetch = [str(tools / "python"), "-m", "pip", "download", "-q", *source_only, f"b2sdk=={VERSION}"]
    done = subprocess.run(fetch, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode:
        missing(f"the package index does not give b2sdk {VERSION}: {done.stderr[-300:]}")
    with tarfile.open(tmp_path / f"b2sdk-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    output = run(
        tools / "python", "-m", "pytest", "test/integration", "-q", "-p", "no:cacheprovider",
        cwd=tmp_path / f"b2sdk-{VERSION}",
        env={
            "B2_TEST_ENVIRONMENT": em.url,
            "B2_TEST_APPLICATION_KEY_ID": em.key_id,
            "B2_TEST_APPLICATION_KEY": em.key,
        },
    )  # fmt: skip
    print(output.splitlines()[-1])
    assert output.splitlines()[-1].startswith("15 passed")
    assert [record for record in em.log() if record.status >= 500] == []
