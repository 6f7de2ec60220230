"""Redirects to signed addresses: to whom, for how long, what B2 then sends, and what each costs in calls."""

from __future__ import annotations

import logging
import threading
import time
import urllib.error
import urllib.request
from calendar import timegm
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from b2sdk.v3 import B2Api, InMemoryAccountInfo
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.b2 import tokens
from b2router.b2.sessions import close_all
from b2router.delivery import redirect
from b2router.emulator import Emulator
from b2router.errors import BackendError
from b2router.router import current_router
from tests.conftest import Configure, forget
from tests.test_secrets import everything_about

pytestmark = pytest.mark.django_db

Sign = Callable[..., None]


@pytest.fixture
def redirecting(configure: Configure, emulator: Emulator, settings: Any) -> Sign:
    """Deliver the profile `staff` by redirect, with an application key; a master key cannot sign."""

    def apply(signer: str = "s3", profile: dict[str, Any] | None = None, **delivery: Any) -> None:
        configure(staff={"delivery": {"mode": "redirect", "signer": signer, **delivery}, **(profile or {})})
        key_id, key = emulator.create_key()
        settings.BACKBLAZE_CONFIG = {
            **settings.BACKBLAZE_CONFIG,
            "application_key_id": key_id,
            "application_key": key,
        }

    apply()
    return apply


