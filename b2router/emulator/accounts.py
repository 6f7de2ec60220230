"""b2_authorize_account in the shapes of API versions 1 to 4."""

from __future__ import annotations

import base64
import binascii
import hmac
import json

from b2router.emulator.access import CAPABILITIES, Caller, caller_from_row
from b2router.emulator.answers import Json, Refusal, unauthorized
from b2router.emulator.database import Database
from b2router.emulator.tokens import DAY_MS
from b2router.emulator.world import Call

MINIMUM_PART_BYTES = 5_000_000
RECOMMENDED_PART_BYTES = 100_000_000


def authorize_account(call: Call) -> Json:
    """Exchange a key for an account token.

    Returns:
        v1 and v2: flat; v3: under apiInfo.storageApi; v4: the rights in an inner `allowed` with a list of buckets.
    Raises:
        Refusal: 401 bad_auth_token, wrong key; 401 unauthorized, a key of several buckets before v4.
    """
    world, now_ms = call.world, call.world.now_ms()
    caller = _caller(call)
    if caller.expires_ms is not None and caller.expires_ms <= now_ms:
        raise Refusal(401, "bad_auth_token", "")
    if call.version < 4 and caller.bucket_ids is not None and len(caller.bucket_ids) > 1:
        raise unauthorized("a key of several buckets authorizes with API version 4 only")
    expires_ms = min(now_ms + DAY_MS, caller.expires_ms or now_ms + DAY_MS)
    storage = {
        "absoluteMinimumPartSize": MINIMUM_PART_BYTES,
        "apiUrl": call.base_url,
        "downloadUrl": call.base_url,
        "recommendedPartSize": RECOMMENDED_PART_BYTES,
        "s3ApiUrl": call.base_url,
    }
    answer: Json = {
        "accountId": world.account_id,
        "authorizationToken": world.tokens.make("acct", expires_ms, k=caller.key_id),
    }
    allowed = _allowed(call, caller)
    if call.version <= 2:
        if call.version == 1:
            storage["minimumPartSize"] = RECOMMENDED_PART_BYTES
        return answer | storage | {"allowed": allowed}
    storage["infoType"] = "storageApi"
    storage |= {"allowed": allowed} if call.version >= 4 else allowed
    answer["applicationKeyExpirationTimestamp"] = caller.expires_ms
    answer["apiInfo"] = {"storageApi": storage}
    return answer


def _caller(call: Call) -> Caller:
    scheme, _, text = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Refusal(401, "missing_auth_token" if not scheme else "bad_auth_token", "")
    try:
        key_id, _, secret = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal(401, "bad_auth_token", "") from None
    row = call.world.database.one("SELECT * FROM keys WHERE id = ?", key_id)
    if row is None or not hmac.compare_digest(row["secret"].encode(), secret.encode()):
        raise Refusal(401, "bad_auth_token", "")  # with an empty message, as recorded
    return caller_from_row(row)


def _allowed(call: Call, caller: Caller) -> Json:
    buckets = None
    if caller.bucket_ids is not None:
        buckets = []
        for bucket_id in caller.bucket_ids:
            row = call.world.database.one("SELECT name FROM buckets WHERE id = ?", bucket_id)
            buckets.append({"id": bucket_id, "name": None if row is None else row["name"]})
    rights: Json = {"capabilities": sorted(caller.capabilities), "namePrefix": caller.name_prefix}
    if call.version >= 4:
        return {"buckets": buckets} | rights
    first = buckets[0] if buckets else {"id": None, "name": None}
    return {"bucketId": first["id"], "bucketName": first["name"]} | rights


def add_master_key(database: Database, key_id: str, secret: str) -> None:
    """Store the master key of the account, in place of an earlier one."""
    database.execute("DELETE FROM keys WHERE is_master = 1 OR id = ?", key_id)
    database.execute(
        "INSERT INTO keys VALUES (?, ?, 'master', ?, NULL, NULL, NULL, 1)",
        key_id,
        secret,
        json.dumps(CAPABILITIES),
    )
