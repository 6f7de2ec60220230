"""Checks the rules that a bucket carries: CORS, lifecycle, encryption, retention, replication; asked by `buckets`.

The rules are stored and given back; CORS and the lock act, lifecycle and replication do not.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from b2router.emulator.answers import bad_request
from b2router.emulator.fields import Fields

MAX_RULES, MAX_CORS_RULE_BYTES = 100, 1000
CORS_OPERATIONS = frozenset({
    "b2_download_file_by_name", "b2_download_file_by_id", "b2_upload_file", "b2_upload_part",
    "s3_delete", "s3_get", "s3_head", "s3_post", "s3_put",
})  # fmt: skip
_RULE_NAME = re.compile(r"[A-Za-z0-9-]{6,63}")
_ORIGIN = re.compile(r"[\x21-\x7e]{1,255}")


def info(fields: Fields) -> dict[str, str] | None:
    """Read bucketInfo; None when nothing is said.

    Raises:
        Refusal: 400.
    """
    said = fields.text_mapping("bucketInfo")
    if said is None:
        return None
    for key, value in said.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,50}", key) or len(value.encode()) > 2048:
            raise bad_request(f"Bad bucket info {key[:60]!r}")
        if not re.fullmatch(r"[^\x00-\x1f\x7f]*", value):
            raise bad_request(f"The value of bucket info {key} holds a control character")
    return said


def cors_rules(fields: Fields) -> list[dict[str, Any]] | None:
    """Read corsRules; None when nothing is said.

    Raises:
        Refusal: 400.
    Source: Backblaze docs, "CORS rules".
    """
    said = fields.mappings("corsRules")
    if said is None:
        return None
    rules = [_cors_rule(rule) for rule in said]
    _require_names(rules, "corsRuleName")
    return rules


def _cors_rule(rule: Fields) -> dict[str, Any]:
    origins, operations = rule.texts("allowedOrigins"), rule.texts("allowedOperations")
    if not origins or not operations:
        raise bad_request("A CORS rule needs allowedOrigins and allowedOperations")
    if any(origin.count("*") > 1 or not _ORIGIN.fullmatch(origin) for origin in origins):
        raise bad_request("An allowed origin holds one '*' at most, and only printable ASCII")
    unknown = sorted(set(operations) - CORS_OPERATIONS)
    if unknown:
        raise bad_request(f"Unknown CORS operation {unknown[0][:60]!r}")
    result: dict[str, Any] = {
        "allowedHeaders": rule.texts("allowedHeaders"),
        "allowedOperations": operations,
        "allowedOrigins": origins,
        "corsRuleName": rule.text("corsRuleName"),
        "exposeHeaders": rule.texts("exposeHeaders"),
        "maxAgeSeconds": rule.integer("maxAgeSeconds", None, 0, 86400),
    }
    for name in (result["allowedHeaders"] or []) + (result["exposeHeaders"] or []):
        if not _ORIGIN.fullmatch(name):
            raise bad_request("A header name in a CORS rule must be printable ASCII")
    if len(json.dumps(result)) >= MAX_CORS_RULE_BYTES:
        raise bad_request(f"A CORS rule must be smaller than {MAX_CORS_RULE_BYTES} bytes")
    return result


def lifecycle_rules(fields: Fields) -> list[dict[str, Any]] | None:
    """Read lifecycleRules; None when nothing is said.

    Raises:
        Refusal: 400, a bad period, or overlapping prefixes.
    """
    said = fields.mappings("lifecycleRules")
    if said is None:
        return None
    if len(said) > MAX_RULES:
        raise bad_request(f"A bucket has at most {MAX_RULES} lifecycle rules")
    rules = []
    for rule in said:
        prefix = rule.optional_text("fileNamePrefix")
        if prefix is None:
            raise bad_request("A lifecycle rule needs fileNamePrefix")
        item: dict[str, Any] = {
            "daysFromHidingToDeleting": rule.optional_integer("daysFromHidingToDeleting", 1, 36500),
            "daysFromUploadingToHiding": rule.optional_integer("daysFromUploadingToHiding", 1, 36500),
            "fileNamePrefix": prefix,
        }
        cancel = "daysFromStartingToCancelingUnfinishedLargeFiles"
        if rule.has(cancel):
            item[cancel] = rule.integer(cancel, None, 1, 36500)
        rules.append(item)
    prefixes = sorted(rule["fileNamePrefix"] for rule in rules)
    for former, latter in itertools.pairwise(prefixes):
        if latter.startswith(former):
            raise bad_request(f"Lifecycle rules overlap: {former[:60]!r} and {latter[:60]!r}")
    return rules


def encryption(fields: Fields) -> dict[str, Any] | None:
    """Read defaultServerSideEncryption; None when nothing is said.

    Raises:
        Refusal: 400, SSE-C or an unknown mode.
    """
    said = fields.mapping("defaultServerSideEncryption")
    if said is None:
        return None
    mode = said.optional_text("mode")
    if mode in (None, "none"):
        return {"algorithm": None, "mode": None}
    if mode != "SSE-B2" or said.optional_text("algorithm") != "AES256":
        raise bad_request("The default encryption of a bucket is none, or SSE-B2 with AES256")
    return {"algorithm": "AES256", "mode": "SSE-B2"}


def retention(fields: Fields) -> dict[str, Any] | None:
    """Read defaultRetention; None when nothing is said.

    Raises:
        Refusal: 400.
    """
    said = fields.mapping("defaultRetention")
    if said is None:
        return None
    mode, period = said.optional_text("mode"), said.mapping("period")
    if mode is None:
        return {"mode": None, "period": None}
    if mode not in ("governance", "compliance") or period is None:
        raise bad_request("defaultRetention needs the mode governance or compliance, and a period")
    unit = period.text("unit")
    if unit not in ("days", "years"):
        raise bad_request("The unit of a retention period is days or years")
    duration = period.integer("duration", None, 1, 3000 if unit == "days" else 100)
    return {"mode": mode, "period": {"duration": duration, "unit": unit}}


def replication(fields: Fields) -> tuple[bool, dict[str, Any] | None]:
    """Read replicationConfiguration; whether something is said, and what.

    Raises:
        Refusal: 400.
    """
    said = fields.mapping("replicationConfiguration")
    if said is None:
        return False, None
    source, target = said.mapping("asReplicationSource"), said.mapping("asReplicationDestination")
    if source is None and target is None:
        return True, None
    mapping = target.text_mapping("sourceToDestinationKeyMapping") if target is not None else None
    return True, {
        "asReplicationDestination": None if target is None else {"sourceToDestinationKeyMapping": mapping or {}},
        "asReplicationSource": None if source is None else _replication_source(source),
    }


def _replication_source(source: Fields) -> dict[str, Any]:
    rules = [
        {
            "destinationBucketId": rule.text("destinationBucketId"),
            "fileNamePrefix": rule.optional_text("fileNamePrefix") or "",
            "includeExistingFiles": bool(rule.flag("includeExistingFiles")),
            "isEnabled": bool(rule.flag("isEnabled", True)),
            "priority": rule.integer("priority", None, 1, 2_147_483_647),
            "replicationRuleName": rule.text("replicationRuleName"),
        }
        for rule in source.mappings("replicationRules") or []
    ]
    if not rules or len(rules) > 2:
        raise bad_request("A replication source has one or two rules")
    _require_names(rules, "replicationRuleName")
    return {"replicationRules": rules, "sourceApplicationKeyId": source.text("sourceApplicationKeyId")}


def _require_names(rules: list[dict[str, Any]], key: str) -> None:
    if len(rules) > MAX_RULES:
        raise bad_request(f"A bucket has at most {MAX_RULES} rules of a kind")
    names = [rule[key] for rule in rules]
    for name in names:
        if not _RULE_NAME.fullmatch(name) or name.lower().startswith("b2-"):
            raise bad_request(f"Bad rule name {name[:80]!r}: use 6 to 63 letters, digits and '-', not 'b2-…'")
    if len({name.lower() for name in names}) < len(names):
        raise bad_request("Two rules have the same name")
