"""Settings of django-cleanup's tests, with files in B2; realm, key and how the app is installed come from outside."""

import os
import tempfile

SECRET_KEY = "tests only"
INSTALLED_APPS = ["test", os.environ["CLEANUP_APP"]]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
MEDIA_ROOT = tempfile.mkdtemp()
STORAGES = {"default": {"BACKEND": "tests.suites.stand_in.FolderInB2", "OPTIONS": {"location": MEDIA_ROOT}}}
BACKBLAZE_CONFIG = {"profiles": {"suite": {"bucket": "acme-suite"}}}
