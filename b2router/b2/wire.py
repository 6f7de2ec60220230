"""How requests travel to B2: to hosts of the realm only, within the budget, without redirects; used by `session`.

b2sdk takes its HTTP session from here. Downloads and uploads take a connection pool each, which trusts certificates and
uses proxies as b2sdk's requests do.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import requests
import urllib3

from b2router import __version__, operations
from b2router.b2 import budget, deadlines, faults
from b2router.errors import UnexpectedAnswer
from b2router.values import NAMED_REALMS

__all__ = ["MAX_SKEW_S", "BudgetedHttp", "check_address", "connections", "reached_b2", "timeout"]

logger = logging.getLogger("b2router.b2")

POOL_CONNECTIONS = 64
"""Kept connections to a host; more are opened when needed, and closed after use."""

USER_AGENT = f"b2router/{__version__}"

_DOMAINS = (".backblazeb2.com", ".backblaze.com", ".backblaze.net")
MAX_SKEW_S = 600
"""How far the clocks may differ before somebody is told, in seconds."""
_NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
)


class BudgetedHttp(requests.Session):
    """b2sdk's HTTP session: bounded waits, no redirects, no foreign host, and no try beyond the budget of the call.

    Args:
        realm: whose hosts may be spoken to.
    """

    def __init__(self, realm: str) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, deadlines.Adapter())
        self._realm = realm
        self._used = threading.local()
        self.skew_s = 0.0
        """How far B2's clock was ahead of ours at the last login, in seconds; behind when it is less than 0."""

    @property
    def last_token(self) -> str | None:
        """The token that this thread's last request carried."""
        return getattr(self._used, "token", None)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send one request, as `requests.Session` does."""
        if not _is_trusted(url, self._realm):
            raise faults.ForeignHost
        self._used.token = options.get("headers", {}).get("Authorization")
        limit = budget.current() or budget.Budget()
        if not limit.take_try():
            raise faults.OutOfBudget
        options |= {"timeout": timeout(limit), "allow_redirects": False, "auth": _as_it_is}
        is_retry = limit.is_retry
        try:
            response = super().request(method, url, **options)
        except requests.RequestException as error:
            limit.failed()
            if reached_b2(error):
                operations.count_call(url, is_retry=is_retry)
            if faults.is_untrusted(error):
                raise faults.UntrustedHost from None
            if not limit.has_room():
                raise faults.OutOfBudget(what=type(error).__name__) from None
            if isinstance(error, requests.exceptions.ChunkedEncodingError):  # which b2sdk would not try again
                raise requests.ConnectionError("The answer broke off.") from None
            raise
        operations.count_call(url, is_retry=is_retry)
        limit.failed() if response.status_code >= 400 else limit.succeeded()
        if response.status_code in (408, 429) or response.status_code >= 500:
            _look_at_wait(response, limit)
        elif response.status_code >= 300 and not _is_of_b2(response):
            raise faults.ForeignAnswer
        if url.endswith("/b2_authorize_account"):
            self.skew_s = _skew_s(response.headers.get("Date"))
            if abs(self.skew_s) > MAX_SKEW_S:
                _warn_of_clock(round(abs(self.skew_s) / 60))
        return response


def reached_b2(error: Exception) -> bool:
    """Whether a request that failed may have been heard, and so be charged: a connection was there.

    Args:
        error: of requests or urllib3.
    """
    cause = getattr(error.args[0], "reason", error) if error.args else error  # requests wraps urllib3's
    return not isinstance(cause, (*_NO_CONNECTION, requests.ConnectTimeout, requests.exceptions.SSLError))


def timeout(limit: budget.Budget, *, is_upload: bool = False) -> urllib3.Timeout:
    """How long one try may take at most, until its answer is read; of a streamed body, its head.

    Args:
        limit: the budget of the call.
        is_upload: it may take longer to send, as long as it gets on.
    """
    left_s = max(limit.left_s, 0.001)
    return urllib3.Timeout(
        total=None if is_upload else left_s,
        connect=min(limit.connect_timeout_s, left_s),
        read=min(limit.read_timeout_s, left_s),
    )


def check_address(address: str, realm: str) -> None:
    """Keys and tokens go where B2's answers say, so that must be Backblaze, or the realm's own host or below it.

    Raises:
        UnexpectedAnswer: it is somewhere else.
    """
    if not _is_trusted(address, realm):
        raise UnexpectedAnswer("B2 answered with the address of a host that is not part of the realm.")


def connections(realm: str, hosts: int = 4) -> urllib3.PoolManager:
    """Kept connections to B2's hosts.

    Args:
        realm: whose they are.
        hosts: to how many of them connections are kept; those that were used longest ago go first.
    """
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    options: dict[str, Any] = {
        "num_pools": hosts,
        "maxsize": POOL_CONNECTIONS,
        "retries": False,
        "headers": {"User-Agent": USER_AGENT},
        "ca_cert_dir" if Path(bundle).is_dir() else "ca_certs": bundle,
    }
    address = urlsplit(realm if "://" in realm else "https://api.backblazeb2.com")
    proxy = getproxies().get(address.scheme)
    if proxy is None or address.scheme != "https" or proxy_bypass(address.hostname or ""):
        return deadlines.applied_to(urllib3.PoolManager(**options))
    login = urlsplit(proxy)
    if login.username:
        words = f"{unquote(login.username)}:{unquote(login.password or '')}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=words)
    return deadlines.applied_to(urllib3.ProxyManager(proxy, **options))


def _is_trusted(address: str, realm: str) -> bool:
    parts, host = urlsplit(address), urlsplit(address).hostname or ""
    if realm in NAMED_REALMS:
        return host.endswith(_DOMAINS) and parts.scheme == "https"
    own = urlsplit(realm)
    return (host == own.hostname or host.endswith(f".{own.hostname}")) and parts.scheme in {own.scheme, "https"}


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from putting a login of ~/.netrc in the place of the token."""
    return request


def _is_of_b2(response: requests.Response) -> bool:
    """B2 redirects nobody, and explains errors in JSON."""
    is_error = response.status_code >= 400
    return is_error and faults.speaks_b2(response.content, response.headers.get("Content-Type", ""))


def _look_at_wait(response: requests.Response, limit: budget.Budget) -> None:
    """End a call that b2sdk would try again, when there is no room for it: b2sdk sleeps for as long as it is told."""
    wait_s = faults.retry_after_s(response.headers.pop("Retry-After", None))
    what = f"HTTP status {response.status_code}"
    if not limit.has_room(wait_s):
        raise faults.OutOfBudget(wait_s, what)
    if wait_s is not None:
        response.headers["Retry-After"] = str(wait_s)


@lru_cache(maxsize=1)
def _warn_of_clock(minutes: int) -> None:
    logger.warning(
        "The clock of this machine and that of B2 differ by %d minutes; signed addresses may not work.", minutes
    )


def _skew_s(date: str | None) -> float:
    """A wrong clock is worth a warning, but no reason to fail: downloads do not depend on it."""
    try:
        return parsedate_to_datetime(date or "").timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
