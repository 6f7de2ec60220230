"""Event notifications: rules are checked, events are signed and delivered to loopback only."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.emulator.wire import Wire

SECRET = "0123456789abcdef0123456789ABCDEF"
Received = tuple[dict[str, str], bytes]


class Hook:
    """A web server that keeps what it is sent; its first answer may be an error."""

    def __init__(self) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self.statuses: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.received.put(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.statuses.pop() if hook.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def rule(url: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": "my-rule",
        "eventTypes": ["b2:ObjectCreated:*"],
        "isEnabled": True,
        "objectNamePrefix": "dir/",
        "targetConfiguration": {"targetType": "webhook", "url": url, "hmacSha256SigningSecret": SECRET},
    } | fields


def set_rules(wire: Wire, *rules: dict[str, Any]) -> Any:
    bucket_id = wire.bucket_id("acme-staff")
    return wire.call("b2_set_bucket_notification_rules", bucketId=bucket_id, eventNotificationRules=list(rules))


def test_an_event_is_signed_and_delivered(wire: Wire, hook: Hook) -> None:
    """HMAC-SHA256 of the body in X-Bz-Event-Notification-Signature; a failed delivery is repeated."""
    hook.statuses = [500]
    assert set_rules(wire, rule(hook.url)).status == 200
    bucket_id = wire.bucket_id("acme-staff")
    wire.upload(bucket_id, "elsewhere")
    made = wire.upload(bucket_id, "dir/a").json
    for _ in range(2):
        headers, body = hook.received.get(timeout=5)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["x-bz-event-notification-signature"] == f"v1={signature}"
        (event,) = json.loads(body)["events"]
        assert (event["eventType"], event["objectName"], event["objectVersionId"]) == (
            "b2:ObjectCreated:Upload",
            "dir/a",
            made["fileId"],
        )
        assert (event["bucketName"], event["objectSize"], event["matchedRuleName"]) == ("acme-staff", 10, "my-rule")


def test_kinds_of_events(wire: Wire, hook: Hook) -> None:
    """Copy, hide, delete."""
    kinds = ["b2:ObjectCreated:Copy", "b2:HideMarkerCreated:*", "b2:ObjectDeleted:Delete"]
    set_rules(wire, rule(hook.url, eventTypes=kinds, objectNamePrefix=""))
    bucket_id = wire.bucket_id("acme-staff")
    made = wire.upload(bucket_id, "a").json
    wire.ok("b2_copy_file", sourceFileId=made["fileId"], fileName="b")
    wire.ok("b2_hide_file", bucketId=bucket_id, fileName="a")
    wire.ok("b2_delete_file_version", fileId=made["fileId"], fileName="a")
    events = [json.loads(hook.received.get(timeout=5)[1])["events"][0] for _ in range(3)]
    assert [(event["eventType"], event["objectName"]) for event in events] == [
        ("b2:ObjectCreated:Copy", "b"),
        ("b2:HideMarkerCreated:Hide", "a"),
        ("b2:ObjectDeleted:Delete", "a"),
    ]


def test_nothing_is_sent_into_the_world(wire: Wire) -> None:
    """Stored as a rule, but not delivered; the control endpoint tells."""
    set_rules(wire, rule("https://example.com/hook"))
    wire.upload(wire.bucket_id("acme-staff"), "dir/a")
    for _ in range(100):
        deliveries = wire.send("GET", "/_emulator/webhooks").json
        if deliveries:
            break
        threading.Event().wait(0.02)
    assert deliveries == [
        {"url": "https://example.com/hook", "event_type": "b2:ObjectCreated:Upload", "status": None, "attempts": 0}
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x"},
        {"eventTypes": []},
        {"eventTypes": ["b2:Everything"]},
        {"targetConfiguration": {"targetType": "mail", "url": "http://127.0.0.1/"}},
        {"targetConfiguration": {"targetType": "webhook", "url": "file:///etc/passwd"}},
        {"targetConfiguration": {"targetType": "webhook", "url": "http://[::1"}},
        {"targetConfiguration": {"targetType": "webhook", "url": "http://a/", "hmacSha256SigningSecret": "short"}},
        {
            "targetConfiguration": {
                "targetType": "webhook",
                "url": "http://a/",
                "customHeaders": [{"name": "X-A", "value": "1\r\nX-B: 2"}],
            }
        },
    ],
)
def test_bad_rules(wire: Wire, fields: dict[str, Any]) -> None:
    """400."""
    assert set_rules(wire, rule("http://127.0.0.1/", **fields)).error == (400, "bad_request")


def test_overlapping_rules(wire: Wire) -> None:
    """Two rules of one type may not match one name."""
    one, two = rule("http://127.0.0.1/"), rule("http://127.0.0.1/", name="other-rule", objectNamePrefix="dir/sub/")
    assert set_rules(wire, one, two).error == (400, "bad_request")
    two["eventTypes"] = ["b2:ObjectDeleted:*"]
    assert set_rules(wire, one, two).status == 200
    rules = wire.ok("b2_get_bucket_notification_rules", bucketId=wire.bucket_id("acme-staff"))
    assert [item["name"] for item in rules["eventNotificationRules"]] == ["my-rule", "other-rule"]
