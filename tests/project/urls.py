"""URLs of the test project."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def home(request: HttpRequest) -> HttpResponse:
    """A page of the site itself."""
    return HttpResponse("home")


urlpatterns = [path("", include("b2router.urls")), path("home/", home)]
