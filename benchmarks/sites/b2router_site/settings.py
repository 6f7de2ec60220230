"""b2router with three buckets, each with its own readers."""

from typing import Any

from common.settings import *  # noqa: F403
from common.settings import BUCKETS, INSTALLED_APPS, KEY, KEY_ID, REALM

import b2router

ROOT_URLCONF = "b2router_site.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "b2router"]
BACKBLAZE_CONFIG: dict[str, Any] = {
    "realm": REALM,
    "application_key_id": KEY_ID,
    "application_key": KEY,
    "profiles": {
        "public": {"bucket": BUCKETS["public"], "route": "b2/", "permission": "public"},
        "logged_in": {"bucket": BUCKETS["logged_in"], "route": "b2l/", "permission": "authenticated"},
        "staff": {"bucket": BUCKETS["staff"], "route": "b2s/", "permission": "staff"},
    },
}
STORAGES = b2router.django_storages(BACKBLAZE_CONFIG)
