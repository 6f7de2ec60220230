"""The table of operations: address to function, price class and capability; asked by `exchange`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from b2router.emulator import (
    accounts,
    buckets,
    copies,
    download_rights,
    downloads,
    files,
    keys,
    largefiles,
    listings,
    notifications,
    s3,
    s3_listing,
    s3_multipart,
    s3_objects,
    uploads,
)
from b2router.emulator.answers import Answer, Json, Refusal
from b2router.emulator.http1 import Request
from b2router.emulator.world import Call

Body = Literal["json", "content", "none"]

_API = re.compile(r"/b2api/v([1-9][0-9]{0,3})/([A-Za-z0-9_]{1,60})(?:/(.*))?")
NEWEST_API = 4


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service."""

    name: str
    price_class: str  # "A", "B", "C", or "" for what is free of any class
    run: Callable[[Call], Json | Answer]
    capabilities: tuple[str, ...] | None = ()  # one of them is needed; None: it authenticates by itself
    methods: tuple[str, ...] = ("POST",)
    body: Body = "json"


_READ = ("POST", "GET")

JSON_OPERATIONS = (
    Operation("b2_authorize_account", "C", accounts.authorize_account, None, _READ),
    Operation("b2_cancel_large_file", "A", largefiles.cancel_large_file, ("writeFiles",)),
    Operation("b2_copy_file", "C", copies.copy_file, ("writeFiles",)),
    Operation("b2_copy_part", "C", copies.copy_part, ("writeFiles",)),
    Operation("b2_create_bucket", "C", buckets.create_bucket, ("writeBuckets",)),
    Operation("b2_create_key", "C", keys.create_key, ("writeKeys",)),
    Operation("b2_delete_bucket", "A", buckets.delete_bucket, ("deleteBuckets",)),
    Operation("b2_delete_file_version", "A", files.delete_file_version, ("deleteFiles",)),
    Operation("b2_delete_key", "A", keys.delete_key, ("deleteKeys",)),
    Operation("b2_finish_large_file", "A", largefiles.finish_large_file, ("writeFiles",)),
    Operation(
        "b2_get_bucket_notification_rules",
        "C",
        notifications.get_bucket_notification_rules,
        ("readBucketNotifications",),
        _READ,
    ),
    Operation(
        "b2_get_download_authorization",
        "C",
        download_rights.get_download_authorization,
        ("shareFiles",),
        _READ,
    ),
    Operation("b2_get_file_info", "B", files.get_file_info, ("readFiles",), _READ),
    Operation("b2_get_upload_part_url", "A", largefiles.get_upload_part_url, ("writeFiles",), _READ),
    Operation("b2_get_upload_url", "A", uploads.get_upload_url, ("writeFiles",), _READ),
    Operation("b2_hide_file", "A", files.hide_file, ("writeFiles",)),
    Operation("b2_list_buckets", "C", buckets.list_buckets, ("listBuckets", "listAllBucketNames"), _READ),
    Operation("b2_list_file_names", "C", listings.list_file_names, ("listFiles",), _READ),
    Operation("b2_list_file_versions", "C", listings.list_file_versions, ("listFiles",), _READ),
    Operation("b2_list_keys", "C", keys.list_keys, ("listKeys",), _READ),
    Operation("b2_list_parts", "C", largefiles.list_parts, ("writeFiles", "listFiles"), _READ),
    Operation("b2_list_unfinished_large_files", "C", listings.list_unfinished_large_files, ("listFiles",), _READ),
    Operation(
        "b2_set_bucket_notification_rules",
        "C",
        notifications.set_bucket_notification_rules,
        ("writeBucketNotifications",),
    ),
    Operation("b2_start_large_file", "A", largefiles.start_large_file, ("writeFiles",)),
    Operation("b2_update_bucket", "C", buckets.update_bucket, ("writeBuckets",)),
    Operation("b2_update_file_legal_hold", "A", files.update_file_legal_hold, ("writeFileLegalHolds",)),
    Operation("b2_update_file_retention", "A", files.update_file_retention, ("writeFileRetentions",)),
    Operation("b2_upload_file", "A", uploads.upload_file, None, body="content"),
    Operation("b2_upload_part", "A", largefiles.upload_part, None, body="content"),
)
_BY_NAME = {operation.name: operation for operation in JSON_OPERATIONS}

