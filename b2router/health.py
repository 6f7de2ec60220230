"""The state of B2 as this process last saw it, for load balancers and monitoring; a view of the site's own URLconf.

It asks B2 nothing: it tells what the operations of this process met. Nobody has to be permitted, so it names no
profile, bucket or account, and reads no session.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from b2router.errors import ConfigError
from b2router.records import Record
from b2router.router import current_router

__all__ = ["FAILING_FOR_S", "alive", "begin_anew", "notice", "state", "view"]

FAILING_FOR_S = 60.0
"""How long a failure counts when nothing was asked of B2 since."""

_lock = threading.Lock()
_succeeded_at: dict[str, float] = {}
_failed: dict[str, tuple[str, float]] = {}


def notice(record: Record, **_: Any) -> None:
    """Learn from an operation: a receiver of `operation_finished`. That a file is missing is an answer, too."""
    if record.error is None and not record.calls:
        return
    profile = current_router().profiles.get(record.profile)
    account = profile.account if profile is not None else ""
    with _lock:
        if record.error is None:
            _succeeded_at[account] = time.monotonic()
        else:
            _failed[account] = record.error, time.monotonic()


def begin_anew() -> None:
    """Forget what was seen: a forked process sees for itself."""
    global _lock
    _lock = threading.Lock()  # another thread may have held it
    _succeeded_at.clear()
    _failed.clear()


os.register_at_fork(after_in_child=begin_anew)


def state() -> dict[str, Any]:
    """What is known, as plain values.

    Returns:
        `status`: "ok", "unused" (nothing was asked of B2 yet), "failing", or "misconfigured"; `configured`: whether the
        configuration can be used and every account that is in use has its key; `logged_in`: whether B2 has answered,
        and has not refused a key since; `last_success_age_s`, `last_failure` with `error`, the class, and `age_s`: of
        all accounts the latest, None when there was none.
    """
    now = time.monotonic()
    configured = _is_configured()
    with _lock:
        succeeded, failed = dict(_succeeded_at), dict(_failed)
    unmended = {account: failure for account, failure in failed.items() if failure[1] > succeeded.get(account, -1.0)}
    error, failed_at = max(failed.values(), key=lambda failure: failure[1], default=("", 0.0))
    status = "ok" if succeeded else "unused"
    if any(now - at < FAILING_FOR_S for _, at in unmended.values()):
        status = "failing"
    if not configured:
        status = "misconfigured"
    return {
        "status": status,
        "configured": configured,
        "logged_in": bool(succeeded) and "Refused" not in {kind for kind, _ in unmended.values()},
        "last_success_age_s": round(now - max(succeeded.values()), 1) if succeeded else None,
        "last_failure": {"error": error, "age_s": round(now - failed_at, 1)} if failed else None,
    }


@csrf_exempt
def view(request: HttpRequest) -> HttpResponse:
    """For monitoring: `state` as JSON; 503 while B2 fails or the configuration cannot be used, else 200."""
    return _answer(request, {"failing", "misconfigured"})


@csrf_exempt
def alive(request: HttpRequest) -> HttpResponse:
    """For load balancers: the same, but 503 only for a configuration that cannot be used. While B2 is away, the rest of
    the site should stay reachable."""
    return _answer(request, {"misconfigured"})


view.login_required = False  # type: ignore[attr-defined]  # probes have no login, for LoginRequiredMiddleware
alive.login_required = False  # type: ignore[attr-defined]


def _answer(request: HttpRequest, bad: set[str]) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD", "Cache-Control": "no-store"})
    found = state()
    return JsonResponse(found, status=503 if found["status"] in bad else 200, headers={"Cache-Control": "no-store"})


def _is_configured() -> bool:
    try:
        config = current_router().config
    except ConfigError:  # what is wrong is said by the checks and in the log
        return False
    return all(config.account(profile.account) is not None for profile in config.profiles.values())
