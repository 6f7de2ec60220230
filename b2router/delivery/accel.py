"""Delivery by nginx: the site permits and names the file, nginx fetches it from B2; called by `response`.

The answer is a redirect that nginx follows in the visitor's place. `X-Accel-Redirect` tells it to, and Location is an
address that opens this file and no other, for a minute, signed here without asking B2. No token is in it that could
get out: where nginx is missing or set up wrongly, the answer is what it looks like, a redirect to a file that this
visitor may read.

The type is the one that the name suggests, whatever an uploader declared; with it go disposition and sandbox. nginx
puts them in the place of B2's. Conditions, ranges and what does not exist are for B2 to decide; what nginx makes of
its answers is printed by `manage.py b2router nginx`.
"""

from __future__ import annotations

from typing import Literal

from django.http import HttpResponse

from b2router.config import AccelDelivery, BucketProfile
from b2router.delivery import headers
from b2router.delivery.presentation import AS_DECLARED, Presentation
from b2router.delivery.redirect import s3_address

__all__ = ["CARRIED", "FORWARDED", "LIFE_S", "through_nginx"]

LIFE_S = 60
"""How long nginx has to begin fetching, at least, in seconds: it does so at once, but clocks differ."""

CARRIED = {
    "Content-Type": "X-B2-Content-Type",
    "Content-Disposition": "X-B2-Content-Disposition",
    "Cache-Control": "X-B2-Cache-Control",
}
"""Headers of the file, under the names by which they reach nginx. It would keep them under their own, and then errors
would have them too: a 404 with the type of an image, kept for as long as the file."""

FORWARDED = (
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
)
"""What else the visitor gets as the site, its middleware included, has said it; nginx drops it unless told."""


def through_nginx(
    profile: BucketProfile, name: str, method: Literal["GET", "HEAD"], shown: Presentation = AS_DECLARED
) -> HttpResponse | None:
    """The answer that makes nginx deliver a file.

    Args:
        profile: whose file it is.
        name: the file name, which has passed the gate.
        method: of the request; the address is for the same.
        shown: what the site's own code wants to be other than usual.
    Returns:
        None when the profile is not delivered by nginx.
    Raises:
        BackendError: there is no login, or the key cannot sign.
    Source: nginx documentation, "X-Accel".
    """
    if not isinstance(profile.delivery, AccelDelivery):
        return None
    said = headers.by_name(profile, name, shown)
    response = HttpResponse(
        status=302,
        headers={
            "Location": s3_address(profile, name, LIFE_S, method=method, shown=shown),
            "X-Accel-Redirect": profile.delivery.internal,
            **{carrier: said[field] for field, carrier in CARRIED.items()},
            **headers.guards_by_name(profile, name, shown),
            "Referrer-Policy": "no-referrer",
            "Vary": "*",  # without nginx, nobody keeps the redirect beyond the life of its address
        },
    )
    del response["Content-Type"]  # of a body that is not there; nginx would keep it
    if not profile.is_public:
        response["Cache-Control"] = "private"  # nginx keeps it too, and adds the file's own
    return response
