"""ListObjects and ListObjectsV2 of the S3-compatible API: the files that are not hidden, a page at a time.

Source: AWS docs, ListObjects and ListObjectsV2.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from b2router.emulator import listings, naming, s3, s3_objects
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.versions import Version
from b2router.emulator.world import Call

MAX_KEYS = 1000
_NUMBER = re.compile(r"[0-9]{1,9}")


def list_objects(call: Call) -> Answer:
    """List a page; of version 2 where `list-type` says so.

    Raises:
        Refusal: 403; 404 NoSuchBucket; 400 InvalidArgument.
    """
    asked = s3.asked(call, "listFiles")
    query = asked.query
    prefix, delimiter = naming.name_prefix(query.get("prefix", "")), query.get("delimiter", "")
    asked.caller.require_name(prefix)
    count, is_v2 = _count(query.get("max-keys", str(MAX_KEYS))), query.get("list-type") == "2"
    files: list[Version] = []
    following = ""
    entries = listings.entries(
        call.world.database, asked.bucket.id, prefix, delimiter, _start(query, is_v2), None, count, newest_only=True
    )
    for entry in entries if count else ():
        if len(files) == count:
            following = entry.name
            break
        files.append(entry)
    show = quote if query.get("encoding-type") == "url" else escape
    said = {"Name": escape(asked.bucket.name), "Prefix": show(prefix), "Delimiter": show(delimiter)}
    said |= {"EncodingType": query.get("encoding-type", ""), "MaxKeys": str(count)}
    said |= {"IsTruncated": "true" if following else "false"}
    if is_v2:
        said |= {"KeyCount": str(len(files)), "StartAfter": show(query.get("start-after", ""))}
        said |= {"ContinuationToken": escape(query.get("continuation-token", ""))}
        said |= {"NextContinuationToken": base64.urlsafe_b64encode(following.encode()).decode()}
    else:
        said |= {"Marker": show(query.get("marker", ""))}
        said |= {"NextMarker": show(files[-1].name) if following else ""}
    fields = "".join(
        f"<{name}>{value}</{name}>" for name, value in said.items() if value or name in ("Prefix", "Marker")
    )
    items = "".join(_item(file, show(file.name)) for file in files)
    return s3.document(f'<ListBucketResult xmlns="{s3.XMLNS}">{fields}{items}</ListBucketResult>')


def _count(said: str) -> int:
    if not _NUMBER.fullmatch(said):
        raise Refusal(400, "InvalidArgument", "max-keys must be a number")
    return min(int(said), MAX_KEYS)


def _start(query: dict[str, str], is_v2: bool) -> str:
    """The first name that may be listed; no name holds NUL, so a name and NUL is what follows it."""
    if is_v2 and "continuation-token" in query:
        try:
            return base64.urlsafe_b64decode(query["continuation-token"]).decode()
        except (binascii.Error, ValueError):
            raise Refusal(400, "InvalidArgument", "The continuation token provided is incorrect") from None
    after = query.get("start-after" if is_v2 else "marker", "")
    delimiter = query.get("delimiter", "")
    if delimiter and after.endswith(delimiter):
        return naming.after_prefix(after) or ""  # a folder that was listed is behind
    return after + "\0" if after else ""


def _item(file: Version, name: str) -> str:
    if file.action == "folder":
        return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
    modified = datetime.fromtimestamp(file.uploaded_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return (
        f"<Contents><Key>{name}</Key><LastModified>{modified.removesuffix('+00:00')}Z</LastModified>"
        f"<ETag>{escape(s3_objects.etag(file))}</ETag><Size>{file.size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
