"""Who gets what at a URL, and why, step by step; asks the database, and B2 nothing. Used by `explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.management.base import CommandError
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import Resolver404, resolve

from b2router import names, permissions, views
from b2router.config import BucketProfile
from b2router.delivery import headers
from b2router.delivery.addresses import public_address
from b2router.errors import InvalidName
from b2router.router import Target, current_router

__all__ = ["text"]

_WORDS = {True: "yes", False: "no", None: "cannot decide, which is a no"}

Step = tuple[str, str]


def text(url: str, user: str | None, *, as_json: bool) -> str:
    """The steps from a URL to an answer, as the command prints them.

    Args:
        url: a path of the site, with its query.
        user: who asks for it; None for somebody who is not signed in.
        as_json: whether programs read it.
    Raises:
        CommandError: there is no such user.
    """
    steps = list(_steps(_request(url, user)))
    if as_json:
        return json.dumps([{"step": step, "finding": finding} for step, finding in steps], indent=2)
    width = max(len(step) for step, _ in steps)
    return "\n".join(f"{step.ljust(width)}  {finding}" for step, finding in steps)


def _request(url: str, name: str | None) -> HttpRequest:
    parts = urlsplit(url)
    request = RequestFactory().get(parts.path, QUERY_STRING=parts.query, HTTP_ACCEPT="text/html")
    users = get_user_model()
    try:
        request.user = users._default_manager.get_by_natural_key(name) if name else AnonymousUser()
    except users.DoesNotExist:
        raise CommandError(f"There is no user '{name}'. Leave --user out for somebody who is not signed in.") from None
    return request


def _steps(request: HttpRequest) -> Iterator[Step]:
    yield "visitor", f"{request.user}" if request.user.is_authenticated else "somebody who is not signed in"
    try:
        match = resolve(request.path_info)
    except Resolver404:
        yield "URL", "no page of the site"
        yield "answer", "404"
        return
    target = match.kwargs.get("target") or next((arg for arg in match.args if isinstance(arg, Target)), None)
    if not isinstance(target, Target):
        yield "URL", f"another view of the site: {match.view_name or match._func_path}"
        yield "answer", "whatever that view does; b2router is not asked"
        return
    profile = current_router().profile(target.profile)
    yield "URL", f"under '{profile.route}', the route of profile '{profile.name}'"
    yield from _name(request, profile, target.name)


def _name(request: HttpRequest, profile: BucketProfile, name: str) -> Iterator[Step]:
    try:
        key = names.key(profile.location, name)
    except InvalidName as error:
        yield "name", f"no file can have it: {error}"
        yield "answer", "404, whoever asks; B2 is not asked"
        return
    yield "file", f"'{key}' in bucket '{profile.bucket}', account '{profile.account}'"
    try:
        file = views.requested_file(profile, name)
    except Exception as error:
        yield "owner", f"{profile.owner} cannot be looked up ({type(error).__name__}), which is a no"
        yield "answer", _denial(request, profile)
        return
    if file.is_owned:
        yield (
            "owner",
            f"{profile.owner}: " + (f"row {file.row.pk}" if file.row is not None else "no row names the file"),
        )
    share = views.share_of(request, profile, name)
    if share is not None:
        yield "link", "valid for this file, in the place of the permission"
    for part, answer in permissions.answers(profile.permission, request, file):
        yield "permission", f"{part}: {_WORDS[answer]}"
    if share is None and not permissions.is_allowed(profile.permission, request, file):
        yield "answer", _denial(request, profile)
    elif file.is_owned and file.row is None:
        yield "answer", "404, because no row names the file; B2 is not asked"
    else:
        yield "answer", _delivery(profile, name)
        yield "kept", headers.by_name(profile, name)["Cache-Control"]


def _denial(request: HttpRequest, profile: BucketProfile) -> str:
    if profile.on_denied == "404":
        return "404, as if there were no such file; B2 is not asked"
    if profile.on_denied == "login" and not request.user.is_authenticated:
        return "a redirect to the login page; B2 is not asked"
    return "403; B2 is not asked"


def _delivery(profile: BucketProfile, name: str) -> str:
    if (address := public_address(profile, name)) is not None:
        return f"a redirect to {address}"
    match profile.delivery.mode:
        case "redirect":
            return "a redirect to B2, to an address that is signed for a while"
        case "cdn":
            return "a redirect to the CDN, to an address that is signed for a while"
        case "accel":
            return "nginx fetches the file from B2 and hands it on"
        case _:
            return "the site streams the file from B2, if it is there"
