"""Status, headers and streamed bytes of one file, put together; called by views after the permission was given."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    QueryDict,
)
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from b2router import names, operations
from b2router.b2 import budget
from b2router.b2.stored import StoredFile
from b2router.config import BucketProfile
from b2router.delivery import accel, conditions, headers, ranges, redirect
from b2router.delivery.addresses import public_address
from b2router.delivery.presentation import AS_DECLARED, Presentation
from b2router.delivery.streams import RETRY_AFTER_S, FileResponse, Slot, WholeResponse, slots
from b2router.errors import BackendError, ConfigError, NotFound, RangeNotSatisfiable, Unavailable, UnexpectedAnswer
from b2router.router import current_router

if TYPE_CHECKING:
    from b2router.b2.download import Download
    from b2router.b2.place import PlacedFile

__all__ = ["denial_headers", "plain", "respond", "to_login"]

logger = logging.getLogger("b2router.delivery")

Response = TypeVar("Response", bound=HttpResponseBase)

SMALL_BYTES = 64 * 1024
"""What is read at once and sent in one piece: streaming costs more than it spares."""


def respond(
    request: HttpRequest,
    profile: BucketProfile,
    name: str,
    *,
    shown: Presentation = AS_DECLARED,
    link_ends_at: int | None = None,
) -> HttpResponseBase:
    """Answer a request that may read the file.

    Args:
        request: GET or HEAD.
        profile: whose file it is.
        name: the file name, which has passed the gate.
        shown: what the site's own code wants to be other than usual.
        link_ends_at: when the link to this file ends that the visitor came by, who may perhaps read no other; None for
            no link. In Unix seconds.
    Returns:
        The file or the part that was asked for; 304 or 412; a redirect to its address at B2 or the CDN, when the
        profile is delivered from there; or 404, 416, 502 or 503 with fixed text: what B2 said is never passed on.
    """
    if shown == AS_DECLARED and (address := public_address(profile, name)) is not None:
        return _redirect({"Location": address, **headers.for_denial(profile)})
    method: Literal["GET", "HEAD"] = "HEAD" if request.method == "HEAD" else "GET"
    try:
        with budget.limited(budget.of_request(current_router().config.limits)):  # for all calls of this answer together
            fields = redirect.to_signed_address(profile, name, method, shown=shown, link_ends_at=link_ends_at)
            if fields is not None:
                return _redirect(fields)
            if link_ends_at is not None:
                shown = headers.kept_for(profile, name, shown, max(0, int(link_ends_at - time.time())))
            if (answer := accel.through_nginx(profile, name, method, shown)) is not None:
                return answer
            found = _file(request, profile, name, shown)
            if found.status_code in (200, 206):
                _forget_conditions(request)
            return found
    except NotFound:
        return plain(profile, 404)
    except (BackendError, ConfigError) as error:
        operations.note_error(error)
        _report(profile.name, str(error), int(time.monotonic() / 60))
        response = plain(profile, 502 if isinstance(error, UnexpectedAnswer) else 503)
        if isinstance(error, BackendError) and error.retry_after_s is not None:
            response["Retry-After"] = str(error.retry_after_s)
        return response


def _forget_conditions(request: HttpRequest) -> None:
    """They were decided upon. ConditionalGetMiddleware would decide again, by its own reading, and throw away an open
    download with the headers that guard it."""
    for field in conditions.FIELDS:
        request.META.pop(field, None)


@lru_cache(maxsize=64)  # once a minute, not with every request of an outage
def _report(profile: str, text: str, minute: int) -> None:
    logger.error("Profile %s: %s", profile, text)


_TEXTS = {
    403: "You may not read this file.",
    404: "There is no such file.",
    405: "This address can be read only.",
    412: "The file is not the one you expected.",
    416: "The file has no byte of this range.",
    502: "The file store gave an answer that makes no sense.",
    503: "The file store cannot be reached right now. Please try again later.",
}


def plain(profile: BucketProfile, status: int) -> HttpResponse:
    """An answer without a file: fixed text, the same for every name."""
    response = HttpResponse(_TEXTS[status] + "\n", status=status, content_type="text/plain; charset=utf-8")
    return _with(response, headers.for_denial(profile))


def to_login(profile: BucketProfile, request: HttpRequest) -> HttpResponse:
    """A redirect to the login page, which leads back to the file: from another host by the whole address.

    Source: Django, `redirect_to_login` and `login_required`.
    """
    scheme, host, path, query, fragment = urlsplit(resolve_url(settings.LOGIN_URL))
    is_elsewhere = bool(host and host != request.get_host()) or bool(scheme and scheme != request.scheme)
    fields = QueryDict(query, mutable=True)
    fields["next"] = request.build_absolute_uri() if is_elsewhere else request.get_full_path()
    address = urlunsplit((scheme, host, path, fields.urlencode(safe="/"), fragment))
    return _redirect({"Location": address, **headers.for_denial(profile)})


def _redirect(fields: Mapping[str, str]) -> HttpResponse:
    """302; not Django's own, which refuses addresses of over 2,048 characters: long names and signatures have more."""
    return HttpResponse(status=302, headers=dict(fields))


