"""Application keys: what they are restricted to is enforced, on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire


@pytest.fixture
def ids(wire: Wire) -> dict[str, str]:
    ids = {name: wire.bucket_id(name) for name in ("acme-public", "acme-staff")}
    for name in ("allowed/one", "other/two"):
        wire.upload(ids["acme-staff"], name)
    return ids


def restricted(em: Emulator, wire: Wire, capabilities: list[str], **fields: Any) -> Wire:
    made = wire.ok("b2_create_key", capabilities=capabilities, keyName="restricted", **fields)
    return Wire(em.url, made["applicationKeyId"], made["applicationKey"])


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("b2_create_bucket", {"bucketName": "not-mine", "bucketType": "allPublic"}),
        ("b2_create_key", {"capabilities": ["writeKeys"], "keyName": "more"}),
        ("b2_list_keys", {}),
        ("b2_get_upload_url", {"bucketId": "staff"}),
        ("b2_hide_file", {"bucketId": "staff", "fileName": "allowed/one"}),
        ("b2_list_file_names", {"bucketId": "staff"}),
        ("b2_get_download_authorization", {"bucketId": "staff", "fileNamePrefix": "", "validDurationInSeconds": 1}),
        ("b2_start_large_file", {"bucketId": "staff", "fileName": "x", "contentType": "b2/x-auto"}),
    ],
)
def test_missing_capability_is_401(
    em: Emulator, wire: Wire, ids: dict[str, str], operation: str, fields: dict[str, Any]
) -> None:
    """The docs say 401 unauthorized; the check of the right comes before everything else."""
    key = restricted(em, wire, ["listBuckets", "readFiles"])
    fields = {k: ids["acme-staff"] if v == "staff" else v for k, v in fields.items()}
    reply = key.call(operation, accountId=wire.account["accountId"], **fields)
    assert reply.error == (401, "unauthorized")


def test_bucket_key_has_to_name_its_bucket(em: Emulator, wire: Wire, ids: dict[str, str]) -> None:
    """rclone/rclone#5020: list_buckets without the bucket is 401."""
    key = restricted(em, wire, ["listBuckets", "listFiles"], bucketIds=[ids["acme-staff"]])
    account_id = wire.account["accountId"]
    assert key.call("b2_list_buckets", accountId=account_id).error == (401, "unauthorized")
    assert key.call("b2_list_buckets", accountId=account_id, bucketName="acme-public").status == 401
    found = key.ok("b2_list_buckets", accountId=account_id, bucketName="acme-staff")["buckets"]
    assert [bucket["bucketId"] for bucket in found] == [ids["acme-staff"]]
    assert key.call("b2_list_file_names", bucketId=ids["acme-public"]).error == (401, "unauthorized")


def test_prefix_key_stays_within_its_prefix(em: Emulator, wire: Wire, ids: dict[str, str]) -> None:
    """Listings need a prefix inside, uploads and downloads a name inside."""
    capabilities = ["listFiles", "readFiles", "writeFiles", "deleteFiles", "shareFiles"]
    staff = ids["acme-staff"]
    key = restricted(em, wire, capabilities, bucketIds=[staff], namePrefix="allowed/")
    assert key.call("b2_list_file_names", bucketId=staff).status == 401
    assert len(key.ok("b2_list_file_names", bucketId=staff, prefix="allowed/")["files"]) == 1
    assert key.get("acme-staff", "allowed/one").status == 200
    assert key.get("acme-staff", "other/two").error == (401, "unauthorized")
    assert key.get("acme-staff", "other/missing").error == (401, "unauthorized")
    assert key.upload(staff, "allowed/new").status == 200
    assert key.upload(staff, "other/new").error == (401, "unauthorized")
    share = {"bucketId": staff, "fileNamePrefix": "other", "validDurationInSeconds": 5}
    assert key.call("b2_get_download_authorization", **share).status == 401
    other = wire.ok("b2_list_file_names", bucketId=staff, prefix="other/")["files"][0]["fileId"]
    assert key.call("b2_get_file_info", fileId=other).error == (401, "unauthorized")
    assert key.call("b2_delete_file_version", fileId=other, fileName="other/two").status == 401
    assert key.call("b2_copy_file", sourceFileId=other, fileName="allowed/stolen").status == 401


def test_deleted_key_ends_its_tokens(em: Emulator, wire: Wire, ids: dict[str, str]) -> None:
    """Account, upload and download tokens alike."""
    made = wire.ok("b2_create_key", capabilities=["writeFiles", "shareFiles", "readFiles"], keyName="brief")
    key = Wire(em.url, made["applicationKeyId"], made["applicationKey"])
    staff = ids["acme-staff"]
    share = key.ok("b2_get_download_authorization", bucketId=staff, fileNamePrefix="", validDurationInSeconds=60)
    assert key.upload(staff, "before").status == 200
    wire.ok("b2_delete_key", applicationKeyId=made["applicationKeyId"])
    assert key.call("b2_get_upload_url", bucketId=staff).error == (401, "bad_auth_token")
    assert key.upload(staff, "after").error == (401, "bad_auth_token")
    shared = wire.send("GET", f"/file/acme-staff/before?Authorization={share['authorizationToken']}")
    assert shared.error == (401, "bad_auth_token")


def test_expired_key_cannot_authorize(em: Emulator, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """validDurationInSeconds; the clock is set ahead instead of waiting."""
    made = wire.ok("b2_create_key", capabilities=["listFiles"], keyName="brief", validDurationInSeconds=1)
    key = Wire(em.url, made["applicationKeyId"], made["applicationKey"])
    assert key.token
    later = made["expirationTimestamp"] + 1
    monkeypatch.setattr("b2router.emulator.world.World.now_ms", staticmethod(lambda: later))
    assert Wire(em.url, made["applicationKeyId"], made["applicationKey"]).account["code"] == "bad_auth_token"
    assert key.call("b2_list_keys").error == (401, "expired_auth_token")
    assert made["applicationKeyId"] not in [k["applicationKeyId"] for k in wire.ok("b2_list_keys")["keys"]]


def test_keys_are_listed_in_pages_without_secrets(wire: Wire) -> None:
    """The secret is told once; the master key is not listed."""
    made = [wire.ok("b2_create_key", capabilities=["listFiles"], keyName=f"k{n}") for n in range(3)]
    page = wire.ok("b2_list_keys", maxKeyCount=2)
    rest = wire.ok("b2_list_keys", startApplicationKeyId=page["nextApplicationKeyId"])
    listed = page["keys"] + rest["keys"]
    assert [key["applicationKeyId"] for key in listed] == [key["applicationKeyId"] for key in made]
    assert rest["nextApplicationKeyId"] is None
    assert all("applicationKey" not in key for key in listed)


@pytest.mark.parametrize(
    "fields",
    [
        {"capabilities": []},
        {"capabilities": ["everything"]},
        {"keyName": "with space"},
        {"namePrefix": "a/"},
        {"bucketIds": []},
        {"bucketIds": ["0" * 24]},
        {"validDurationInSeconds": 0},
        {"validDurationInSeconds": 86_400_001},
    ],
)
def test_bad_keys_are_refused(wire: Wire, fields: dict[str, Any]) -> None:
    """400 for each wrong field."""
    reply = wire.call("b2_create_key", **({"capabilities": ["listFiles"], "keyName": "bad"} | fields))
    assert reply.error[0] == 400


def test_master_key_cannot_be_deleted(em: Emulator, wire: Wire) -> None:
    """The emulator could not be used any more."""
    assert wire.call("b2_delete_key", applicationKeyId=em.key_id).error == (400, "bad_request")
