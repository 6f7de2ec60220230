"""A film of several megabytes out of a short one: its frames lie far apart, so that a player has to jump."""

from __future__ import annotations

import struct

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def stretched(film: bytes, gap_bytes: int) -> bytes:
    """The same MP4 with a gap after each frame.

    Args:
        film: an MP4 with one track, its index before its frames.
        gap_bytes: between two frames.
    Source: ISO/IEC 14496-12, "Sample to chunk box", "Chunk offset box".
    """
    sizes = _sizes(film)
    at = _first_offset(film)
    index_before = film[: film.index(b"mdat") - 4]
    index = _rewritten(index_before, [0] * len(sizes))
    offsets, next_at = [], len(index) + 8
    for size in sizes:
        offsets.append(next_at)
        next_at += size + gap_bytes
    frames = bytearray()
    for size in sizes:
        frames += film[at : at + size] + bytes(gap_bytes)
        at += size
    return _rewritten(index_before, offsets) + struct.pack(">I4s", 8 + len(frames), b"mdat") + frames


def _rewritten(boxes: bytes, offsets: list[int]) -> bytes:
    """Boxes with one frame to a chunk, and each chunk at its offset."""
    out, at = b"", 0
    while at < len(boxes):
        size, kind = struct.unpack_from(">I4s", boxes, at)
        body = boxes[at + 8 : at + size]
        if kind in CONTAINERS:
            body = _rewritten(body, offsets)
        elif kind == b"stsc":
            body = struct.pack(">IIIII", 0, 1, 1, 1, 1)
        elif kind == b"stco":
            body = struct.pack(f">II{len(offsets)}I", 0, len(offsets), *offsets)
        out += struct.pack(">I4s", 8 + len(body), kind) + body
        at += size
    return out


def _sizes(film: bytes) -> list[int]:
    at = film.index(b"stsz") + 8
    same, count = struct.unpack_from(">II", film, at)
    return [same] * count if same else list(struct.unpack_from(f">{count}I", film, at + 8))


def _first_offset(film: bytes) -> int:
    (offset,) = struct.unpack_from(">I", film, film.index(b"stco") + 12)
    return int(offset)
