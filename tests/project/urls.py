"""URLs of the test project."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from b2router import get_storage
from b2router.errors import BackendError

View = Callable[..., HttpResponse]


def home(request: HttpRequest) -> HttpResponse:
    """A page of the site itself."""
    return HttpResponse("home")


def later(view: View) -> View:
    """Answer 503 when B2 fails, as a site does that takes it for what it is."""

    @wraps(view)
    def answer(request: HttpRequest, **names: str) -> HttpResponse:
        try:
            return view(request, **names)
        except BackendError as error:
            return HttpResponse(str(error), status=503, headers={"Retry-After": str(error.retry_after_s or 1)})

    return answer


@csrf_exempt
@later
def upload(request: HttpRequest, alias: str) -> HttpResponse:
    """Save what was uploaded as "file"; the answer is its address."""
    storage = get_storage(alias)
    file = request.FILES["file"]
    return HttpResponse(storage.url(storage.save(file.name, file)))


@csrf_exempt
@later
def stored(request: HttpRequest, alias: str, name: str) -> HttpResponse:
    """What a storage knows of a file without reading it; or, by DELETE, its end."""
    storage = get_storage(alias)
    if request.method == "DELETE":
        storage.delete(name)
        return HttpResponse("deleted")
    return HttpResponse(f"{storage.size(name)} bytes" if storage.exists(name) else "no such file")


def enter(request: HttpRequest, username: str) -> HttpResponse:
    """Log in whoever says so."""
    login(request, User.objects.get_or_create(username=username)[0])
    return HttpResponse(username)


urlpatterns = [
    path("", include("b2router.urls")),
    path("home/", home),
    path("upload/<str:alias>/", upload),
    path("stored/<str:alias>/<path:name>", stored),
    path("enter/<str:username>/", enter),
]