@pytest.fixture
def sam() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time at which addresses are signed."""

    def set_(now: float) -> None:
        monkeypatch.setattr(redirect, "time", SimpleNamespace(time=lambda: now))

    return set_


def put(name: str = "a.txt", content: bytes = b"hello", declared: str | None = None) -> str:
    file: Any = ContentFile(content)
    if declared:
        file.content_type = declared
    return get_storage("staff").save(name, file)


def fetched(address: str, method: str = "GET", **headers: str) -> Any:
    request = urllib.request.Request(address, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return SimpleNamespace(status=answer.status, body=answer.read(), headers=dict(answer.headers.items()))
    except urllib.error.HTTPError as error:
        return SimpleNamespace(status=error.code, body=error.read(), headers={})


# Who is sent where


@pytest.mark.parametrize("signer", ["s3", "native"])
def test_whoever_may_read_is_sent_to_b2(signer: str, redirecting: Sign, sam: Client) -> None:
    redirecting(signer)
    put("dir/a b+ü.txt")
    answer = sam.get("/b2s/dir/a%20b%2B%C3%BC.txt")
    assert (answer.status_code, answer.content) == (302, b"")
    found = fetched(answer["Location"])
    assert (found.status, found.body) == (200, b"hello")
    assert fetched(answer["Location"], Range="bytes=1-2").body == b"el"


@pytest.mark.parametrize("signer", ["s3", "native"])
def test_whoever_may_not_read_gets_no_address_and_costs_no_call(
    signer: str, redirecting: Sign, emulator: Emulator, client: Client
) -> None:
    redirecting(signer)
    put()
    emulator.reset_counts()
    answers = [client.get("/b2s/a.txt"), client.head("/b2s/a.txt"), client.post("/b2s/a.txt")]
    assert [answer.status_code for answer in answers] == [302, 302, 405]
    assert [answer.get("Location") for answer in answers] == ["/login/?next=/b2s/a.txt"] * 2 + [None]
    assert emulator.calls() == {}


def test_head_is_signed_for_head(redirecting: Sign, sam: Client) -> None:
    """A client follows with the method that it began with, and S3 checks it."""
    put()
    address = sam.head("/b2s/a.txt")["Location"]
    assert fetched(address, "HEAD").status == 200
    assert fetched(address).status == 403


def test_a_profile_that_streams_is_not_redirected(configure: Configure) -> None:
    put()
    staff = get_storage("staff").profile
    assert redirect.to_signed_address(staff, "a.txt", "GET") is None


# What the redirect says


@pytest.mark.parametrize(
    ("max_age_s", "expires_in_s", "expected"),
    [
        pytest.param(0, 300, "private, no-store", id="unless told otherwise, no cache keeps it"),
        pytest.param(60, 300, "private, max-age=60", id="as long as the file"),
        pytest.param(3600, 300, "private, max-age=150", id="half of what the signature has left"),
    ],
)
def test_a_redirect_is_kept_by_the_browser_alone_and_for_less_than_the_signature_lives(
    max_age_s: int, expires_in_s: int, expected: str, redirecting: Sign, sam: Client
) -> None:
    redirecting(profile={"max_age_s": max_age_s}, expires_in_s=expires_in_s)
    answer = sam.get("/b2s/a.txt")
    assert answer["Cache-Control"] == expected
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer


def test_the_redirect_of_a_public_profile_is_private_too(redirecting: Sign, client: Client) -> None:
    """The address is a capability; a shared cache would hand it out after its end."""
    redirecting(profile={"permission": "public", "max_age_s": 60})
    answer = client.get("/b2s/a.txt")
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, max-age=60")


@pytest.mark.parametrize("signer", ["s3", "native"])
@pytest.mark.parametrize(
    ("name", "declared", "content_type", "disposition"),
    [
        ("a.png", "text/html", "image/png", 'inline; filename="a.png"'),
        ("a.txt", "text/html", "text/plain; charset=utf-8", 'inline; filename="a.txt"'),
        ("x.html", "image/png", "text/html; charset=utf-8", 'attachment; filename="x.html"'),
        ("x.svg", "image/png", "image/svg+xml", 'attachment; filename="x.svg"'),
        ("ü", "text/html", "application/octet-stream", "attachment; filename*=utf-8''%C3%BC"),
    ],
)
def test_b2_says_what_the_name_says_and_not_what_the_uploader_said(
    signer: str, name: str, declared: str, content_type: str, disposition: str, redirecting: Sign, sam: Client
) -> None:
    """Nobody looks at the file, so its type comes from its name; what is not known to be safe is downloaded."""
    redirecting(signer)
    put(name, declared=declared)
    found = fetched(sam.get(f"/b2s/{name}")["Location"])
    assert (found.status, found.headers["Content-Type"]) == (200, content_type)
    assert found.headers["Content-Disposition"] == disposition
    assert found.headers["Cache-Control"] == "private, no-cache"


def test_an_address_of_a_long_name_is_not_refused(redirecting: Sign, sam: Client) -> None:
    """Django's own redirect answers 400 beyond 2,048 characters."""
    name = "/".join(["日" * 80] * 4)
    put(name)
    answer = sam.get(f"/b2s/{name}")
    assert (answer.status_code, len(answer["Location"]) > 2048) == (302, True)
    assert fetched(answer["Location"]).body == b"hello"


def test_the_public_address_of_a_long_name_is_not_refused_either(configure: Configure, client: Client) -> None:
    configure(public={"delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/"}})
    assert client.get("/b2/" + "/".join(["日" * 80] * 4)).status_code == 302


# Windows and calls


@pytest.mark.parametrize(("signer", "calls"), [("s3", {}), ("native", {"b2_get_download_authorization": 1})])
def test_an_object_keeps_its_address_within_a_window_and_that_costs_at_most_one_call(
    signer: str, calls: dict[str, int], redirecting: Sign, emulator: Emulator, sam: Client, clock: Any
) -> None:
    redirecting(signer, expires_in_s=300)
    put("warm.txt")
    put("a.txt")
    start = int(time.time()) // 150 * 150
    clock(start)
    sam.get("/b2s/warm.txt")  # the login, and the bucket's id
    emulator.reset_counts()
    addresses = []
    for now in (start, start + 1, start + 149.9):
        clock(now)
        addresses.append(sam.get("/b2s/a.txt")["Location"])
    assert len(set(addresses)) == 1
    assert emulator.calls() == calls
    clock(start + 150)
    assert sam.get("/b2s/a.txt")["Location"] != addresses[0]
    assert sum(emulator.calls().values()) == 2 * sum(calls.values())


