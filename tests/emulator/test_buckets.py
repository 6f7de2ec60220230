"""Buckets: their life, their settings, and what a key may see of them."""

from __future__ import annotations

from typing import Any

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire


def create(wire: Wire, name: str = "made-here", **fields: Any) -> Any:
    fields = {"bucketType": "allPrivate"} | fields
    return wire.call("b2_create_bucket", accountId=wire.account["accountId"], bucketName=name, **fields)


def update(wire: Wire, bucket_id: str, **fields: Any) -> Any:
    return wire.call("b2_update_bucket", accountId=wire.account["accountId"], bucketId=bucket_id, **fields)


def test_life_of_a_bucket(wire: Wire) -> None:
    """Create, list by name, update, delete."""
    made = create(wire, bucketInfo={"color": "blue"}).json
    assert (made["bucketName"], made["bucketType"], made["revision"]) == ("made-here", "allPrivate", 1)
    changed = update(wire, made["bucketId"], bucketType="allPublic", ifRevisionIs=1).json
    assert (changed["bucketType"], changed["revision"], changed["bucketInfo"]) == ("allPublic", 2, {"color": "blue"})
    account_id = wire.account["accountId"]
    wire.ok("b2_delete_bucket", accountId=account_id, bucketId=made["bucketId"])
    assert wire.ok("b2_list_buckets", accountId=account_id, bucketName="made-here") == {"buckets": []}


@pytest.mark.parametrize("name", ["short", "x" * 64, "b2-reserved", "under_score", "sláva-bucket", "../../etc"])
def test_bad_bucket_names_are_refused(wire: Wire, name: str) -> None:
    """6 to 63 letters, digits and hyphens, not beginning with b2-."""
    assert create(wire, name).error == (400, "bad_request")


def test_bucket_names_are_unique_without_regard_to_case(wire: Wire) -> None:
    """Names are case-insensitive in the real service."""
    assert create(wire, "ACME-Public").error == (400, "duplicate_bucket_name")


def test_stale_revision_is_a_conflict(wire: Wire) -> None:
    """409 conflict on ifRevisionIs."""
    bucket_id = wire.bucket_id("acme-staff")
    assert update(wire, bucket_id, bucketType="allPublic", ifRevisionIs=7).error == (409, "conflict")


def test_bucket_with_a_hidden_file_is_not_empty(wire: Wire) -> None:
    """All versions, hide markers and unfinished files count."""
    bucket_id = wire.bucket_id("acme-staff")
    account_id = wire.account["accountId"]
    wire.ok("b2_start_large_file", bucketId=bucket_id, fileName="big", contentType="text/plain")
    reply = wire.call("b2_delete_bucket", accountId=account_id, bucketId=bucket_id)
    assert reply.error == (400, "cannot_delete_non_empty_bucket")


def test_unknown_bucket_id(wire: Wire) -> None:
    """400 bad_bucket_id, which the SDK turns into BucketIdNotFound."""
    assert update(wire, "0" * 24, bucketType="allPublic").error == (400, "bad_bucket_id")


RULE = {
    "corsRuleName": "downloads",
    "allowedOrigins": ["https://*.example.com"],
    "allowedOperations": ["b2_download_file_by_name"],
    "allowedHeaders": ["range"],
    "exposeHeaders": ["x-bz-content-sha1"],
    "maxAgeSeconds": 3600,
}


def test_settings_come_back_as_given(wire: Wire) -> None:
    """CORS, lifecycle, encryption, lock and replication are stored and shown."""
    lifecycle = {"fileNamePrefix": "tmp/", "daysFromHidingToDeleting": 1, "daysFromUploadingToHiding": None}
    made = create(
        wire,
        corsRules=[RULE],
        lifecycleRules=[lifecycle],
        defaultServerSideEncryption={"mode": "SSE-B2", "algorithm": "AES256"},
        fileLockEnabled=True,
    ).json
    assert (made["corsRules"], made["lifecycleRules"]) == ([RULE], [lifecycle])
    assert made["defaultServerSideEncryption"]["value"] == {"mode": "SSE-B2", "algorithm": "AES256"}
    assert made["fileLockConfiguration"]["value"]["isFileLockEnabled"] is True
    assert made["replicationConfiguration"] == {"isClientAuthorizedToRead": True, "value": None}


@pytest.mark.parametrize(
    "settings",
    [
        {"bucketType": "open"},
        {"bucketInfo": {"bad key": "x"}},
        {"bucketInfo": {"Cache-Control": "a\r\nX-Injected: 1"}},
        {"bucketInfo": ["x"]},
        {"corsRules": [RULE | {"allowedOperations": ["b2_everything"]}]},
        {"corsRules": [RULE | {"maxAgeSeconds": -1}]},
        {"corsRules": [RULE, RULE]},
        {"corsRules": "all"},
        {"lifecycleRules": [{"fileNamePrefix": "a"}, {"fileNamePrefix": "ab"}]},
        {"lifecycleRules": [{"fileNamePrefix": "a", "daysFromHidingToDeleting": 0}]},
        {"defaultServerSideEncryption": {"mode": "SSE-C", "algorithm": "AES256"}},
        {"defaultRetention": {"mode": "governance", "period": {"duration": 1, "unit": "days"}}},
        {"replicationConfiguration": {"asReplicationSource": {"replicationRules": []}}},
        {"fileLockEnabled": "yes"},
    ],
)
def test_bad_settings_are_refused(wire: Wire, settings: dict[str, Any]) -> None:
    """Each is a 400 with B2's error shape, and nothing is changed."""
    bucket_id = wire.bucket_id("acme-staff")
    assert update(wire, bucket_id, **settings).error[0] == 400
    found = wire.ok("b2_list_buckets", accountId=wire.account["accountId"], bucketId=bucket_id)["buckets"][0]
    assert found["revision"] == 1


def test_file_lock_cannot_be_disabled(wire: Wire) -> None:
    """b2sdk reads file_lock_conflict as DisablingFileLockNotSupported."""
    made = create(wire, fileLockEnabled=True).json
    assert update(wire, made["bucketId"], fileLockEnabled=False).error == (400, "file_lock_conflict")


def test_create_bucket_from_python(em: Emulator, wire: Wire) -> None:
    """The id is the one that the API shows."""
    assert em.create_bucket("from-python", public=True) == wire.bucket_id("from-python")
    with pytest.raises(ValueError, match="already in use"):
        em.create_bucket("from-python")
    with pytest.raises(ValueError, match="6 to 63"):
        em.create_bucket("no")
