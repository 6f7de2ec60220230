"""The demo over time: stopped and started again, begun anew, and with B2 out of reach."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"

PRINTS = "BACKBLAZE_PROFILES__PRINTS__DELIVERY"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_until_interrupted(folder: Path, *options: str) -> tuple[int, str]:
    """Start the demo, press Ctrl-C once it says that it runs; what it returned and printed."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, str(SITE / "demo.py"), "--data-dir", str(folder), "--port", str(port), *options]
    demo = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    assert demo.stdout is not None
    try:
        printed = ""
        for line in demo.stdout:
            printed += line
            if line.startswith("Requests are logged"):
                break
        assert is_listening(port), printed
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to everything that it started
        rest, _ = demo.communicate(timeout=30)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.communicate()
    assert not is_listening(port)
    return demo.returncode, printed + rest


def test_files_outlive_a_restart_unless_one_begins_anew(tmp_path: Path) -> None:
    outputs = [run_until_interrupted(tmp_path, *options) for options in ((), (), ("--fresh",))]
    assert [status for status, _ in outputs] == [0, 0, 0]
    first, again, fresh = (output for _, output in outputs)
    assert "17 files uploaded" in first
    assert "all files are there" in again
    assert "17 files uploaded" in fresh
    assert re.search(r"alice +password wonderland", first)
    assert re.search(r"sam +password bluebird", first)
    assert "Traceback" not in first + again + fresh


def test_beginning_anew_leaves_other_peoples_files_alone(tmp_path: Path) -> None:
    """`--fresh --data-dir ~` must not cost anybody their home."""
    (tmp_path / "thesis.txt").write_text("years of work")
    run_until_interrupted(tmp_path, "--fresh")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_taken_port_and_a_taken_folder_are_said_in_words(demo: Any, tmp_path: Path) -> None:
    taken_port = refused("--data-dir", str(tmp_path), "--port", str(demo.port))
    assert taken_port == f"Port {demo.port} on 127.0.0.1 is taken; choose another with --port.\n"
    taken_folder = refused("--data-dir", str(demo.data_dir), "--port", str(free_port()))
    assert taken_folder.startswith(f"{demo.data_dir} cannot be used: ")
    assert taken_folder.endswith("Choose another folder with --data-dir.\n")


def refused(*options: str) -> str:
    """What the demo says on its error output when it does not start."""
    done = subprocess.run([sys.executable, str(SITE / "demo.py"), *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    sys.path.insert(0, str(SITE))
    try:
        from demo import Demo

        with Demo(tmp_path_factory.mktemp("demo"), free_port()) as running:
            yield running
    finally:
        sys.path.remove(str(SITE))


@pytest.fixture
def visitor(demo: Any) -> Callable[[str], Any]:
    from check import Visitor
    from library.people import PEOPLE

    def someone(name: str) -> Any:
        found = Visitor(name, demo.url)
        for person in PEOPLE:
            if person.username == name:
                found.sign_in(person.password)
        return found

    return someone


def test_the_site_stays_up_while_b2_is_out_of_reach(demo: Any, visitor: Callable[[str], Any]) -> None:
    """Pages answer, a file says "later" with the site's own page, an upload says that nothing was kept; then all is
    well again."""
    alice = visitor("alice")
    address = alice.link("/profiles/logged_in/", "How to borrow")
    assert alice.get(address).status == 200
    demo.emulator.stop()
    try:
        file = alice.get(address)
        assert file.status == 503
        assert "The files are out of reach" in file.text
        assert int(file.headers["Retry-After"]) > 0
        assert alice.get("/").status == alice.get("/profiles/logged_in/").status == 200
        upload = alice.upload("logged_in", {"title": "Lost"}, "lost.txt", b"x")
        assert upload.status == 422
        assert "B2 did not take the file just now" in upload.text
    finally:
        demo.emulator.start()
    assert "Lost" not in alice.get("/profiles/logged_in/").text
    assert alice.get(address).status == 200


def test_no_page_shows_the_key(demo: Any, visitor: Callable[[str], Any]) -> None:
    sam = visitor("sam")
    pages = ["/", "/access/", "/nowhere/", "/admin/", "/profiles/cdn/", "/profiles/prints/", "/profiles/invoices/"]
    secrets = (demo.emulator.key, demo.key, demo.environment[f"{PRINTS}__SIGNING__SECRET"])
    shown = [page for page in pages for secret in secrets if secret in sam.get(page).text]
    assert shown == []
    assert [secret for secret in secrets if secret in demo.log.read_text()] == []


def test_the_cdn_s_address_comes_from_the_environment(demo: Any, visitor: Callable[[str], Any]) -> None:
    """The settings name https://cdn.acme.example; one variable of the demo moves it to the stand-in."""
    address = visitor("anonymous").link("/profiles/cdn/", "Bookmark")
    assert address == f"{demo.cdn.url}/assets/brand/bookmark.png"
