"""What travels to B2, and where to: against servers that misbehave, over real sockets."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
import urllib3

from b2router.b2 import budget, objects, wire
from b2router.b2.download import open_download, stat
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.b2.sessions import for_account
from b2router.config import Account, Limits
from b2router.emulator import Emulator
from b2router.errors import BackendError, Refused, Unavailable, UnexpectedAnswer
from tests.b2.conftest import account
from tests.impostor import Impostor, download_headers, login


@pytest.fixture
def server() -> Iterator[Impostor]:
    running = Impostor()
    yield running
    running.close()


@pytest.fixture
def misled(server: Impostor) -> Iterator[Session]:
    """A session whose realm is the scripted server."""
    values = {"application_key_id": "id", "application_key": "canary-key", "realm": server.url}
    session = Session(Account.model_validate(values))
    yield session
    session.close()


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b"[]", b"null", b'{"accountId": 1}', b"", b'{"apiInfo": {}, "accountId": "x"}']
)
def test_a_login_that_b2_did_not_answer_is_an_error_without_secrets(
    body: bytes, server: Impostor, misled: Session
) -> None:
    """A network's login page answers 200 to everything."""
    server.script = lambda request: server.http(200, body, Date=formatdate(usegmt=True))
    with pytest.raises(BackendError) as caught:
        misled.login()
    assert caught.value.__suppress_context__
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("address", ["apiUrl", "downloadUrl", "s3ApiUrl"])
def test_a_login_that_leads_elsewhere_is_not_followed(address: str, server: Impostor, misled: Session) -> None:
    """The token would go there."""
    server.script = lambda request: server.http(200, login(server, **{address: "http://10.9.8.7:1"}))
    with pytest.raises(UnexpectedAnswer, match="not part of the realm"):
        misled.login()


def test_an_upload_address_that_leads_elsewhere_gets_nothing(server: Impostor, misled: Session) -> None:
    elsewhere = json.dumps({"bucketId": "b", "uploadUrl": "http://10.9.8.7:1/up", "authorizationToken": "t"})

    bound = {"buckets": [{"id": "b", "name": "acme-x"}], "capabilities": ["writeFiles"], "namePrefix": None}

    def script(request: bytes) -> bytes:
        is_login = b"authorize" in request
        return server.http(200, login(server, allowed=bound) if is_login else elsewhere.encode())

    server.script = script
    with pytest.raises(UnexpectedAnswer, match="not part of the realm"):
        objects.upload(misled, "acme-x", "k", io.BytesIO(b"x"), UploadOptions("a/b"), size_bytes=1)


def test_a_login_is_not_redirected(server: Impostor, misled: Session) -> None:
    other = Impostor()
    server.script = lambda request: server.http(307, Location=f"{other.url}/steal")
    with pytest.raises(BackendError):
        misled.login()
    other.close()
    assert other.requests == []


