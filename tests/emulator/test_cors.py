"""Preflights and the headers that let a page read an answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.emulator.wire import Wire

PAGE = "https://app.example.com"


@pytest.fixture
def ruled(wire: Wire) -> Wire:
    bucket_id = wire.bucket_id("acme-public")
    rule: dict[str, Any] = {
        "corsRuleName": "our-pages",
        "allowedOrigins": ["https://*.example.com"],
        "allowedOperations": ["b2_download_file_by_name", "b2_upload_file", "s3_put"],
        "allowedHeaders": ["authorization", "x-bz-*", "content-type"],
        "exposeHeaders": ["x-bz-content-sha1"],
        "maxAgeSeconds": 60,
    }
    wire.ok("b2_update_bucket", accountId=wire.account["accountId"], bucketId=bucket_id, corsRules=[rule])
    wire.upload(bucket_id, "a")
    return wire


def preflight(wire: Wire, target: str, method: str, origin: str = PAGE, names: str = "") -> tuple[int, dict[str, str]]:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    reply = wire.send("OPTIONS", target, headers | ({"Access-Control-Request-Headers": names} if names else {}))
    return reply.status, {k: v for k, v in reply.headers.items() if k.startswith("access-control-")}


def test_preflight_of_a_download(ruled: Wire) -> None:
    """What the rule allows is said."""
    assert preflight(ruled, "/file/acme-public/a", "GET", names="Authorization, X-Bz-Test") == (
        200,
        {
            "access-control-allow-origin": PAGE,
            "access-control-allow-methods": "GET",
            "access-control-allow-headers": "authorization, x-bz-test",
            "access-control-expose-headers": "x-bz-content-sha1",
            "access-control-max-age": "60",
        },
    )


def test_preflights_of_uploads(ruled: Wire) -> None:
    """Native and presigned."""
    url = ruled.ok("b2_get_upload_url", bucketId=ruled.bucket_id("acme-public"))["uploadUrl"]
    assert preflight(ruled, urlsplit(url).path, "POST", names="x-bz-file-name,content-type")[0] == 200
    assert preflight(ruled, "/acme-public/new?X-Amz-Signature=x", "PUT")[0] == 200


@pytest.mark.parametrize(
    ("target", "method", "origin", "names"),
    [
        ("/file/acme-public/a", "GET", "https://example.org", ""),
        ("/file/acme-public/a", "GET", "https://example.com", ""),
        ("/file/acme-public/a", "GET", PAGE, "x-other"),
        ("/file/acme-public/a", "DELETE", PAGE, ""),
        ("/file/acme-staff/a", "GET", PAGE, ""),
        ("/file/no-such-bucket/a", "GET", PAGE, ""),
        ("/b2api/v4/b2_download_file_by_id?fileId=x", "GET", PAGE, ""),
        ("/b2api/v4/b2_list_buckets", "POST", PAGE, ""),
        ("/file/%zz/a", "GET", PAGE, ""),
        ("*", "GET", PAGE, ""),
    ],
)
def test_refused_preflights(ruled: Wire, target: str, method: str, origin: str, names: str) -> None:
    """403 without any such header."""
    assert preflight(ruled, target, method, origin, names) == (403, {})


def test_answers_to_pages(ruled: Wire) -> None:
    """Without a token and with a download authorization, but not with an account token."""
    origin = {"Origin": PAGE}
    plain = ruled.send("GET", "/file/acme-public/a", origin)
    assert plain.headers["access-control-allow-origin"] == PAGE
    with_account = ruled.send("GET", "/file/acme-public/a", origin | {"Authorization": ruled.token})
    assert "access-control-allow-origin" not in with_account.headers
    share = ruled.ok(
        "b2_get_download_authorization",
        bucketId=ruled.bucket_id("acme-public"),
        fileNamePrefix="",
        validDurationInSeconds=60,
    )["authorizationToken"]
    shared = ruled.send("GET", "/file/acme-public/a", origin | {"Authorization": share})
    assert shared.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in ruled.send("GET", "/file/acme-public/a").headers