def _file(request: HttpRequest, profile: BucketProfile, name: str, shown: Presentation) -> HttpResponseBase:
    """Conditions first, because they can spare the download; then the bytes, in one call.

    What is remembered about the file decides where that does no harm: whether it was changed, how long it is. Whatever
    bytes are sent, they go under the headers that came with them.
    """
    described = partial(headers.for_file, profile, name, shown=shown)
    file = current_router().place(profile).file(names.key(profile.location, name))
    if file.is_missing:
        return plain(profile, 404)
    known = file.remembered
    if request.method == "HEAD" or conditions.are_given(request):
        stored = known or file.look()
        fields = described(stored)
        decided = _without_bytes(request, profile, stored, fields)
        if decided is not None and decided.status_code == 412 and known is not None:
            stored = file.look()  # it may be that the client knows a newer version
            fields = described(stored)
            decided = _without_bytes(request, profile, stored, fields)
        if decided is not None:
            return decided
        if request.method == "HEAD":
            return _of_file(WholeResponse(), fields)
        known = stored
    if_range = request.META.get("HTTP_IF_RANGE")
    wanted = ranges.parse(request.META.get("HTTP_RANGE"))
    if wanted and known is None and wanted.suffix == 0:
        known = file.look()  # B2 need not be asked for bytes that no file has
    elif wanted and wanted.suffix and known is not None and not known.size_bytes:
        wanted = None  # the last bytes of nothing are the whole of it
    if wanted and known is not None:
        fields = described(known)
        holds = conditions.range_holds(if_range, fields["ETag"], known.uploaded_at)
        if holds and not wanted.fits(known.size_bytes) and known is file.remembered:
            known = file.look()  # it may have grown
            fields = described(known)
            holds = conditions.range_holds(if_range, fields["ETag"], known.uploaded_at)
        if not holds:
            wanted = None
        elif not wanted.fits(known.size_bytes):
            return _no_such_range(wanted, profile, known, fields)
    slot = _slot(file, known, wanted)
    answer = None
    try:
        answer = _from_download(request, profile, file, wanted, described, slot)
        return answer
    finally:
        if slot is not None and not isinstance(answer, FileResponse):
            slot.give_back()


def _slot(file: PlacedFile, known: StoredFile | None, wanted: ranges.Wanted | None) -> Slot | None:
    """A slot for what is going to be streamed, before a download is opened for it; None for what is known to be small.

    Raises:
        Unavailable: all are taken, and the file is too large to be sent without one.
    """
    if known is not None and _expected_bytes(known, wanted) <= SMALL_BYTES:
        return None
    slot = slots.take(current_router().config.max_streams)
    if slot is None and (known is not None or _expected_bytes(file.look(), wanted) > SMALL_BYTES):
        raise _no_slot()
    return slot


def _expected_bytes(stored: StoredFile, wanted: ranges.Wanted | None) -> int:
    part = wanted.within(stored.size_bytes) if wanted and wanted.fits(stored.size_bytes) else None
    return stored.size_bytes if part is None else part.size_bytes


