"""django-storages' S3 storage, with boto3's threads and part sizes as they come; new names as Django has them."""

from common.settings import *  # noqa: F403
from common.settings import BUCKETS, KEY, KEY_ID, REALM

ROOT_URLCONF = "common.urls"
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "public": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "access_key": KEY_ID,
            "secret_key": KEY,
            "bucket_name": BUCKETS["public"],
            "endpoint_url": REALM,
            "region_name": "us-west-004",
            "addressing_style": "path",
            "file_overwrite": False,
        },
    },
}
