"""A prefix for each way, and the addresses of the benchmark."""

from django.urls import include, path

from paths_site import views

urlpatterns = [
    path("", include("common.urls")),
    path("new/<path:name>", views.through_new_b2sdk),
    path("kept/<path:name>", views.through_kept_b2sdk),
    path("requests/<path:name>", views.through_requests),
    path("urllib3/<path:name>", views.through_urllib3),
    path("streamed/<path:name>", views.streamed_through_urllib3),
]
