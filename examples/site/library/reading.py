"""Who may read what, as the router decides it; asked by the pages so that they offer no dead link.

The decision is made by the profile's own permission, the one that guards the files, never by a copy of it.
"""

import copy
from dataclasses import dataclass

from django.http import HttpRequest

from b2router.permissions import RequestedFile, is_allowed
from b2router.router import current_router

from .models import Document
from .shelves import Visitor


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a visitor who follows the address of a file gets to see."""

    code: str
    status: int
    words: str


READ = Outcome("read", 200, "read")
LOGIN = Outcome("login", 302, "to login")
REFUSED = Outcome("refused", 403, "refused")
HIDDEN = Outcome("hidden", 404, "hidden")


def outcome(request: HttpRequest, document: Document) -> Outcome:
    """Say what the visitor of this request gets for this file. Nothing is asked of B2."""
    profile = current_router().profiles[document.profile]
    if may_read(request, document):
        return READ
    if profile.on_denied == "404":
        return HIDDEN
    if profile.on_denied == "403" or request.user.is_authenticated:
        return REFUSED
    return LOGIN


def may_read(request: HttpRequest, document: Document) -> bool:
    """Whether the profile's permission lets this visitor read this file."""
    profile = current_router().profiles[document.profile]
    is_owned = profile.owner is not None
    file = RequestedFile(
        profile.name, document.stored.name or "", row=document if is_owned else None, is_owned=is_owned
    )
    return is_allowed(profile.permission, request, file)


def as_visitor(request: HttpRequest, visitor: Visitor) -> HttpRequest:
    """The same request as if somebody else had made it, for the table of who may read what."""
    other = copy.copy(request)
    other.user = visitor  # type: ignore[assignment]
    return other
