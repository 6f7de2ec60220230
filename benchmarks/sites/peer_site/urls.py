"""The routes of django-backblaze-b2 and the addresses of the benchmark."""

from django.urls import include, path

urlpatterns = [path("", include("common.urls")), path("", include("django_backblaze_b2.urls"))]
