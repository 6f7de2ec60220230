"""What runs now, and what it has done so far; opened by views and storage, told by `b2` of every call.

An operation is one answer of the proxy view, or one call of a storage. It is found through the context, as the budget
is. A body that outlives the view, and a file that outlives `open`, hold theirs and end it when they are closed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from b2router.errors import BackendError, ConfigError
from b2router.records import CLASSES, OK, CacheOutcome, Record, drop, emit, emit_dropped

__all__ = [
    "Operation",
    "answering",
    "count_call",
    "count_in",
    "count_out",
    "current",
    "ending",
    "held",
    "note_cache",
    "note_error",
    "of_storage",
    "storage_call",
    "within",
]

_METHODS = ("GET", "HEAD", "OPTIONS")
_CALL = re.compile(r"/b2api/v\d+/(b2_[a-z_]+)")
_MAX_NAME = 1024


class Operation:
    """One operation while it lasts; any thread may add to it.

    Args:
        profile: the profile's name.
        verb: see `Record`.
        name: of the file.
    """

    __slots__ = (
        "_began",
        "_calls",
        "_first",
        "_is_ended",
        "_retries",
        "bytes_in",
        "bytes_out",
        "cache",
        "error",
        "is_held",
        "name",
        "profile",
        "promised",
        "status",
        "verb",
    )

    def __init__(self, profile: str, verb: str, name: str | None = None) -> None:
        self.profile = profile
        self.verb = verb
        self.name = name
        self.status = OK
        self.error: str | None = None
        self.cache: CacheOutcome | None = None
        self.bytes_out = 0
        self.bytes_in = 0
        self.promised = 0
        self.is_held = False
        self._calls: list[str] = []  # appended to, which threads may do at once
        self._retries: list[str] = []
        self._first: float | None = None
        self._is_ended = False
        self._began = time.perf_counter()

    @property
    def is_answer(self) -> bool:
        """Whether it is an answer to a visitor: their verbs are HTTP's, in upper case."""
        return self.verb.isupper()

    def handed_out(self, size_bytes: int) -> None:
        """So many bytes more went out."""
        if self._first is None:
            self._first = time.perf_counter()
        self.bytes_out += size_bytes

    def answered(self, status: int, size_bytes: int) -> None:
        """The answer is known.

        Args:
            status: of HTTP.
            size_bytes: of its body, unless that is streamed.
        """
        self.status = str(status)
        if not self.is_held:
            self.handed_out(size_bytes)

    def failed(self, error: BaseException) -> None:
        """Something went wrong at B2; its class is kept, nothing else."""
        self.error = type(error).__name__

    def end(self) -> None:
        """It is over; whoever listens is told. A second end is none."""
        if not self._is_ended:
            self._is_ended = True
            emit(self._record())
        emit_dropped()

    def drop(self) -> None:
        """It is over, as something was thrown away that should have been closed. The garbage collector may call at any
        moment, within any lock: so whoever listens is told with the next end."""
        if not self._is_ended:
            self._is_ended = True
            drop(self._record())

    def _record(self) -> Record:
        now = time.perf_counter()
        calls: dict[str, int] = {}
        for call in self._calls:
            calls[call] = calls.get(call, 0) + 1
        return Record(
            profile=self.profile,
            verb=self.verb,
            status=self.status,
            error=self.error,
            is_complete=self.bytes_out >= self.promised,
            bytes_out=self.bytes_out,
            bytes_in=self.bytes_in,
            duration_ms=(now - self._began) * 1000,
            first_byte_ms=((self._first or now) - self._began) * 1000,
            calls=calls,
            retries=len(self._retries),
            cache=self.cache,
            name=_printable(self.name),
        )

    def called(self, call: str, *, is_retry: bool) -> None:
        """A request reached B2."""
        self._calls.append(call)
        if is_retry:
            self._retries.append(call)


_operation: ContextVar[Operation | None] = ContextVar("b2router_operation", default=None)


def current() -> Operation | None:
    """The operation that this code runs for, if there is one."""
    return _operation.get()


def held() -> Operation | None:
    """The current operation, for something that outlives the call and ends it."""
    operation = _operation.get()
    if operation is not None:
        operation.is_held = True
    return operation


