"""File info, content type and size of a header set: what may be said about a file; asked by uploads and copies.

Source: Backblaze docs, "Add file information with the native API", b2_upload_file.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping

from b2router.emulator import naming
from b2router.emulator.answers import bad_request
from b2router.emulator.bucket_store import Bucket
from b2router.emulator.fields import Fields

INFO_HEADER = "x-bz-info-"
MAX_INFO_BYTES, MAX_INFO_BYTES_LOCKED = 7000, 2048  # name and info together
MAX_KEY_BYTES = 50
AUTO_TYPE = "b2/x-auto"
FALLBACK_TYPE = "application/octet-stream"

# Info keys that come back as a plain header of the same meaning.
PLAIN_HEADERS = {
    "b2-cache-control": "Cache-Control",
    "b2-content-disposition": "Content-Disposition",
    "b2-content-encoding": "Content-Encoding",
    "b2-content-language": "Content-Language",
    "b2-expires": "Expires",
}
_REFUSED_HEADERS = (
    "content-disposition", "content-encoding", "content-language", "content-location", "content-range", "expires",
)  # fmt: skip
_KEY = re.compile(r"[a-z0-9\-_.`~!#$%^&*'|+]{1,50}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_TYPES = mimetypes.MimeTypes()  # the table of the library, not of this machine


def info_from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Read X-Bz-Info-* of an upload.

    Raises:
        Refusal: 400, a bad key or value, or a plain header that B2 wants as file info.
    """
    for name in _REFUSED_HEADERS:
        if name in headers:
            raise bad_request(f"Header {name} is not allowed; use X-Bz-Info-b2-{name}")
    info = {
        name.removeprefix(INFO_HEADER): naming.decode(value)
        for name, value in headers.items()
        if name.startswith(INFO_HEADER)
    }
    return checked_info(info)


def info_from_fields(fields: Fields) -> dict[str, str]:
    """Read fileInfo of a start or a copy; keys are lower-cased as in headers.

    Raises:
        Refusal: 400.
    """
    return checked_info({key.lower(): value for key, value in (fields.text_mapping("fileInfo") or {}).items()})


def content_type(said: str | None, name: str) -> str:
    """Return the type to store; "b2/x-auto" is guessed from the ending of the name.

    Raises:
        Refusal: 400, missing, or not printable.
    """
    if said is None or said == "":
        raise bad_request("Content-Type is required; b2/x-auto asks for a guess")
    if not is_printable(said) or len(said) > 1024:
        raise bad_request("Content-Type must be printable ASCII")
    if said.lower() != AUTO_TYPE:
        return said
    return _TYPES.guess_type("x/" + name.rsplit("/", 1)[-1])[0] or FALLBACK_TYPE


def require_fit(name: str, info: Mapping[str, str], bucket: Bucket, encrypted: bool) -> None:
    """Go on if name and info are within B2's limit for header sets.

    Raises:
        Refusal: 400, over 7000 bytes, or 2048 with encryption or file lock.
    """
    size = len(name.encode()) + sum(len(key) + len(value.encode()) for key, value in info.items())
    limit = MAX_INFO_BYTES_LOCKED if encrypted or bucket.lock_enabled else MAX_INFO_BYTES
    if size > limit:
        raise bad_request(f"File name and file info take {size} bytes together; the limit is {limit}")


def is_printable(value: str) -> bool:
    """True if a value can be sent as a header: printable ASCII."""
    return _PRINTABLE.fullmatch(value) is not None


def checked_info(info: dict[str, str]) -> dict[str, str]:
    """Return file info if B2 would store it.

    Raises:
        Refusal: 400.
    """
    for key, value in info.items():
        if not _KEY.fullmatch(key):
            raise bad_request(f"Bad file info key {key[:60]!r}")
        if key.startswith("b2-") and key not in PLAIN_HEADERS:
            raise bad_request(f"File info keys that begin with b2- are reserved: {key[:60]!r}")
        if key in PLAIN_HEADERS and not is_printable(value):
            raise bad_request(f"The value of {key} is not a valid header value")
        if "\0" in value:
            raise bad_request(f"The value of {key} contains NUL")
    return info
