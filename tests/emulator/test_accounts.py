"""b2_authorize_account: one shape for each API version, as Backblaze's clients of each age read it."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest

from b2router.emulator import Emulator
from tests.emulator.conftest import sdk
from tests.emulator.wire import Wire


def test_versions_1_and_2_are_flat(em: Emulator) -> None:
    """rclone 1.60 speaks version 1."""
    for version in (1, 2):
        account = Wire(em.url, em.key_id, em.key, version).account
        assert (account["apiUrl"], account["downloadUrl"], account["s3ApiUrl"]) == (em.url, em.url, em.url)
        assert account["absoluteMinimumPartSize"] == 5_000_000
        assert account["allowed"]["bucketId"] is None
        assert "writeFiles" in account["allowed"]["capabilities"]


def test_version_3_puts_rights_beside_the_addresses(em: Emulator) -> None:
    """b2sdk up to 2.9 reads apiInfo.storageApi.bucketId."""
    storage = Wire(em.url, em.key_id, em.key, 3).account["apiInfo"]["storageApi"]
    assert (storage["apiUrl"], storage["bucketId"], storage["namePrefix"]) == (em.url, None, None)
    assert "allowed" not in storage


def test_version_4_has_rights_with_a_list_of_buckets(em: Emulator, wire: Wire) -> None:
    """Backblaze docs, "Native API versions", April 2025."""
    bucket_id = wire.bucket_id("acme-staff")
    made = wire.ok("b2_create_key", capabilities=["listBuckets"], keyName="one", bucketIds=[bucket_id])
    storage = Wire(em.url, made["applicationKeyId"], made["applicationKey"]).account["apiInfo"]["storageApi"]
    assert storage["allowed"] == {
        "buckets": [{"id": bucket_id, "name": "acme-staff"}],
        "capabilities": ["listBuckets"],
        "namePrefix": None,
    }


def test_key_of_two_buckets_authorizes_with_version_4_only(em: Emulator, wire: Wire) -> None:
    """Backblaze docs, "Native API versions"."""
    ids = [wire.bucket_id("acme-staff"), wire.bucket_id("acme-public")]
    made = wire.ok("b2_create_key", capabilities=["listBuckets"], keyName="two", bucketIds=ids)
    assert Wire(em.url, made["applicationKeyId"], made["applicationKey"], 4).token
    assert Wire(em.url, made["applicationKeyId"], made["applicationKey"], 3).account["code"] == "unauthorized"


def test_authorize_by_get(em: Emulator, wire: Wire) -> None:
    """rclone sends GET."""
    basic = base64.b64encode(f"{em.key_id}:{em.key}".encode()).decode()
    reply = wire.send("GET", "/b2api/v1/b2_authorize_account", {"Authorization": f"Basic {basic}"})
    assert (reply.status, reply.json["accountId"]) == (200, wire.account["accountId"])


@pytest.mark.parametrize("header", ["Basic bm86bm8=", "Basic %%%", "Basic /////w==", "Bearer x"])
def test_wrong_key_is_bad_auth_token_with_an_empty_message(wire: Wire, header: str) -> None:
    """Recorded traffic: 401 bad_auth_token, message ""."""
    reply = wire.send("POST", "/b2api/v4/b2_authorize_account", {"Authorization": header}, b"{}")
    assert (reply.error, reply.json["message"]) == ((401, "bad_auth_token"), "")


def test_expired_tokens_make_the_sdk_authorize_once_more(em: Emulator) -> None:
    """b2sdk re-authorizes once on expired_auth_token; what was asked still comes."""
    api = sdk(em)
    em.reset_counts()
    em.expire_tokens()
    assert [bucket.name for bucket in api.list_buckets()] == ["acme-public", "acme-staff"]
    assert em.calls() == {"b2_list_buckets": 2, "b2_authorize_account": 1}
    assert [record.status for record in em.log()] == [401, 200, 200]


def test_forged_token_is_bad_auth_token(wire: Wire) -> None:
    """A changed signature, another kind, and no token at all."""
    changed = wire.token[:-1] + ("0" if wire.token[-1] != "0" else "1")
    upload_token = wire.ok("b2_get_upload_url", bucketId=wire.bucket_id("acme-staff"))["authorizationToken"]
    for token in (changed, upload_token, "x", "4__acct_", "é" * 40):
        reply = wire.call("b2_list_keys", token=token.encode().decode("latin-1"))
        assert reply.error == (401, "bad_auth_token")
    assert wire.send("POST", "/b2api/v4/b2_list_keys", {}, b"{}").error == (401, "missing_auth_token")


def test_key_and_tokens_survive_a_restart_of_the_same_folder(tmp_path: Path) -> None:
    """A development site keeps its settings and its cached authorization."""
    first = Emulator(data_dir=tmp_path)
    with first:
        token = Wire(first.url, first.key_id, first.key).token
    with Emulator(data_dir=tmp_path) as second:
        assert (second.key_id, second.key) == (first.key_id, first.key)
        assert Wire(second.url, second.key_id, second.key).call("b2_list_keys", token=token).status == 200


def test_addresses_are_those_by_which_the_client_came(em: Emulator, wire: Wire) -> None:
    """A container or another name for loopback; a Host header that is none is not repeated."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"{em.key_id}:{em.key}".encode()).decode()}
    for host, expected in [("b2:80", "http://b2:80"), ("[::1]:5", "http://[::1]:5"), ("a/b?c", em.url)]:
        account = wire.send("GET", "/b2api/v1/b2_authorize_account", basic | {"Host": host}).json
        assert (account["apiUrl"], account["downloadUrl"]) == (expected, expected)


@pytest.mark.parametrize(("said", "scheme"), [("https", "https"), ("http", "http"), ("gopher", "http"), (None, "http")])
def test_behind_a_proxy_addresses_have_its_scheme(said: str | None, scheme: str, em: Emulator, wire: Wire) -> None:
    """It speaks TLS, and the emulator does not."""
    headers = {"Authorization": "Basic " + base64.b64encode(f"{em.key_id}:{em.key}".encode()).decode(), "Host": "b2:80"}
    headers |= {} if said is None else {"X-Forwarded-Proto": said}
    account = wire.send("GET", "/b2api/v1/b2_authorize_account", headers).json
    assert (account["apiUrl"], account["downloadUrl"]) == (f"{scheme}://b2:80", f"{scheme}://b2:80")


def test_ipv6_loopback() -> None:
    """Some machines resolve localhost to it."""
    try:
        em = Emulator(host="::1")
        em.start()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with contextlib.closing(Wire(em.url, em.key_id, em.key)) as client:
        assert client.account["apiInfo"]["storageApi"]["apiUrl"] == em.url
        assert em.url.startswith("http://[::1]:")
    em.stop()


def test_random_keys_differ_between_folders() -> None:
    """No default key exists that a copy of a configuration could rely on."""
    with Emulator() as one, Emulator() as two:
        assert (one.key_id, one.key) != (two.key_id, two.key)
