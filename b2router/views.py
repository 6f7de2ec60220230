"""The one view of all profiles: match, permit, deliver; called by `urls`, or by a site's own view through `serve`.

Nothing is asked of B2 before the visitor may read the file, and who may not learns nothing about whether it exists.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.asyncio import async_unsafe
from django.views.decorators.csrf import csrf_exempt

from b2router import names, operations, permissions, shares
from b2router.delivery import response
from b2router.delivery.presentation import Disposition, Presentation
from b2router.errors import InvalidName
from b2router.router import Target, current_router

if TYPE_CHECKING:
    from django.db.models import Model

    from b2router.config import BucketProfile, CachePolicy

__all__ = ["proxy", "requested_file", "serve", "share_of"]

logger = logging.getLogger("b2router.views")

ALLOW = "GET, HEAD, OPTIONS"

ROWS = 100
"""The most rows that are looked through for the one that names a file. More than one come only where several name the
same file, or the database takes other names for it."""


@csrf_exempt  # it only reads; so that a POST is answered as such, not as a failed CSRF check
def proxy(request: HttpRequest, target: Target) -> HttpResponseBase:
    """Answer a request under a profile's route."""
    return serve(request, target.profile, target.name)


class _EveryDatabase:
    """Whatever databases the site has; they are not asked for when this module is loaded."""

    def __contains__(self, alias: object) -> bool:
        return True


# What `transaction.non_atomic_requests` notes of a view, one database at a time: ATOMIC_REQUESTS would keep a
# transaction open for as long as B2 takes.
proxy._non_atomic_requests = _EveryDatabase()  # type: ignore[attr-defined]
proxy.login_required = False  # type: ignore[attr-defined]  # the profile's permission decides, not LoginRequiredMiddleware


@async_unsafe("serve() waits for databases and for B2. In an asynchronous view: await sync_to_async(serve)(…).")
def serve(
    request: HttpRequest,
    profile: str,
    name: str,
    *,
    download_as: str | None = None,
    disposition: Disposition | None = None,
    cache: CachePolicy | None = None,
) -> HttpResponseBase:
    """Answer a request for one file, as the profile's rules say: for a site's own view.

    Args:
        request: what the visitor sent.
        profile: the profile's name, or an alias.
        name: the file name, relative to the profile's location.
        download_as: the name to save the file under; None for its own. A download whatever its type, unless
            `disposition` says that it is to be shown.
        disposition: "inline" to have it shown, "attachment" to have it saved; None to have shown what is safe to show.
            Types that browsers run are shown in a sandbox, where nothing of them runs.
        cache: how long it may be kept; None for what the profile says. Who may keep it follows from the permission.
    Returns:
        The file; or a redirect to the login page, 403, 404, 405, 502 or 503, with fixed texts. Where the profile is
        delivered from elsewhere and what is wanted cannot be had there, the site streams the file.
    Raises:
        ConfigError: there is no such profile, or the configuration cannot be used.
        ValueError: there is no such disposition, or `download_as` holds control characters.
        SynchronousOnlyOperation: it was called where an event loop runs; there, `await sync_to_async(serve)(…)`.
    """
    rules = current_router().profile(profile)
    with operations.answering(rules.name, request.method) as operation:
        operation.name = name
        answer = _answer(request, rules, name, Presentation(download_as, disposition, cache))
        operation.answered(answer.status_code, len(getattr(answer, "content", b"")))
    if request.method == "HEAD" and isinstance(answer, HttpResponse) and answer.content:
        answer["Content-Length"] = str(len(answer.content))  # of the text that GET gets
        answer.content = b""
    if "X-Frame-Options" not in response.denial_headers(rules):  # or XFrameOptionsMiddleware would put in its own
        answer.xframe_options_exempt = True  # type: ignore[attr-defined]  # Django looks for it, and declares it not
    if not permissions.needs_user(rules.permission):
        _keep_the_same_for_all(request, answer)
    return answer


