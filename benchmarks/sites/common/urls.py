"""The addresses that every measured site has beside those of its package; none touches B2 unless it is asked to."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from common.operations import perform
from common.uploads import upload


def ready(request: HttpRequest) -> HttpResponse:
    """Say that the site is up."""
    return HttpResponse("ready")


urlpatterns = [
    path("bench/ready/", ready),
    path("bench/upload/", upload),
    path("bench/do/<slug:operation>/", perform),
]
