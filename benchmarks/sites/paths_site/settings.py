"""The settings that all measured sites share, and where B2 is, for the views."""

from common.settings import *  # noqa: F403

ROOT_URLCONF = "paths_site.urls"