def _answer(request: HttpRequest, rules: BucketProfile, name: str, shown: Presentation) -> HttpResponseBase:
    if request.method == "OPTIONS":
        return _options(rules)
    if request.method not in ("GET", "HEAD"):
        return _allow(response.plain(rules, 405))
    try:
        names.key(rules.location, name)
    except InvalidName:
        return response.plain(rules, 404)
    share = share_of(request, rules, name)
    may_read = share is not None
    if rules.owner is not None and not may_read and not permissions.predicate_paths(rules.permission):
        # Nothing of it depends on the row: whoever may not read causes no query, whose time would tell of one.
        may_read = permissions.is_allowed(rules.permission, request, permissions.RequestedFile(rules.name, name))
        if not may_read:
            return _denied(request, rules)
    try:
        file = requested_file(rules, name)
    except Exception:
        logger.exception("The owner of a file of profile %s cannot be looked up; access denied.", rules.name)
        return _denied(request, rules)
    if not may_read and not permissions.is_allowed(rules.permission, request, file):
        return _denied(request, rules)
    if file.is_owned and file.row is None:
        return response.plain(rules, 404)
    if share is not None:
        if share.download_as is not None:
            shown = Presentation(share.download_as, cache=shown.cache)
        answer = response.respond(request, rules, name, shown=shown, link_ends_at=share.ends_at)
        answer["Referrer-Policy"] = "no-referrer"  # the address of this page opens it
        return answer
    return response.respond(request, rules, name, shown=shown)


def share_of(request: HttpRequest, profile: BucketProfile, name: str) -> shares.Share | None:
    """The link that the visitor came by, when it is valid for this file: then nobody is asked who the visitor is.

    Args:
        request: what the visitor sent.
        profile: whose file it is.
        name: the file name, which has passed the gate.
    """
    if shares.PARAMETER not in request.META.get("QUERY_STRING", ""):
        return None
    try:
        token = request.GET.get(shares.PARAMETER)
    except SuspiciousOperation:  # more parameters than Django reads: DATA_UPLOAD_MAX_NUMBER_FIELDS
        return None
    return shares.read(token, profile.name, name)


def requested_file(profile: BucketProfile, name: str) -> permissions.RequestedFile:
    """What predicates are asked about; with `owner`, one query.

    Args:
        profile: whose file it is.
        name: the file name, which has passed the gate.
    """
    if profile.owner is None:
        return permissions.RequestedFile(profile.name, name)
    app, model, field = profile.owner.split(".")
    return permissions.RequestedFile(profile.name, name, _row(apps.get_model(app, model), field, name), is_owned=True)


def _row(model: type[Model], field: str, name: str) -> Model | None:
    """The row that names the file: through the model's default manager, so that what it hides stays hidden. Of several
    rows the first that was made owns the file. Databases may take "a" for "A", B2 does not, so names are compared here.
    """
    rows: Any = model._default_manager
    found = rows.filter(**{field: name}).order_by("pk")[:ROWS]
    return next((row for row in found if str(getattr(row, field)) == name), None)


def _denied(request: HttpRequest, profile: BucketProfile) -> HttpResponseBase:
    if profile.on_denied == "404":
        return response.plain(profile, 404)
    if profile.on_denied == "login" and _wants_a_page(request) and _is_anonymous(request):
        return response.to_login(profile, request)
    return response.plain(profile, 403)


def _wants_a_page(request: HttpRequest) -> bool:
    try:
        return request.accepts("text/html")
    except Exception:  # Django decodes parameters of media types by the charset that they name, whatever it is
        return False


def _is_anonymous(request: HttpRequest) -> bool:
    try:
        user = getattr(request, "user", None)
        return user is None or not user.is_authenticated
    except Exception:  # the session or the user could not be read: logged where the permission was decided
        return False


def _options(rules: BucketProfile) -> HttpResponse:
    """200 without content: a 204 has no length, RFC 9110, 8.6, and CommonMiddleware gives it one."""
    answer = HttpResponse(headers={"Content-Length": "0", **response.denial_headers(rules)})
    del answer["Content-Type"]
    return _allow(answer)


def _allow(answer: HttpResponse) -> HttpResponse:
    answer["Allow"] = ALLOW
    return answer


def _keep_the_same_for_all(request: HttpRequest, answer: HttpResponseBase) -> None:
    """A public file has the same answer for everybody, so caches need not keep one for each cookie, and none may get
    into it: a cache would hand it to everybody.

    Django's middleware sets cookies by what stands in the request, so it is taken out there: CsrfViewMiddleware a token
    for a visitor whose own cannot be read, SessionMiddleware the end of a session that is over. LoginRequiredMiddleware
    of Django 5.2 looks at the user before it looks at the view's mark: that would add `Vary: Cookie`. Where the session
    is going to be saved, its cookie comes with the answer, which then is for nobody else.
    """
    session = getattr(request, "session", None)
    if session is not None and (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and not session.is_empty():
        answer["Cache-Control"] = "private, no-store"
        return
    request.META.pop("CSRF_COOKIE_NEEDS_UPDATE", None)
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    if session is not None:
        session.accessed = False