def _no_slot() -> Unavailable:
    return Unavailable("All streams of this process are taken.", retry_after_s=RETRY_AFTER_S)


def _from_download(
    request: HttpRequest,
    profile: BucketProfile,
    file: PlacedFile,
    wanted: ranges.Wanted | None,
    described: Callable[[StoredFile], dict[str, str]],
    slot: Slot | None,
) -> HttpResponseBase:
    """What the download says goes: its bytes under its headers; or none, where these change the decision."""
    if_range = request.META.get("HTTP_IF_RANGE")
    try:
        body = file.open(wanted.span if wanted else None)
    except RangeNotSatisfiable:
        stored = file.look()
        fields = described(stored)
        if conditions.range_holds(if_range, fields["ETag"], stored.uploaded_at):
            return _no_such_range(wanted, profile, stored, fields)
        wanted, body = None, file.open()  # the client's other parts are of another version: it gets the whole
    fields = described(body.stored)
    if (decided := _without_bytes(request, profile, body.stored, fields)) is not None:
        body.close()  # another version came than the one that was looked at
        return decided
    if wanted and not conditions.range_holds(if_range, fields["ETag"], body.stored.uploaded_at):
        body.close()
        body = file.open()
        return _of_file(_sending(body, slot), described(body.stored))
    part = wanted.within(body.stored.size_bytes) if wanted else None
    if part is None:
        return _of_file(_sending(body, slot), fields)
    if (body.first, body.size_bytes) != (part.first, part.size_bytes):
        body.close()
        raise UnexpectedAnswer("B2 was asked for a range and sent another.")
    response = _of_file(_sending(body, slot, status=206), fields)
    response["Content-Length"] = str(part.size_bytes)
    response["Content-Range"] = part.content_range(body.stored.size_bytes)
    return response


class _NotModified(HttpResponseNotModified):
    """A 304 whose length is for the site's middleware alone: CommonMiddleware would put in a wrong one. Servers that
    count bytes, such as uvicorn with httptools, would wait for a body of that length, and none comes."""

    def items(self) -> Iterable[tuple[str, str]]:
        """The headers that the server sends."""
        return [field for field in self.headers.items() if field[0] != "Content-Length"]


def _without_bytes(
    request: HttpRequest, profile: BucketProfile, stored: StoredFile, fields: Mapping[str, str]
) -> HttpResponse | None:
    """304 or 412, when the request's conditions ask for it."""
    match conditions.status(request, fields["ETag"], stored.uploaded_at):
        case 304:
            return _with(_NotModified(), {k: v for k, v in fields.items() if k in headers.OF_NOT_MODIFIED})
        case 412:
            return plain(profile, 412)
        case _:
            return None


def _no_such_range(
    wanted: ranges.Wanted | None, profile: BucketProfile, stored: StoredFile, fields: Mapping[str, str]
) -> HttpResponseBase:
    """416 with the size of the file; or the whole of an empty one, when its last bytes were asked for."""
    if wanted and wanted.suffix and not stored.size_bytes:
        return _of_file(WholeResponse(), fields)
    response = plain(profile, 416)
    response["Content-Range"] = f"bytes */{stored.size_bytes}"
    return response


def _sending(body: Download, slot: Slot | None, status: int = 200) -> WholeResponse | FileResponse:
    if body.size_bytes <= SMALL_BYTES:
        return WholeResponse(body.at_once(), status=status)
    slot = slot or slots.take(current_router().config.max_streams)  # it was small when it was last heard of
    if slot is None:
        body.close()
        raise _no_slot()
    return FileResponse(body, status, slot)


def _of_file(response: Response, fields: Mapping[str, str]) -> Response:
    """The answer with the file's headers, for no middleware or decorator to compress: it would compress even a part."""
    response["Content-Encoding"] = "identity"
    return _with(response, fields)


def denial_headers(profile: BucketProfile) -> dict[str, str]:
    """The headers of an answer that carries no file."""
    return headers.for_denial(profile)


def _with(response: Response, fields: Mapping[str, str]) -> Response:
    for field, value in fields.items():
        response[field] = value
    return response
