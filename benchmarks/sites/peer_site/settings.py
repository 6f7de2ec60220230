"""django-backblaze-b2 as its README sets it up: a database cache of its own, a bucket for each of its storages."""

from typing import Any

from common.settings import *  # noqa: F403
from common.settings import BUCKETS, INSTALLED_APPS, KEY, KEY_ID, REALM

ROOT_URLCONF = "peer_site.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "django_backblaze_b2"]
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "django-backblaze-b2": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_backblaze_b2_cache_table",
    },
}
BACKBLAZE_CONFIG: dict[str, Any] = {
    "realm": REALM,
    "application_key_id": KEY_ID,
    "application_key": KEY,
    "specific_bucket_names": BUCKETS,
}
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "public": {"BACKEND": "django_backblaze_b2.PublicStorage"},
    "logged_in": {"BACKEND": "django_backblaze_b2.LoggedInStorage"},
    "staff": {"BACKEND": "django_backblaze_b2.StaffStorage"},
}
