"""One login a process: shared, renewed once, given up with grace, and only to hosts of the realm."""

from __future__ import annotations

import os
import threading

import pytest

from b2router.b2 import budget
from b2router.b2.session import Session
from b2router.b2.sessions import close_all, for_account
from b2router.b2.wire import check_address
from b2router.config import Account
from b2router.emulator import Emulator
from b2router.errors import BackendError, ConfigError, Refused, Unavailable, UnexpectedAnswer
from tests.b2.conftest import account


def together(count: int, work: object) -> list[object]:
    """Run work in threads that begin at once; gives results and exceptions."""
    results: list[object] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())  # type: ignore[operator]
        except BackendError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_building_a_session_does_not_go_online(session: Session, emulator: Emulator) -> None:
    assert emulator.calls() == {}


def test_threads_share_one_login(session: Session, emulator: Emulator) -> None:
    logins = together(10, session.login)
    assert len({id(login) for login in logins}) == 1
    assert emulator.calls() == {"b2_authorize_account": 1}


def test_a_stale_login_is_renewed_by_one_thread(session: Session, emulator: Emulator) -> None:
    stale = session.login()
    emulator.expire_tokens()
    fresh = together(10, lambda: session.renew(stale))
    assert len({id(login) for login in fresh}) == 1
    assert fresh[0] is not stale
    assert emulator.calls() == {"b2_authorize_account": 2}


def test_threads_share_a_failure_too(session: Session, emulator: Emulator) -> None:
    """Or ten requests during an outage would wait for one another, each for a login of its own."""
    emulator.fail("b2_authorize_account", status=503, code="service_unavailable", times=100)
    results = together(10, session.login)
    assert all(isinstance(result, Unavailable) for result in results)
    assert emulator.calls()["b2_authorize_account"] <= 6


def test_after_an_outage_the_next_call_logs_in(session: Session, emulator: Emulator) -> None:
    emulator.fail("b2_authorize_account", status=503, code="service_unavailable", times=3)
    with pytest.raises(Unavailable):
        session.login()
    assert session.login()


def test_a_refused_key_is_left_alone_for_a_while(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"application_key_id": emulator.key_id, "application_key": "wrong", "realm": emulator.url}
    session = Session(Account.model_validate(values))
    for _ in range(3):
        with pytest.raises(Refused):
            session.login()
    assert emulator.calls() == {"b2_authorize_account": 1}
    monkeypatch.setattr("b2router.b2.session.REFUSED_PAUSE_S", 0.0)
    with pytest.raises(Refused):
        session.login()
    assert emulator.calls() == {"b2_authorize_account": 2}
    session.close()


def test_a_long_wait_ends_the_login_instead_of_sleeping(session: Session, emulator: Emulator) -> None:
    """b2sdk itself would sleep for as long as it is told."""
    emulator.fail("b2_authorize_account", status=429, code="too_many_requests", retry_after=600)
    with pytest.raises(Unavailable) as caught:
        session.login()
    assert caught.value.retry_after_s == 600


def test_an_account_has_one_session_in_a_process(emulator: Emulator) -> None:
    first = for_account(account(emulator), "default")
    assert for_account(account(emulator), "default") is first
    other = Account.model_validate({"application_key_id": "x", "application_key": "y", "realm": emulator.url})
    assert for_account(other, "other") is not first
    close_all()
    assert for_account(account(emulator), "default") is not first


def test_a_forked_process_gets_its_own_session(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets that two processes share mix their answers."""
    first = for_account(account(emulator), "default")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert for_account(account(emulator), "default") is not first


def test_an_account_without_a_key_is_named() -> None:
    with pytest.raises(ConfigError, match="'eu' has no application key"):
        for_account(None, "eu")


@pytest.mark.parametrize(
    ("realm", "address", "trusted"),
    [
        ("production", "https://f004.backblazeb2.com", True),
        ("production", "https://api004.backblazeb2.com", True),
        ("production", "http://f004.backblazeb2.com", False),
        ("production", "https://backblazeb2.com.example.com", False),
        ("production", "https://evilbackblazeb2.com", False),
        ("production", "https://127.0.0.1", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9", True),
        ("http://127.0.0.1:8080", "http://10.0.0.1", False),
        ("http://127.0.0.1:8080", "http://9.0.0.1", False),
        ("https://b2.example.com", "https://files.b2.example.com", True),
        ("https://b2.example.com", "http://files.b2.example.com", False),
        ("https://b2.example.com", "https://example.com", False),
        ("https://b2.acme.co.uk", "https://evil.co.uk", False),
        ("https://api.b2.example.com", "https://files.example.org", False),
        ("http://localhost:80", "http://localhost:81", True),
        ("http://localhost:80", "http://x.localhost", True),
        ("http://localhost:80", "http://notlocalhost", False),
    ],
)
def test_the_token_goes_to_hosts_of_the_realm_only(realm: str, address: str, trusted: bool) -> None:
    """The login's answer says where to send the token; a forged one must not get it."""
    if trusted:
        check_address(address, realm)
    else:
        with pytest.raises(UnexpectedAnswer):
            check_address(address, realm)


def test_a_bucket_is_looked_up_once(session: Session, emulator: Emulator) -> None:
    assert session.bucket("acme-shared") is session.bucket("acme-shared")
    assert emulator.calls() == {"b2_authorize_account": 1, "b2_list_buckets": 1}


def test_a_missing_bucket_is_refused(session: Session) -> None:
    with pytest.raises(Refused, match="bucket"):
        session.bucket("acme-nowhere")


def test_a_late_refusal_of_an_old_token_is_no_reason_for_another_login(session: Session, emulator: Emulator) -> None:
    """b2sdk asks for a new login after every 401; another thread may have logged in since the call was made."""
    old = session.login()
    session.renew(old)
    session._http._used.token = old.token
    assert session.api.session.authorize_automatically()
    assert emulator.calls() == {"b2_authorize_account": 2}
    session._http._used.token = session.login().token
    assert session.api.session.authorize_automatically()
    assert emulator.calls() == {"b2_authorize_account": 3}


def test_the_threads_of_b2sdk_share_the_budget_of_their_call(emulator: Emulator) -> None:
    threads = Session(account(emulator)).api.services.copy_manager._thread_pool
    with budget.limited(budget.Budget()) as limit:
        assert threads.submit(budget.current).result() is limit
