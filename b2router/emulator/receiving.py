"""Takes a content off the wire and checks its SHA-1; shared by uploads of files, of parts, and by `s3`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from b2router.emulator.answers import Refusal, bad_request
from b2router.emulator.blobs import Incoming
from b2router.emulator.http1 import Request
from b2router.emulator.world import World

MAX_UPLOAD_BYTES = 5_000_000_000
MAX_MD5_BYTES = 100_000_000  # of larger contents contentMd5 is null, which is allowed: MD5 is slow
AT_END, UNVERIFIED = "hex_digits_at_end", "do_not_verify"
_HEX = re.compile(r"[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says about the SHA-1 of a content."""

    mode: str  # forty hex digits, AT_END or UNVERIFIED

    @property
    def trailing_bytes(self) -> int:
        """Bytes after the content that belong to the checksum."""
        return 40 if self.mode == AT_END else 0


def checksum(request: Request) -> Checksum:
    """Read X-Bz-Content-Sha1.

    Raises:
        Refusal: 400.
    """
    said = request.headers.get("x-bz-content-sha1")
    if said is None:
        raise bad_request("Missing header: X-Bz-Content-Sha1")
    if said in (AT_END, UNVERIFIED):
        return Checksum(said)
    if not _HEX.fullmatch(said):
        raise bad_request("X-Bz-Content-Sha1 must be 40 hex digits, hex_digits_at_end or do_not_verify")
    return Checksum(said.lower())


def require_length(request: Request, expected: Checksum) -> int:
    """Return the size of the content.

    Raises:
        Refusal: 411 without Content-Length; 400 when too short or over 5 GB.
    """
    if "content-length" not in request.headers:
        raise Refusal(411, "length_required", "Content-Length is required")
    size = request.body.length - expected.trailing_bytes
    if size < 0:
        raise bad_request("The body is shorter than the SHA-1 that should end it")
    if size > MAX_UPLOAD_BYTES:
        raise bad_request(f"The content has {size} bytes; a single upload takes at most {MAX_UPLOAD_BYTES}")
    return size


@contextmanager
def received(
    world: World, request: Request, expected: Checksum, *, with_md5: bool = False
) -> Iterator[tuple[Incoming, str]]:
    """Receive a content; inside the block it can be kept.

    Yields:
        The content and the SHA-1 as B2 stores it.
    Raises:
        Refusal: 400, the SHA-1 differs.
        Disconnected: the client went away; nothing stays.
    """
    size = require_length(request, expected)
    with world.blobs.incoming(with_md5=with_md5 and size <= MAX_MD5_BYTES) as content:
        for block in request.body.blocks(size):
            content.write(block)
        actual = content.sha1
        if expected.mode == UNVERIFIED:
            yield content, f"unverified:{actual}"
            return
        said = expected.mode
        if said == AT_END:
            said = request.body.read().decode("latin-1").lower()
        if said != actual:
            raise sha1_mismatch()
        yield content, actual


def sha1_mismatch() -> Refusal:
    """Refuse a content that arrived damaged, in the recorded words."""
    return bad_request("Sha1 did not match data received")


@contextmanager
def alone(world: World, token: str) -> Iterator[None]:
    """Allow one request at a time on an upload token.

    Raises:
        Refusal: 400 auth_token_limit, in the words that b2sdk reads the token out of.
    """
    if token in world.busy_tokens:
        raise Refusal(400, "auth_token_limit", f"more than one upload using auth token {token}")
    world.busy_tokens.add(token)
    try:
        yield
    finally:
        world.busy_tokens.discard(token)
