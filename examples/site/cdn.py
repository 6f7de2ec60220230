"""A stand-in for a CDN: hands out the files of buckets, and checks signatures as a rule at Cloudflare would.

`demo.py` runs it on loopback. It knows nothing of the site but the secret, and reads B2 with a key of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

PASSED_ON = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges")
LIFE_S = 450
"""How long a signature holds: one and a half times the profile's `expires_in_s`."""


@dataclass(frozen=True, slots=True)
class Zone:
    """What the CDN serves below one prefix.

    Args:
        bucket: at B2.
        secret: of the signatures; empty for a zone that is open to anyone.
    """

    bucket: str
    secret: str = ""


class Cdn:
    """The CDN, running.

    Args:
        realm: address of B2.
        key_id: of the CDN's own application key.
        key: its secret.
        zones: by the first segment of the path.
    """

    def __init__(self, realm: str, key_id: str, key: str, zones: dict[str, Zone]) -> None:
        self._login = base64.b64encode(f"{key_id}:{key}".encode()).decode()
        self._token = ""
        self._b2 = urlsplit(realm).netloc
        self._zones = zones
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Edge", (_Edge,), {"cdn": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        connection = self.connect()
        self._log_in(connection)
        connection.close()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def address_in_b2(self, target: str) -> str | None:
        """Where B2 has what a visitor asks for; None when the CDN does not hand it out.

        Args:
            target: path and query, as they were sent.
        """
        path, _, query = target.partition("?")
        prefix, _, key = path.removeprefix("/").partition("/")
        zone = self._zones.get(prefix)
        if zone is None or not key or {".", ".."} & set(unquote(key).split("/")):
            return None
        if zone.secret and not is_signed(path, query, zone.secret, int(time.time())):
            return None
        return f"/file/{zone.bucket}/{key}"

    def fetch(
        self, connection: http.client.HTTPConnection, method: str, address: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """What B2 answers; the CDN logs in once, and again when its token has ended."""
        while True:
            is_new = not self._token
            if is_new:
                self._log_in(connection)
            connection.request(method, address, headers={"Authorization": self._token, **headers})
            answer = connection.getresponse()
            if answer.status != 401 or is_new:
                return answer
            answer.read()
            self._token = ""

    def _log_in(self, connection: http.client.HTTPConnection) -> None:
        login = {"Authorization": f"Basic {self._login}"}
        connection.request("GET", "/b2api/v4/b2_authorize_account", headers=login)
        self._token = json.loads(connection.getresponse().read())["authorizationToken"]

    def connect(self) -> http.client.HTTPConnection:
        """A connection to B2."""
        return http.client.HTTPConnection(self._b2, timeout=30)


def is_signed(path: str, query: str, secret: str, now: int) -> bool:
    """What a rule with `is_timed_hmac_valid_v0(secret, http.request.uri, 450, now, 8)` says.

    Source: Cloudflare documentation, "HMAC validation".
    """
    found = re.fullmatch(r"verify=(\d{10})-([^&]+)", query)
    if found is None or not int(found[1]) <= now <= int(found[1]) + LIFE_S:
        return False
    try:
        given = base64.b64decode(unquote(found[2]), validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(given, hmac.digest(secret.encode(), f"{path}{found[1]}".encode(), hashlib.sha256))


class _Edge(BaseHTTPRequestHandler):
    """One visitor of the CDN."""

    cdn: Cdn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = self.cdn.address_in_b2(self.path)
        if address is None:
            self._refuse(403)
            return
        wanted = {name: self.headers[name] for name in ("Range",) if name in self.headers}
        connection = self.cdn.connect()
        try:
            answer = self.cdn.fetch(connection, self.command, address, wanted)
            if answer.status not in (200, 206):
                self._refuse(404)
                return
            self.send_response(answer.status)
            for name in PASSED_ON:
                if (value := answer.headers.get(name)) is not None:
                    self.send_header(name, value)
            self.end_headers()
            while block := answer.read(64 * 1024):
                self.wfile.write(block)
        except ConnectionError:
            self.close_connection = True  # the visitor left
        finally:
            connection.close()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
