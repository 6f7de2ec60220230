"""Delivery by a real nginx before a real gunicorn: what it hands out, what it keeps to itself, and what it costs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import certifi
import pytest
from django.core.files.base import ContentFile, File
from django.core.management import call_command
from django.http import HttpRequest
from django.test import override_settings

from b2router import get_storage
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator, exchange
from tests import services
from tests.conftest import BUCKETS
from tests.processes import free_port
from tests.servers import Server, serving

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
TEXT = b"0123456789" * 100

NAMES = (
    "plain.txt",
    "a b.txt",
    "ünï/日本語.txt",
    "100%.txt",
    "x?y=1#z.txt",
    "a+b.txt",
    "a%2Fb.txt",
    'quote\'d "name".txt',
    "semi;colon&more=.txt",
    "$host ${uri}.txt",
    "~tilde,comma:colon@at!(star)*[brackets]{braces}|^`.txt",
    "deep/" + "x" * 240 + "/" + "ü" * 120 + ".txt",
)


def has_badge(request: HttpRequest, file: Any) -> bool:
    """Allowed if the visitor shows a badge: a predicate that needs no database."""
    return request.headers.get("X-Badge") == "yes"


@dataclass
class Answer:
    """What a visitor got."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Site:
    """nginx, the site behind it, and B2 behind both."""

    port: int
    server: Server
    b2: Emulator

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return ask(self.port, path, method, **headers)


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        fields: dict[str, str] = {}
        for name, value in answer.getheaders():
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        return Answer(answer.status, body, fields)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def b2() -> Iterator[Emulator]:
    with Emulator(buckets=BUCKETS) as running:
        yield running


@pytest.fixture(scope="module")
def config(b2: Emulator) -> dict[str, Any]:
    key_id, key = b2.create_key()  # S3 does not take the master key
    return {
        "application_key_id": key_id,
        "application_key": key,
        "realm": b2.url,
        "profiles": {
            "public": {
                "bucket": "acme-public",
                "route": "b2/",
                "permission": "public",
                "delivery": {"mode": "accel"},
                "max_age_s": 60,
                "cache": [{"hashed": True, "immutable": True}, {"match": "now/**", "no_store": True}],
                "file_info": {"color": "blue", "b2-content-disposition": "inline; filename=evil.html"},
            },
            "logged_in": {
                "bucket": "acme-members",
                "route": "b2l/",
                "permission": "tests.test_nginx.has_badge",
                "delivery": {"mode": "accel"},
                "cache": [{"hashed": True, "immutable": True}, {"match": "now/**", "no_store": True}],
                "frames": ["https://partner.example"],
            },
        },
    }


@pytest.fixture(scope="module", autouse=True)
def _stored(config: dict[str, Any]) -> Iterator[None]:
    with override_settings(BACKBLAZE_CONFIG=config):
        for name in NAMES:
            with get_storage("public").open(name, "wb") as file:  # saving would choose a tidier name
                file.write(name.encode())
        get_storage("public").save("text.txt", ContentFile(TEXT))
        get_storage("public").save("page.html", ContentFile(b"<script>alert(1)</script>"))
        get_storage("public").save("fake.png", _declared(b"<script>alert(1)</script>", "text/html"))
        get_storage("logged_in").save("secret.txt", ContentFile(b"for members"))
        for alias in ("public", "logged_in"):
            for name in ("app.55e7cbb9ba48.css", "now/state.json"):
                get_storage(alias).save(name, ContentFile(b"x"))
    close_all()
    yield
    close_all()


def _declared(content: bytes, content_type: str) -> File[bytes]:
    file = ContentFile(content)
    file.content_type = content_type  # type: ignore[attr-defined]  # as Django's uploads have it
    return file


HOSTILE = {
    "X-Accel-Redirect": "/home/",
    "X-Accel-Expires": "3600",
    "Set-Cookie": "sessionid=theirs",
    "Strict-Transport-Security": "max-age=63072000",
    "Access-Control-Allow-Origin": "*",
    "Content-Security-Policy": "default-src *",
    "Content-Type": "text/html",
    "Content-Disposition": "inline",
    "Cache-Control": "public, max-age=99",
    "Refresh": "0; url=https://evil.example",
    "x-amz-meta-color": "blue",
    "x-amz-request-id": "1",
}