def test_the_first_redirect_of_a_process_costs_one_login(redirecting: Sign, emulator: Emulator, sam: Client) -> None:
    close_all()
    emulator.reset_counts()
    sam.get("/b2s/a.txt")
    sam.get("/b2s/b.txt")
    assert emulator.calls() == {"b2_authorize_account": 1}


def test_what_was_asked_is_left_of_the_signature(redirecting: Sign, sam: Client) -> None:
    redirecting(expires_in_s=1000)
    said = parse_qs(urlsplit(sam.get("/b2s/a.txt")["Location"]).query)
    signed_at = time.strptime(said["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ")
    left = timegm(signed_at) + int(said["X-Amz-Expires"][0]) - time.time()
    assert 999 <= left <= 1500


def test_many_visitors_of_one_file_share_one_native_token(
    redirecting: Sign, emulator: Emulator, clock: Any, sam: Client
) -> None:
    redirecting("native")
    put()
    put("warm.txt")
    clock(int(time.time()))
    profile = get_storage("staff").profile
    redirect.to_signed_address(profile, "warm.txt", "GET")
    emulator.reset_counts()
    emulator.fail("b2_get_download_authorization", delay_s=0.2)
    start = threading.Barrier(6)

    def visit(_: int) -> Any:
        start.wait()
        return redirect.to_signed_address(profile, "a.txt", "GET")

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(visit, range(6)))
    assert len({answer["Location"] for answer in found}) == 1
    assert emulator.calls() == {"b2_get_download_authorization": 1}


def test_a_name_that_no_file_has_gets_no_native_token(
    redirecting: Sign, emulator: Emulator, sam: Client, clock: Any
) -> None:
    """It would open all names that begin with it. And whoever tries many costs one question each, for a while."""
    redirecting("native")
    put("report-2026.pdf")
    emulator.reset_counts()
    assert [sam.get("/b2s/report").status_code for _ in range(3)] == [404] * 3
    assert emulator.calls() == {"head": 1}
    cache.clear()
    emulator.reset_counts()
    assert [sam.get("/b2s/report-2026.pdf").status_code for _ in range(3)] == [302] * 3
    assert {call: count for call, count in emulator.calls().items() if call != "b2_authorize_account"} == {
        "head": 1,
        "b2_get_download_authorization": 1,
    }


def test_tokens_that_failed_are_asked_for_again(redirecting: Sign, emulator: Emulator, sam: Client) -> None:
    redirecting("native")
    put()
    emulator.fail("b2_get_download_authorization", status=401, code="unauthorized")
    assert [sam.get("/b2s/a.txt").status_code for _ in range(2)] == [503, 302]


def test_a_bucket_that_was_made_anew_is_found_by_the_next_visitor(
    redirecting: Sign, emulator: Emulator, sam: Client
) -> None:
    redirecting("native")
    put()
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(emulator.key_id, emulator.key, emulator.url)
    old = api.get_bucket_by_name("acme-staff")
    for version, _ in list(old.ls(latest_only=False, recursive=True)):
        api.delete_file_version(version.id_, version.file_name)
    api.delete_bucket(old)
    api.create_bucket("acme-staff", "allPrivate").upload_bytes(b"anew", "b.txt")
    api.session.raw_api.b2_http.session.close()
    assert [sam.get("/b2s/b.txt").status_code for _ in range(2)] == [503, 302]
    assert fetched(sam.get("/b2s/b.txt")["Location"]).body == b"anew"


def test_the_kept_tokens_are_bounded(
    redirecting: Sign, emulator: Emulator, sam: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    redirecting("native")
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "account_info": {"kind": "memory"}}
    monkeypatch.setattr(tokens, "MAX_KEPT", 2)
    for name in ("a", "b", "c"):
        put(name)
    for name in ("a", "b", "c", "c", "b", "a"):
        sam.get(f"/b2s/{name}")
    assert emulator.calls()["b2_get_download_authorization"] == 4


# What can be opened with it


