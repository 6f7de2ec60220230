"""Settings under which Django's own `runtests.py` meets B2 wherever its tests ask for `FileSystemStorage`.

The realm and the key come from the environment.
"""

from __future__ import annotations

import django.contrib.staticfiles.finders  # find the real one, before it is replaced: they look for files of apps
import django.contrib.staticfiles.storage
import django.core.files.storage
import django.core.files.storage.filesystem

from tests.suites.stand_in import FolderInB2, look_into_b2

DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
SECRET_KEY = "tests only"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "tests.suites.django_runner.Runner"
BACKBLAZE_CONFIG = {
    "profiles": {
        "suite": {
            "bucket": "acme-suite",
            "permission": "public",
            "delivery": {"mode": "cdn", "base_url": "https://media.example.com"},
        }
    },
}

django.core.files.storage.FileSystemStorage = FolderInB2  # type: ignore[misc, assignment]
django.core.files.storage.filesystem.FileSystemStorage = FolderInB2  # type: ignore[misc, assignment]
look_into_b2()