class Anything(BaseHTTPRequestHandler):
    """A site that lets nginx fetch whatever its query says, and a B2 that says what it should not."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        told = HOSTILE
        if "fetch" in query:
            told = {"X-Accel-Redirect": "/_b2/", "Location": query["fetch"]}
        if "keep" in query:
            told |= {"Cache-Control": query["keep"], "X-B2-Cache-Control": "public, max-age=60"}
        if "cookie" in query:
            told |= {"Set-Cookie": query["cookie"], "X-B2-Cache-Control": "public, max-age=60"}
        self.send_response(302 if "fetch" in query else 200)
        for name, value in {**told, "Content-Length": "4"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def anything() -> Iterator[str]:
    """The address of `Anything`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Anything) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def site(
    b2: Emulator, config: dict[str, Any], anything: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    services.need("nginx", "nginx")
    folder = tmp_path_factory.mktemp("nginx")
    variables = {
        f"BACKBLAZE_PROFILES__{name.upper()}": json.dumps(values) for name, values in config["profiles"].items()
    }
    variables["BACKBLAZE_APPLICATION_KEY_ID"] = config["application_key_id"]
    variables["BACKBLAZE_APPLICATION_KEY"] = config["application_key"]
    with (
        serving("gunicorn", b2, folder, **variables) as server,
        override_settings(BACKBLAZE_CONFIG=config),
        fronted(server, anything, folder) as port,
    ):
        assert ask(port, "/home/").body == b"home"
        yield Site(port, server, b2)


def printed(**options: Any) -> str:
    output = StringIO()
    call_command("b2router", "nginx", resolver="127.0.0.1", ca_file=certifi.where(), stdout=output, **options)
    return output.getvalue()


def nginx_conf(folder: Path, port: int, site: str, other_site: str) -> Path:
    """A whole configuration around what the command prints."""
    (folder / "b2router-http.conf").write_text(printed(context="http"))
    (folder / "b2router-server.conf").write_text(printed(context="server"))
    return services.nginx_conf(
        folder,
        f"""
    log_format with_bytes '$request_uri $upstream_bytes_received';
    access_log {folder}/nginx-access.log with_bytes;
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    expires 1y;
    include b2router-http.conf;
    server {{
        listen 127.0.0.1:{port};
        add_header X-Site yes;
        location / {{
            proxy_pass {site};
            proxy_set_header Host $http_host;
            proxy_buffer_size 16k;
            proxy_buffers 8 16k;
            expires off;
        }}
        location /other/ {{
            proxy_pass {other_site};
        }}
        include b2router-server.conf;
    }}
""",
    )


@contextmanager
def fronted(server: Server, anything: str, folder: Path) -> Iterator[int]:
    """Run nginx before a server; gives its port."""
    port = free_port()
    with services.nginx(nginx_conf(folder, port, f"http://127.0.0.1:{server.port}", anything), port):
        yield port


@pytest.fixture
def heard(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, str]]]:
    """The headers of the calls that came to B2: all that a visitor could have sent."""
    asked = ("authorization", "cookie", "referer", "user-agent", "range", "if-match", "if-range", "x-accel-redirect")
    more = ("x-sendfile", "x-forwarded-for", "x-badge", "accept-encoding", "accept", "origin", "x-b2-content-type")
    monkeypatch.setattr(exchange, "_INTERESTING", (*asked, *more))
    site.b2.reset_counts()
    return lambda: [record.headers for record in site.b2.log()]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_arrives(site: Site, name: str) -> None:
    answer = site.ask("/b2/" + quote(name))
    assert (answer.status, answer.body) == (200, name.encode())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_get_is_one_call_and_comes_as_the_site_decided(site: Site) -> None:
    """Of B2's headers, the facts about the bytes; all others are the site's."""
    site.ask("/b2/text.txt")
    site.b2.reset_counts()
    answer = site.ask("/b2/text.txt", Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (200, TEXT)
    assert site.b2.calls() == {"s3_get": 1}
    own = {name: answer.headers.pop(name) for name in ("server", "date", "connection", "last-modified")}
    assert own["last-modified"].endswith("GMT")
    assert answer.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(TEXT)),
        "content-disposition": 'inline; filename="text.txt"',
        "cache-control": "public, max-age=60",
        "etag": f'"{hashlib.md5(TEXT).hexdigest()}"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "content-security-policy": "frame-ancestors 'self'",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
    }


