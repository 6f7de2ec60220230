"""The test project with a cache for all processes, in the folder OBSERVED_CACHE, and a line of JSON an operation."""

import json
import logging
import os

from tests.project.settings import *  # noqa: F403


class JsonFormatter(logging.Formatter):
    """The fields of operations, for a test to read."""

    def format(self, record: logging.LogRecord) -> str:
        return "operation " + json.dumps({key: value for key, value in vars(record).items() if key.startswith("b2_")})


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["OBSERVED_CACHE"],
    }
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {"b2router.operations": {"handlers": ["json"], "level": "INFO", "propagate": False}},
}
