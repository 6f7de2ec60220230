"""The sessions of this process, one for each account and how it is used; a forked process begins anew."""

from __future__ import annotations

import os
import threading

from b2router.b2.session import OWN_MEMORY, USUAL_LIMITS, Session
from b2router.config import Account, Limits, missing_key
from b2router.errors import ConfigError
from b2router.sharing import AccountInfo

__all__ = ["close_all", "era", "for_account", "of_this_process"]

_Place = tuple[int, Account, AccountInfo, Limits]
_sessions: dict[_Place, Session] = {}
_sessions_lock = threading.Lock()
_era = object()


def era() -> object:
    """Something that is another after a fork and after `close_all`: what was built on sessions is to be built anew."""
    return _era


def _begin_anew_after_fork() -> None:
    """Another thread may have held the lock; and sockets that two processes share mix their answers."""
    global _sessions_lock, _era
    _sessions_lock, _era = threading.Lock(), object()
    _sessions.clear()


os.register_at_fork(after_in_child=_begin_anew_after_fork)


def for_account(
    account: Account | None, name: str, info: AccountInfo = OWN_MEMORY, limits: Limits = USUAL_LIMITS
) -> Session:
    """The session of an account in this process; a forked process gets its own.

    Args:
        account: as the configuration gives it; None when its key is missing.
        name: the account's name, for the error.
        info: where its login is shared with other processes.
        limits: how patient to be with B2.
    Raises:
        ConfigError: the account has no key.
    """
    if account is None:
        raise ConfigError(missing_key(name))
    place = (os.getpid(), account, info, limits)
    if (session := _sessions.get(place)) is None:
        with _sessions_lock:
            session = _sessions.setdefault(place, Session(account, info, limits))
    return session


def of_this_process(session: Session) -> Session:
    """The session that a forked process has in place of one of its parent."""
    return for_account(session.account, "", session.info, session.limits)


def close_all() -> None:
    """Forget the sessions of this process and close their connections: the next use logs in again."""
    global _era
    with _sessions_lock:
        sessions = list(_sessions.values())
        _sessions.clear()
        _era = object()
    for session in sessions:
        session.close()
