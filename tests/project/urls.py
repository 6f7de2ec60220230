"""URLs of the test project."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from b2router import get_storage


def home(request: HttpRequest) -> HttpResponse:
    """A page of the site itself."""
    return HttpResponse("home")


@csrf_exempt
def upload(request: HttpRequest, alias: str) -> HttpResponse:
    """Save what was uploaded as "file"; the answer is its address."""
    storage = get_storage(alias)
    file = request.FILES["file"]
    return HttpResponse(storage.url(storage.save(file.name, file)))


urlpatterns = [path("", include("b2router.urls")), path("home/", home), path("upload/<str:alias>/", upload)]