def test_a_protected_file_stays_private(site: Site) -> None:
    answer = site.ask("/b2l/secret.txt", X_Badge="yes")
    assert (answer.status, answer.body) == (200, b"for members")
    assert answer.headers["cache-control"] == "private, private, no-cache"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/b2/app.55e7cbb9ba48.css", "public, max-age=31536000, immutable"),
        ("/b2/now/state.json", "no-store"),
        ("/b2l/app.55e7cbb9ba48.css", "private, private, max-age=31536000, immutable"),
        ("/b2l/now/state.json", "private, private, no-store"),
    ],
)
def test_a_file_is_kept_as_the_rule_for_its_name_says(site: Site, path: str, policy: str) -> None:
    answer = site.ask(path, X_Badge="yes")
    assert (answer.status, answer.headers["cache-control"]) == (200, policy)


def test_frames_are_as_the_profile_says_with_and_without_a_file(site: Site) -> None:
    """Or whether a page can show the answer in a frame would tell whether there is a file."""
    whole = site.ask("/b2l/secret.txt", X_Badge="yes")
    answers = {
        200: whole,
        206: site.ask("/b2l/secret.txt", X_Badge="yes", Range="bytes=0-1"),
        304: site.ask("/b2l/secret.txt", X_Badge="yes", If_None_Match=whole.headers["etag"]),
        404: site.ask("/b2l/none.txt", X_Badge="yes"),
        416: site.ask("/b2l/secret.txt", X_Badge="yes", Range="bytes=900-"),
        403: site.ask("/b2l/secret.txt", Accept="application/json"),
    }
    assert {status: answer.status for status, answer in answers.items()} == {status: status for status in answers}
    for answer in answers.values():
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self' https://partner.example"
        assert "x-frame-options" not in answer.headers
    assert site.ask("/b2/none.png").headers["x-frame-options"] == "SAMEORIGIN"


def test_who_may_not_read_costs_nothing(site: Site) -> None:
    site.b2.reset_counts()
    for path in ("/b2l/secret.txt", "/b2l/none.txt"):
        answer = site.ask(path, Accept="application/json")
        assert (answer.status, answer.body) == (403, b"You may not read this file.\n")
        assert answer.headers["cache-control"] == "private, no-store"
    assert site.b2.calls() == {}


def test_head_is_get_without_a_body(site: Site) -> None:
    get = site.ask("/b2/text.txt")
    site.b2.reset_counts()
    head = site.ask("/b2/text.txt", "HEAD", Range="bytes=0-9")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert (site.b2.calls(), site.b2.bytes_out()) == ({"s3_head": 1}, 0)


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=990-", 990, 999), ("bytes=-5", 995, 999)],
)
def test_a_range_pulls_its_bytes_and_no_more(site: Site, wanted: str, first: int, last: int) -> None:
    site.b2.reset_counts()
    answer = site.ask("/b2/text.txt", Range=wanted)
    assert (answer.status, answer.body) == (206, TEXT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(TEXT)}"
    assert (site.b2.calls(), site.b2.bytes_out()) == ({"s3_get": 1}, last - first + 1)


@pytest.mark.parametrize("ignored", ["bytes=0-1,5-6", "items=0-1", "nonsense", "bytes=" + "0-0," * 500])
def test_what_is_no_single_range_gets_the_whole_file(site: Site, heard: Any, ignored: str) -> None:
    assert site.ask("/b2/text.txt", Range=ignored).body == TEXT
    assert heard() == [{"user-agent": "b2router-nginx"}]


def test_a_range_past_the_end_is_fixed_text(site: Site) -> None:
    answer = site.ask("/b2/text.txt", Range="bytes=5000-")
    assert (answer.status, answer.body) == (416, b"The file has no byte of this range.\n")
    assert answer.headers["cache-control"] == "no-store"


def test_a_range_of_another_version_gets_the_whole_file(site: Site) -> None:
    """RFC 9110, 13.1.5; B2 does not know If-Range, and would send a part of whatever is there now."""
    etag = site.ask("/b2/text.txt").headers["etag"]
    assert site.ask("/b2/text.txt", Range="bytes=0-9", If_Range=etag).status == 206
    for other in ('"another"', f"W/{etag}", "Sun, 01 Jan 2034 00:00:00 GMT"):
        answer = site.ask("/b2/text.txt", Range="bytes=0-9", If_Range=other)
        assert (answer.status, answer.body) == (200, TEXT)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=5000-", "bytes=-5"])
