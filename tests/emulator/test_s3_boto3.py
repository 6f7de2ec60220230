"""The S3-compatible API as boto3 speaks it: headers that are signed, checksums, parts, listings, errors."""

from __future__ import annotations

import io
import os
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: the S3-compatible API was not tried with it")
from boto3.s3.transfer import TransferConfig  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

MIB = 1024 * 1024
BUCKET = "acme-staff"
Connect = Callable[..., Any]


@pytest.fixture
def connect(em: Emulator) -> Iterator[Connect]:
    """Clients, closed afterwards."""
    clients = []

    def make(key_id: str | None = None, key: str | None = None, **options: Any) -> Any:
        if key_id is None or key is None:
            key_id, key = em.create_key()
        client = boto3.client(
            "s3",
            endpoint_url=options.pop("url", em.url),
            aws_access_key_id=key_id,
            aws_secret_access_key=key,
            region_name="us-west-004",
            verify=options.pop("verify", None),
            config=Config(retries={"total_max_attempts": 1}, **options),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def tls(em: Emulator, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An address with TLS before the emulator, and the file that vouches for it."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with Terminator(context, em.url) as front:
        yield front.url, certificate


class Terminator(socketserver.ThreadingTCPServer):
    """Takes TLS off, byte for byte."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.context = context
        self.behind = (urlsplit(url).hostname, urlsplit(url).port)
        self.url = f"https://localhost:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *exc_info: Any) -> None:
        self.shutdown()
        super().__exit__(*exc_info)


class _Passing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        front: Any = self.server
        with (
            front.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(front.behind) as behind,
        ):
            answers = threading.Thread(target=_pass_on, args=[behind, client])
            answers.start()
            _pass_on(client, behind)
            answers.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(64 * 1024):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def s3(connect: Connect, em: Emulator) -> Any:
    client = connect()
    em.reset_counts()
    return client


def refused(act: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        act()
    said = caught.value.response
    return said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Code"]


def test_an_object_is_a_file_of_the_native_api(s3: Any, wire: Wire, em: Emulator) -> None:
    name = "dir/a b+ü%.txt"
    put = s3.put_object(Bucket=BUCKET, Key=name, Body=b"hello", ContentType="text/css", Metadata={"made-by": "me"})
    native = wire.get(BUCKET, name)
    assert (native.body, native.headers["content-type"], native.headers["x-bz-info-made-by"]) == (
        b"hello",
        "text/css",
        "me",
    )
    head = s3.head_object(Bucket=BUCKET, Key=name)
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (5, put["ETag"], {"made-by": "me"})
    assert head["VersionId"] == put["VersionId"] == native.headers["x-bz-file-id"]
    assert s3.get_object(Bucket=BUCKET, Key=name, Range="bytes=1-3")["Body"].read() == b"ell"
    calls = {operation: count for operation, count in em.calls().items() if operation.startswith("s3")}
    assert calls == {"s3_put": 1, "s3_head": 1, "s3_get": 1}
    assert {call.price_class for call in em.log() if call.operation in ("s3_get", "s3_head")} == {"B"}


def test_a_native_file_is_an_object(s3: Any, wire: Wire) -> None:
    wire.upload(wire.bucket_id(BUCKET), "native.txt")
    assert s3.get_object(Bucket=BUCKET, Key="native.txt")["Body"].read() == b"0123456789"


def test_a_delete_hides(s3: Any, wire: Wire, em: Emulator) -> None:
    """Buckets keep versions: the native API still has the file below the marker. A second time nothing is done."""
    first = s3.put_object(Bucket=BUCKET, Key="a", Body=b"1")["VersionId"]
    assert s3.delete_object(Bucket=BUCKET, Key="a")["DeleteMarker"] is True
    assert refused(lambda: s3.get_object(Bucket=BUCKET, Key="a")) == (404, "NoSuchKey")
    s3.delete_object(Bucket=BUCKET, Key="a")
    s3.delete_object(Bucket=BUCKET, Key="missing")
    listed = wire.ok("b2_list_file_versions", bucketId=wire.bucket_id(BUCKET))["files"]
    assert [(file["action"], file["fileId"] == first) for file in listed] == [("hide", False), ("upload", True)]
    s3.delete_object(Bucket=BUCKET, Key="a", VersionId=listed[0]["fileId"])
    assert s3.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"1"
    s3.delete_object(Bucket=BUCKET, Key="a", VersionId=first)
    assert wire.ok("b2_list_file_versions", bucketId=wire.bucket_id(BUCKET))["files"] == []
    assert em.calls()["s3_delete"] == 5


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_listings_are_paged(operation: str, s3: Any, em: Emulator) -> None:
    """Folders once each, what is hidden not at all, names as they are."""
    for name in ("a.txt", "b/1", "b/2", "c d+&<ü>.txt", "e/1", "f", "hidden"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"xyz")
    s3.delete_object(Bucket=BUCKET, Key="hidden")
    em.reset_counts()
    pages = list(s3.get_paginator(operation).paginate(Bucket=BUCKET, Delimiter="/", PaginationConfig={"PageSize": 2}))
    assert [file["Key"] for page in pages for file in page.get("Contents", [])] == ["a.txt", "c d+&<ü>.txt", "f"]
    assert [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])] == ["b/", "e/"]
    assert em.classes() == {"C": 3}
    (below,) = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="b/")
    assert [(file["Key"], file["Size"]) for file in below["Contents"]] == [("b/1", 3), ("b/2", 3)]
    assert s3.head_object(Bucket=BUCKET, Key="b/1")["ETag"] == below["Contents"][0]["ETag"]
    (none,) = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="nothing/")
    assert (none["IsTruncated"], "Contents" in none) == (False, False)


def test_a_large_object_comes_in_parts(s3: Any, em: Emulator) -> None:
    """As the transfers of boto3 send it, side by side; invisible until it is complete."""
    content = os.urandom(18 * MIB)
    s3.upload_fileobj(
        io.BytesIO(content), BUCKET, "big", Config=TransferConfig(multipart_chunksize=6 * MIB), ExtraArgs={}
    )
    calls = {"s3_create_multipart": 1, "s3_upload_part": 3, "s3_complete_multipart": 1}
    assert (em.calls(), em.classes()) == (calls, {"A": 5})
    wire = Wire(em.url, em.key_id, em.key)
    got = io.BytesIO()
    s3.download_fileobj(BUCKET, "big", got)
    assert got.getvalue() == content == wire.get(BUCKET, "big").body
    assert s3.head_object(Bucket=BUCKET, Key="big")["ETag"].endswith('-2"')


@pytest.fixture
def upload(s3: Any) -> dict[str, str]:
    """One that was begun."""
    made = s3.create_multipart_upload(Bucket=BUCKET, Key="big", ContentType="text/css")
    return {"Bucket": BUCKET, "Key": "big", "UploadId": made["UploadId"]}


def test_an_upload_is_aborted(s3: Any, upload: dict[str, str], wire: Wire) -> None:
    """The native API knows it until then."""
    s3.upload_part(**upload, PartNumber=1, Body=b"x")
    bucket_id = wire.bucket_id(BUCKET)
    (begun,) = wire.ok("b2_list_unfinished_large_files", bucketId=bucket_id)["files"]
    assert (begun["fileId"], begun["contentType"]) == (upload["UploadId"], "text/css")
    s3.abort_multipart_upload(**upload)
    assert wire.ok("b2_list_unfinished_large_files", bucketId=bucket_id)["files"] == []
    for act in (
        lambda: s3.upload_part(**upload, PartNumber=1, Body=b"x"),
        lambda: s3.abort_multipart_upload(**upload),
        lambda: s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}),
    ):
        assert refused(act) == (404, "NoSuchUpload")


def test_what_parts_have_to_be(s3: Any, upload: dict[str, str]) -> None:
    """5 MB but the last, in order, and those that were sent; a single one will do."""
    tags = [s3.upload_part(**upload, PartNumber=number, Body=b"%d" % number)["ETag"] for number in (1, 2)]

    def complete(*parts: tuple[int, str]) -> Any:
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in parts]
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})

    assert refused(lambda: complete((1, tags[0]), (2, tags[1]))) == (400, "EntityTooSmall")
    assert refused(lambda: complete((2, tags[1]), (1, tags[0]))) == (400, "InvalidPartOrder")
    assert refused(lambda: complete((1, tags[1]))) == (400, "InvalidPart")
    assert refused(lambda: complete((3, tags[1]))) == (400, "InvalidPart")
    assert refused(lambda: complete()) == (400, "MalformedXML")
    assert refused(lambda: s3.upload_part(**upload, PartNumber=0, Body=b"x")) == (400, "InvalidArgument")
    complete((2, tags[1]))
    assert s3.get_object(Bucket=BUCKET, Key="big")["Body"].read() == b"2"


def test_contents_that_are_damaged_on_the_way_are_not_stored(s3: Any, wire: Wire) -> None:
    """By whichever sum boto3 sends."""

    def damage(request: Any, **_: Any) -> None:
        request.body = b"hallo" if isinstance(request.body, bytes) else io.BytesIO(b"hallo")

    s3.meta.events.register("before-send.s3.PutObject", damage)
    for options in ({}, {"ChecksumAlgorithm": "SHA1"}, {"ChecksumAlgorithm": "SHA256"}):
        act = lambda options=options: s3.put_object(Bucket=BUCKET, Key="a", Body=b"hello", **options)  # noqa: E731
        assert refused(act) == (400, "BadDigest")
    assert wire.get(BUCKET, "a").status == 404


def test_what_the_key_may_not(connect: Connect, em: Emulator) -> None:
    """Master key, unknown key, wrong secret, missing right, other bucket, other prefix, skewed clock."""
    put = {"Bucket": BUCKET, "Key": "dir/x", "Body": b"x"}
    key_id, key = em.create_key(["readFiles", "listFiles"], BUCKET, "dir/")
    assert refused(lambda: connect(em.key_id, em.key).put_object(**put)) == (403, "InvalidAccessKeyId")
    assert refused(lambda: connect("0" * 25, key).put_object(**put)) == (403, "InvalidAccessKeyId")
    assert refused(lambda: connect(key_id, "wrong").put_object(**put)) == (403, "SignatureDoesNotMatch")
    reader = connect(key_id, key)
    assert refused(lambda: reader.put_object(**put)) == (403, "AccessDenied")
    assert refused(lambda: reader.delete_object(Bucket=BUCKET, Key="dir/x")) == (403, "AccessDenied")
    assert refused(lambda: reader.create_multipart_upload(Bucket=BUCKET, Key="dir/x")) == (403, "AccessDenied")
    assert refused(lambda: reader.get_object(Bucket=BUCKET, Key="x")) == (403, "AccessDenied")
    assert refused(lambda: reader.list_objects_v2(Bucket=BUCKET)) == (403, "AccessDenied")
    assert refused(lambda: reader.list_objects_v2(Bucket="acme-public", Prefix="dir/")) == (403, "AccessDenied")
    assert "Contents" not in reader.list_objects_v2(Bucket=BUCKET, Prefix="dir/")
    assert refused(lambda: connect().list_objects_v2(Bucket="no-such-bucket")) == (404, "NoSuchBucket")


def test_signed_headers_cannot_be_changed_and_do_not_keep(s3: Any) -> None:
    def later(request: Any, **_: Any) -> None:
        request.headers["X-Amz-Date"] = "20200101T000000Z"

    def other(request: Any, **_: Any) -> None:
        request.headers["Content-Type"] = "text/html"

    put = {"Bucket": BUCKET, "Key": "x", "Body": b"x", "ContentType": "text/css"}
    for change, code in ((later, "AccessDenied"), (other, "SignatureDoesNotMatch")):
        s3.meta.events.register("before-send.s3.PutObject", change)
        assert refused(lambda: s3.put_object(**put)) == (403, code)
        s3.meta.events.unregister("before-send.s3.PutObject", change)


def test_old_signatures_are_refused(connect: Connect, em: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour, either way."""
    s3, now_ms = connect(), em._world.now_ms()
    monkeypatch.setattr(em._world, "now_ms", lambda: now_ms + 16 * 60 * 1000)
    assert refused(lambda: s3.list_objects_v2(Bucket=BUCKET)) == (403, "RequestTimeTooSkewed")


def test_faults_come_to_parts(s3: Any, em: Emulator, upload: dict[str, str]) -> None:
    em.fail("s3_upload_part", status=503, retry_after=1)
    assert refused(lambda: s3.upload_part(**upload, PartNumber=1, Body=b"x")) == (503, "ServiceUnavailable")


def test_behind_tls_contents_are_streamed(connect: Connect, em: Emulator, wire: Wire, tls: tuple[str, str]) -> None:
    """Then boto3 sends chunks, and the checksum after them; of parts, too."""
    s3 = connect(url=tls[0], verify=tls[1])
    s3.put_object(Bucket=BUCKET, Key="small", Body=io.BytesIO(b"hello"))
    content = os.urandom(11 * MIB)
    s3.upload_fileobj(io.BytesIO(content), BUCKET, "big", Config=TransferConfig(multipart_chunksize=6 * MIB))
    assert (wire.get(BUCKET, "small").body, wire.get(BUCKET, "big").body) == (b"hello", content)
    sent = {call.operation: call.headers["x-amz-trailer"] for call in em.log() if "x-amz-trailer" in call.headers}
    assert sent == {"s3_put": "x-amz-checksum-crc32", "s3_upload_part": "x-amz-checksum-crc32"}
