"""Server-side encryption as clients see it; asked by uploads, copies and downloads.

Nothing is really encrypted on disk. SSE-B2 is a label; for SSE-C the MD5 of the customer's key is kept, and a
download without that key is refused, as B2 does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from b2router.emulator.answers import Refusal, bad_request
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.fields import Fields

SSE_B2, SSE_C = "SSE-B2", "SSE-C"
_HEADER = "x-bz-server-side-encryption"
_CUSTOMER = f"{_HEADER}-customer-"


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a content is to be encrypted."""

    mode: str | None = None
    key_md5: str | None = None


def from_headers(headers: Mapping[str, str]) -> Encryption | None:
    """Read the setting of an upload or download; None when nothing is said.

    Raises:
        Refusal: 400, an unknown algorithm, both kinds at once, or an SSE-C key that is not what its MD5 says.
    """
    plain = headers.get(_HEADER)
    customer = [headers.get(_CUSTOMER + name) for name in ("algorithm", "key", "key-md5")]
    if plain is None and not any(customer):
        return None
    if plain is not None:
        if any(customer) or plain != "AES256":
            raise bad_request(f"Invalid X-Bz-Server-Side-Encryption: {plain[:40]}")
        return Encryption(SSE_B2)
    return _customer(*customer)


def from_fields(value: Fields | None) -> Encryption | None:
    """Read the setting from a JSON field such as serverSideEncryption.

    Raises:
        Refusal: 400, as for headers.
    """
    if value is None:
        return None
    mode = value.optional_text("mode")
    if mode == SSE_B2:
        if value.optional_text("algorithm") != "AES256":
            raise bad_request("serverSideEncryption.algorithm must be AES256")
        return Encryption(SSE_B2)
    if mode == SSE_C:
        return _customer(*(value.optional_text(name) for name in ("algorithm", "customerKey", "customerKeyMd5")))
    raise bad_request("serverSideEncryption.mode must be SSE-B2 or SSE-C")


def or_default(said: Encryption | None, bucket: Bucket) -> Encryption:
    """Return what was said, or else the bucket's default."""
    return said if said is not None else Encryption(bucket.encryption.get("mode"))


def require_key(mode: str | None, key_md5: str | None, given: Encryption | None) -> None:
    """Go on if a content may be read with the key given.

    Raises:
        Refusal: 400, an SSE-C content without a key or a key for another content; 403 access_denied, a wrong key.
    """
    if mode != SSE_C:
        if given is not None and given.mode == SSE_C:
            raise bad_request("The file is not encrypted with a customer key")
        return
    if given is None or given.mode != SSE_C:
        raise bad_request("The file is encrypted with a customer key; its three headers are required")
    if given.key_md5 != key_md5:
        raise Refusal(403, "access_denied", "The customer key is not that of the file")


def headers_of(mode: str | None, key_md5: str | None) -> list[tuple[str, str]]:
    """Return the headers that tell how a content is encrypted."""
    if mode == SSE_B2:
        return [("X-Bz-Server-Side-Encryption", "AES256")]
    if mode == SSE_C:
        return [
            ("X-Bz-Server-Side-Encryption-Customer-Algorithm", "AES256"),
            ("X-Bz-Server-Side-Encryption-Customer-Key-Md5", key_md5 or ""),
        ]
    return []


def _customer(algorithm: str | None, key: str | None, key_md5: str | None) -> Encryption:
    if algorithm != "AES256" or not key or not key_md5:
        raise bad_request("SSE-C takes the algorithm AES256, a key and the key's MD5")
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("The SSE-C key is not base64") from None
    digest = base64.b64encode(hashlib.md5(secret, usedforsecurity=False).digest()).decode()
    if len(secret) != 32 or digest != key_md5:
        raise bad_request("The SSE-C key must have 32 bytes and the MD5 given")
    return Encryption(SSE_C, key_md5)