class within:
    """What happens inside belongs to an operation that was begun elsewhere.

    Args:
        operation: which; None for none.
    """

    __slots__ = ("_operation", "_token")

    def __init__(self, operation: Operation | None) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        self._token = _operation.set(self._operation)

    def __exit__(self, *_: object) -> None:
        _operation.reset(self._token)


class _lasting:
    """What happens inside belongs to the operation, which an error ends.

    Args:
        operation: one that was begun.
        status: which it then has; None for the name of the error's class.
    """

    __slots__ = ("_operation", "_status", "_token")

    def __init__(self, operation: Operation, status: str | None = None) -> None:
        self._operation = operation
        self._status = status

    def __enter__(self) -> Operation:
        self._token = _operation.set(self._operation)
        return self._operation

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                self._operation.status = self._status or type(error).__name__
                if self._operation.error is None:
                    note_error(error)
                self._operation.end()
        finally:
            _operation.reset(self._token)


class answering(_lasting):
    """An answer of the proxy view; a body that is streamed holds the operation and ends it.

    Args:
        profile: the profile's name.
        method: of the request.
    """

    __slots__ = ()

    def __init__(self, profile: str, method: str | None) -> None:
        super().__init__(Operation(profile, method if method in _METHODS else "OTHER"), "500")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        if error is None and not self._operation.is_held:
            self._operation.end()


@contextmanager
def storage_call(profile: str, verb: str, name: str | None = None, *, is_own: bool = False) -> Iterator[Operation]:
    """A call of a storage; one that another of its calls makes is a part of that.

    Args:
        profile: the profile's name.
        verb: see `Record`.
        name: of the file or folder.
        is_own: never a part of another.
    """
    outer = _operation.get()
    if outer is not None and not is_own and outer.profile == profile and not outer.is_answer:
        yield outer
        return
    operation = Operation(profile, verb, name)
    with _lasting(operation):
        yield operation
    if not operation.is_held:
        operation.end()


@contextmanager
def ending(operation: Operation | None) -> Iterator[None]:
    """The last of an operation that was held: with what happens inside it is over."""
    if operation is None:
        yield
        return
    with _lasting(operation):
        yield
    operation.end()


class _HasProfile(Protocol):
    @property
    def profile(self) -> Any: ...


P = ParamSpec("P")
S = TypeVar("S", bound=_HasProfile)
R = TypeVar("R")


def of_storage(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make an operation of a storage's method, whose first argument is the name of a file or folder."""
    verb = method.__name__

    @wraps(method)
    def counted(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        name = args[0] if args else next(iter(kwargs.values()), None)
        with storage_call(self.profile.name, verb, str(name)):
            return method(self, *args, **kwargs)

    return counted


def count_call(address: str, *, is_retry: bool) -> None:
    """A request reached B2.

    Args:
        address: "download", "head", or the address of B2's API that was called.
        is_retry: whether it repeats one that failed.
    """
    operation = _operation.get()
    if operation is not None:
        found = _CALL.search(address)
        call = found[1] if found else address
        operation.called(call if call in CLASSES else "other", is_retry=is_retry)


def count_in(size_bytes: int) -> None:
    """So many bytes were stored."""
    operation = _operation.get()
    if operation is not None:
        operation.bytes_in += size_bytes


def count_out(size_bytes: int) -> None:
    """So many bytes were read."""
    operation = _operation.get()
    if operation is not None:
        operation.handed_out(size_bytes)


def note_cache(outcome: CacheOutcome) -> None:
    """What the metadata cache knew; the first word counts."""
    operation = _operation.get()
    if operation is not None and operation.cache is None:
        operation.cache = outcome


def note_error(error: BaseException) -> None:
    """Something went wrong at B2, whatever the visitor is told. That a file or a byte is not there is no error."""
    operation = _operation.get()
    if operation is not None and isinstance(error, BackendError | ConfigError):
        operation.failed(error)


def _printable(name: str | None) -> str | None:
    """A name that breaks no line of a log."""
    if name is None or name.isprintable():
        return name and name[:_MAX_NAME]
    return ascii(name[:_MAX_NAME])[1:-1]
