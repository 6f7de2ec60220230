"""Gives visitors the site's own error pages where a browser would otherwise show a bare line of text.

b2router answers for a refused, missing or unreachable file with fixed plain text, which suits programs. A person gets
a page with a way on; the status stays what it was, and nothing of the page is kept by any cache.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

PAGES = {403: "403.html", 404: "404.html", 502: "503.html", 503: "503.html"}


class ErrorPagesMiddleware:
    """Stands last, next to the views. While DEBUG is on, it also replaces Django's technical 404 page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        page = PAGES.get(response.status_code)
        if page is None or "text/html" not in request.headers.get("Accept", ""):
            return response
        if response.status_code == 403 and response.headers["Content-Type"].startswith("text/html"):
            return response  # Django has made it from the same template, or says why a form was refused
        friendly = render(request, page, status=response.status_code)
        if "Retry-After" in response.headers:
            friendly.headers["Retry-After"] = response.headers["Retry-After"]
        add_never_cache_headers(friendly)
        return friendly