def test_a_native_token_opens_names_that_begin_alike_and_an_s3_signature_does_not(
    redirecting: Sign, sam: Client
) -> None:
    """Why native signing is only for profiles where whoever may read one file may read all: B2's tokens are for a
    prefix."""
    put("a.txt")
    put("a.txt.bak", b"another")
    for signer, status in (("native", 200), ("s3", 403)):
        redirecting(signer)
        address = sam.get("/b2s/a.txt")["Location"]
        assert fetched(address.replace("/a.txt?", "/a.txt.bak?")).status == status


def test_a_shared_link_gets_no_native_token(redirecting: Sign) -> None:
    """Who came by a shared link may read one file, not all that begin like it: the site streams it."""
    redirecting("native")
    profile = get_storage("staff").profile
    assert redirect.to_signed_address(profile, "a.txt", "GET", link_ends_at=int(time.time()) + 60) is None
    redirecting("s3")
    assert redirect.to_signed_address(get_storage("staff").profile, "a.txt", "GET", link_ends_at=int(time.time()) + 60)


# Failures and secrets


def test_a_master_key_is_503_and_the_log_says_why(
    redirecting: Sign, configure: Configure, sam: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Visitors would get B2's 403 otherwise, and nobody would know."""
    configure(staff={"delivery": {"mode": "redirect"}})
    assert sam.get("/b2s/a.txt").status_code == 503
    assert "'default' has the master key" in caplog.text


@pytest.mark.parametrize("signer", ["s3", "native"])
def test_b2_out_of_reach_is_503(signer: str, redirecting: Sign, emulator: Emulator, sam: Client) -> None:
    redirecting(signer)
    close_all()
    emulator.stop()
    assert sam.get("/b2s/a.txt").status_code == 503


@pytest.mark.parametrize("signer", ["s3", "native"])
def test_no_log_holds_an_address_a_token_or_a_key(
    signer: str, redirecting: Sign, sam: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level, b2sdk's and urllib3's own logs included."""
    caplog.set_level(logging.DEBUG)
    redirecting(signer)
    put()
    answer = sam.get("/b2s/a.txt")
    said = parse_qs(urlsplit(answer["Location"]).query)
    secrets = [*said.get("X-Amz-Signature", []), *said.get("Authorization", [])]
    secrets.append(settings.BACKBLAZE_CONFIG["application_key"])
    seen = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in seen]
    assert settings.BACKBLAZE_CONFIG["application_key"] not in str(dict(answer.items()))


@pytest.mark.parametrize("signer", ["s3", "native"])
def test_no_frame_of_an_error_holds_a_token_or_a_key(
    signer: str, redirecting: Sign, emulator: Emulator, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error pages and trackers show local variables."""
    redirecting(signer)
    put()
    profile = get_storage("staff").profile
    session = current_router().session(current_router().profile("staff"))
    secrets = [settings.BACKBLAZE_CONFIG["application_key"], session.login().token]
    emulator.fail("b2_get_download_authorization", status=401, code="unauthorized")
    monkeypatch.setattr(session.login(), "s3_url", "")
    with pytest.raises(BackendError) as error:
        redirect.to_signed_address(profile, "a.txt", "GET")
    seen = everything_about(error.value)
    assert "session" in seen.lower()
    assert not [secret for secret in secrets if secret in seen]


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        pytest.param("https://s3.elsewhere.example.com", 502, id="a host that is not part of the realm"),
        pytest.param(None, 502, id="none"),
    ],
)
def test_an_endpoint_that_the_login_makes_up_is_not_signed_for(
    endpoint: str | None, status: int, redirecting: Sign, sam: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login's answer is obeyed only for hosts of the realm: visitors are sent there with a signature."""
    forget()
    session = current_router().session(current_router().profile("staff"))
    monkeypatch.setattr(session.api.account_info, "get_s3_api_url", lambda: endpoint)
    answer = sam.get("/b2s/a.txt")
    assert (answer.status_code, answer.get("Location")) == (status, None)