@pytest.mark.parametrize("date", [None, "nonsense", formatdate(0, usegmt=True)])
def test_a_wrong_clock_is_a_warning(
    date: str | None, server: Impostor, misled: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Downloads do not depend on it."""
    wire._warn_of_clock.cache_clear()
    server.script = lambda request: server.http(200, login(server), **({"Date": date} if date else {}))
    with caplog.at_level(logging.WARNING, "b2router.b2"):
        assert misled.login().token
    assert ("clock" in caplog.text) is (date is not None and "1970" in date)


def test_a_login_of_the_netrc_file_does_not_replace_the_token(
    server: Impostor, misled: Session, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login wrong password wrong\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    server.script = lambda request: server.http(200, login(server))
    misled.login()
    assert b"Basic aWQ6Y2FuYXJ5LWtleQ==" in server.requests[0]


# Downloads


@pytest.fixture
def logged_in(server: Impostor, misled: Session) -> Session:
    server.script = lambda request: server.http(200, login(server))
    misled.login()
    return misled


def test_bytes_are_passed_on_as_they_are_stored(server: Impostor, logged_in: Session) -> None:
    """Content-Encoding is told to the browser, so nothing may be unpacked on the way."""
    packed = b"\x1f\x8b not really"
    server.script = lambda request: server.http(200, packed, **download_headers(Content_Encoding="gzip"))
    assert b"".join(open_download(logged_in, "acme-x", "k")) == packed


def test_a_part_for_the_whole_is_refused(server: Impostor, logged_in: Session) -> None:
    part = download_headers(Content_Range="bytes 0-4/1000")
    server.script = lambda request: server.http(206, b"hello", **part)
    with pytest.raises(UnexpectedAnswer):
        open_download(logged_in, "acme-x", "k")


def test_a_resume_that_gets_nonsense_raises(server: Impostor, logged_in: Session) -> None:
    answers = [
        server.http(200, b"hello", **download_headers(Content_Length="10")),
        server.http(206, b"world", **download_headers(Content_Range="bytes x-y/z")),
    ]
    server.script = lambda request: answers.pop(0)
    with pytest.raises(UnexpectedAnswer):
        list(open_download(logged_in, "acme-x", "k"))


def test_a_long_error_page_is_not_read_to_its_end(server: Impostor, logged_in: Session) -> None:
    server.script = lambda request: server.http(404, b"x" * 10_000_000)
    for _ in range(3):
        with pytest.raises(UnexpectedAnswer):
            open_download(logged_in, "acme-x", "k")
    assert logged_in.login().host.pool.qsize() == wire.POOL_CONNECTIONS  # type: ignore[union-attr]


def test_a_key_that_may_not_read_is_refused_without_a_login_a_time(server: Impostor, logged_in: Session) -> None:
    def script(request: bytes) -> bytes:
        return server.http(200, login(server)) if b"authorize" in request else server.http(401)

    server.script = script
    server.requests.clear()
    for _ in range(4):
        with pytest.raises(Refused):
            stat(logged_in, "acme-x", "k")
    assert sum(b"authorize" in request for request in server.requests) == 1


# Waiting


def test_nobody_waits_longer_for_a_login_than_the_own_budget(emulator: Emulator) -> None:
    session = Session(account(emulator))
    emulator.fail("b2_authorize_account", delay_s=4)
    first = threading.Thread(target=session.login)
    first.start()
    time.sleep(0.3)
    began = time.monotonic()
    with pytest.raises(Unavailable), budget.limited(budget.Budget(seconds=0.5)):
        session.login()
    assert time.monotonic() - began < 3.5
    first.join()
    session.close()


def test_an_upload_that_gets_on_may_take_its_time() -> None:
    limit = budget.UploadBudget(seconds=0.2, tries=2)
    for _ in range(5):
        assert limit.take_try()
        time.sleep(0.15)
        limit.succeeded()
    for _ in range(2):
        assert limit.take_try()
        limit.failed()
    assert not limit.take_try()


def test_the_threads_of_a_copy_in_parts_know_its_budget(session: Session) -> None:
    pool = session.api.services.copy_manager._thread_pool
    with budget.limited(budget.of_upload(Limits())) as limit:
        assert pool.submit(budget.current).result() is limit
    assert pool.submit(budget.current).result() is None


def test_bytes_that_leave_give_an_upload_its_time_again_and_no_try() -> None:
    limit = budget.UploadBudget(seconds=0.2, tries=1)
    time.sleep(0.25)
    assert not limit.take_try()
    limit.moved()
    assert limit.take_try()
    limit.failed()
    limit.moved()
    assert not limit.take_try()


def test_a_forked_process_begins_anew(emulator: Emulator) -> None:
    """Even when another thread held the locks at that moment."""
    from b2router.b2 import sessions

    first = for_account(account(emulator), "default")
    first.login()
    with sessions._sessions_lock:
        child = os.fork()
        if not child:
            fresh = for_account(account(emulator), "default")
            os._exit(0 if fresh is not first and fresh.login().token else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Proxies and certificates


def test_downloads_use_the_proxy_that_b2sdk_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:p%40ss@proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    manager = wire.connections("production")
    assert isinstance(manager, urllib3.ProxyManager)
    assert manager.proxy_headers == urllib3.make_headers(proxy_basic_auth="user:p@ss")
    monkeypatch.setenv("no_proxy", "backblazeb2.com")
    assert not isinstance(wire.connections("production"), urllib3.ProxyManager)
    assert not isinstance(wire.connections("http://127.0.0.1:1"), urllib3.ProxyManager)


def test_a_folder_of_certificates_is_used_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert wire.connections("production").connection_pool_kw["ca_cert_dir"] == str(tmp_path)
