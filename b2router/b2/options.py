"""What is said about a file when it is stored: type, information, encryption, retention; built by `objects`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from b2sdk.v3 import (
    EncryptionAlgorithm,
    EncryptionKey,
    EncryptionMode,
    EncryptionSetting,
    FileRetentionSetting,
    LegalHold,
    RetentionMode,
)

__all__ = ["CustomerKey", "Retention", "UploadOptions"]

MAX_INFO_BYTES, MAX_INFO_BYTES_LOCKED = 7000, 2048
"""Of name and information together; the second with encryption or file lock. Source: B2 documentation, "Files"."""

_INFO_KEY = re.compile(r"[A-Za-z0-9_.`~!#$%^&*'|+-]{1,50}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_LARGE_SHA1 = "large_file_sha1"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """Encryption with a key that B2 forgets after each call (SSE-C). Whoever loses it has lost the file.

    Attributes:
        secret: 32 bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != 32:
            raise ValueError(f"The key for encryption has {len(self.secret)} bytes; expected 32.")


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when a file cannot be deleted. The bucket needs file lock.

    Attributes:
        mode: "governance", which a key with that right may lift, or "compliance", which nobody can.
        until: aware.
    """

    mode: Literal["governance", "compliance"]
    until: datetime

    def __post_init__(self) -> None:
        if self.mode not in ("governance", "compliance"):
            raise ValueError(f"The retention mode is {self.mode!r}; expected 'governance' or 'compliance'.")
        if not isinstance(self.until, datetime):
            raise ValueError(f"The end of a retention is {self.until!r}; expected an aware datetime.")
        if self.until.tzinfo is None:
            raise ValueError("The end of a retention is a naive time; expected an aware one.")


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What B2 stores beside the bytes.

    Attributes:
        content_type: fit for a header.
        file_info: keys and values; those that begin with "b2-" become headers of downloads.
        encryption: "SSE-B2", with a key of B2's, or a `CustomerKey`; None for the bucket's default.
        retention: None for the bucket's default.
        legal_hold: True keeps the file from being deleted until somebody lifts the hold; None says nothing.
        sha1: of the whole content where it is known anyway, 40 hex digits; a large file keeps it in its information.
    """

    content_type: str
    file_info: Mapping[str, str] = field(default_factory=dict)
    encryption: Literal["SSE-B2"] | CustomerKey | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None
    sha1: str | None = None

    def check(self, key: str) -> None:
        """Refuse what B2 would refuse after it has received the file.

        Args:
            key: of the file.
        Raises:
            ValueError: what was found, and what is expected.
        """
        if self.encryption not in (None, "SSE-B2") and not isinstance(self.encryption, CustomerKey):
            raise ValueError(f"The encryption is {self.encryption!r}; expected 'SSE-B2', a CustomerKey, or none.")
        if self.sha1 is not None and not _SHA1.fullmatch(self.sha1):
            raise ValueError("The SHA-1 of the content is not what one looks like; expected 40 hex digits.")
        info = self.large_info()
        if wrong := next((name for name in info if not _INFO_KEY.fullmatch(name)), None):
            raise ValueError(
                f"The key {wrong[:60]!r} of the file information is not one; expected 1 to 50 characters that an HTTP "
                "header allows."
            )
        is_locked = not (self.encryption is None and self.retention is None and self.legal_hold is None)
        size, most = len(key.encode()), MAX_INFO_BYTES_LOCKED if is_locked else MAX_INFO_BYTES
        size += sum(len(name.encode()) + len(text.encode()) for name, text in info.items())
        if size > most:
            raise ValueError(f"Name and file information have {size} bytes together; expected at most {most}.")

    def headers(self, key: str) -> dict[str, str]:
        """What is said about a file that goes in one request.

        Args:
            key: of the file.
        """
        headers = {"X-Bz-File-Name": _encoded(key), "Content-Type": self.content_type, **self.part_headers()}
        headers |= {f"X-Bz-Info-{name}": _encoded(text) for name, text in self.file_info.items()}
        if self.encryption == "SSE-B2":
            self._encryption().add_to_upload_headers(headers)
        if self.retention is not None:
            self._retention().add_to_to_upload_headers(headers)
        if self.legal_hold is not None:
            self._hold().add_to_upload_headers(headers)
        return headers

    def part_headers(self) -> dict[str, str]:
        """What is said about each part of a large file."""
        headers: dict[str, str] = {}
        if isinstance(self.encryption, CustomerKey):
            self._encryption().add_to_upload_headers(headers)
        return headers

    def large_info(self) -> dict[str, str]:
        """The information of a large file, of which B2 keeps no SHA-1 by itself."""
        known = {} if self.sha1 is None else {_LARGE_SHA1: self.sha1}
        return {**known, **self.file_info}

    def of_large_file(self) -> dict[str, Any]:
        """What b2sdk's `start_large_file` takes after bucket and name."""
        return {
            "content_type": self.content_type,
            "file_info": self.large_info(),
            "server_side_encryption": None if self.encryption is None else self._encryption(),
            "file_retention": None if self.retention is None else self._retention(),
            "legal_hold": None if self.legal_hold is None else self._hold(),
        }

    def _encryption(self) -> Any:
        if isinstance(self.encryption, CustomerKey):
            secret_key = EncryptionKey(self.encryption.secret, None)
            return EncryptionSetting(EncryptionMode.SSE_C, EncryptionAlgorithm.AES256, secret_key)
        return EncryptionSetting(EncryptionMode.SSE_B2, EncryptionAlgorithm.AES256)

    def _retention(self) -> Any:
        assert self.retention is not None  # noqa: S101 - for type checkers
        until_ms = int(self.retention.until.timestamp() * 1000)
        return FileRetentionSetting(RetentionMode(self.retention.mode), until_ms)

    def _hold(self) -> Any:
        return LegalHold.ON if self.legal_hold else LegalHold.OFF


def _encoded(text: str) -> str:
    """Percent-encoded UTF-8. Source: B2 documentation, "Native API string encoding"."""
    return quote(text, safe="/-_.~!$'()*;=:@")
