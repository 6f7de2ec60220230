"""One login for all processes: found, believed only when the site wrote it, and made by one at a time."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.signing import Signer

from b2router.b2 import account_info, session, shelves
from b2router.b2.account_info import LIFETIME_S, Authorisation, SharedLogin, due_at
from b2router.b2.download import stat
from b2router.b2.session import Session
from b2router.config import Account, CacheAccountInfo, MemoryAccountInfo, SqliteAccountInfo
from b2router.emulator import Emulator
from b2router.errors import NotFound, Refused, Unavailable
from b2router.sharing import AccountInfo
from tests.b2.conftest import account


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
    shelves._health.clear()


@pytest.fixture(params=["cache", "encrypted cache", "sqlite"])
def info(request: pytest.FixtureRequest, tmp_path: Path) -> AccountInfo:
    if request.param == "sqlite":
        return SqliteAccountInfo(kind="sqlite", path=str(tmp_path / "login.sqlite3"))
    return CacheAccountInfo(encrypt=request.param.startswith("encrypted"))


def kept() -> list[str]:
    """The texts in the cache."""
    found = [caches["default"].get(key.split(":", 2)[2]) for key in list(caches["default"]._cache)]  # type: ignore[attr-defined]
    return [text for text in found if isinstance(text, str)]


def test_the_next_process_needs_no_login(info: AccountInfo, emulator: Emulator) -> None:
    first, second = Session(account(emulator), info), Session(account(emulator), info)
    token = first.login().token
    first.bucket("acme-public")
    emulator.reset_counts()
    assert second.login().token == token
    second.bucket("acme-public").upload_bytes(b"x", "a.txt")
    assert stat(second, "acme-public", "a.txt").size_bytes == 1
    assert emulator.calls() == {"b2_get_upload_url": 1, "b2_upload_file": 1, "head": 1}


def test_by_itself_every_process_logs_in(emulator: Emulator) -> None:
    for _ in range(2):
        Session(account(emulator), MemoryAccountInfo(kind="memory")).login()
    assert emulator.calls() == {"b2_authorize_account": 2}


def test_the_key_is_not_among_what_is_kept(emulator: Emulator) -> None:
    token = Session(account(emulator), CacheAccountInfo()).login().token
    assert [token in text for text in kept()] == [True]
    assert not [text for text in kept() if emulator.key in text]
    assert not [key for key in caches["default"]._cache if emulator.key in key or emulator.key_id in key]  # type: ignore[attr-defined]


def test_encrypted_the_token_is_not_to_be_seen(emulator: Emulator) -> None:
    token = Session(account(emulator), CacheAccountInfo(encrypt=True)).login().token
    (text,) = kept()
    assert token not in text
    assert Session(account(emulator), CacheAccountInfo(encrypt=True)).login().token == token
    assert emulator.calls() == {"b2_authorize_account": 1}


@pytest.mark.parametrize("encrypt", [False, True])
def test_an_old_secret_key_still_opens_what_it_closed(encrypt: bool, emulator: Emulator, settings: Any) -> None:
    token = Session(account(emulator), CacheAccountInfo(encrypt=encrypt)).login().token
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert Session(account(emulator), CacheAccountInfo(encrypt=encrypt)).login().token == token
    assert emulator.calls() == {"b2_authorize_account": 1}


def forged(emulator: Emulator, **changes: Any) -> str:
    made = Authorisation("4_x", emulator.url, emulator.url, "", "acc", 10, 5, {}, time.time())
    allowed = {"buckets": None, "capabilities": [], "namePrefix": None}
    return json.dumps({**json.loads(made.text()), "allowed": allowed, **changes})


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda emulator: "rubbish", id="rubbish"),
        pytest.param(lambda emulator: {"token": "x"}, id="another type"),
        pytest.param(lambda emulator: b"\x80\x04", id="bytes"),
        pytest.param(lambda emulator: forged(emulator), id="not signed"),
        pytest.param(lambda emulator: Signer(salt="other").sign(forged(emulator)), id="signed for something else"),
        pytest.param(lambda emulator: sign(emulator, "[]"), id="signed, another shape"),
        pytest.param(lambda emulator: sign(emulator, forged(emulator, token=7)), id="a token that is none"),
        pytest.param(lambda emulator: sign(emulator, forged(emulator, token="")), id="an empty token"),
        pytest.param(lambda emulator: sign(emulator, forged(emulator, allowed={})), id="rights that are none"),
        pytest.param(lambda emulator: sign(emulator, forged(emulator, made_at=time.time() - LIFETIME_S)), id="too old"),
        pytest.param(
            lambda emulator: sign(emulator, forged(emulator, made_at=time.time() + 9999)), id="from the future"
        ),
        pytest.param(lambda emulator: sign(emulator, forged(emulator, extra=1)), id="of another version"),
    ],
)
def test_what_is_not_ours_is_not_believed(write: Any, emulator: Emulator) -> None:
    mine = Session(account(emulator), CacheAccountInfo())
    cache.set(mine.shared._place("login"), write(emulator))
    assert mine.login().token not in ("4_x", "x", "")
    assert emulator.calls() == {"b2_authorize_account": 1}
    assert Session(account(emulator), CacheAccountInfo()).login().token == mine.login().token, "and is replaced"


def sign(emulator: Emulator, text: str) -> str:
    label = SharedLogin(account(emulator), CacheAccountInfo())._label("login")
    return Signer(salt="b2router.account_info").sign(f"{label} {text}")


def test_a_token_goes_to_no_foreign_host_even_if_the_site_signed_it(emulator: Emulator) -> None:
    from b2router.errors import UnexpectedAnswer

    mine = Session(account(emulator), CacheAccountInfo())
    cache.set(mine.shared._place("login"), sign(emulator, forged(emulator, download_url="https://evil.example.com")))
    with pytest.raises(UnexpectedAnswer, match="not part of the realm"):
        mine.login()


def test_accounts_do_not_mix(emulator: Emulator) -> None:
    other = emulator.create_key(["readFiles", "listBuckets"], "acme-public")
    values = {"application_key_id": other[0], "application_key": other[1], "realm": emulator.url}
    one = Session(account(emulator), CacheAccountInfo()).login()
    two = Session(Account.model_validate(values), CacheAccountInfo()).login()
    assert one.token != two.token
    assert one.account_id == two.account_id


def test_a_wrong_key_gets_no_token_of_the_right_one(emulator: Emulator) -> None:
    Session(account(emulator), CacheAccountInfo()).login()
    values = {"application_key_id": emulator.key_id, "application_key": "K00wrong", "realm": emulator.url}
    with pytest.raises(Refused):
        Session(Account.model_validate(values), CacheAccountInfo()).login()


def test_when_the_token_is_refused_one_process_logs_in(info: AccountInfo, emulator: Emulator) -> None:
    sessions = [Session(account(emulator), info) for _ in range(6)]
    for each in sessions:
        each.login()
    emulator.expire_tokens()
    emulator.reset_counts()
    barrier = threading.Barrier(len(sessions))

    def ask(each: Session) -> None:
        barrier.wait()
        with pytest.raises(NotFound):
            stat(each, "acme-public", "nothing")

    threads = [threading.Thread(target=ask, args=(each,)) for each in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emulator.calls() == {"b2_authorize_account": 1, "head": 12}
    assert len({each.login().token for each in sessions}) == 1


def test_processes_that_start_at_once_make_one_login(info: AccountInfo, emulator: Emulator) -> None:
    emulator.fail("b2_authorize_account", delay_s=0.3)
    sessions = [Session(account(emulator), info) for _ in range(6)]
    barrier, tokens = threading.Barrier(6), []

    def log_in(each: Session) -> None:
        barrier.wait()
        tokens.append(each.login().token)

    threads = [threading.Thread(target=log_in, args=(each,)) for each in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 1
    assert emulator.calls() == {"b2_authorize_account": 1}


def test_a_process_that_died_in_its_turn_holds_nobody_up_for_long(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_info, "PATIENCE_S", 0.2)
    mine = Session(account(emulator), CacheAccountInfo())
    cache.set(mine.shared._place("turn"), 1)
    assert mine.login().token
    assert emulator.calls() == {"b2_authorize_account": 1}


def test_a_login_that_fails_leaves_the_turn_to_others(emulator: Emulator) -> None:
    mine = Session(account(emulator), CacheAccountInfo())
    emulator.fail("b2_authorize_account", status=503, code="service_unavailable", times=3)
    with pytest.raises(Unavailable):
        mine.login()
    assert cache.get(mine.shared._place("turn")) is None


def test_a_wiped_cache_costs_one_login_and_no_answer(emulator: Emulator) -> None:
    first = Session(account(emulator), CacheAccountInfo())
    token = first.login().token
    cache.clear()
    assert first.login().token == token, "who has a login keeps it"
    Session(account(emulator), CacheAccountInfo()).login()
    assert emulator.calls() == {"b2_authorize_account": 2}


# Early renewal


class Clock:
    """Moves the time of everything in b2."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.real = time.time

    def time(self) -> float:
        return self.real() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock.time)
    return clock


