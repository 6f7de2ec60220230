"""Single versions: info, hide, delete, retention, legal hold."""

from __future__ import annotations

import time
from typing import Any

import pytest

from b2router.emulator import Emulator
from tests.emulator.wire import Wire


@pytest.fixture
def staff(wire: Wire) -> str:
    return wire.bucket_id("acme-staff")


@pytest.fixture
def locked(wire: Wire) -> str:
    made = wire.ok(
        "b2_create_bucket",
        accountId=wire.account["accountId"],
        bucketName="acme-locked",
        bucketType="allPrivate",
        fileLockEnabled=True,
    )
    return str(made["bucketId"])


def test_hide_and_unhide(wire: Wire, staff: str) -> None:
    """Hidden by name, there by id; deleting the marker brings it back."""
    made = wire.upload(staff, "a").json
    marker = wire.ok("b2_hide_file", bucketId=staff, fileName="a")
    assert (marker["action"], marker["contentLength"], marker["fileName"]) == ("hide", 0, "a")
    assert wire.get("acme-staff", "a").error == (404, "not_found")
    by_id = f"/b2api/v4/b2_download_file_by_id?fileId={made['fileId']}"
    assert wire.send("GET", by_id, {"Authorization": wire.token}).status == 200
    wire.ok("b2_delete_file_version", fileId=marker["fileId"], fileName="a")
    assert wire.get("acme-staff", "a").status == 200


def test_hide_what_is_not_there(wire: Wire, staff: str) -> None:
    """400 no_such_file; hiding twice 400 already_hidden."""
    assert wire.call("b2_hide_file", bucketId=staff, fileName="a").error == (400, "no_such_file")
    wire.upload(staff, "a")
    wire.ok("b2_hide_file", bucketId=staff, fileName="a")
    assert wire.call("b2_hide_file", bucketId=staff, fileName="a").error == (400, "already_hidden")


def test_delete_uncovers_the_version_below(wire: Wire, staff: str) -> None:
    """Deleting is of one version."""
    wire.upload(staff, "a", b"old")
    newest = wire.upload(staff, "a", b"new").json["fileId"]
    assert wire.ok("b2_delete_file_version", fileId=newest, fileName="a") == {"fileId": newest, "fileName": "a"}
    assert wire.get("acme-staff", "a").body == b"old"
    assert wire.call("b2_get_file_info", fileId=newest).error == (404, "not_found")
    assert wire.call("b2_delete_file_version", fileId=newest, fileName="a").error == (400, "file_not_present")


def test_delete_needs_the_right_name(wire: Wire, staff: str) -> None:
    """400 file_not_present; an id that is none is 400 bad_request."""
    file_id = wire.upload(staff, "a").json["fileId"]
    assert wire.call("b2_delete_file_version", fileId=file_id, fileName="b").error == (400, "file_not_present")
    assert wire.call("b2_delete_file_version", fileId="4_z", fileName="b").error == (400, "bad_request")


def test_equal_contents_are_stored_once_and_kept_until_the_last(em: Emulator, wire: Wire, staff: str) -> None:
    """Deleting one of two files with the same bytes leaves the other readable."""
    first = wire.upload(staff, "a", b"same").json["fileId"]
    wire.upload(staff, "b", b"same")
    wire.ok("b2_delete_file_version", fileId=first, fileName="a")
    assert wire.get("acme-staff", "b").body == b"same"


def retain(wire: Wire, made: Any, mode: str | None, until_ms: int | None, bypass: bool = False) -> Any:
    return wire.call(
        "b2_update_file_retention",
        fileId=made["fileId"],
        fileName=made["fileName"],
        fileRetention={"mode": mode, "retainUntilTimestamp": until_ms},
        bypassGovernance=bypass,
    )


def delete(wire: Wire, made: Any, bypass: bool = False) -> Any:
    return wire.call(
        "b2_delete_file_version", fileId=made["fileId"], fileName=made["fileName"], bypassGovernance=bypass
    )


