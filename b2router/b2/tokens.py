"""Download authorisations: B2's own tokens that let a browser fetch by name; asked by `redirect` for native signing.

A token is for a prefix: one for "a" also opens "ab". Whether that gives anything away is for the configuration to
prove; see `BucketProfile`. Tokens are kept for their window, where processes share the login, so that each costs one
call.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from weakref import WeakKeyDictionary

from b2router.b2 import budget, faults, objects
from b2router.b2.session import Session

__all__ = ["MAX_KEPT", "download_token"]

MAX_KEPT = 4096
"""Tokens that a process keeps for an account; the oldest go first."""

_Place = tuple[str, str, int]
_kept: WeakKeyDictionary[Session, dict[_Place, Future[str]]] = WeakKeyDictionary()
_lock = threading.Lock()


def _begin_anew_after_fork() -> None:
    """Another thread may have held the lock, or may have been about to answer."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


def download_token(session: Session, bucket: str, key: str, ends_at: int, now: float) -> str:
    """A token that opens a file, and every other whose key begins with its key, until a moment.

    Args:
        session: of the account; its key needs the capability shareFiles.
        bucket: its name.
        key: of the file; its name has passed the gate.
        ends_at: when the token ends, in Unix seconds; the same moment gets the same token.
        now: Unix time.
    Raises:
        BackendError: B2 refused or failed.
    Source: B2 documentation, "b2_get_download_authorization".
    """
    place = (bucket, key, ends_at)
    with _lock:
        tokens = _kept.setdefault(session, {})
        answer = tokens.get(place)
        is_first = answer is None
        if answer is None:
            while len(tokens) >= MAX_KEPT:
                del tokens[next(iter(tokens))]
            answer = tokens[place] = Future()
    if is_first:
        try:
            answer.set_result(_ask(session, bucket, key, ends_at, now))
        except BaseException as error:
            with _lock:
                tokens.pop(place, None)
            others = error if isinstance(error, Exception) else faults.unavailable("who asked for all was stopped")
            answer.set_exception(others)
            raise
    return answer.result()


def _ask(session: Session, bucket: str, key: str, ends_at: int, now: float) -> str:
    place = ("download", bucket, key, str(ends_at))
    if (token := session.shared.token(*place)) is not None:
        return token
    duration_s = ends_at - int(now)
    with objects.bucket_for(session, bucket, "list", budget.of_request(session.limits)) as found:
        token = str(found.get_download_authorization(key, duration_s))
    session.shared.keep_token(token, duration_s, *place)
    return token
