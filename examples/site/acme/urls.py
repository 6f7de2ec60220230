"""The site's addresses; one include serves every routed profile."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from library import views

urlpatterns = [
    path("", views.home, name="home"),
    path("profiles/<slug:name>/", views.profile, name="profile"),
    path("access/", views.access, name="access"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("", include("b2router.urls")),
]