def test_governance_can_be_bypassed(wire: Wire, locked: str) -> None:
    """Deleting is 401 access_denied unless bypassed; shortening 403."""
    later = int(time.time() + 3600) * 1000
    made = wire.upload(
        locked,
        "a",
        X_Bz_File_Retention_Mode="governance",
        X_Bz_File_Retention_Retain_Until_Timestamp=str(later),
    ).json
    assert made["fileRetention"]["value"] == {"mode": "governance", "retainUntilTimestamp": later}
    head = wire.get("acme-locked", "a").headers
    assert head["x-bz-file-retention-mode"] == "governance"
    assert head["x-bz-file-retention-retain-until-timestamp"] == str(later)
    assert delete(wire, made).error == (401, "access_denied")
    assert retain(wire, made, None, None).error == (403, "access_denied")
    assert retain(wire, made, "governance", later + 1000).status == 200
    assert delete(wire, made, bypass=True).status == 200


def test_compliance_cannot_be_bypassed(wire: Wire, locked: str) -> None:
    """Only prolonged."""
    later = int(time.time() + 3600) * 1000
    made = wire.upload(locked, "a").json
    assert retain(wire, made, "compliance", later).status == 200
    assert retain(wire, made, "governance", later + 1, bypass=True).error == (403, "access_denied")
    assert retain(wire, made, "compliance", later + 1).status == 200
    assert delete(wire, made, bypass=True).error == (401, "access_denied")


def test_legal_hold_forbids_deleting(wire: Wire, locked: str) -> None:
    """Until it is off."""
    made = wire.upload(locked, "a", X_Bz_File_Legal_Hold="on").json
    assert delete(wire, made, bypass=True).error == (401, "access_denied")
    fields = {"fileId": made["fileId"], "fileName": "a"}
    assert wire.call("b2_update_file_legal_hold", legalHold="maybe", **fields).error == (400, "bad_request")
    assert wire.ok("b2_update_file_legal_hold", legalHold="off", **fields)["legalHold"] == "off"
    assert delete(wire, made).status == 200


def test_default_retention_of_the_bucket(wire: Wire, locked: str) -> None:
    """A new file without its own takes the bucket's."""
    retention = {"mode": "governance", "period": {"duration": 2, "unit": "days"}}
    wire.ok("b2_update_bucket", accountId=wire.account["accountId"], bucketId=locked, defaultRetention=retention)
    made = wire.upload(locked, "a").json
    until_ms = made["uploadTimestamp"] + 2 * 86_400_000
    assert made["fileRetention"]["value"] == {"mode": "governance", "retainUntilTimestamp": until_ms}


def test_lock_needs_a_locked_bucket(wire: Wire, staff: str) -> None:
    """400 bucket_missing_file_lock."""
    later = str(int(time.time() + 3600) * 1000)
    headers = {"X_Bz_File_Retention_Mode": "governance", "X_Bz_File_Retention_Retain_Until_Timestamp": later}
    assert wire.upload(staff, "a", **headers).error == (400, "bucket_missing_file_lock")
    made = wire.upload(staff, "a").json
    assert retain(wire, made, "governance", int(later)).error == (400, "bucket_missing_file_lock")


def test_retention_is_hidden_from_keys_that_may_not_read_it(em: Emulator, wire: Wire, locked: str) -> None:
    """isClientAuthorizedToRead false in JSON, X-Bz-Client-Unauthorized-To-Read on downloads."""
    made = wire.upload(locked, "a").json
    key = wire.ok("b2_create_key", capabilities=["readFiles"], keyName="reader")
    reader = Wire(em.url, key["applicationKeyId"], key["applicationKey"])
    info = reader.ok("b2_get_file_info", fileId=made["fileId"])
    assert info["fileRetention"] == {"isClientAuthorizedToRead": False, "value": None}
    assert "X-Bz-File-Legal-Hold" in reader.get("acme-locked", "a").headers["x-bz-client-unauthorized-to-read"]
