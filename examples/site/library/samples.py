"""Believable small files, made by code but for one short film; used by the `seed` command."""

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

Colour = tuple[int, int, int]


def text(*paragraphs: str) -> bytes:
    return ("\n\n".join(paragraphs) + "\n").encode()


def page_with_script(title: str) -> bytes:
    """An HTML file whose script would run as the site if the site handed it out as a page."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p id="plan">Loading the plan…</p>
<script>
  document.getElementById("plan").textContent = "A script ran here, as " + location.origin;
</script>
</html>
""".encode()


def drawing_with_script(title: str) -> bytes:
    """An SVG file whose script would run as the site if the site handed it out as a page."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 120">
  <title>{title}</title>
  <path d="M20 20h80v80H20zM140 20h80v30h-80zM140 70h80v30h-80z" fill="none" stroke="#124a56" stroke-width="4"/>
  <script>
    document.querySelector("title").textContent = "A script ran here, as " + location.origin;
  </script>
</svg>
""".encode()


def film() -> bytes:
    """Twelve seconds of colours drifting by, without sound; MP4 with VP9, a key frame each second."""
    return (Path(__file__).parent / "media" / "river-walk.mp4").read_bytes()


def png(width: int, height: int, colour_at: Callable[[int, int], Colour]) -> bytes:
    """Write a true-colour PNG: signature, header, one compressed block of unfiltered rows, end."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # filter type 0: the row as it is
        for x in range(width):
            rows.extend(colour_at(x, y))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + chunk(b"IEND", b"")
    )


def sunset(width: int = 480, height: int = 300) -> bytes:
    """Three rows of hills under an evening sun: the summer reading poster."""
    sky_top, sky_low, sun = (38, 70, 120), (250, 186, 120), (255, 226, 150)
    hills: Sequence[tuple[Colour, float, float, float, float]] = (
        ((176, 96, 98), 0.62, 0.06, 2.1, 0.4),
        ((106, 64, 92), 0.74, 0.07, 1.4, 2.2),
        ((44, 40, 68), 0.88, 0.05, 2.7, 4.0),
    )

    def colour_at(x: int, y: int) -> Colour:
        across, down = x / width, y / height
        for colour, base, swing, waves, shift in reversed(hills):
            if down > base - swing * math.sin(across * waves * math.tau + shift):
                return colour
        if math.hypot(x - 0.7 * width, y - 0.5 * height) < 0.13 * height:
            return sun
        return _between(sky_top, sky_low, min(1.0, down / 0.65))

    return png(width, height, colour_at)


def tiles(width: int = 320, height: int = 320, cell: int = 40) -> bytes:
    """Quarter circles on a grid: the wrapping paper of the library shop."""
    paper, inks = (247, 241, 227), ((15, 118, 110), (180, 83, 9), (29, 78, 137), (190, 70, 90))

    def colour_at(x: int, y: int) -> Colour:
        column, row = x // cell, y // cell
        corner_x, corner_y = column % 2 * cell, (row + column) % 2 * cell
        distance = math.hypot(x % cell - corner_x, y % cell - corner_y)
        ink = inks[(column * 3 + row * 2) % len(inks)]
        return ink if distance < cell * 0.92 and not 0.5 * cell < distance < 0.62 * cell else paper

    return png(width, height, colour_at)


def bookmark(width: int = 160, height: int = 440) -> bytes:
    """A bookmark with an open book on it."""
    ground, page_colour, ink = (18, 74, 86), (250, 246, 236), (240, 178, 70)

    def colour_at(x: int, y: int) -> Colour:
        if not (6 <= x < width - 6 and 6 <= y < height - 6):
            return ink
        from_spine = abs(x - width / 2) / (width / 2)
        sag = 22 * math.sin(min(1.0, from_spine / 0.78) * math.pi / 2)
        if from_spine < 0.78 and 160 - sag < y < 270 - sag:
            is_line = from_spine > 0.12 and from_spine < 0.66 and int(y + sag) % 18 in (2, 3)
            return (168, 160, 146) if is_line or from_spine < 0.02 else page_colour
        if math.hypot(x - width / 2, y - 80) < 24:
            return ink
        return _between(ground, (8, 40, 52), y / height)

    return png(width, height, colour_at)


def pdf(heading: str, lines: Sequence[tuple[str, str]], closing: str = "") -> bytes:
    """Write a one-page PDF: a heading, rows of two columns, a closing line."""
    drawing = ["BT /F2 22 Tf 64 760 Td", f"({_pdf_text(heading)}) Tj ET", "0.6 w 64 744 m 531 744 l S"]
    height = 710
    for left, right in lines:
        drawing.append(f"BT /F1 12 Tf 64 {height} Td ({_pdf_text(left)}) Tj ET")
        drawing.append(f"BT /F1 12 Tf 420 {height} Td ({_pdf_text(right)}) Tj ET")
        height -= 24
    drawing.append(f"BT /F1 10 Tf 64 {height - 24} Td ({_pdf_text(closing)}) Tj ET")
    content = "\n".join(drawing).encode("latin-1")

    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table_at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table_at)
    return bytes(out)


def _pdf_text(value: str) -> str:
    return value.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _between(low: Colour, high: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue
