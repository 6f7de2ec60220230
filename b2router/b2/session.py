"""One application key's connection with B2, for a process: logs in on first use, and again when B2 says so.

`for_account` is what `download` and `objects` begin with. Downloads use the token with a connection pool of our own;
everything else goes through b2sdk's `B2Api`, which shares the same login.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import requests
import urllib3
from b2sdk.v3 import AuthInfoCache, B2Api, B2HttpApiConfig, Bucket, InMemoryAccountInfo

from b2router import __version__
from b2router.b2 import budget, faults
from b2router.config import Account, missing_key
from b2router.errors import BackendError, ConfigError, Refused, UnexpectedAnswer

__all__ = ["Login", "Session", "close_all", "for_account"]

POOL_CONNECTIONS = 64
"""Kept connections to the download host; more are opened when needed, and closed after use."""

REFUSED_PAUSE_S = 30.0
"""After B2 refused the key, for so long nobody tries it again."""

_TRUSTED_DOMAINS = (".backblazeb2.com", ".backblaze.com", ".backblaze.net")


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
        self._lock = threading.RLock()
        self._login: Login | None = None
        self._failure: BackendError | None = None
        self._failed_at = 0.0
        self._buckets: dict[str, Bucket] = {}
        self._http = _BudgetedHttp()
        info = InMemoryAccountInfo()
        self.api = B2Api(
            info,
            AuthInfoCache(info),
            api_config=B2HttpApiConfig(
                http_session_factory=lambda: self._http, user_agent_append=f"b2router/{__version__}"
            ),
        )
        self.api.session.authorize_automatically = self._renew_for_sdk
        self._pool = _pool(account.realm)

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
        with self._lock:
            if self._login is None or self._login is stale:
                self._spare_another_failure(asked_at)
                try:
                    self._login = self._log_in()
                except BackendError as error:
                    self._login, self._failure, self._failed_at = None, error, time.monotonic()
                    raise
            return self._login

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
        failure = self._failure
        if failure is None:
            return
        pause_s = REFUSED_PAUSE_S if isinstance(failure, Refused) else 0.0
        if asked_at - pause_s <= self._failed_at:
            raise type(failure)(str(failure), retry_after_s=failure.retry_after_s)

    def _log_in(self) -> Login:
        account = self._account
        with budget.limited() as limit, faults.translated():
            limit.begin()
            self.api.authorize_account(
                account.application_key_id, account.application_key.get_secret_value(), account.realm
            )
        info = self.api.account_info
        download_url, s3_url = info.get_download_url(), info.get_s3_api_url() or ""
        for address in (info.get_api_url(), download_url, s3_url or download_url):
            _check_address(address, account.realm)
        return Login(
            info.get_account_auth_token(),
            self._pool.connection_from_url(download_url),
            download_url,
            s3_url,
            is_master=account.application_key_id == info.get_account_id(),
        )

    def _renew_for_sdk(self) -> bool:
        """b2sdk's own re-authorisation, after a call with an expired token: through the one lock."""
        self.renew(self._login)
        return True


class _BudgetedHttp(requests.Session):
    """b2sdk's HTTP session: bounded waits, no redirects, and no try beyond the budget of the request."""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        limit = budget.current()
        read_s = budget.READ_TIMEOUT_S
        if limit is not None:
            if not limit.take_try():
                raise faults.OutOfBudget
            read_s = min(read_s, limit.left_s)
        options |= {"timeout": (budget.CONNECT_TIMEOUT_S, read_s), "allow_redirects": False}
        response = super().request(method, url, **options)
        wait_s = faults.retry_after_s(response.headers.get("Retry-After"))
        if limit is not None and wait_s is not None and wait_s > min(limit.max_pause_s, limit.left_s):
            raise faults.OutOfBudget(wait_s)
        return response


def _check_address(address: str, realm: str) -> None:
    """The token goes where the login's answer says, so that must be Backblaze, or the realm's own host."""
    parts, host = urlsplit(address), urlsplit(address).hostname or ""
    if realm in ("production", "staging", "dev"):
        trusted = host.endswith(_TRUSTED_DOMAINS) and (parts.scheme == "https" or realm == "dev")
    else:
        own = urlsplit(realm)
        domain = "." + ".".join((own.hostname or "").split(".")[-2:])
        same_site = host == own.hostname or (host.endswith(domain) and not domain[-1].isdigit())
        trusted = same_site and parts.scheme in {own.scheme, "https"}
    if not trusted:
        raise UnexpectedAnswer("The login was answered with the address of a host that is not part of the realm.")


def _pool(realm: str) -> urllib3.PoolManager:
    """Connections for downloads, trusting and proxied as b2sdk's requests would be."""
    options: dict[str, Any] = {
        "num_pools": 4,
        "maxsize": POOL_CONNECTIONS,
        "retries": False,
        "headers": {"User-Agent": f"b2router/{__version__}"},
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where(),
    }
    address = urlsplit(realm if "://" in realm else "https://backblazeb2.com")
    proxy = getproxies().get(address.scheme)
    if proxy and address.scheme == "https" and not proxy_bypass(address.hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


_sessions: dict[tuple[int, Account], Session] = {}
_sessions_lock = threading.Lock()


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