def test_if_match_comes_before_if_range(site: Site, wanted: str) -> None:
    """RFC 9110, 13.2.2. Where both hold, the whole file is an answer too."""
    etag = site.ask("/b2/text.txt").headers["etag"]
    for if_range in (etag, '"another"'):
        site.b2.reset_counts()
        answer = site.ask("/b2/text.txt", Range=wanted, If_Range=if_range, If_Match='"another"')
        assert (answer.status, answer.body) == (412, b"The file is not the one you expected.\n")
        assert site.b2.calls() == {"s3_get": 1}
        answer = site.ask("/b2/text.txt", Range=wanted, If_Range=if_range, If_Match=etag)
        assert (answer.status, answer.body) == (200, TEXT)
    assert site.ask("/b2/text.txt", Range="bytes=0-9", If_Match=etag).status == 206


@pytest.mark.parametrize("tags", ["W/{etag}", 'W/{etag}, W/"another"'])
def test_a_weak_etag_is_no_match_for_a_change(tags: str, site: Site) -> None:
    """RFC 9110, 13.1.1: the comparison is strong."""
    etag = site.ask("/b2/text.txt").headers["etag"]
    for method in ("GET", "HEAD"):
        assert site.ask("/b2/text.txt", method, If_Match=tags.format(etag=etag)).status == 412
    assert site.ask("/b2/text.txt", If_Match=etag).status == 200


@pytest.mark.parametrize(
    ("wanted", "status"), [("bytes=-5", 200), ("bytes=-10", 200), ("bytes=-0", 416), ("bytes=0-", 416)]
)
def test_the_last_bytes_of_an_empty_file_are_all_of_it(wanted: str, status: int, site: Site) -> None:
    """As the proxy answers; a range of no byte at all stays 416."""
    with get_storage("public").open("empty.txt", "wb"):
        pass
    answer = site.ask("/b2/empty.txt", Range=wanted)
    assert (answer.status, answer.body == b"") == (status, status == 200)
    assert answer.headers["cache-control"] == ("public, max-age=60" if status == 200 else "no-store")


def test_what_the_client_has_is_not_sent_again(site: Site) -> None:
    get = site.ask("/b2/text.txt")
    for method in ("GET", "HEAD"):
        site.b2.reset_counts()
        answer = site.ask("/b2/text.txt", method, If_None_Match=get.headers["etag"])
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["cache-control"] == "public, max-age=60"
        assert site.b2.bytes_out() == 0
    assert site.ask("/b2/text.txt", If_Modified_Since=get.headers["last-modified"]).status == 304
    changed = site.ask("/b2/text.txt", If_Match='"another"')
    assert (changed.status, changed.body) == (412, b"The file is not the one you expected.\n")
    assert site.ask("/b2/text.txt", If_Match=get.headers["etag"]).body == TEXT


