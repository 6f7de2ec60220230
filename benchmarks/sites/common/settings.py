"""Settings that the measured sites share, as `startproject` writes them; each site adds its package below them.

Where the emulator is comes in BENCH_ variables, which no package reads by itself.
"""

import os
import secrets
from pathlib import Path
from typing import Any

STATE_DIR = Path(os.environ["BENCH_STATE"])
REALM = os.environ["BENCH_REALM"]
KEY_ID = os.environ["BENCH_KEY_ID"]
KEY = os.environ["BENCH_KEY"]
BUCKETS = {"public": "bench-public", "logged_in": "bench-members", "staff": "bench-staff"}

SECRET_KEY = secrets.token_urlsafe(50)
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STATE_DIR / "site.sqlite3",
        # SQLite as well as it can do with many writers: whoever uses the database as a cache is not slowed by defaults.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
LOGIN_URL = "/login/"
FILE_UPLOAD_TEMP_DIR = STATE_DIR
