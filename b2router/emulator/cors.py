"""Cross-origin requests: preflights and the headers on real answers, after the rules of the bucket.

Source: Backblaze docs, "CORS rules". A page that sends an account token gets no such headers, as such tokens
do not belong in browsers.
"""

from __future__ import annotations

import re
from typing import Any

from b2router.emulator import bucket_store, naming, s3, versions
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.http1 import Request
from b2router.emulator.tokens import Tokens
from b2router.emulator.world import Call, World

_ID_IN_PATH = re.compile(r"/b2api/v[1-4]/(b2_upload_file|b2_upload_part|b2_download_file_by_id)(?:/([^/]*).*)?")
_ID_IN_QUERY = re.compile(r"(?:^|&)fileId=([^&]*)")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def preflight(world: World, request: Request) -> Answer:
    """Answer OPTIONS: 200 with what a rule allows, or 403."""
    origin = request.headers.get("origin", "")
    method = request.headers.get("access-control-request-method", "")
    said = request.headers.get("access-control-request-headers", "")
    names = [name.strip().lower() for name in said.split(",") if name.strip()]
    bucket, operation = _target(world, request, method)
    rule = _rule(bucket, origin, operation, names) if bucket is not None and operation else None
    if rule is None:
        return Answer(403, [("Vary", _VARY)])
    return Answer(200, _headers(rule, origin, method, names))


def answer_headers(call: Call) -> list[tuple[str, str]]:
    """Return the headers that let a page read this answer."""
    origin = call.request.headers.get("origin")
    if origin is None or not _is_plain(origin):
        return []
    token = call.request.headers.get("authorization", "")
    if token and Tokens.kind(token) == "acct":
        return []
    bucket, operation = _target(call.world, call.request, call.request.method)
    rule = _rule(bucket, origin, operation, []) if bucket is not None and operation else None
    return [] if rule is None else _headers(rule, origin, None, [])


def _target(world: World, request: Request, method: str) -> tuple[Bucket | None, str | None]:
    """Find bucket and CORS operation that an address and a method mean."""
    try:
        if request.path.startswith("/file/"):
            name = naming.decode(request.path.split("/")[2])
            wanted = "b2_download_file_by_name" if method in ("GET", "HEAD") else None
            return bucket_store.by_name(world.database, name), wanted
        match = _ID_IN_PATH.fullmatch(request.path)
        if match is not None:
            operation, version_id = match[1], match[2] or ""
            if operation == "b2_download_file_by_id":
                query = _ID_IN_QUERY.search(request.query)
                version_id = query[1] if query else ""
            bucket_id = version_id if operation == "b2_upload_file" else versions.bucket_of(version_id)
            return bucket_store.by_id(world.database, bucket_id), operation
        if request.path.startswith("/") and (s3.is_signed(request) or request.method == "OPTIONS"):
            bucket_name = naming.decode(request.path.split("/")[1])
            return bucket_store.by_name(world.database, bucket_name), f"s3_{method.lower()}"
    except Refusal:
        pass
    return None, None


def _rule(bucket: Bucket, origin: str, operation: str, names: list[str]) -> dict[str, Any] | None:
    for rule in bucket.cors_rules:
        allowed = [pattern.lower() for pattern in rule["allowedHeaders"] or []]
        if (
            operation in rule["allowedOperations"]
            and any(_origin_matches(pattern, origin) for pattern in rule["allowedOrigins"])
            and all(any(_matches(pattern, name) for pattern in allowed) for name in names)
        ):
            return rule
    return None


def _origin_matches(pattern: str, origin: str) -> bool:
    if pattern in ("*", origin):
        return True
    return (pattern == "https" and origin.startswith("https://")) or _matches(pattern, origin)


def _matches(pattern: str, text: str) -> bool:
    first, star, last = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(first) + len(last) and text.startswith(first) and text.endswith(last)


def _headers(rule: dict[str, Any], origin: str, method: str | None, names: list[str]) -> list[tuple[str, str]]:
    open_to_all = "*" in rule["allowedOrigins"]
    headers = [("Access-Control-Allow-Origin", "*" if open_to_all else origin), ("Vary", _VARY)]
    if rule["exposeHeaders"]:
        headers.append(("Access-Control-Expose-Headers", ", ".join(rule["exposeHeaders"])))
    if method is not None:
        headers.append(("Access-Control-Allow-Methods", method))
        headers.append(("Access-Control-Max-Age", str(rule["maxAgeSeconds"])))
        if names:
            headers.append(("Access-Control-Allow-Headers", ", ".join(names)))
    return headers


def _is_plain(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]{1,512}", text) is not None
