"""Settings of the example site; what b2router needs is BACKBLAZE_CONFIG, STORAGES, one app and one include.

No secret stands here: the keys and the realm come from BACKBLAZE_APPLICATION_KEY_ID, BACKBLAZE_APPLICATION_KEY
and BACKBLAZE_REALM, which b2router reads by itself. The same way reaches every value of the dict; `demo.py`
uses it for the addresses of B2 and the CDN, and for the secret that the site shares with the CDN:
BACKBLAZE_PROFILES__CDN__DELIVERY__BASE_URL, BACKBLAZE_PROFILES__PRINTS__DELIVERY__SIGNING__SECRET.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import b2router

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("ACME_DATA_DIR", BASE_DIR / "var"))
DATA_DIR.mkdir(parents=True, exist_ok=True)

BACKBLAZE_CONFIG: dict[str, Any] = {
    "profiles": {
        "public": {
            "bucket": "acme-public",
            "route": "b2/",
            "permission": "public",
        },
        "logged_in": {
            "bucket": "acme-members",
            "route": "b2l/",
            "permission": "authenticated",
        },
        "staff": {
            "bucket": "acme-staff",
            "route": "b2s/",
            "permission": "staff",
        },
        "talks": {
            "bucket": "acme-talks",
            "route": "talks/",
            "permission": "authenticated",
            "delivery": {"mode": "accel"},
        },
        "exports": {
            "bucket": "acme-exports",
            "route": "exports/",
            "permission": "staff",
            "delivery": {"mode": "redirect"},
        },
        "ledgers": {
            "bucket": "acme-ledgers",
            "route": "ledgers/",
            "permission": "staff",
            "delivery": {"mode": "redirect", "signer": "native"},
        },
        "catalogue": {
            "bucket": "acme-catalogue",
            "permission": "public",
            "delivery": {"mode": "direct", "base_url": "https://f004.backblazeb2.com/"},
        },
        "cdn": {
            "bucket": "acme-assets",
            "permission": "public",
            "delivery": {"mode": "cdn", "base_url": "https://cdn.acme.example/"},
        },
        "prints": {
            "bucket": "acme-prints",
            "route": "prints/",
            "permission": "authenticated",
            "delivery": {
                "mode": "cdn",
                "base_url": "https://prints.acme.example/",
                "signing": {"scheme": "cloudflare"},
            },
        },
        "invoices": {
            "bucket": "acme-invoices",
            "route": "invoices/",
            "permission": "library.permissions.may_read_invoice",
            "owner": "library.Invoice.pdf",
            "on_denied": "404",
        },
    },
    "storages": {"default": "logged_in"},
}

STORAGES = b2router.django_storages(BACKBLAZE_CONFIG)

# A new key at each start signs everybody out; `demo.py` keeps one beside the database.
SECRET_KEY = os.environ.get("ACME_SECRET_KEY") or secrets.token_urlsafe(50)
DEBUG = os.environ.get("ACME_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "library",
    "b2router",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "library.error_pages.ErrorPagesMiddleware",
]

ROOT_URLCONF = "acme.urls"
WSGI_APPLICATION = "acme.wsgi.application"
ASGI_APPLICATION = "acme.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "site.sqlite3",
        "OPTIONS": {"timeout": 20},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
