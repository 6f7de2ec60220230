"""Signed addresses: AWS's own example, time windows, and what the emulator's S3 makes of them."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from pydantic import SecretStr

from b2router.b2.session import Session
from b2router.config import Account
from b2router.delivery.signing import MAX_LIFE_S, Window, life_s, presign, region, window
from b2router.emulator import Emulator
from tests.b2.conftest import account

ODD_NAMES = ["a.txt", "a b/ü+@.txt", "100%/x?y#z&=;.txt", "~-_.x", "%2e%2e/x", "日本.txt", "a'()*!,:$.txt"]


@pytest.fixture
def key(emulator: Emulator) -> tuple[str, SecretStr]:
    """An application key made as a site owner makes one, through Backblaze's SDK."""
    api = Session(account(emulator)).api
    api.authorize_account(emulator.key_id, emulator.key, emulator.url)
    made = api.create_key(["readFiles", "writeFiles"], "s3")
    return made.id_, SecretStr(made.application_key)


def signed(emulator: Emulator, key: tuple[str, SecretStr], name: str = "a.txt", **options: Any) -> str:
    options.setdefault("window", window(60, time.time()))
    return presign(emulator.url, "acme-staff", name, key_id=key[0], secret=key[1], **options)


def fetched(address: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(address, data=body, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {}


# The signature


def test_the_example_that_aws_publishes() -> None:
    """AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", its example of a GET."""
    address = presign(
        "https://examplebucket.s3.amazonaws.com",
        "",
        "test.txt",
        key_id="AKIAIOSFODNN7EXAMPLE",
        secret=SecretStr("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        window=Window(1369353600, 1369353600 + 86400),  # 2013-05-24T00:00:00Z
    )
    assert address == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("name", ODD_NAMES)
def test_every_name_can_be_put_and_got_by_its_address(
    name: str, emulator: Emulator, key: tuple[str, SecretStr]
) -> None:
    """One encoding for signature and path; a plus is a plus."""
    assert fetched(signed(emulator, key, name, method="PUT"), "PUT", name.encode())[0] == 200
    status, body, _ = fetched(signed(emulator, key, name))
    assert (status, body) == (200, name.encode())
    assert fetched(signed(emulator, key, name, method="HEAD"), "HEAD")[0] == 200


@pytest.mark.parametrize(("signed_for", "used_for"), [("GET", "HEAD"), ("HEAD", "GET"), ("GET", "PUT")])
def test_an_address_is_for_one_method(
    signed_for: Any, used_for: str, emulator: Emulator, key: tuple[str, SecretStr]
) -> None:
    assert fetched(signed(emulator, key, method="PUT"), "PUT", b"x")[0] == 200
    body = b"y" if used_for == "PUT" else None
    assert fetched(signed(emulator, key, method=signed_for), used_for, body)[0] == 403


def test_an_address_is_for_one_object_and_its_own_headers(emulator: Emulator, key: tuple[str, SecretStr]) -> None:
    """Unlike a download authorisation, it opens no name that merely begins with this one."""
    for name in ("a.txt", "a.txt.bak"):
        assert fetched(signed(emulator, key, name, method="PUT"), "PUT", b"x")[0] == 200
    overrides = {
        "response-content-disposition": "attachment; filename*=utf-8''%C3%BC.txt",
        "response-content-type": "text/plain; charset=utf-8",
        "response-cache-control": "private, max-age=60",
    }
    address = signed(emulator, key, overrides=overrides)
    status, _, headers = fetched(address)
    assert status == 200
    assert {f"response-{name}": headers[name] for name in headers if f"response-{name}" in overrides} == overrides
    assert fetched(address.replace("attachment", "inline"))[0] == 403
    assert fetched(address.replace("/a.txt?", "/a.txt.bak?"))[0] == 403
    assert fetched(address.replace("X-Amz-Expires=", "X-Amz-Expires=9"))[0] == 403


def test_an_address_ends_with_its_window(emulator: Emulator, key: tuple[str, SecretStr]) -> None:
    now = int(time.time())
    assert fetched(signed(emulator, key, method="PUT"), "PUT", b"x")[0] == 200
    assert fetched(signed(emulator, key, window=Window(now - 60, now + 60)))[0] == 200
    assert fetched(signed(emulator, key, window=Window(now - 60, now - 1)))[0] == 403


@pytest.mark.parametrize(
    "options",
    [
        {"window": Window(100, 100)},
        {"window": Window(0, MAX_LIFE_S + 1)},
        {"overrides": {"response-expires": "never"}},
    ],
)
def test_what_cannot_be_signed_is_an_error_that_holds_no_key(options: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|known") as error:
        presign(
            "https://s3.example.com",
            "acme",
            "a",
            **{"key_id": "canary-id", "secret": SecretStr("canary"), "window": Window(0, 9)} | options,
        )
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("https://s3.eu-central-003.backblazeb2.com/", "eu-central-003"),
        ("http://127.0.0.1:8080", "us-east-1"),
    ],
)
def test_the_region_is_in_the_endpoint(endpoint: str, found: str) -> None:
    """B2 answers a signature for another region with 403."""
    assert region(endpoint) == found


# Windows


@pytest.mark.parametrize("expires_in_s", [1, 2, 3, 10, 300, 86_400, 403_200, 500_000, MAX_LIFE_S])
def test_what_was_asked_is_always_left_and_never_more_than_half_as_much_again(expires_in_s: int) -> None:
    for now in (1_790_000_000.0, 1_790_000_123.9, 1_790_000_149.999, 1_790_086_399.5):
        found = window(expires_in_s, now)
        assert found.starts_at <= now
        assert found.ends_at - int(now) >= expires_in_s
        assert found.life_s == life_s(expires_in_s) <= min(MAX_LIFE_S, expires_in_s * 3 / 2)


def test_within_a_window_an_object_keeps_its_address() -> None:
    """Browsers cache by address. 300 s asked: windows of 150 s."""
    start = 1_790_000_100 // 150 * 150
    assert window(300, start) == window(300, start + 149.9) == Window(start, start + 450)
    assert window(300, start + 150) == Window(start + 150, start + 600)


@pytest.mark.parametrize("expires_in_s", [0, -1, MAX_LIFE_S + 1])
def test_a_time_out_of_bounds_is_refused(expires_in_s: int) -> None:
    with pytest.raises(ValueError, match="expected an expiry of 1 to 604800 seconds"):
        window(expires_in_s, 0)


def test_a_master_key_signs_nothing(emulator: Emulator) -> None:
    """B2's S3 takes application keys only; the router says so before, see `redirect`."""
    master = Account(application_key_id=emulator.key_id, application_key=SecretStr(emulator.key))
    assert fetched(signed(emulator, (master.application_key_id, master.application_key)))[0] == 403