@pytest.mark.parametrize(
    ("name", "content_type", "disposition"),
    [
        pytest.param("page.html", "text/html; charset=utf-8", 'attachment; filename="page.html"', id="HTML"),
        pytest.param("fake.png", "image/png", 'inline; filename="fake.png"', id="HTML that is called an image"),
    ],
)
def test_active_content_stays_locked_up(site: Site, name: str, content_type: str, disposition: str) -> None:
    """The type is the name's: what an uploader declared, in B2's own headers too, has no effect."""
    answer = site.ask(f"/b2/{name}")
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-disposition"] == disposition
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get("content-security-policy") == (
        "sandbox; default-src 'none'; frame-ancestors 'self'" if name == "page.html" else "frame-ancestors 'self'"
    )


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        pytest.param(
            {"status": 503, "retry_after": 7},
            503,
            b"The file store cannot be reached right now. Please try again later.\n",
            id="busy",
        ),
        pytest.param(
            {"status": 403, "code": "access_denied"},
            503,
            b"The file store cannot be reached right now. Please try again later.\n",
            id="key revoked",
        ),
        pytest.param({"status": 400}, 502, b"The file store gave an answer that makes no sense.\n", id="nonsense"),
    ],
)
def test_what_b2_says_about_an_error_does_not_get_out(
    site: Site, fault: dict[str, Any], status: int, text: bytes
) -> None:
    site.b2.fail("s3_get", message="canary", **fault)
    answer = site.ask("/b2l/secret.txt", X_Badge="yes")
    assert (answer.status, answer.body) == (status, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers.get("retry-after") == ("7" if "retry_after" in fault else None)
    assert "content-disposition" not in answer.headers


def test_what_b2_says_beside_the_file_neither_steers_nginx_nor_gets_out(site: Site, anything: str) -> None:
    """HSTS of B2 would be the site's; a header of an uploader could open any internal location."""
    answer = site.ask("/other/?fetch=" + quote(f"{anything}/acme-public/evil"))
    assert (answer.status, answer.body) == (200, b"body")
    assert {*answer.headers} == {"server", "date", "connection", "content-length"}


@pytest.mark.parametrize(
    ("said", "got"),
    [
        ("private", "private, public, max-age=60"),
        ("private, no-store", "private, no-store"),
        ("max-age=0, no-cache, No-Store", "max-age=0, no-cache, No-Store"),
    ],
)
def test_what_the_site_forbids_to_keep_is_not_kept(site: Site, anything: str, said: str, got: str) -> None:
    """As when a session is saved with a public file, or a middleware says so of every answer."""
    answer = site.ask(f"/other/?fetch={quote(f'{anything}/acme-public/a')}&keep={quote(said)}")
    assert (answer.status, answer.headers["cache-control"]) == (200, got)


def test_what_comes_with_a_cookie_is_kept_by_nobody(site: Site, anything: str) -> None:
    """nginx drops `Vary`, and a shared cache would give everybody the one cookie."""
    answer = site.ask(f"/other/?fetch={quote(f'{anything}/acme-public/a')}&cookie=csrftoken%3Dx")
    assert (answer.status, answer.headers["cache-control"], answer.headers["set-cookie"]) == (
        200,
        "private, no-store",
        "csrftoken=x",
    )
    for cookie in ("csrftoken=bad", "sessionid=ab"):
        answer = site.ask("/b2/text.txt", Cookie=cookie)
        assert (answer.headers["cache-control"], answer.headers.get("set-cookie")) == ("public, max-age=60", None)


@pytest.mark.parametrize(
    "path", ["/acme-staff/a", "/acme-public", "/", "/acme-public-2/a", "/x/acme-public/a", "/file/acme-public/a"]
)
def test_nothing_but_the_declared_buckets_is_fetched(site: Site, anything: str, path: str) -> None:
    """Whatever a mistake of the site puts into its answer."""
    answer = site.ask("/other/?fetch=" + quote(anything + path))
    assert (answer.status, b"body" in answer.body) == (503, False)
    elsewhere = site.ask("/other/?fetch=" + quote("http://192.0.2.1/acme-public/a"))
    assert elsewhere.status == 503


def test_a_missing_file_is_not_found(site: Site) -> None:
    answer = site.ask("/b2/none.png")
    assert (answer.status, answer.body) == (404, b"There is no such file.\n")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "text/plain; charset=utf-8",
        "no-store",
    )


def test_a_body_that_b2_breaks_off_is_a_visible_break(site: Site) -> None:
    site.b2.fail("s3_get", cut_at=500)
    with pytest.raises((IncompleteRead, ConnectionError)):
        site.ask("/b2/text.txt")


@pytest.mark.parametrize("path", ["/_b2/", "/_b2/whole", "/_b2", "/_b2/acme-members/secret.txt", "/%5Fb2/", "//_b2/"])
def test_the_internal_location_cannot_be_reached(site: Site, path: str) -> None:
    site.b2.reset_counts()
    answer = site.ask(path, X_Badge="yes", Location=f"{site.b2.url}/acme-members/secret.txt")
    assert answer.status == 404
    assert site.b2.calls() == {}


