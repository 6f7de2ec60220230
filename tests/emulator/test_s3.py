"""Presigned requests of the S3-compatible API, signed here by an own signer; `test_s3_boto3` signs headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Reply, Wire


@dataclass
class Signer:
    """Makes presigned addresses (AWS docs, "Signature Version 4: query parameters")."""

    wire: Wire
    key_id: str
    secret: str
    bucket: str = "acme-staff"
    at: float = field(default_factory=time.time)

    def target(
        self,
        method: str,
        name: str,
        expires_s: int = 60,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        payload: str = "UNSIGNED-PAYLOAD",
    ) -> str:
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.at))
        scope = f"{date[:8]}/us-west-004/s3/aws4_request"
        signed = {"host": self.wire.netloc} | {k.lower(): v for k, v in (headers or {}).items()}
        pairs = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.key_id}/{scope}",
            "X-Amz-Date": date,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
        } | (query or {})
        path = "/" + quote(f"{self.bucket}/{name}", safe="/-_.~")
        text = "&".join(sorted(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs.items()))
        head = "".join(f"{k}:{signed[k]}\n" for k in sorted(signed))
        request = "\n".join([method, path, text, head, ";".join(sorted(signed)), payload])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return f"{path}?{text}&X-Amz-Signature={key.hex()}"

    def get(self, name: str = "dir/a b.txt", headers: dict[str, str] | None = None, **query: str) -> Reply:
        target = self.target("GET", name, query={k.replace("_", "-"): v for k, v in query.items()})
        return self.wire.send("GET", target, headers)


@pytest.fixture
def signer(em: Emulator, wire: Wire) -> Signer:
    wire.upload(wire.bucket_id("acme-staff"), "dir/a b.txt", X_Bz_Info_Color="blue")
    return Signer(wire, *em.create_key())


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def test_presigned_get_and_head(em: Emulator, wire: Wire, signer: Signer) -> None:
    """ETag and Last-Modified: the one thing that native downloads lack."""
    reply = signer.get()
    assert (reply.status, reply.body) == (200, b"0123456789")
    assert reply.headers["etag"] == f'"{hashlib.md5(b"0123456789").hexdigest()}"'
    assert reply.headers["last-modified"].endswith("GMT")
    assert reply.headers["x-amz-meta-color"] == "blue"
    head = wire.send("HEAD", signer.target("HEAD", "dir/a b.txt"))
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10")
    assert (em.calls()["s3_get"], em.calls()["s3_head"]) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": "Wed, 21 Oct 2105 07:28:00 GMT"}, 304),
        ({"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}, 412),
        ({"If-None-Match": '"other"', "If-Modified-Since": "Wed, 21 Oct 2105 07:28:00 GMT"}, 200),
    ],
)
def test_conditions(signer: Signer, headers: dict[str, str], status: int) -> None:
    """RFC 9110 13.2.2: If-None-Match goes before If-Modified-Since."""
    assert signer.get(headers=headers).status == status


def test_etag_of_the_answer_is_not_modified(signer: Signer) -> None:
    """304 has no body and repeats the validator."""
    etag = signer.get().headers["etag"]
    reply = signer.get(headers={"If-None-Match": etag})
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    ("header", "content_range"),
    [("bytes=2-3", "bytes 2-3/10"), ("bytes=0-", "bytes 0-9/10"), ("bytes=-50", "bytes 0-9/10")],
)
def test_ranges(signer: Signer, header: str, content_range: str) -> None:
    """Other than the native API, S3 answers 206 to a range over everything."""
    reply = signer.get(headers={"Range": header})
    assert (reply.status, reply.headers["content-range"]) == (206, content_range)
    assert code(signer.get(headers={"Range": "bytes=10-"})) == (416, "InvalidRange")


def test_overrides_are_signed(wire: Wire, signer: Signer) -> None:
    """response-content-disposition and its like."""
    reply = signer.get(response_content_disposition='attachment; filename="x"', response_content_type="a/b")
    assert reply.headers["content-disposition"] == 'attachment; filename="x"'
    assert reply.headers["content-type"] == "a/b"
    target = signer.target("GET", "dir/a b.txt") + "&response-content-type=text%2Fhtml"
    assert code(wire.send("GET", target)) == (403, "SignatureDoesNotMatch")
    assert code(signer.get(response_content_type="a\r\nX-Injected: 1")) == (400, "InvalidArgument")


TAMPERINGS: list[tuple[Callable[[str], str], str]] = [
    (lambda target: target.replace("a%20b", "b"), "SignatureDoesNotMatch"),
    (lambda target: target[:-1] + ("0" if target[-1] != "0" else "1"), "SignatureDoesNotMatch"),
    (lambda target: target.replace("Expires=60", "Expires=61"), "SignatureDoesNotMatch"),
    (lambda target: target.replace("Expires=60", "Expires=604801"), "AuthorizationQueryParametersError"),
    (lambda target: target.replace("=host", "=range"), "AccessDenied"),
    (lambda target: target.replace("aws4_request", "aws5"), "AuthorizationQueryParametersError"),
    (lambda target: target.replace("X-Amz-Credential=005", "X-Amz-Credential=006"), "InvalidAccessKeyId"),
]


@pytest.mark.parametrize(
    ("tamper", "expected"), TAMPERINGS, ids=["name", "signature", "expiry", "week", "headers", "scope", "key"]
)
def test_tampered_addresses(wire: Wire, signer: Signer, tamper: Callable[[str], str], expected: str) -> None:
    """Nothing in a presigned address can be changed."""
    reply = wire.send("GET", tamper(signer.target("GET", "dir/a b.txt")))
    assert code(reply)[1] == expected
    assert wire.send("PUT", signer.target("GET", "dir/a b.txt"), {}, b"x").status == 403


def test_expired_and_future_addresses(wire: Wire, signer: Signer) -> None:
    """At most seven days, at most a quarter of an hour ahead."""
    signer.at = time.time() - 61
    assert code(signer.get()) == (403, "AccessDenied")
    signer.at = time.time() + 16 * 60
    assert code(signer.get()) == (403, "RequestTimeTooSkewed")


def test_master_key_is_refused(em: Emulator, wire: Wire, signer: Signer) -> None:
    """Backblaze docs, "Call the S3-compatible API": an application key is needed."""
    assert code(Signer(wire, em.key_id, em.key).get()) == (403, "InvalidAccessKeyId")


def test_keys_are_enforced(em: Emulator, wire: Wire, signer: Signer) -> None:
    """Capability, bucket, prefix."""
    reader = Signer(wire, *em.create_key(["readFiles"], "acme-staff", "dir/"))
    assert reader.get().status == 200
    assert code(reader.get("other")) == (403, "AccessDenied")
    reader.bucket = "acme-public"
    assert code(reader.get()) == (403, "AccessDenied")
    assert code(wire.send("PUT", reader.target("PUT", "dir/x"), {}, b"x")) == (403, "AccessDenied")


def test_missing_objects(signer: Signer) -> None:
    """XML, with S3's codes."""
    assert code(signer.get("missing")) == (404, "NoSuchKey")
    signer.bucket = "no-such-bucket"
    assert code(signer.get()) == (404, "NoSuchBucket")


