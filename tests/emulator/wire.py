"""A raw HTTP client for tests: what is on the wire, without an SDK's opinion."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and B2's error code."""
        assert self.json["status"] == self.status
        return self.status, self.json["code"]


class Wire:
    """One kept connection and an account token."""

    opened: ClassVar[list[Wire]] = []  # closed after each test

    def __init__(self, url: str, key_id: str, key: str, version: int = 4) -> None:
        self.netloc = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self.netloc, timeout=10)
        self.opened.append(self)
        self.version = version
        basic = "Basic " + base64.b64encode(f"{key_id}:{key}".encode()).decode()
        reply = self.send("POST", f"/b2api/v{version}/b2_authorize_account", {"Authorization": basic}, b"{}")
        self.account: dict[str, Any] = reply.json
        self.token: str = self.account.get("authorizationToken", "")
        self._upload_urls: dict[str, tuple[str, str]] = {}

    def send(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        """Send a request exactly as given."""
        self._connection.request(method, target, body, headers or {})
        response = self._connection.getresponse()
        content = response.read()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def call(self, operation: str, token: str | None = None, **fields: Any) -> Reply:
        """Call an operation of the native API with the account token."""
        headers = {"Authorization": token or self.token}
        return self.send("POST", f"/b2api/v{self.version}/{operation}", headers, json.dumps(fields).encode())

    def ok(self, operation: str, **fields: Any) -> Any:
        """Call an operation that has to succeed."""
        reply = self.call(operation, **fields)
        assert reply.status == 200, reply.body
        return reply.json

    def bucket_id(self, name: str) -> str:
        """Return the id of a bucket."""
        found = self.ok("b2_list_buckets", accountId=self.account["accountId"], bucketName=name)["buckets"]
        return str(found[0]["bucketId"])

    def upload(self, bucket_id: str, name: str, content: bytes = b"0123456789", **headers: str) -> Reply:
        """Upload a file; header names are written with underscores."""
        if bucket_id not in self._upload_urls:
            target = self.ok("b2_get_upload_url", bucketId=bucket_id)
            self._upload_urls[bucket_id] = (urlsplit(target["uploadUrl"]).path, target["authorizationToken"])
        path, token = self._upload_urls[bucket_id]
        sent = {
            "Authorization": token,
            "X-Bz-File-Name": quote(name),
            "Content-Type": "text/plain",
            "X-Bz-Content-Sha1": hashlib.sha1(content).hexdigest(),
        }
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        return self.send("POST", path, sent, content)

    def get(self, bucket: str, name: str, **headers: str) -> Reply:
        """Download by name with the account token."""
        sent = {"Authorization": self.token} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.send("GET", f"/file/{bucket}/{quote(name)}", sent)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
