"""One application key's connection with B2, for a process: logs in on first use, and again when B2 says so.

`for_account` is what `download` and `objects` begin with. Downloads use the token with a connection pool of our own;
everything else goes through b2sdk's `B2Api`, which shares the same login.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import copy_context
from typing import Any

import urllib3
from b2sdk.v3 import AuthInfoCache, B2Api, B2HttpApiConfig, Bucket, InMemoryAccountInfo

from b2router.b2 import budget, faults, wire
from b2router.config import Account, missing_key
from b2router.errors import BackendError, ConfigError, Refused

__all__ = ["Login", "Session", "close_all", "for_account"]

REFUSED_PAUSE_S = 30.0
"""After B2 refused the key, for so long nobody tries it again."""


class Login:
    """What B2 answered to an authorisation: the token, and the host that downloads with it.

    Attributes:
        token: goes into the header Authorization, as it is.
        host: kept connections to B2's download host.
        download_url: the address of that host.
        s3_url: the endpoint of the S3-compatible API; empty when the account has none.
        is_master: whether the key is the account's master key, which that API does not take.
    """

    __slots__ = ("download_url", "host", "is_master", "s3_url", "token")

    def __init__(
        self, token: str, host: urllib3.HTTPConnectionPool, download_url: str, s3_url: str, *, is_master: bool
    ) -> None:
        self.token = token
        self.host = host
        self.download_url = download_url
        self.s3_url = s3_url
        self.is_master = is_master

    def __repr__(self) -> str:
        return f"Login(token=<hidden>, host={self.host.host!r})"


class Session:
    """The connection of one account, shared by all threads of this process. Building one does no I/O.

    Args:
        account: the application key and its realm.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._failure: tuple[type[BackendError], str, int | None] | None = None
        self._failed_at = 0.0
        self._fruitless_at = -REFUSED_PAUSE_S
        self._buckets: dict[str, Bucket] = {}
        self._http = wire.BudgetedHttp(account.realm)
        info = InMemoryAccountInfo()
        self.api = B2Api(
            info,
            AuthInfoCache(info),
            api_config=B2HttpApiConfig(
                http_session_factory=lambda: self._http,
                install_clock_skew_hook=False,  # it would make an outage of a wrong clock
                user_agent_append=wire.USER_AGENT,
            ),
        )
        self.api.session.authorize_automatically = self._renew_for_sdk
        uploads = self.api.services.upload_manager
        uploads._thread_pool = _InContext(uploads._thread_pool)  # b2sdk's threads know no budget by themselves
        self._pool = wire.connections(account.realm)

    @property
    def account(self) -> Account:
        """The application key of this session and its realm."""
        return self._account

    def __repr__(self) -> str:
        return f"Session(realm={self._account.realm!r})"

    def close(self) -> None:
        """Close the kept connections; a later call opens others."""
        self._http.close()
        self._pool.clear()

    def login(self) -> Login:
        """The login in force; the first caller logs in, the others wait for it.

        Raises:
            BackendError: B2 refused the key, or could not be reached.
        """
        return self._login or self.renew(None)

    def renew(self, stale: Login | None) -> Login:
        """Log in again, unless another thread already has.

        Args:
            stale: the login that B2 no longer accepts.
        Raises:
            BackendError: B2 refused the key, or could not be reached.
        """
        asked_at = time.monotonic()
        limit = budget.current() or budget.Budget()
        if not self._lock.acquire(timeout=limit.left_s):
            raise faults.unavailable("another request's login takes too long")
        try:
            if self._login is None or self._login is stale:
                self._spare_another_failure(asked_at)
                try:
                    self._login = self._log_in()
                except BackendError as error:
                    self._login, self._failed_at = None, time.monotonic()
                    self._failure = type(error), str(error), error.retry_after_s
                    raise
            return self._login
        finally:
            self._lock.release()

    def may_be_expired(self, body: bytes) -> bool:
        """Whether another login is worth a try after a 401. After HEAD there is no body to tell an expired token from a
        missing right; when a new login did not help, that is not tried again for a while.

        Args:
            body: of the answer.
        """
        return bool(body) or time.monotonic() - self._fruitless_at > REFUSED_PAUSE_S

    def renewed_in_vain(self) -> None:
        """A call was refused again right after a new login."""
        self._fruitless_at = time.monotonic()

    def bucket(self, name: str) -> Bucket:
        """b2sdk's bucket of this name. Costs no call when the key is bound to the bucket, else one list a process.

        Raises:
            BackendError: there is no such bucket, the key may not see it, or B2 could not be reached.
        """
        self.login()
        if name not in self._buckets:
            with budget.limited() as limit, faults.translated():
                limit.begin()
                self._buckets[name] = self.api.get_bucket_by_name(name)
        return self._buckets[name]

    def _spare_another_failure(self, asked_at: float) -> None:
        """Threads that waited for a login that failed share its failure; a refused key is not tried again at once."""
        if self._failure is None:
            return
        kind, text, retry_after_s = self._failure
        if asked_at - (REFUSED_PAUSE_S if kind is Refused else 0.0) <= self._failed_at:
            raise kind(text, retry_after_s=retry_after_s)

    def _log_in(self) -> Login:
        account = self._account
        with budget.limited(budget.Budget(), is_own=True), faults.translated():
            self.api.authorize_account(
                account.application_key_id, account.application_key.get_secret_value(), account.realm
            )
        info = self.api.account_info
        download_url, s3_url = info.get_download_url(), info.get_s3_api_url() or ""
        for address in (info.get_api_url(), download_url, s3_url or download_url):
            wire.check_address(address, account.realm)
        return Login(
            info.get_account_auth_token(),
            self._pool.connection_from_url(download_url),
            download_url,
            s3_url,
            is_master=account.application_key_id == info.get_account_id(),
        )

    def _renew_for_sdk(self) -> bool:
        """b2sdk's own re-authorisation, after a call with an expired token: through the one lock."""
        login = self._login
        if login is None or self._http.last_token == login.token:
            self.renew(login)  # else another thread has done so since the call was made
        return True


class _InContext:
    """A thread pool whose threads see the caller's context, and so its budget."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, work: Any, *args: Any, **options: Any) -> Any:
        return self._pool.submit(copy_context().run, work, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


_sessions: dict[tuple[int, Account], Session] = {}
_sessions_lock = threading.Lock()


def _begin_anew_after_fork() -> None:
    """Another thread may have held the lock; and sockets that two processes share mix their answers."""
    global _sessions_lock
    _sessions_lock = threading.Lock()
    _sessions.clear()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


def for_account(account: Account | None, name: str) -> Session:
    """The session of an account in this process; a forked process gets its own.

    Args:
        account: as the configuration gives it; None when its key is missing.
        name: the account's name, for the error.
    Raises:
        ConfigError: the account has no key.
    """
    if account is None:
        raise ConfigError(missing_key(name))
    place = (os.getpid(), account)
    if (session := _sessions.get(place)) is None:
        with _sessions_lock:
            session = _sessions.setdefault(place, Session(account))
    return session


def close_all() -> None:
    """Forget the sessions of this process and close their connections: the next use logs in again."""
    with _sessions_lock:
        sessions = list(_sessions.values())
        _sessions.clear()
    for session in sessions:
        session.close()
