"""Event notifications of a bucket: which rule a change matches; called after the change is committed.

Source: Backblaze docs, "Event notifications reference guide".
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2router.emulator.bucket_store import Bucket
    from b2router.emulator.versions import Version
    from b2router.emulator.world import World

CREATED_UPLOAD = "b2:ObjectCreated:Upload"
CREATED_MULTIPART = "b2:ObjectCreated:MultipartUpload"
CREATED_COPY = "b2:ObjectCreated:Copy"
DELETED = "b2:ObjectDeleted:Delete"
HIDDEN = "b2:HideMarkerCreated:Hide"


def announce(world: World, bucket: Bucket, version: Version, event_type: str) -> None:
    """Queue a notification for the first matching rule of the bucket."""
    for rule in bucket.notification_rules:
        if _matches(rule["eventTypes"], event_type) and version.name.startswith(rule["objectNamePrefix"]):
            if rule["isEnabled"]:
                target = rule["targetConfiguration"]
                custom = {item["name"]: item["value"] for item in target.get("customHeaders") or []}
                world.webhooks.send(
                    target["url"],
                    target.get("hmacSha256SigningSecret"),
                    custom,
                    {
                        "accountId": world.account_id,
                        "bucketId": bucket.id,
                        "bucketName": bucket.name,
                        "eventId": secrets.token_hex(32),
                        "eventTimestamp": world.now_ms(),
                        "eventType": event_type,
                        "eventVersion": 1,
                        "matchedRuleName": rule["name"],
                        "objectName": version.name,
                        "objectSize": version.size if event_type != DELETED else None,
                        "objectVersionId": version.id,
                    },
                )
            return  # prefixes of one type may not overlap, so there is no second match


def _matches(types: list[str], event_type: str) -> bool:
    family = event_type.rsplit(":", 1)[0] + ":*"
    return event_type in types or family in types