def test_the_token_is_renewed_before_b2_refuses_it(emulator: Emulator, clock: Clock) -> None:
    first, second = (Session(account(emulator), CacheAccountInfo()) for _ in range(2))
    old = first.login().token
    second.login()
    clock.ahead_s = LIFETIME_S * 0.96
    new = {first.login().token, second.login().token}
    assert len(new) == 1
    assert old not in new
    assert emulator.calls() == {"b2_authorize_account": 2}


def test_a_renewal_that_fails_changes_nothing(
    emulator: Emulator, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mine = Session(account(emulator), CacheAccountInfo())
    old = mine.login().token
    clock.ahead_s = LIFETIME_S * 0.96
    emulator.fail("b2_authorize_account", status=503, code="service_unavailable", times=3)
    assert [mine.login().token for _ in range(3)] == [old] * 3
    assert emulator.calls() == {"b2_authorize_account": 4}, "three tries of one renewal, and no other at once"
    assert "could not be renewed early" in caplog.text
    clock.ahead_s += session.RENEWAL_PAUSE_S + 1
    assert mine.login().token != old


def test_processes_renew_at_different_moments() -> None:
    moments = [due_at(0.0) / LIFETIME_S for _ in range(200)]
    assert 0.80 <= min(moments) < 0.83
    assert 0.92 < max(moments) <= 0.95


# Buckets


def test_a_bucket_that_was_made_anew_is_found_again(emulator: Emulator) -> None:
    """Its name is the same and its id is not."""
    from b2router.b2 import objects

    mine = Session(account(emulator), CacheAccountInfo())
    mine.login()
    api = mine.api
    old = api.create_bucket("acme-remade", "allPrivate")
    assert mine.bucket("acme-remade").id_ == old.id_
    api.delete_bucket(old)
    api.create_bucket("acme-remade", "allPrivate")
    with pytest.raises(Refused):
        objects.hide(mine, "acme-remade", "a.txt")
    objects.hide(mine, "acme-remade", "a.txt")


def test_a_bucket_id_that_is_rubbish_is_not_believed(emulator: Emulator) -> None:
    mine = Session(account(emulator), CacheAccountInfo())
    mine.login()
    found = mine.api.get_bucket_by_name("acme-public").id_
    other = mine.api.get_bucket_by_name("acme-staff").id_
    place = mine.shared._place("bucket", "acme-public")
    mine.shared.keep_bucket_id("acme-staff", other)
    for rubbish in (["x"], other, cache.get(mine.shared._place("bucket", "acme-staff"))):
        cache.set(place, rubbish)
        mine._buckets.clear()
        assert mine.bucket("acme-public").id_ == found


# Tokens for browsers


def test_a_download_token_is_shared_too(info: AccountInfo, emulator: Emulator) -> None:
    from b2router.b2.tokens import download_token

    ends_at = int(time.time()) + 300
    sessions = [Session(account(emulator), info) for _ in range(3)]
    tokens = {download_token(each, "acme-public", "a.txt", ends_at, time.time()) for each in sessions}
    assert len(tokens) == 1
    assert emulator.calls()["b2_get_download_authorization"] == 1
    assert download_token(sessions[0], "acme-public", "b.txt", ends_at, time.time()) not in tokens
    assert download_token(sessions[0], "acme-public", "a.txt", ends_at + 150, time.time()) not in tokens


def test_a_forked_process_waits_for_no_thread_of_its_parent(emulator: Emulator) -> None:
    """A thread may ask for a token at the moment of the fork; in the child it never goes on."""
    from b2router.b2 import tokens

    forks = multiprocessing.get_context("fork")
    with tokens._lock:
        child = forks.Process(target=_ask_for_token, args=(emulator,))
        child.start()
    child.join(10)
    is_stuck = child.is_alive()
    child.kill()
    assert (is_stuck, child.exitcode) == (False, 0)


def _ask_for_token(emulator: Emulator) -> None:
    from b2router.b2.tokens import download_token

    download_token(Session(account(emulator)), "acme-public", "a.txt", int(time.time()) + 300, time.time())


def test_who_waits_for_a_token_is_not_stopped_with_who_asked(emulator: Emulator) -> None:
    """gevent stops a request with an exception that is no `Exception`; it is for that request alone."""
    from b2router.b2.tokens import download_token

    session, ends_at, results = Session(account(emulator)), int(time.time()) + 300, []
    is_asking, is_waiting = threading.Event(), threading.Event()

    def stop(*_: Any) -> None:
        is_asking.set()
        is_waiting.wait(5)
        time.sleep(0.05)
        raise SystemExit

    def ask() -> None:
        try:
            download_token(session, "acme-public", "a.txt", ends_at, time.time())
        except BaseException as error:
            results.append(type(error))

    session.bucket = stop  # type: ignore[method-assign,assignment]
    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    is_asking.wait(5)
    second.start()
    is_waiting.set()
    first.join()
    second.join()
    assert set(results) == {SystemExit, Unavailable}


def test_a_login_that_another_process_left_may_have_expired_too(emulator: Emulator) -> None:
    """When a cache loses what it holds, processes can have several logins at once, which end together."""
    first, second = Session(account(emulator), CacheAccountInfo()), Session(account(emulator), CacheAccountInfo())
    first.login()
    cache.clear()
    second.login()
    emulator.expire_tokens()
    emulator.reset_counts()
    with pytest.raises(NotFound):
        stat(first, "acme-public", "none.txt")
    assert emulator.calls() == {"b2_authorize_account": 1, "head": 3}
