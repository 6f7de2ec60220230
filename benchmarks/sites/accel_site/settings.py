"""The measured settings of b2router, with another delivery."""

from b2router_site.settings import *  # noqa: F403
from b2router_site.settings import BACKBLAZE_CONFIG

BACKBLAZE_CONFIG["profiles"]["public"]["delivery"] = {"mode": "accel"}
