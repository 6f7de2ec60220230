"""One application key's connection with B2, for a process: logs in on first use, unless another process has, and again
when B2 says so.

Kept by `sessions`; `download_host` and `objects` begin with one. Bytes of files use connection pools of our own; all
the rest goes through b2sdk's `B2Api`, which shares the same login.
"""

from __future__ import annotations

import logging
import threading
import time
from contextvars import copy_context
from typing import Any

import urllib3
from b2sdk.v3 import AuthInfoCache, B2Api, B2HttpApiConfig, Bucket, InMemoryAccountInfo

from b2router.b2 import budget, faults, wire
from b2router.b2.account_info import Authorisation, SharedLogin, due_at
from b2router.b2.addresses import Hosts
from b2router.b2.circuit import Circuit, Kind
from b2router.config import Account, Limits, MemoryAccountInfo
from b2router.errors import BackendError, Refused
from b2router.sharing import AccountInfo

__all__ = ["OWN_MEMORY", "USUAL_LIMITS", "Calling", "Login", "Session"]

logger = logging.getLogger("b2router.b2")

REFUSED_PAUSE_S = 30.0
"""After B2 refused the key, for so long nobody tries it again."""

RENEWAL_PAUSE_S = 60.0
"""When an early renewal fails, the token that still works is used for so long before another is tried."""

OWN_MEMORY = MemoryAccountInfo(kind="memory")
USUAL_LIMITS = Limits()


class Login:
    """What B2 answered to an authorisation: the token, and the host that downloads with it.

    Attributes:
        token: goes into the header Authorization, as it is.
        host: kept connections to B2's download host.
        download_url: the address of that host.
        s3_url: the endpoint of the S3-compatible API; empty when the account has none.
        account_id: of the account, the same for all its keys.
        is_master: whether the key is the account's master key, which that API does not take.
    """

    __slots__ = ("account_id", "download_url", "due_at", "host", "is_master", "s3_url", "token")

    def __init__(self, made: Authorisation, host: urllib3.HTTPConnectionPool, key_id: str) -> None:
        self.token = made.token
        self.host = host
        self.download_url = made.download_url
        self.s3_url = made.s3_url
        self.account_id = made.account_id
        self.is_master = key_id == made.account_id
        self.due_at = due_at(made.made_at)

    def __repr__(self) -> str:
        return f"Login(token=<hidden>, host={self.host.host!r})"


class Calling:
    """A call on B2 while it lasts; made by `Session.calling`, and entered once."""

    __slots__ = ("_circuit", "_kind", "_limited")

    def __init__(self, circuit: Circuit, kind: Kind, limited: budget.limited) -> None:
        self._circuit = circuit
        self._kind = kind
        self._limited = limited

    def __enter__(self) -> budget.Budget:
        self._circuit.enter(self._kind)
        chosen = self._limited.__enter__()
        chosen.quota = self._circuit.quota
        chosen.begin()
        return chosen

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self._limited.__exit__()
        if isinstance(error, Exception):
            ours = faults.ours(error)
            if isinstance(ours, BackendError):
                self._circuit.failed(self._kind, ours)
            else:
                self._circuit.succeeded(self._kind)
            if ours is not error:
                raise ours from None
        elif error is not None:
            self._circuit.left(self._kind)
        else:
            self._circuit.succeeded(self._kind)