def test_headers_of_a_visitor_are_neither_believed_nor_passed_on(site: Site, heard: Any) -> None:
    """Only what asks for a part or for a newer file goes to B2, in a form that nginx has checked."""
    said = {
        "X_Accel_Redirect": "/_b2/",
        "X_Accel_Mapping": "/=/_b2/",
        "X_Sendfile": "/etc/passwd",
        "X_Sendfile_Type": "X-Accel-Redirect",
        "X_B2_Content_Type": "text/html",
        "Location": f"{site.b2.url}/acme-members/secret.txt",
        "Authorization": "Bearer canary",
        "Cookie": "sessionid=canary",
        "Referer": "https://canary.example/",
        "Origin": "https://canary.example",
        "X_Forwarded_For": "192.0.2.1",
        "Range": "bytes=0-9",
    }
    answer = site.ask("/b2/text.txt", **said)
    assert (answer.status, answer.body) == (206, TEXT[:10])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert heard() == [{"user-agent": "b2router-nginx", "range": "bytes=0-9"}]
    refused = site.ask("/b2l/secret.txt", Accept="application/json", **said)
    assert refused.status == 403
    assert len(heard()) == 1


def test_a_large_file_does_not_pass_the_site(site: Site) -> None:
    """100 MiB: the worker's memory does not grow, and neither nginx nor the worker writes any of it to disk."""
    pattern = bytes(range(256)) * 4096
    with get_storage("public").open("big.bin", "wb") as file:
        for _ in range(100):
            file.write(pattern)
    assert site.ask("/b2/big.bin", "HEAD").headers["content-length"] == str(100 * MiB)
    digest, received = hashlib.sha256(), 0
    with site.server.growth() as grown:
        connection = HTTPConnection("127.0.0.1", site.port, timeout=60)
        connection.request("GET", "/b2/big.bin")
        answer = connection.getresponse()
        while block := answer.read(MiB):
            digest.update(block)
            received += len(block)
        connection.close()
    assert (received, digest.digest()) == (100 * MiB, hashlib.sha256(pattern * 100).digest())
    assert grown[0] < 2 * MiB


def test_a_visitor_who_is_slow_and_then_leaves_stops_the_download(site: Site) -> None:
    """Whatever B2 sends is paid for: nginx reads ahead no more than its buffers hold."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request("GET", "/b2/big.bin")
    connection.getresponse().read(MiB)
    time.sleep(1)
    log, deadline = site.server.log.parent / "nginx-access.log", time.monotonic() + 10
    requests = len(log.read_text().splitlines())
    connection.close()
    while len(log.read_text().splitlines()) == requests and time.monotonic() < deadline:
        time.sleep(0.1)
    address, *received = log.read_text().splitlines()[-1].split()
    assert address == "/b2/big.bin"
    assert MiB < int(received[-1]) < 30 * MiB  # most of it waits in the sockets on both sides of nginx


def test_without_nginx_the_answer_is_a_redirect_to_that_file(site: Site) -> None:
    """What gets out opens this one file, which this visitor may read, for a minute or so; no token, nothing to keep."""
    answer = ask(site.server.port, "/b2l/secret.txt", X_Badge="yes")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (302, b"", "private")
    assert (answer.headers["vary"], answer.headers["referrer-policy"]) == ("*", "no-referrer")
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}" == site.b2.url
    there = HTTPConnection(address.netloc, timeout=10)
    there.request("GET", f"{address.path}?{address.query}")
    assert there.getresponse().read() == b"for members"
    there.request("GET", f"{address.path.replace('secret', 'other')}?{address.query}")
    assert there.getresponse().status == 403
    there.close()
    assert int(parse_qs(address.query)["X-Amz-Expires"][0]) <= 90


def test_the_logs_hold_no_key(site: Site, config: dict[str, Any]) -> None:
    folder = site.server.log.parent
    for log in folder.glob("*.log"):
        assert config["application_key"] not in log.read_text(), log
    assert "X-Amz" not in (folder / "nginx-access.log").read_text()


def test_nginx_finds_nothing_to_complain_about(config: dict[str, Any], tmp_path: Path) -> None:
    """For production, with a certificate file and a name server."""
    with override_settings(BACKBLAZE_CONFIG={**config, "realm": "production"}):
        conf = nginx_conf(tmp_path, 8080, "http://127.0.0.1:8000", "http://127.0.0.1:8001")
    said = subprocess.run(
        [services.need("nginx", "nginx"), "-t", "-p", tmp_path, "-c", conf, "-e", tmp_path / "boot.log"],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert "warn" not in said.stderr
