"""b2_get_bucket_notification_rules and b2_set_bucket_notification_rules.

Source: Backblaze docs, "Event notifications".
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from b2router.emulator import bucket_store, naming
from b2router.emulator.answers import Json, bad_request
from b2router.emulator.fields import Fields
from b2router.emulator.world import Call

MAX_RULES = 25
EVENT_TYPES = frozenset({
    "b2:ObjectCreated:*", "b2:ObjectCreated:Upload", "b2:ObjectCreated:MultipartUpload", "b2:ObjectCreated:Copy",
    "b2:ObjectCreated:Replica", "b2:ObjectCreated:MultipartReplica",
    "b2:ObjectDeleted:*", "b2:ObjectDeleted:Delete", "b2:ObjectDeleted:LifecycleRule",
    "b2:HideMarkerCreated:*", "b2:HideMarkerCreated:Hide", "b2:HideMarkerCreated:LifecycleRule",
})  # fmt: skip
_RULE_NAME = re.compile(r"[A-Za-z0-9-]{6,63}")
_SECRET = re.compile(r"[A-Za-z0-9]{32}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,2048}")


def get_bucket_notification_rules(call: Call) -> Json:
    """Show the rules of a bucket."""
    bucket_id = call.fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    bucket = bucket_store.by_id(call.world.database, bucket_id)
    return {"bucketId": bucket.id, "eventNotificationRules": bucket.notification_rules}


def set_bucket_notification_rules(call: Call) -> Json:
    """Replace the rules of a bucket.

    Raises:
        Refusal: 400, a bad rule, or two rules whose types and prefixes overlap.
    """
    fields, database = call.fields, call.world.database
    bucket_id = fields.text("bucketId")
    call.caller.require_bucket(bucket_id)
    said = fields.mappings("eventNotificationRules")
    if said is None:
        raise bad_request("required field eventNotificationRules is missing")
    if len(said) > MAX_RULES:
        raise bad_request(f"A bucket has at most {MAX_RULES} notification rules")
    rules = [_rule(rule) for rule in said]
    _require_apart(rules)
    with database.transaction():
        bucket = bucket_store.by_id(database, bucket_id)
        bucket.notification_rules = rules
        bucket_store.update(database, bucket)
    return {"bucketId": bucket.id, "eventNotificationRules": rules}


def _rule(rule: Fields) -> dict[str, Any]:
    name, types = rule.text("name"), rule.texts("eventTypes")
    if not _RULE_NAME.fullmatch(name) or name.lower().startswith("b2-"):
        raise bad_request(f"Bad rule name {name[:80]!r}: use 6 to 63 letters, digits and '-', not 'b2-…'")
    if not types or not set(types) <= EVENT_TYPES:
        raise bad_request(f"eventTypes must be among {', '.join(sorted(EVENT_TYPES))}")
    target = rule.mapping("targetConfiguration")
    if target is None:
        raise bad_request("required field targetConfiguration is missing")
    return {
        "eventTypes": types,
        "isEnabled": bool(rule.flag("isEnabled", True)),
        "isSuspended": False,
        "name": name,
        "objectNamePrefix": naming.name_prefix(rule.optional_text("objectNamePrefix") or ""),
        "suspensionReason": "",
        "targetConfiguration": _target(target),
    }


def _target(target: Fields) -> dict[str, Any]:
    if target.text("targetType") != "webhook":
        raise bad_request("targetType must be webhook")
    url = target.text("url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or len(url) > 2048 or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise bad_request("url must be an http or https address")
    secret = target.optional_text("hmacSha256SigningSecret")
    if secret is not None and not _SECRET.fullmatch(secret):
        raise bad_request("hmacSha256SigningSecret must have 32 letters and digits")
    headers = target.mappings("customHeaders")
    custom = None if headers is None else [{"name": h.text("name"), "value": h.text("value")} for h in headers]
    for item in custom or []:
        if not _HEADER_NAME.fullmatch(item["name"]) or not _HEADER_VALUE.fullmatch(item["value"]):
            raise bad_request(f"Bad custom header {item['name'][:80]!r}")
    return {"customHeaders": custom, "hmacSha256SigningSecret": secret, "targetType": "webhook", "url": url}


def _require_apart(rules: list[dict[str, Any]]) -> None:
    if len({rule["name"].lower() for rule in rules}) < len(rules):
        raise bad_request("Two rules have the same name")
    for index, rule in enumerate(rules):
        for other in rules[:index]:
            one, two = sorted((rule["objectNamePrefix"], other["objectNamePrefix"]), key=len)
            families = [{kind.rsplit(":", 1)[0] for kind in item["eventTypes"]} for item in (rule, other)]
            if two.startswith(one) and families[0] & families[1]:
                raise bad_request(f"Rules {other['name']} and {rule['name']} overlap")
