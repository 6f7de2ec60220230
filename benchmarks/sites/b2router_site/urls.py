"""b2router's route and the addresses of the benchmark."""

from django.urls import include, path

urlpatterns = [path("", include("common.urls")), path("", include("b2router.urls"))]
