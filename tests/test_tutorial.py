"""The tutorial, walked word by word in an empty folder: its files made, its commands typed, its pages visited."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.processes import free_port
from tests.terminals import Terminal

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
SERVERS = ("b2router emulator", "python manage.py runserver")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^(?:# |<!-- )([\w/.]+)(, at the end)?(?: -->)?\n")


def words(text: str) -> str:
    """Columns move with what stands in them."""
    return " ".join(text.split())


@dataclass
class Reader:
    """Somebody at a machine that has Python, two terminals and a browser.

    Attributes:
        home: where the clone lies, and the new folder is made.
        terminals: the first, and one more for each server that the page starts elsewhere.
    """

    home: Path
    stack: ExitStack
    b2_port: int = field(default_factory=free_port)
    site_port: int = field(default_factory=free_port)
    terminals: list[Terminal] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.home / "reading-room"

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.site_port}"

    def here(self, text: str) -> str:
        """The page's text with ports that are free on this machine."""
        text = text.replace("127.0.0.1:9700", f"127.0.0.1:{self.b2_port}").replace("127.0.0.1:8000", self.site[7:])
        text = text.replace("b2router emulator ", f"b2router emulator --port {self.b2_port} ")
        return re.sub(r"runserver$", f"runserver {self.site_port}", text, flags=re.MULTILINE)

    def open_terminal(self, folder: Path) -> Terminal:
        passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "COVERAGE_"))}
        environment = {
            **passed,
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}:/usr/bin:/bin",
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        }
        self.terminals.append(self.stack.enter_context(Terminal(folder, environment)))
        return self.terminals[-1]

    def follow(self, language: str, block: str) -> None:
        """Do what a block says."""
        if language != "console":
            self.write(block)
            return
        steps = re.split(r"^\$ ", self.here(block), flags=re.MULTILINE)[1:]
        is_for_second = any(step.startswith("b2router emulator") for step in steps)
        terminal = self.open_terminal(self.folder) if is_for_second else self.terminals[0]
        for step in steps:
            self.type(terminal, *step.partition("\n")[::2])

    def write(self, block: str) -> None:
        head = _FILE.match(block)
        assert head is not None, f"no file is named at the beginning of:\n{block}"
        path = self.folder / head[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() + block if head[2] else block)

    def type(self, terminal: Terminal, command: str, printed: str) -> None:
        if command.startswith(SERVERS):
            terminal.begin(command)
            terminal.wait_for(words(printed))
            return
        status, output = terminal.run(command)
        if status and command.startswith("pip install"):
            self.without_index(output)
        is_refused = "SystemCheckError" in printed
        assert status == (1 if is_refused else 0), f"$ {command}\n{output}"
        for line in filter(None, printed.splitlines()):
            assert words(line) in words(output), f"$ {command}\n{output}"

    def without_index(self, output: str) -> None:
        required = os.environ.get("B2ROUTER_REQUIRE", "").replace(" ", "").split(",")
        if not {"index", "all"} & set(required) and re.search("No matching distribution|Could not find", output):
            pytest.skip("no package index within reach; B2ROUTER_REQUIRE=index makes this a failure")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python cannot make environments: apt-get install python3-venv")
    (tmp_path / "bin").mkdir()
    base = getattr(sys, "_base_executable", sys.executable)
    (tmp_path / "bin" / "python3").symlink_to(Path(base).resolve())
    (tmp_path / "b2router").symlink_to(ROOT)
    with ExitStack() as stack:
        someone = Reader(tmp_path, stack)
        someone.open_terminal(tmp_path)
        yield someone


@dataclass
class Browser:
    """A window with cookies of its own."""

    site: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, address: str) -> requests.Response:
        self.session.headers["Accept"] = "text/html,*/*"
        return self.session.get(self.site + address.removeprefix(self.site))

    def post(self, page: requests.Response, fields: dict[str, str], **files: tuple[str, bytes]) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        return self.session.post(page.url, {**fields, "csrfmiddlewaretoken": token[1]}, files=files or None)

    def sign_in(self, page: requests.Response) -> requests.Response:
        assert page.url.startswith(f"{self.site}/admin/login/")
        return self.post(page, {"username": "sam", "password": "let-sam-in"})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_gets_from_nothing_to_a_protected_file(reader: Reader) -> None:
    pages = PAGE.read_text().partition("## 7. Look at it in a browser")
    before, after = (_BLOCK.findall(part) for part in pages[::2])
    assert len(before) + len(after) == PAGE.read_text().count("\n```") / 2
    for language, block in before:
        reader.follow(language, block)
    first, second = reader.terminals
    look_at_it(reader, second)
    assert first.interrupt() == 0
    for language, block in after:
        reader.follow(language, block)
    assert second.interrupt() == 0


def look_at_it(reader: Reader, second: Terminal) -> None:
    """Part 7, step by step."""
    sam = Browser(reader.site)
    page = sam.get("/")
    assert (page.status_code, "<li>" in page.text, 'href="/new/"' in page.text) == (200, False, True)
    form = sam.sign_in(sam.get("/new/"))
    assert form.url == f"{reader.site}/new/"
    page = sam.post(
        form, {"title": "May"}, leaflet=("may.pdf", b"%PDF for all"), report=("figures.pdf", b"%PDF for staff")
    )
    assert (page.status_code, page.url) == (200, f"{reader.site}/")
    assert calls(second) == ["b2_upload_file", "b2_upload_file"]

    links = dict(re.findall(r'<a href="([^"]+)">(leaflet|report)</a>', page.text))
    assert links == {"/leaflets/may.pdf": "leaflet", "/reports/figures.pdf": "report"}
    leaflet, report = links
    assert [sam.get(link).content for link in links] == [b"%PDF for all", b"%PDF for staff"]
    assert calls(second)[2:] == ["download", "download"]

    private = Browser(reader.site)
    assert private.get(leaflet).content == b"%PDF for all"
    login = private.get(report)
    assert login.url == f"{reader.site}/admin/login/?next={report}"
    assert calls(second)[4:] == ["download"]
    assert private.sign_in(login).content == b"%PDF for staff"


def calls(terminal: Terminal) -> list[str]:
    """Uploads and downloads that the emulator has printed so far."""
    return re.findall(r" (b2_upload_file|download) +2\d\d in ", terminal.text)
