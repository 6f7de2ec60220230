"""Odd and hostile requests by curl, through gunicorn, uvicorn, and nginx before gunicorn: never a 500, and no call to
B2 where there is nothing to ask."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import override_settings

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from tests.conftest import BUCKETS, PROFILES
from tests.servers import Server, serving

pytestmark = pytest.mark.slow

TEXT = b"0123456789" * 100
SECRET = b"for the staff"
SEND_ERROR, RECEIVE_ERROR = 55, 56
"""What curl ends with."""
FRONTS = ("gunicorn", "uvicorn", "nginx")
Ports = dict[str, tuple[int, Server]]


@dataclass
class Said:
    """What curl was told."""

    status: int
    headers: str
    body: bytes


@dataclass
class Front:
    """A server, and B2 behind it."""

    kind: str
    port: int
    server: Server
    b2: Emulator
    curl_command: str
    folder: Path

    def curl(self, path: str, *options: str, stdin: bytes = b"", may_be_cut_off: bool = False) -> Said:
        """Ask; a path is sent as it stands, an option as curl has it. A server that refuses before it has read all may
        close upon the rest, and the system then cuts off its answer."""
        head, body = self.folder / "head", self.folder / "body"
        head.write_bytes(b"")
        body.write_bytes(b"")
        self.b2.reset_counts()
        done = subprocess.run(
            [
                self.curl_command, "--silent", "--show-error", "--path-as-is", "--globoff", "--noproxy", "*",
                "--max-time", "20", "--output", str(body), "--dump-header", str(head),
                "--write-out", "%{http_code}", *options, f"http://127.0.0.1:{self.port}{path}",
            ],
            capture_output=True, input=stdin,
        )  # fmt: skip
        is_refused = may_be_cut_off and done.returncode in (SEND_ERROR, RECEIVE_ERROR) and done.stdout == b"400"
        assert done.returncode == 0 or is_refused, (done.returncode, done.stderr)
        return Said(int(done.stdout), head.read_text("latin-1"), body.read_bytes())


@pytest.fixture(scope="module")
def curl_command() -> str:
    found = shutil.which("curl")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is not installed: apt-get install curl")
        pytest.skip("curl is not installed: apt-get install curl")
    return found


@pytest.fixture(scope="module")
def b2(curl_command: str) -> Iterator[Emulator]:
    with Emulator(buckets=BUCKETS) as running:
        config = {
            "application_key_id": running.key_id,
            "application_key": running.key,
            "realm": running.url,
            "profiles": PROFILES,
        }
        with override_settings(BACKBLAZE_CONFIG=config):
            for alias, name, content in (
                ("public", "text.txt", TEXT),
                ("public", "a b.txt", b"a space"),
                ("public", "a%2Fb.txt", b"a percent sign"),
                ("staff", "text.txt", SECRET),
            ):
                with get_storage(alias).open(name, "wb") as file:
                    file.write(content)
        close_all()
        yield running


@pytest.fixture(scope="module")
def fronts(b2: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """The port of each front that can be had on this machine."""
    with ExitStack() as stack:
        found = {}
        for kind in ("gunicorn", "uvicorn"):
            # In a cache of files, because a process forgets what it knows alone after ten seconds.
            cache = f"file:{tmp_path_factory.mktemp('cache')}"
            folder = tmp_path_factory.mktemp("server")
            server = stack.enter_context(serving(kind, b2, folder, B2ROUTER_TEST_CACHE=cache))
            assert server.get("/b2/text.txt") == TEXT
            found[kind] = server.port, server
        nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if nginx is not None:
            server = found["gunicorn"][1]
            port, process = started(nginx, server.port, tmp_path_factory.mktemp("nginx"))
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            found["nginx"] = port, server
        yield found


def started(nginx: str, behind: int, folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    """nginx before a server, set up as docs/deployment.md has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    conf = folder / "nginx.conf"
    conf.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
{temporary}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $http_host;
            proxy_buffer_size 16k;
            proxy_buffers 16 64k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
