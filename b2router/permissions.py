"""Who may read: evaluates a profile's permission for one request and one file; asked by views, never asks B2.

The answer is three-valued inside: a predicate of the site's own that raises, or that answers anything but True or
False, is neither yes nor no, and stays so through `any`, `all` and `not`. Only a plain yes lets a visitor in.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError, current_task
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from b2router import ternary

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from b2router.config import Permission

__all__ = ["RequestedFile", "answers", "describe", "is_allowed", "needs_user", "predicate", "predicate_paths"]

logger = logging.getLogger("b2router.permissions")


@dataclass(frozen=True, slots=True)
class RequestedFile:
    """What a predicate is asked about.

    Attributes:
        profile: the profile's name.
        name: the file name, relative to the profile's location, as it will be asked of B2.
        row: the model row that names the file, when the profile declares an `owner`; None when no row does.
        is_owned: whether the profile declares an `owner`.
    """

    profile: str
    name: str
    row: Model | None = None
    is_owned: bool = False


def is_allowed(permission: Permission | None, request: HttpRequest, file: RequestedFile) -> bool:
    """Whether this visitor may read this file.

    Args:
        permission: the profile's permission; None lets nobody in.
        request: the request; its user is touched only when the permission needs one, so that public files stay free
            of sessions.
        file: the file; its name has passed the gate.
    """
    try:
        return permission is not None and _answer(permission, request, file) is True
    except Exception:
        logger.exception("Deciding about profile %s failed; access denied.", file.profile)
        return False


def answers(
    permission: Permission | None, request: HttpRequest, file: RequestedFile
) -> Iterator[tuple[str, bool | None]]:
    """What the permission and each of its parts say about this visitor: in words, and yes, no or neither.

    Args: see `is_allowed`.
    """
    from b2router import grammar  # loads pydantic

    if permission is None:
        yield describe(permission), False
        return
    yield describe(permission), _answer(permission, request, file)
    for part in grammar.parts(permission):
        yield from answers(part, request, file)


def describe(permission: Permission | None) -> str:
    """Who may read, in words, such as "staff" or "anyone"."""
    from b2router.config import AllOf, AnyOf, Not

    words = {
        "public": "anyone",
        "authenticated": "signed-in users",
        "staff": "staff",
        "superuser": "superusers",
    }
    match permission:
        case None:
            return "nobody"
        case AnyOf():
            return " or ".join(_grouped(part) for part in permission.any)
        case AllOf():
            return " and ".join(_grouped(part) for part in permission.all)
        case Not():
            return f"not {_grouped(permission.not_)}"
        case _ if permission in words:
            return words[permission]
        case _ if permission.startswith("group:"):
            return f"members of {permission.removeprefix('group:')}"
        case _ if permission.startswith("perm:"):
            return f"users with {permission.removeprefix('perm:')}"
        case _:
            return f"whom {permission} lets in"


def needs_user(permission: Permission | None) -> bool:
    """Whether deciding may need to know who the visitor is."""
    return any(part != "public" for part in _words_of(permission))


def predicate_paths(permission: Permission | None) -> list[str]:
    """The dotted paths of the site's own predicates that a permission names."""
    return [part for part in _words_of(permission) if "." in part and ":" not in part]


@lru_cache(maxsize=256)
def predicate(path: str) -> Callable[[HttpRequest, RequestedFile], Any]:
    """The site's own predicate at a dotted path.

    Raises:
        ImportError: nothing can be imported from there.
        TypeError: what stands there cannot be called.
    """
    found = import_string(path)
    if not callable(found):
        raise TypeError(f"{path} is {type(found).__name__}, expected a callable that takes a request and a file")
    return found  # type: ignore[no-any-return]


def _grouped(permission: Permission) -> str:
    return describe(permission) if isinstance(permission, str) else f"({describe(permission)})"


def _words_of(permission: Permission | None) -> list[str]:
    from b2router import grammar  # loads pydantic

    return list(grammar.words(permission))


def _answer(permission: Permission, request: HttpRequest, file: RequestedFile) -> bool | None:
    from b2router.config import AllOf, AnyOf, Not

    match permission:
        case "public":
            return True
        case AnyOf():
            return ternary.any_of(_answer(part, request, file) for part in permission.any)
        case AllOf():
            return ternary.all_of(_answer(part, request, file) for part in permission.all)
        case Not():
            return ternary.not_(_answer(permission.not_, request, file))
        case _ if ":" in permission or "." not in permission:
            return _built_in(permission, request)
        case _:
            return _own(permission, request, file)


def _built_in(permission: str, request: HttpRequest) -> bool | None:
    user: Any = getattr(request, "user", None)  # absent without AuthenticationMiddleware: nobody is signed in then
    if user is None or not user.is_authenticated or not user.is_active:
        return False
    kind, _, wanted = permission.partition(":")
    match kind:
        case "authenticated":
            return True
        case "staff":
            return bool(user.is_staff)
        case "superuser":
            return bool(user.is_superuser)
        case "group":
            return bool(user.groups.filter(name=wanted).exists())
        case "perm":
            return bool(user.has_perm(wanted))
        case _:  # pragma: no cover - the configuration accepts no other word
            return None


def _own(path: str, request: HttpRequest, file: RequestedFile) -> bool | None:
    try:
        answer = predicate(path)(request, file)
        if iscoroutine(answer):
            answer = _waited_for(answer, request)
    except _Cancelled:
        raise CancelledError from None
    except (Exception, CancelledError):  # whoever awaits the view takes the latter for the end of the request
        # Predicates are written for rows that exist: one that stumbles over a file of nobody is no news for the log.
        log = logger.debug if file.is_owned and file.row is None else logger.error
        log("The predicate %s failed for profile %s; access denied.", path, file.profile, exc_info=True)
        return None
    if answer is True or answer is False:
        return answer
    logger.error("The predicate %s answered %s, expected True or False; access denied.", path, type(answer).__name__)
    return None


def _waited_for(answer: Any, request: HttpRequest) -> Any:
    """What an asynchronous predicate says. It may not ask the database, as `request.user` does when first read."""
    try:
        _ = getattr(getattr(request, "user", None), "is_authenticated", None)
    except BaseException:
        answer.close()
        raise
    return async_to_sync(_awaited)(answer)


class _Cancelled(BaseException):
    """Whoever awaits the request has given it up: no failure of a predicate."""


async def _awaited(answer: Any) -> Any:
    try:
        return await answer
    except CancelledError:
        task = current_task()
        if task is not None and task.cancelling():
            raise _Cancelled from None
        raise RuntimeError("The predicate was cancelled, by nobody but itself.") from None


def _forget(**_: Any) -> None:
    predicate.cache_clear()


setting_changed.connect(_forget, dispatch_uid="b2router.permissions")