class Session:
    """The connection of one account, shared by all threads of this process. Building one does no I/O.

    Args:
        account: the application key and its realm.
        info: where its login is shared with other processes.
        limits: how patient to be with B2.
    """

    def __init__(self, account: Account, info: AccountInfo = OWN_MEMORY, limits: Limits = USUAL_LIMITS) -> None:
        self._account = account
        self._info = info
        self.limits = limits
        self.circuit = Circuit(limits)
        self.shared = SharedLogin(account, info)
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._account_id: str | None = None
        self._made: str | None = None
        self._failure: tuple[type[BackendError], str, int | None] | None = None
        self._failed_at = 0.0
        self._fruitless_at: dict[bool, float] = {}
        self._buckets: dict[str, Bucket] = {}
        self._http = wire.BudgetedHttp(account.realm)
        info = InMemoryAccountInfo()
        self.api = B2Api(
            info,
            AuthInfoCache(info),
            api_config=B2HttpApiConfig(
                http_session_factory=lambda: self._http,
                decode_content=True,  # else it takes the connections of our session away; no file is read through it
                install_clock_skew_hook=False,  # it would make an outage of a wrong clock
                user_agent_append=wire.USER_AGENT,
            ),
        )
        self.api.session.authorize_automatically = self._renew_for_sdk
        copies = self.api.services.copy_manager
        copies._thread_pool = _InContext(copies._thread_pool)  # b2sdk's threads know no budget by themselves
        self._pool = wire.connections(account.realm)
        self.uploads = Hosts(account.realm)

    @property
    def account(self) -> Account:
        """The application key of this session and its realm."""
        return self._account

    @property
    def info(self) -> AccountInfo:
        """Where its login is shared."""
        return self._info

    @property
    def skew_s(self) -> float:
        """How far B2's clock was ahead of this machine's at the last login, in seconds; 0 when that is too little to
        matter."""
        return self._http.skew_s if abs(self._http.skew_s) > wire.MAX_SKEW_S else 0.0

    @property
    def account_id(self) -> str:
        """Of the account, the same for all its keys; it outlives a login, so whoever had one need not ask again.

        Raises:
            BackendError: the process never had a login, and gets none.
        """
        return self._account_id or self.login().account_id

    def __repr__(self) -> str:
        return f"Session(realm={self._account.realm!r})"

    def close(self) -> None:
        """Close the kept connections; a later call opens others."""
        self._http.close()
        self._pool.clear()
        self.uploads.close()

    def login(self) -> Login:
        """The login in force; the first caller logs in, the others wait for it.

        Raises:
            BackendError: B2 refused the key, or could not be reached.
        """
        login = self._login
        if login is None:
            return self.renew(None)
        if time.time() >= login.due_at:
            self._renew_early(login)
        return self._login or self.renew(None)

    def calling(self, kind: Kind, limit: budget.Budget, *, is_own: bool = False) -> Calling:
        """A call on B2 inside: within a budget, refused while B2 is left alone, its errors ours.

        Args:
            kind: of the call.
            limit: the budget, when there is no outer one in force.
            is_own: use it in any case.
        Raises:
            BackendError: B2 is left alone for now, refused or failed.
        """
        return Calling(self.circuit, kind, budget.limited(limit, is_own=is_own))

    def renew(self, stale: Login | None) -> Login:
        """Log in again, unless another thread or process already has.

        Args:
            stale: the login that B2 no longer accepts.
        Raises:
            BackendError: B2 refused the key, or could not be reached.
        """
        asked_at = time.monotonic()
        limit = budget.current() or budget.of_request(self.limits)
        if not self._lock.acquire(timeout=limit.left_s):
            raise faults.unavailable("another request's login takes too long")
        try:
            if self._login is None or self._login is stale:
                self._spare_another_failure(asked_at)
                try:
                    token = stale.token if stale is not None else None
                    self._login = self._adopted(self.shared.obtain(token, limit.left_s, self._log_in))
                except BackendError as error:
                    self._login, self._failed_at = None, time.monotonic()
                    self._failure = type(error), str(error), error.retry_after_s
                    raise
            return self._login
        finally:
            self._lock.release()

    def may_be_expired(self, body: bytes) -> bool:
        """Whether another login is worth a try after a 401. When one did not help, none is tried again for a while; but
        after HEAD there is no body to tell an expired token from a missing right, so the two are kept apart.

        Args:
            body: of the answer.
        """
        return time.monotonic() - self._fruitless_at.get(bool(body), -REFUSED_PAUSE_S) > REFUSED_PAUSE_S

    def has_made(self, login: Login) -> bool:
        """Whether this process asked B2 for the login, and did not find what another one had made: that can be as old
        as the one that B2 has just refused."""
        return login.token == self._made

    def renewed_in_vain(self, body: bytes) -> None:
        """A call was refused again right after a new login.

        Args:
            body: of the answer.
        """
        self._fruitless_at[bool(body)] = time.monotonic()

    def bucket(self, name: str) -> Bucket:
        """b2sdk's bucket of this name. Costs no call when the key is bound to the bucket, or another process has asked;
        else one list.

        Raises:
            BackendError: there is no such bucket, the key may not see it, or B2 could not be reached.
        """
        self.login()
        if (found := self._buckets.get(name)) is not None:
            return found
        if (bucket_id := self.shared.bucket_id(name)) is not None:
            found = Bucket(self.api, bucket_id, name=name)
        else:
            with self.calling("list", budget.of_request(self.limits)):
                found = self.api.get_bucket_by_name(name)
            self.shared.keep_bucket_id(name, found.id_)
        self._buckets[name] = found
        return found

    def bucket_now(self, name: str) -> tuple[str, bool | None]:
        """Whether a bucket is "allPublic", "allPrivate" or something else, and whether files can be locked in it, of
        which None is said where the key may not know; one list.

        Raises:
            BackendError: there is no such bucket, the key may not see it, or B2 could not be reached.
        """
        self.login()
        with self.calling("list", budget.of_request(self.limits)):
            found = self.api.get_bucket_by_name(name).get_fresh_state()
        return str(found.type_), found.is_file_lock_enabled

    def forget_bucket(self, name: str) -> None:
        """Its id was wrong: it was deleted, and perhaps made anew."""
        self._buckets.pop(name, None)
        self.shared.keep_bucket_id(name, None)
        self.api.cache.clear()

    def _spare_another_failure(self, asked_at: float) -> None:
        """Threads that waited for a login that failed share its failure; a refused key is not tried again at once."""
        if self._failure is None:
            return
        kind, text, retry_after_s = self._failure
        if asked_at - (REFUSED_PAUSE_S if kind is Refused else 0.0) <= self._failed_at:
            raise kind(text, retry_after_s=retry_after_s)

    def _renew_early(self, login: Login) -> None:
        """Before B2 refuses the token; meanwhile the others go on with it, and so does this one when it fails."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._login is not login:
                return
            login.due_at = time.time() + RENEWAL_PAUSE_S
            left_s = (budget.current() or budget.of_request(self.limits)).left_s
            self._login = self._adopted(self.shared.obtain(login.token, left_s / 2, self._log_in))
        except BackendError as error:
            logger.warning("The login at B2 could not be renewed early; going on with the old one: %s", error)
        finally:
            self._lock.release()

    def _log_in(self) -> Authorisation:
        account, info = self._account, self.api.account_info
        limit = budget.of_request(self.limits)
        limit.deadline = min(limit.deadline, (budget.current() or limit).deadline)  # its caller waits no longer
        with self.calling("login", limit, is_own=True):
            self.api.authorize_account(
                account.application_key_id, account.application_key.get_secret_value(), account.realm
            )
        self._made = info.get_account_auth_token()
        return Authorisation(
            token=self._made,
            api_url=info.get_api_url(),
            download_url=info.get_download_url(),
            s3_url=info.get_s3_api_url() or "",
            account_id=info.get_account_id(),
            part_bytes=info.get_recommended_part_size(),
            min_part_bytes=info.get_absolute_minimum_part_size(),
            allowed=info.get_allowed(),
            made_at=time.time(),
        )

    def _adopted(self, made: Authorisation) -> Login:
        """A login of this process or another, in force here, for b2sdk too."""
        account, info = self._account, self.api.account_info
        for address in (made.api_url, made.download_url, made.s3_url or made.download_url):
            wire.check_address(address, account.realm)
        with faults.translated():
            info.set_auth_data(
                account_id=made.account_id,
                auth_token=made.token,
                api_url=made.api_url,
                download_url=made.download_url,
                recommended_part_size=made.part_bytes,
                absolute_minimum_part_size=made.min_part_bytes,
                application_key=account.application_key.get_secret_value(),
                realm=account.realm,
                s3_api_url=made.s3_url,
                allowed=made.allowed,
                application_key_id=account.application_key_id,
            )
        self._account_id = made.account_id
        return Login(made, self._pool.connection_from_url(made.download_url), account.application_key_id)

    def _renew_for_sdk(self) -> bool:
        """b2sdk's own re-authorisation, after a call with an expired token: through the one lock."""
        login = self._login
        if login is None or self._http.last_token == login.token:
            if (limit := budget.current()) is not None:
                if limit.has_renewed and login is not None and self.has_made(login):
                    raise faults.refused("a new login did not help")
                limit.has_renewed = True
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