def test_presigned_put(em: Emulator, wire: Wire, signer: Signer) -> None:
    """The file is a native one as well; signed headers bind type and length."""
    headers = {"Content-Type": "text/css", "Content-Length": "5", "x-amz-meta-made-by": "me"}
    target = signer.target("PUT", "new+file", headers=headers)
    reply = wire.send("PUT", target, headers, b"hello")
    assert (reply.status, reply.headers["etag"]) == (200, f'"{hashlib.md5(b"hello").hexdigest()}"')
    native = wire.get("acme-staff", "new+file")
    assert (native.body, native.headers["content-type"]) == (b"hello", "text/css")
    assert native.headers["x-bz-info-made-by"] == "me"
    assert native.headers["x-bz-file-id"] == reply.headers["x-amz-version-id"]
    other = headers | {"Content-Length": "6"}
    assert code(wire.send("PUT", target, other, b"longer")) == (403, "SignatureDoesNotMatch")
    assert em.calls()["s3_put"] == 2


def test_put_checks_digests(wire: Wire, signer: Signer) -> None:
    """Content-MD5; nothing is stored when it differs."""
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    reply = wire.send("PUT", signer.target("PUT", "x"), {"Content-MD5": md5}, b"hello")
    assert code(reply) == (400, "BadDigest")
    assert wire.get("acme-staff", "x").status == 404


