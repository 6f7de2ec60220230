"""File names, bucket names and percent-encoding as they travel in addresses and headers; pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from b2router.emulator.answers import bad_request

MAX_NAME_BYTES = 1024
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")
_BUCKET_NAME = re.compile(r"[A-Za-z0-9-]{6,63}")


def decode(text: str) -> str:
    """Undo percent-encoding; a plus sign stands for a space.

    Raises:
        Refusal: 400, a bad escape, a character that must be escaped, or bytes that are not UTF-8.
    Source: Backblaze docs, "Native API string encoding"; the message is the recorded one.
    """
    if _BAD_ESCAPE.search(text):
        raise bad_request("Bad character in percent-encoded string")
    try:
        return unquote_to_bytes(text.replace("+", "%20")).decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request("Bad character in percent-encoded string: not UTF-8") from None


def encode(text: str) -> str:
    """Percent-encode UTF-8 for a header, slashes bare, as B2 writes X-Bz-File-Name."""
    return quote(text, safe="/-_.~!$'()*;=:@")


def file_name(name: str) -> str:
    """Return the name if B2 would store it.

    Raises:
        Refusal: 400, empty, over 1024 bytes, a control character or DEL, or not Unicode text.
    Source: Backblaze docs, "Files": 1 to 1024 bytes, no code below 32, no DEL.
    """
    size = len(_utf8(name))
    if size == 0:
        raise bad_request("File names must not be empty")
    if size > MAX_NAME_BYTES:
        raise bad_request("File names must be at most 1024 bytes long")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise bad_request("File names must not contain control characters")
    return name


def name_prefix(prefix: str) -> str:
    """Return a prefix of file names if it is Unicode text of at most 1024 bytes.

    Raises:
        Refusal: 400 otherwise.
    """
    if len(_utf8(prefix)) > MAX_NAME_BYTES:
        raise bad_request("A prefix must be at most 1024 bytes long")
    return prefix


def bucket_name(name: str) -> str:
    """Return the name if B2 would give it to a bucket.

    Raises:
        Refusal: 400, not 6 to 63 letters, digits and hyphens, or beginning with "b2-".
    """
    if not _BUCKET_NAME.fullmatch(name) or name.lower().startswith("b2-"):
        raise bad_request(
            f"Invalid bucket name {name[:80]!r}: use 6 to 63 letters, digits and '-', not starting with 'b2-'"
        )
    return name


def after_prefix(prefix: str) -> str | None:
    """Return the least text greater than every text with this prefix, in code point order; None if none is."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < 0x10FFFF:
            following = 0xE000 if code + 1 == 0xD800 else code + 1  # surrogates are no characters
            return prefix[:index] + chr(following)
    return None


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise bad_request("Text must be valid Unicode: a lone surrogate was found") from None
