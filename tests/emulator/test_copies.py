"""Copies of files and into parts, whole and by range."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.emulator.wire import Wire


@pytest.fixture
def source(wire: Wire) -> Any:
    return wire.upload(wire.bucket_id("acme-staff"), "source", X_Bz_Info_Color="red").json


def test_copy_takes_metadata_along(wire: Wire, source: Any) -> None:
    """action is "copy" in the answer and "upload" in listings; the copy survives its source."""
    made = wire.ok("b2_copy_file", sourceFileId=source["fileId"], fileName="copy")
    assert (made["action"], made["fileInfo"], made["contentType"]) == ("copy", {"color": "red"}, "text/plain")
    assert (made["contentSha1"], made["contentLength"]) == (source["contentSha1"], 10)
    wire.ok("b2_delete_file_version", fileId=source["fileId"], fileName="source")
    assert wire.get("acme-staff", "copy").body == b"0123456789"
    assert wire.ok("b2_get_file_info", fileId=made["fileId"])["action"] == "upload"


def test_copy_to_another_bucket_with_new_metadata(wire: Wire, source: Any) -> None:
    """REPLACE."""
    target = wire.bucket_id("acme-public")
    made = wire.ok(
        "b2_copy_file",
        sourceFileId=source["fileId"],
        fileName="copy",
        destinationBucketId=target,
        metadataDirective="REPLACE",
        contentType="text/css",
        fileInfo={"size": "small"},
    )
    assert (made["bucketId"], made["contentType"], made["fileInfo"]) == (target, "text/css", {"size": "small"})
    assert wire.send("GET", "/file/acme-public/copy").body == b"0123456789"


def test_copy_of_a_range(wire: Wire, source: Any) -> None:
    """Its SHA-1 is that of the range."""
    made = wire.ok("b2_copy_file", sourceFileId=source["fileId"], fileName="copy", range="bytes=2-4")
    assert (made["contentLength"], made["contentSha1"]) == (3, hashlib.sha1(b"234").hexdigest())
    assert wire.get("acme-staff", "copy").body == b"234"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"metadataDirective": "COPY", "contentType": "text/css"}, (400, "bad_request")),
        ({"metadataDirective": "REPLACE"}, (400, "bad_request")),
        ({"metadataDirective": "MERGE"}, (400, "bad_request")),
        ({"range": "bytes=10-"}, (416, "range_not_satisfiable")),
        ({"destinationBucketId": "0" * 24}, (400, "bad_bucket_id")),
        ({"fileName": ""}, (400, "bad_request")),
    ],
)
def test_refused_copies(wire: Wire, source: Any, fields: dict[str, Any], error: tuple[int, str]) -> None:
    """B2's codes."""
    assert wire.call("b2_copy_file", **({"sourceFileId": source["fileId"], "fileName": "c"} | fields)).error == error


def test_parts_from_copies(wire: Wire) -> None:
    """Parts that lie across the parts of a large source."""
    bucket_id = wire.bucket_id("acme-staff")
    block = bytes(range(250)) * 20_000
    source = wire.upload(bucket_id, "source", block).json["fileId"]

    def joined(name: str, *ranges: tuple[str, str]) -> str:
        large = wire.ok("b2_start_large_file", bucketId=bucket_id, fileName=name, contentType="b2/x-auto")["fileId"]
        parts = [
            wire.ok("b2_copy_part", sourceFileId=src, largeFileId=large, partNumber=n, range=text)
            for n, (src, text) in enumerate(ranges, 1)
        ]
        sha1s = [part["contentSha1"] for part in parts]
        return str(wire.ok("b2_finish_large_file", fileId=large, partSha1Array=sha1s)["fileId"])

    whole = "bytes=0-4999999"
    first = joined("first", (source, whole), (source, whole))
    joined("second", (first, "bytes=2500000-7499999"), (first, "bytes=4999990-5000009"))
    expected = block[2_500_000:] + block[:2_500_000] + block[-10:] + block[:10]
    assert wire.get("acme-staff", "second").body == expected