def test_what_is_not_offered_is_501(wire: Wire, signer: Signer) -> None:
    """Access lists, copies, POST Object, conditional PUT, contents whose chunks are signed one by one."""
    assert code(signer.get(acl="")) == (501, "NotImplemented")
    assert code(wire.send("POST", signer.target("POST", ""))) == (501, "NotImplemented")
    streamed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    for header, value in {
        "If-None-Match": "*",
        "x-amz-copy-source": "acme-staff/dir/a%20b.txt",
        "x-amz-content-sha256": streamed,
        "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
    }.items():
        payload = value if value == streamed else "UNSIGNED-PAYLOAD"
        reply = wire.send("PUT", signer.target("PUT", "x", payload=payload), {header: value}, b"x")
        assert code(reply) == (501, "NotImplemented"), header
    assert wire.get("acme-staff", "x").status == 404


def test_other_than_presigned_headers_are_refused(wire: Wire) -> None:
    """A signature that cannot be read is no signature."""
    reply = wire.send("GET", "/acme-staff/x", {"Authorization": "AWS4-HMAC-SHA256 x"})
    assert code(reply) == (400, "AuthorizationHeaderMalformed")


CHUNKS = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n"


@pytest.mark.parametrize("is_chunked_by_http", [False, True])
@pytest.mark.parametrize(
    ("framed", "length", "answer"),
    [
        pytest.param(CHUNKS + b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n", "5", (200, ""), id="right"),
        pytest.param(CHUNKS + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n", "5", (400, "BadDigest"), id="another sum"),
        pytest.param(CHUNKS + b"\r\n", "5", (400, "BadDigest"), id="no sum"),
        pytest.param(CHUNKS, "5", (400, "IncompleteBody"), id="no end"),
        pytest.param(b"hello", "5", (400, "IncompleteBody"), id="no frames"),
        pytest.param(
            CHUNKS + b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n", "6", (400, "IncompleteBody"), id="another length"
        ),
    ],
)
def test_streamed_contents_end_with_their_checksum(
    framed: bytes, length: str, answer: tuple[int, str], is_chunked_by_http: bool, wire: Wire, signer: Signer
) -> None:
    """As the SDKs of AWS send them over TLS; by HTTP in chunks, too, when they do not know how long the frames are."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "Content-Encoding": "gzip,aws-chunked",
        "x-amz-decoded-content-length": length,
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    target = signer.target("PUT", "streamed", payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    sent, body = headers, framed
    if is_chunked_by_http:
        sent = {**headers, "Transfer-Encoding": "chunked"}
        body = (
            b"4\r\n" + framed[:4] + b"\r\n" + f"{len(framed) - 4:x}".encode() + b"\r\n" + framed[4:] + b"\r\n0\r\n\r\n"
        )
    assert code(wire.send("PUT", target, sent, body)) == answer
    stored = wire.get("acme-staff", "streamed")
    assert (stored.status, stored.headers.get("content-encoding")) == (
        (200, "gzip") if answer[0] == 200 else (404, None)
    )
    if answer[0] == 200:
        assert stored.body == b"hello"


def test_chunks_are_for_s3_only(wire: Wire) -> None:
    """The native API takes contents of known length, and nothing says twice how long it is."""
    framed = b"5\r\nhello\r\n0\r\n\r\n"
    for headers in (
        {"Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "chunked", "Content-Length": "5", "x-amz-decoded-content-length": "5"},
        {"Transfer-Encoding": "gzip, chunked", "x-amz-decoded-content-length": "5"},
    ):
        assert wire.send("PUT", "/acme-staff/x", headers, framed).status == 411
        wire.close()


def test_chunks_without_end_are_not_read(em: Emulator, wire: Wire, signer: Signer) -> None:
    """Who says 5 bytes and sends a quarter of a million has no answer; the next has."""
    headers = {"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": "5"}
    framed = b"".join(b"4000\r\n" + bytes(0x4000) + b"\r\n" for _ in range(16)) + b"0\r\n\r\n"
    with pytest.raises(ConnectionError):
        wire.send("PUT", signer.target("PUT", "x"), headers, framed)
    wire.close()
    assert wire.get("acme-staff", "x").status == 404


def test_faults_come_in_s3_shape(em: Emulator, signer: Signer) -> None:
    """XML, Retry-After."""
    em.fail("s3_get", status=503, retry_after=3)
    reply = signer.get()
    assert (code(reply), reply.headers["retry-after"]) == ((503, "ServiceUnavailable"), "3")
