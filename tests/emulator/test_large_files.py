"""Large files: parts, their joining, and the ways it is refused."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any
from urllib.parse import urlsplit

import pytest
from b2sdk.v3 import Bucket

from tests.emulator.wire import Reply, Wire

PART = os.urandom(5_000_000)
LAST = b"the end"
SHA1S = [hashlib.sha1(PART).hexdigest(), hashlib.sha1(LAST).hexdigest()]


@pytest.fixture
def staff(wire: Wire) -> str:
    return wire.bucket_id("acme-staff")


def start(wire: Wire, bucket_id: str, name: str = "big", **fields: Any) -> str:
    made = wire.ok("b2_start_large_file", bucketId=bucket_id, fileName=name, contentType="text/plain", **fields)
    assert made["action"] == "start"
    return str(made["fileId"])


def part(wire: Wire, file_id: str, number: object, content: bytes, sha1: str | None = None) -> Reply:
    target = wire.ok("b2_get_upload_part_url", fileId=file_id)
    headers = {
        "Authorization": target["authorizationToken"],
        "X-Bz-Part-Number": str(number),
        "X-Bz-Content-Sha1": sha1 or hashlib.sha1(content).hexdigest(),
    }
    return wire.send("POST", urlsplit(target["uploadUrl"]).path, headers, content)


def test_parts_are_joined(wire: Wire, staff: str) -> None:
    """contentSha1 is "none"; the file is invisible until it is finished."""
    file_id = start(wire, staff, fileInfo={"Color": "red"})
    assert part(wire, file_id, 2, LAST).json["partNumber"] == 2
    part(wire, file_id, 1, PART)
    assert wire.get("acme-staff", "big").status == 404
    made = wire.ok("b2_finish_large_file", fileId=file_id, partSha1Array=SHA1S)
    assert (made["action"], made["contentLength"], made["contentSha1"]) == ("upload", 5_000_007, "none")
    assert (made["fileId"], made["fileInfo"]) == (file_id, {"color": "red"})
    reply = wire.get("acme-staff", "big")
    assert (reply.body == PART + LAST, reply.headers["x-bz-content-sha1"]) == (True, "none")
    assert wire.get("acme-staff", "big", Range="bytes=4999998-5000001").body == PART[-2:] + LAST[:2]


def test_a_repeated_part_replaces_the_former(wire: Wire, staff: str) -> None:
    """Documented for b2_upload_part."""
    file_id = start(wire, staff)
    part(wire, file_id, 1, PART)
    part(wire, file_id, 2, b"wrong")
    part(wire, file_id, 2, LAST)
    parts = wire.ok("b2_list_parts", fileId=file_id)["parts"]
    assert [(p["partNumber"], p["contentLength"]) for p in parts] == [(1, 5_000_000), (2, 7)]
    wire.ok("b2_finish_large_file", fileId=file_id, partSha1Array=SHA1S)
    assert wire.get("acme-staff", "big", Range="bytes=5000000-").body == LAST


def test_finish_is_refused_until_it_fits(wire: Wire, staff: str) -> None:
    """One part, a missing one, another SHA-1, a part under 5 MB: B2's codes, and the file stays unfinished."""
    file_id = start(wire, staff)

    def finish(*sha1s: str) -> tuple[int, str]:
        return wire.call("b2_finish_large_file", fileId=file_id, partSha1Array=list(sha1s)).error

    part(wire, file_id, 1, LAST)
    reply = wire.call("b2_finish_large_file", fileId=file_id, partSha1Array=[SHA1S[1]])
    assert (reply.error, reply.json["message"]) == ((400, "bad_request"), "large files must have at least 2 parts")
    assert finish(SHA1S[1], SHA1S[1]) == (400, "missing_part")
    part(wire, file_id, 2, LAST)
    assert finish("0" * 40, SHA1S[1]) == (400, "part_sha1_mismatch")
    assert finish(SHA1S[1], SHA1S[1]) == (400, "bad_request")
    part(wire, file_id, 1, PART)
    part(wire, file_id, 3, LAST)
    assert finish(*SHA1S) == (400, "bad_request")
    part(wire, file_id, 2, PART)
    assert wire.call("b2_finish_large_file", fileId=file_id, partSha1Array=[SHA1S[0], SHA1S[0], SHA1S[1]]).status == 200


@pytest.mark.parametrize(("number", "code"), [(0, "out_of_range"), (10_001, "out_of_range"), ("x", "bad_request")])
def test_bad_part_numbers(wire: Wire, staff: str, number: object, code: str) -> None:
    """1 to 10,000."""
    assert part(wire, start(wire, staff), number, LAST).error == (400, code)


def test_damaged_part_is_refused(wire: Wire, staff: str) -> None:
    """As for files."""
    file_id = start(wire, staff)
    assert part(wire, file_id, 1, LAST, "0" * 40).error == (400, "bad_request")
    assert wire.ok("b2_list_parts", fileId=file_id)["parts"] == []


def test_cancelled_file_takes_no_part(wire: Wire, staff: str) -> None:
    """Its contents go, and an upload address still held is refused."""
    file_id = start(wire, staff)
    target = wire.ok("b2_get_upload_part_url", fileId=file_id)
    part(wire, file_id, 1, LAST)
    assert wire.ok("b2_cancel_large_file", fileId=file_id)["fileName"] == "big"
    headers = {
        "Authorization": target["authorizationToken"],
        "X-Bz-Part-Number": "1",
        "X-Bz-Content-Sha1": SHA1S[1],
    }
    assert wire.send("POST", urlsplit(target["uploadUrl"]).path, headers, LAST).error == (400, "bad_request")
    assert wire.call("b2_finish_large_file", fileId=file_id, partSha1Array=SHA1S).status == 400
    assert wire.ok("b2_list_unfinished_large_files", bucketId=staff)["files"] == []


def test_parts_and_unfinished_files_are_listed_in_pages(wire: Wire, staff: str) -> None:
    """nextPartNumber and nextFileId lead on."""
    ids = [start(wire, staff, name) for name in ("a/1", "a/2", "b")]
    for number in (1, 2, 3):
        part(wire, ids[0], number, LAST)
    page = wire.ok("b2_list_parts", fileId=ids[0], maxPartCount=2)
    assert ([p["partNumber"] for p in page["parts"]], page["nextPartNumber"]) == ([1, 2], 3)
    page = wire.ok("b2_list_parts", fileId=ids[0], startPartNumber=3)
    assert ([p["partNumber"] for p in page["parts"]], page["nextPartNumber"]) == ([3], None)
    page = wire.ok("b2_list_unfinished_large_files", bucketId=staff, maxFileCount=1, namePrefix="a/")
    assert ([f["fileId"] for f in page["files"]], page["nextFileId"]) == ([ids[0]], ids[1])
    page = wire.ok("b2_list_unfinished_large_files", bucketId=staff, startFileId=ids[1])
    assert [f["fileName"] for f in page["files"]] == ["a/2", "b"]


def test_sdk_streams_a_large_file(bucket: Bucket) -> None:
    """upload_unbound_stream makes start, part URL, parts, finish of it."""
    content = os.urandom(12_000_000)
    made = bucket.upload_unbound_stream(io.BytesIO(content), "big", recommended_upload_part_size=5_000_000)
    assert (made.size, made.content_sha1) == (12_000_000, "none")
    target = io.BytesIO()
    bucket.download_file_by_name("big").save(target)
    assert target.getvalue() == content
