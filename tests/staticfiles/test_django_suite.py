"""Django's own tests of static files, from its source archive of the installed version, on the storages of b2router.

The archive is fetched for it, so it runs only when asked to: `nox -s staticfiles`, or B2ROUTER_SUITES=1. With
B2ROUTER_REQUIRE=all, what cannot be fetched is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import django
import pytest

ROOT = Path(__file__).resolve().parents[2]

STORAGE, COMMAND = "test_storage.", "test_management."
EXCEPTIONS = {
    # what there is on a local disk only
    STORAGE + "TestStaticFilePermissions": "permissions of local files",
    STORAGE + "TestCollectionManifestStorage.test_manifest_exists": "asks for the path of a local file",
    STORAGE + "TestCollectionManifestStorage.test_clear_empties_manifest": "asks for the path of a local file",
    STORAGE + "TestCollectionManifestStorage.test_intermediate_files": "lists the local folder",
    STORAGE + "TestCollectionManifestStorage.test_manifest_does_not_ignore_permission_error": "lets open() fail",
    COMMAND + "TestCollectionLinks": "links, which B2 has not: the command refuses them",
    COMMAND + "TestCollectionClear.test_dir_not_exists": "removes the local folder",
    COMMAND + "TestInteractiveMessages.test_no_warning_for_empty_staticdir": "empties the local folder",
    COMMAND + "TestInteractiveMessages.test_no_warning_when_staticdir_does_not_exist": "removes the local folder",
    COMMAND + "TestCollectionVerbosity.test_verbosity_1": "names the local folder",
    COMMAND + "TestCollectionVerbosity.test_verbosity_2": "names the local folder",
    COMMAND + "TestConfiguration.test_local_storage_detection_helper": "whether it is a local folder",
    COMMAND + "TestConfiguration.test_location_empty": "STATIC_ROOT is not set",
    # storages of the suite itself, which keep files in a local folder that ours leaves empty
    COMMAND + "TestCollectionClear.test_handle_path_notimplemented": "reads with a storage that cannot open",
    COMMAND + "TestCollectionNeverCopyStorage.test_skips_newer_files_in_remote_storage": "collects to two places",
    # addresses are those of the profile, whatever STATIC_URL says
    STORAGE + "TestCollectionManifestStorageStaticUrlSlash.test_protocol_relative_url_ignored": "STATIC_URL is '/'",
    "test_forms.StaticFilesFormsMediaTestCase.test_absolute_url": "STATIC_URL is another host",
    "test_templatetags.TestTemplateTag.test_template_tag": "'&' is not percent-encoded: RFC 3986 has it in a path",
}
"""Class or test → what it is about. Everything else has to pass, and these have to fail."""


def missing(reason: str) -> None:
    if os.environ.get("B2ROUTER_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `tests` of Django's source archive."""
    if os.environ.get("B2ROUTER_SUITES") != "1" and os.environ.get("B2ROUTER_REQUIRE") != "all":
        pytest.skip("set B2ROUTER_SUITES=1 to fetch and run Django's own tests of static files")
    folder = tmp_path_factory.mktemp("django")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "pip")], check=True)
    command = [folder / "pip" / "bin" / "python", "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    wanted = f"django=={django.__version__}"
    done = subprocess.run([*command, "-d", folder, wanted], capture_output=True, text=True)
    if done.returncode:
        missing(f"the package index does not give the source archive of {wanted}: {done.stderr[-300:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (tests,) = folder.glob("*/tests")
    return tests


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", ["above", "below"])
def test_django_s_own_tests_pass(suite: Path, place: str) -> None:
    """Above Django's app, b2router's collectstatic runs; below it, Django's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.staticfiles.django_suite", str(suite), place],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout[done.stdout.rindex('{"ran"') :])
    unexpected = {
        test: text for test, text in found["wrong"].items() if not any(test.startswith(name) for name in EXCEPTIONS)
    }
    assert unexpected == {}
    assert [name for name in EXCEPTIONS if not any(test.startswith(name) for test in found["wrong"])] == []
    assert found["ran"] > 120