_S3 = {
    operation.name: operation
    for operation in (
        Operation("s3_get", "B", s3_objects.get_object, None, body="none"),
        Operation("s3_head", "B", s3_objects.get_object, None, body="none"),
        Operation("s3_put", "A", s3_objects.put_object, None, body="content"),
        Operation("s3_delete", "A", s3_objects.delete_object, None, body="none"),
        Operation("s3_list", "C", s3_listing.list_objects, None, body="none"),
        Operation("s3_create_multipart", "A", s3_multipart.create_multipart_upload, None, body="none"),
        Operation("s3_upload_part", "A", s3_multipart.upload_part, None, body="content"),
        Operation("s3_complete_multipart", "A", s3_multipart.complete_multipart_upload, None, body="none"),
        Operation("s3_abort_multipart", "A", s3_multipart.abort_multipart_upload, None, body="none"),
    )
}

_GET_BY_NAME = Operation("download", "B", downloads.download_by_name, None, body="none")
_HEAD_BY_NAME = Operation("head", "B", downloads.download_by_name, None, body="none")
_GET_BY_ID = Operation("download", "B", downloads.download_by_id, None)
_HEAD_BY_ID = Operation("head", "B", downloads.download_by_id, None)

PREFLIGHT = Operation("preflight", "", downloads.download_by_name, None, ("OPTIONS",), "none")
LISTINGS = ("b2_list_file_names", "b2_list_file_versions")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request leads."""

    operation: Operation
    version: int = NEWEST_API
    tail: str = ""


def resolve(request: Request) -> Route:
    """Find the operation of a request; an unknown one leads to a clear refusal."""
    method, path = request.method, request.path
    if s3.is_signed(request):
        refusal = Refusal(501, "NotImplemented", "Of S3, this operation or one of its parameters is not offered")
        return Route(_S3.get(s3.operation_of(request) or "") or _refusing("s3", refusal))
    if path.startswith("/file/"):
        tail = path.removeprefix("/file/")
        if method in ("GET", "HEAD"):
            return Route(_GET_BY_NAME if method == "GET" else _HEAD_BY_NAME, tail=tail)
        return _wrong_method("download", method, "GET, HEAD")
    match = _API.fullmatch(path)
    if match is None or int(match[1]) > NEWEST_API:
        return Route(_refusing("unknown", Refusal(400, "bad_request", f"Unknown endpoint: {path[:200]}")))
    version, name, tail = int(match[1]), match[2], match[3] or ""
    if name == "b2_download_file_by_id":
        if method not in ("GET", "HEAD", "POST"):
            return _wrong_method("download", method, "GET, HEAD, POST")
        return Route(_HEAD_BY_ID if method == "HEAD" else _GET_BY_ID, version, tail)
    operation = _BY_NAME.get(name)
    if operation is None:
        return Route(_refusing("unknown", Refusal(400, "bad_request", f"Unknown endpoint: {path[:200]}")))
    if method not in operation.methods:
        return _wrong_method(name, method, ", ".join(operation.methods))
    return Route(operation, version, tail)


def _wrong_method(name: str, method: str, allowed: str) -> Route:
    return Route(_refusing(name, Refusal(405, "method_not_allowed", f"{name} takes {allowed}, not {method[:20]}")))


def _refusing(name: str, refusal: Refusal) -> Operation:
    def refuse(call: Call) -> Answer:
        raise refusal

    return Operation(name, "", refuse, None, body="none")
