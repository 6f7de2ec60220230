"""Settings of the test project; each test brings its own BACKBLAZE_CONFIG.

Its cache and its database come from the environment, for the tests that run it in processes of its own:
B2ROUTER_TEST_CACHE is "locmem", "file:FOLDER", "db", "redis://…" or "memcached://HOST:PORT";
B2ROUTER_TEST_DATABASE is ":memory:", a file of SQLite, or "postgresql://USER@HOST:PORT/NAME".
"""

import os
from typing import Any
from urllib.parse import urlsplit

CACHE_TABLE = "cache"


def cache(place: str) -> dict[str, Any]:
    """Django's settings of a cache."""
    kind, _, where = place.partition(":")
    backend, location = {
        "locmem": ("locmem.LocMemCache", ""),
        "file": ("filebased.FileBasedCache", where),
        "db": ("db.DatabaseCache", CACHE_TABLE),
        "redis": ("redis.RedisCache", place),
        "memcached": ("memcached.PyMemcacheCache", where.removeprefix("//")),
    }[kind]
    return {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}


def database(place: str) -> dict[str, Any]:
    """Django's settings of a database."""
    if not place.startswith("postgresql:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": place, "OPTIONS": {"timeout": 20}}
    url = urlsplit(place)
    where = {"NAME": url.path.removeprefix("/"), "USER": url.username, "HOST": url.hostname, "PORT": url.port}
    return {"ENGINE": "django.db.backends.postgresql", **where}


SECRET_KEY = "tests only"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.project.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "b2router",
    "tests.project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
CACHES = {"default": cache(os.environ.get("B2ROUTER_TEST_CACHE", "locmem"))}
DATABASES = {"default": database(os.environ.get("B2ROUTER_TEST_DATABASE", ":memory:"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "/login/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BACKBLAZE_CONFIG = {
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
        "logged_in": {"bucket": "acme-members", "route": "b2l/", "permission": "authenticated"},
        "staff": {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"},
    },
    "storages": {"avatars": "public"},
}