""")
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")])
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port, process
        time.sleep(0.05)
    raise AssertionError((folder / "error.log").read_text())


@pytest.fixture(params=FRONTS)
def front(
    request: pytest.FixtureRequest,
    fronts: dict[str, tuple[int, Server]],
    b2: Emulator,
    curl_command: str,
    tmp_path: Path,
) -> Front:
    if request.param not in fronts:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is not installed: apt-get install nginx-light")
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    port, server = fronts[request.param]
    return Front(request.param, port, server, b2, curl_command, tmp_path)


FILE = "/b2/text.txt"
STAFF = "/b2s/text.txt"
ONE = {"download": 1}
NONE: dict[str, int] = {}
DIGITS = "9" * 30


def asked(*options: str) -> list[str]:
    """Headers, as curl takes them."""
    return [word for option in options for word in ("--header", option)]


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        pytest.param(["--http1.0"], (200, 200, 200), id="HTTP/1.0"),
        pytest.param(["--http1.0", *asked("Host:")], (200, 200, 200), id="HTTP/1.0 without Host"),
        pytest.param(asked("Host:"), (200, 400, 400), id="HTTP/1.1 without Host, RFC 9112 3.2"),
        pytest.param(asked("Host: ELSEWHERE.example:99"), (200, 200, 200), id="another host, where all are allowed"),
        pytest.param(asked("Host: a@b"), (400, 400, 400), id="Host with a login"),
        pytest.param(["--request-target", f"http://x.example{FILE}"], (200, 404, 200), id="absolute form"),
        pytest.param(["--request-target", "*"], (400, 404, 400), id="asterisk"),
        pytest.param(["--request-target", FILE[1:]], (400, 404, 400), id="no slash"),
        pytest.param(["--request", "get"], (400, 200, 400), id="get, which is no GET; Django takes it for one"),
        pytest.param(["--request", "PROPFIND"], (405, 405, 405), id="another method"),
        *[
            pytest.param(["--request", method, "--data", "x" * size], (405, 405, 405), id=f"{method}, {size} bytes")
            for method in ("PUT", "POST", "PATCH", "DELETE")
            for size in (0, 100_000)
        ],
        pytest.param(["--request", "TRACE"], (405, 405, 405), id="TRACE"),
        pytest.param(["--request", "CONNECT"], (405, 405, 405), id="CONNECT"),
        pytest.param(["--request", "OPTIONS"], (200, 200, 200), id="OPTIONS"),
        pytest.param(
            ["--request", "DELETE", *asked("X-HTTP-Method-Override: GET")], (405, 405, 405), id="DELETE as if GET"
        ),
        pytest.param(
            ["--request", "POST", "--data", "_method=GET", *asked("X-HTTP-Method: GET")], (405, 405, 405), id="POST so"
        ),
        pytest.param(asked("X-HTTP-Method-Override: DELETE"), (200, 200, 200), id="GET as if DELETE"),
        pytest.param(["--request", "GET", "--data", "hello"], (200, 200, 200), id="GET with a body"),
        pytest.param(
            ["--request", "GET", "--data", "hello", *asked("Transfer-Encoding: chunked")],
            (200, 200, 200),
            id="GET with a chunked body",
        ),
        pytest.param(asked("Expect: 100-continue"), (200, 200, 200), id="Expect without a body"),
        pytest.param(
            ["--request", "GET", "--data", "hello", *asked("Expect: 100-continue")], (200, 200, 200), id="Expect, body"
        ),
        pytest.param(asked("Content-Length: -1"), (400, 400, 400), id="negative length"),
        pytest.param(asked("Content-Length: 5", "Transfer-Encoding: gzip"), (400, 400, 501), id="unknown coding"),
        pytest.param(asked("X-Long: " + "x" * 8100), (200, 200, 200), id="a header of 8 KB"),
        pytest.param(asked("X-Long: " + "x" * 9000), (431, 200, 400), id="a header of 9 KB"),
        pytest.param(asked("X-Accel-Redirect: /b2s/text.txt"), (200, 200, 200), id="X-Accel-Redirect"),
        pytest.param(asked("X-Sendfile: /etc/passwd"), (200, 200, 200), id="X-Sendfile"),
        pytest.param(asked(f"X-Original-URL: {STAFF}", f"X-Rewrite-URL: {STAFF}"), (200, 200, 200), id="other URLs"),
        pytest.param(asked("If-Modified-Since: " + "1" * 3000), (200, 200, 200), id="a date of 3 KB"),
        pytest.param(asked("If-Modified-Since: Thu, 01 Jan 99999 00:00:00 GMT"), (200, 200, 200), id="a date past all"),
        pytest.param(asked("Accept: " + ",".join(["text/html;q=0.1"] * 400)), (200, 200, 200), id="400 types"),
    ],
)
def test_every_request_has_an_answer(front: Front, options: list[str], answers: tuple[int, int, int]) -> None:
    """What no server lets through costs no call to B2, and what is let through is the file that anybody may read."""
    said = front.curl(FILE, *options)
    assert said.status == answers[FRONTS.index(front.kind)]
    if said.status == 200 and "OPTIONS" not in options:
        assert said.body == TEXT
        assert front.b2.calls().get("download") == 1
    else:
        assert front.b2.calls() == NONE
        assert TEXT not in said.body


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        ("bytes=0-0", TEXT[:1]),
        ("bytes=-1", TEXT[-1:]),
        ("bytes=999-", TEXT[999:]),
        ("bytes= 0-1", TEXT[:2]),
        ("bytes=0-1 ", TEXT[:2]),
        ("BYTES=0-1", TEXT[:2]),
        ("bytes=990-1500", TEXT[990:]),
        ("bytes=-5000", TEXT),
    ],
)
def test_a_range_is_answered_with_its_bytes(front: Front, wanted: str, body: bytes) -> None:
    said = front.curl(FILE, *asked(f"Range: {wanted}"))
    assert (said.status, said.body) == (206, body)
    assert (front.b2.calls(), front.b2.bytes_out()) == (ONE, len(body))


@pytest.mark.parametrize(
    "headers",
    [
        *[
            pytest.param([f"Range: {wanted}"], id=wanted[:40])
            for wanted in (
                "bytes=--1", "bytes=0-1,5-6", "bytes=0-,0-,0-", "bytes=0-9,5-14", f"bytes=0-{DIGITS}",
                f"bytes=-{DIGITS}", f"bytes={DIGITS}-", "bytes = 0-1", "bytes=0 -1", "bytes=0\t-1", "octets=0-1",
                "bytes=1-0", "bytes=", "bytes", "=0-1", "bytes=a-b", "bytes=+1-2", "bytes=0x0-0x1", "bytes=1_0-2_0",
                "bytes=٠-١", "bytes=0-1;q=1", "bytes:0-1", "bytes=0-" + "9" * 4000,
            )
        ],
        pytest.param(["Range: bytes=" + ",".join(f"{n}-{n}" for n in range(900))], id="900 ranges"),
        pytest.param(["Range: bytes=0-0", "Range: bytes=5-5"], id="two headers"),
        pytest.param(["Range: bytes=0-0", 'If-Range: "another"'], id="of another version"),
    ],
)  # fmt: skip
def test_what_is_no_single_range_gets_the_whole_file_once(front: Front, headers: list[str]) -> None:
    """RFC 9110, 14.2: a server may ignore it. Nothing is multiplied."""
    said = front.curl(FILE, *asked(*headers))
    assert (said.status, said.body) == (200, TEXT)
    assert "Content-Range" not in said.headers
    assert front.b2.bytes_out() <= len(TEXT) + 1


@pytest.mark.parametrize("wanted", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_that_cannot_be_satisfied_says_how_long_the_file_is(front: Front, wanted: str) -> None:
    front.curl(FILE)
    said = front.curl(FILE, *asked(f"Range: {wanted}"))
    assert (said.status, said.body) == (416, b"The file has no byte of this range.\n")
    assert "Content-Range: bytes */1000" in said.headers.title().replace("Bytes", "bytes")
    assert front.b2.calls().get("download", 0) <= 1


@pytest.mark.parametrize(
    ("tags", "answers"),
    [
        pytest.param("*", (304, 304, 304), id="any"),
        pytest.param(", ".join(f'"{n:x}"' for n in range(900)), (200, 200, 200), id="900 tags"),
        pytest.param(", ".join(f'"{n:x}"' for n in range(2000)), (431, 200, 400), id="2,000 tags, 13 KB"),
        pytest.param('"x","' + '"' * 4000, (200, 200, 200), id="nothing but quotation marks"),
        pytest.param('W/"' + "x" * 6000, (200, 200, 200), id="a tag without an end"),
    ],
)
def test_a_list_of_tags_is_read_once(front: Front, tags: str, answers: tuple[int, int, int]) -> None:
    config = front.folder / "curl.conf"  # too long for a command line's own limit on some systems
    assert front.curl(FILE).body == TEXT
    config.write_text('header = "If-None-Match: ' + tags.replace('"', '\\"') + '"\n')
    said = front.curl(FILE, "--config", str(config))
    assert said.status == answers[FRONTS.index(front.kind)]
    assert front.b2.calls() == (ONE if said.status == 200 else NONE)  # the tag of the file is known by now


@pytest.mark.parametrize("prefix", ["/b2/", "/b2s/"])
@pytest.mark.parametrize(
    "name",
    [
        "../b2s/text.txt", "%2e%2e/b2s/text.txt", "%2E%2e%2fb2s%2ftext.txt", ".%2e/b2s/text.txt", "./text.txt",
        "x/../text.txt", "x/%2e%2e/text.txt", "x/..", "text.txt%00", "text.txt%00.png", "text.txt%0d%0aX-Evil:%201",
        "text.txt%09", "text.txt%7f", "text.txt/", "/text.txt", "x//text.txt", "t" * 1100, "x/" * 300,
        pytest.param("x" * 5000, id="5,000 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_name_is_not_asked_for(front: Front, prefix: str, name: str) -> None:
    """nginx and gunicorn refuse some of it themselves."""
    said = front.curl(prefix + name)
    assert said.status in ({400, 404, 414} if front.kind != "uvicorn" else {404})
    assert "X-Evil" not in said.headers
    assert front.b2.calls() == NONE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a%20b.txt", b"a space"),
        ("a%252Fb.txt", b"a percent sign"),
        ("%74%65xt.txt", TEXT),
        ("text.txt?Authorization=x", TEXT),
        ("text.txt?" + "a=1&" * 900, TEXT),
        ("text.txt?x=%00%ff%", TEXT),
        ("a+b.txt", None),
        ("a%2Fb.txt", None),
        ("TEXT.txt", None),
        ("text.txt;v=1", None),
        ("text.txt%20", None),
        ("..%5cb2s%5ctext.txt", None),
        ("..\\b2s\\text.txt", None),
        ("%c0%ae%c0%ae/b2s/text.txt", None),
        ("%c0%ae%c0%ae%c0%afb2s%c0%aftext.txt", None),
        ("%e0%80%ae%e0%80%ae/b2s/text.txt", None),
        ("%ef%bc%8e%ef%bc%8e%ef%bc%8fb2s", None),
        ("text.txt%ff", None),
        ("%252e%252e/b2s/text.txt", None),
    ],
)
def test_a_name_is_decoded_once_and_never_becomes_another(front: Front, name: str, expected: bytes | None) -> None:
    """Overlong UTF-8, full-width dots, backslashes and double encoding are odd names of files that are not there."""
    said = front.curl(f"/b2/{name}")
    assert front.b2.calls() in ([ONE] if expected is not None else [ONE, NONE])  # a missing file is remembered
    if expected is None:
        assert (said.status, said.body) == (404, b"There is no such file.\n")
    else:
        assert (said.status, said.body) == (200, expected)
    assert all(record.path.startswith("/file/acme-public/") for record in front.b2.log())


@pytest.mark.parametrize(
    "headers",
    [
        ["Authorization: Basic c2FtOmJsdWViaXJk"],
        ["Authorization: 4_00112233445566778899"],
        ["X-Accel-Redirect: /b2s/text.txt", "X-Sendfile: /etc/passwd", "X-Accel-Mapping: /=/b2s/"],
        ["X-Forwarded-User: sam", "Remote-User: sam", "Remote_User: sam", "X-Remote-User: sam"],
        ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: localhost", "X-Forwarded-Proto: https"],
        ["If-None-Match: *", "Range: bytes=0-"],
        ["Accept: ;;;,,/"],
    ],
)
@pytest.mark.parametrize("query", ["", "?Authorization=4_00112233445566778899", "?share=x", "?b2ContentType=text/html"])
@pytest.mark.parametrize("name", ["text.txt", "none.txt"])
def test_nothing_that_is_sent_stands_in_for_a_login(front: Front, headers: list[str], query: str, name: str) -> None:
    """And who is turned away learns nothing: B2 is not asked, and the answer is one for all names."""
    said = front.curl(f"/b2s/{name}{query}", *asked(*headers))
    assert said.status in (302, 403)
    assert SECRET not in said.body
    assert "no-store" in said.headers
    assert front.b2.calls() == NONE


def test_ten_thousand_tags_are_read_or_refused(front: Front) -> None:
    """79 KB. uvicorn lets pass what comes at once, and refuses what comes in pieces."""
    config = front.folder / "curl.conf"
    tags = ", ".join(f'\\"{n:x}\\"' for n in range(10_000))
    assert front.curl(FILE).body == TEXT
    config.write_text(f'header = "If-None-Match: {tags}"\n')
    said = front.curl(FILE, "--config", str(config), may_be_cut_off=front.kind == "uvicorn")
    assert said.status in {"gunicorn": {431}, "nginx": {400}, "uvicorn": {200, 400}}[front.kind]
    assert front.b2.calls() == (ONE if said.status == 200 else NONE)


def test_head_has_no_body_whatever_is_sent_with_it(front: Front) -> None:
    """The connection stays in step: the GET that follows on it is answered with the file."""
    assert front.curl(FILE).body == TEXT  # what is known about it is fresh
    front.b2.reset_counts()
    lines = f"{FILE} HTTP/1.1\r\nHost: site.example\r\n"
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall(f"HEAD {lines}Content-Length: 5\r\n\r\nhello".encode())
        connection.sendall(f"GET {lines}Connection: close\r\n\r\n".encode())
        said = connection.makefile("rb").read()
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert said.count(TEXT) == 1
    assert said.endswith(b"\r\n\r\n" + TEXT)
    assert front.b2.calls() == ONE


def test_none_of_it_was_an_error_of_the_site(front: Front) -> None:
    """Refusals of Django's own, such as of a host, are logged without a traceback."""
    assert "Internal Server Error" not in front.server.log.read_text()
