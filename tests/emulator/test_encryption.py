"""SSE-B2 and SSE-C as far as clients see them."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from b2sdk.v3 import Bucket, EncryptionAlgorithm, EncryptionKey, EncryptionMode, EncryptionSetting
from b2sdk.v3.exception import SSECKeyError

from tests.emulator.wire import Wire


def customer(secret: bytes) -> EncryptionSetting:
    return EncryptionSetting(EncryptionMode.SSE_C, EncryptionAlgorithm.AES256, EncryptionKey(secret, "my-key"))


def test_sse_b2_is_shown(bucket: Bucket) -> None:
    """In the answer and in the headers of a download."""
    sse = EncryptionSetting(EncryptionMode.SSE_B2, EncryptionAlgorithm.AES256)
    made = bucket.upload_bytes(b"x", "a", encryption=sse)
    assert made.server_side_encryption == sse
    assert bucket.download_file_by_name("a").download_version.server_side_encryption == sse


def test_default_encryption_of_a_bucket(wire: Wire) -> None:
    """A new file without its own takes the bucket's."""
    bucket_id = wire.bucket_id("acme-staff")
    default = {"mode": "SSE-B2", "algorithm": "AES256"}
    wire.ok(
        "b2_update_bucket",
        accountId=wire.account["accountId"],
        bucketId=bucket_id,
        defaultServerSideEncryption=default,
    )
    assert wire.upload(bucket_id, "a").json["serverSideEncryption"] == default


def test_sse_c_needs_the_same_key_again(bucket: Bucket, wire: Wire) -> None:
    """Without a key 400, with another 403 access_denied, which b2sdk reads as SSECKeyError."""
    made = bucket.upload_bytes(b"secret", "a", encryption=customer(b"k" * 32))
    assert made.server_side_encryption.mode == EncryptionMode.SSE_C
    target = io.BytesIO()
    bucket.download_file_by_name("a", encryption=customer(b"k" * 32)).save(target)
    assert target.getvalue() == b"secret"
    assert wire.get("acme-staff", "a").error == (400, "bad_request")
    with pytest.raises(SSECKeyError):
        bucket.download_file_by_name("a", encryption=customer(b"x" * 32))


@pytest.mark.parametrize("key", [b"short", b"k" * 32])
def test_bad_customer_keys(wire: Wire, key: bytes) -> None:
    """32 bytes, and an MD5 that fits."""
    headers = {
        "X_Bz_Server_Side_Encryption_Customer_Algorithm": "AES256",
        "X_Bz_Server_Side_Encryption_Customer_Key": base64.b64encode(key).decode(),
        "X_Bz_Server_Side_Encryption_Customer_Key_Md5": base64.b64encode(hashlib.md5(b"other").digest()).decode(),
    }
    assert wire.upload(wire.bucket_id("acme-staff"), "a", **headers).error == (400, "bad_request")


def test_copy_of_sse_c_needs_the_source_key(bucket: Bucket, wire: Wire) -> None:
    """sourceServerSideEncryption."""
    made = bucket.upload_bytes(b"secret", "a", encryption=customer(b"k" * 32))
    assert wire.call("b2_copy_file", sourceFileId=made.id_, fileName="b").error == (400, "bad_request")
    bucket.copy(made.id_, "b", source_encryption=customer(b"k" * 32), content_type="text/plain", file_info={})
    assert wire.get("acme-staff", "b").body == b"secret"
