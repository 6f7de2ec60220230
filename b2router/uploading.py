"""How files are cut and sent to B2; part of the configuration, carried out by `b2.uploads`."""

from __future__ import annotations

from pydantic import Field

from b2router.values import Model, Truth, Whole

__all__ = ["MAX_PARTS", "MIN_PART_BYTES", "Upload"]

MIN_PART_BYTES = 5_000_000
"""Of every part but the last. Source: B2 documentation, "Large files"."""

MAX_PART_BYTES = 5_000_000_000
"""Of one upload, be it a part or a whole file. Source: B2 documentation, "Large files"."""

MAX_PARTS = 10_000
"""Of one file. Source: B2 documentation, "Large files"."""


class Upload(Model):
    """How the files of a profile are sent to B2. A file of up to `part_bytes` goes in one call."""

    part_bytes: Whole = Field(default=100_000_000, ge=MIN_PART_BYTES, le=MAX_PART_BYTES)
    """The most that is sent in one call, in bytes; larger files go in parts. Of what cannot be read twice, so many
    bytes lie on the local disk for each part that is under way."""
    threads: Whole = Field(default=4, ge=1, le=16)
    """How many parts of a file are under way at the same time."""
    resume: Truth = False
    """Whether a large file that failed is gone on with, by the next upload of the same content to the same name: what
    was stored of it stays at B2, and costs, until then. Looking for it takes two calls for each large file."""
