"""The content type of a name, from a table of our own; asked by storage when nobody declared one.

The standard library's answer depends on the host's files (slim images know neither webp nor woff2), so its built-in
table is used without them and completed here.
"""

from __future__ import annotations

from mimetypes import MimeTypes

__all__ = ["UNKNOWN", "of_name"]

UNKNOWN = "application/octet-stream"

_ADDITIONS = {
    ".7z": "application/x-7z-compressed",
    ".aac": "audio/aac",
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bz2": "application/x-bzip2",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".js": "text/javascript",
    ".json": "application/json",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/x-matroska",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".otf": "font/otf",
    ".parquet": "application/vnd.apache.parquet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}

_table = MimeTypes(filenames=())
_table.encodings_map = {}  # "a.csv.gz" is a gzip file, not a CSV that the browser should unpack
_table.suffix_map = {}
for _suffix, _type in _ADDITIONS.items():
    _table.add_type(_type, _suffix)


def of_name(name: str) -> str:
    """The content type that a file name suggests; `UNKNOWN` when it suggests none."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return (_table.guess_type(f"file.{extension.lower()}")[0] if dot else None) or UNKNOWN
