"""The delivery modes and what each can be told; part of the configuration, carried out by `delivery`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from b2router.values import SEGMENTS, Model, WebAddress, Whole, is_loopback, located

__all__ = [
    "AccelDelivery",
    "CdnDelivery",
    "CdnSigning",
    "Delivery",
    "DirectDelivery",
    "ProxyDelivery",
    "RedirectDelivery",
    "before_names",
]


class ProxyDelivery(Model):
    """The site itself hands the bytes on, from B2 to the browser."""

    mode: Literal["proxy"] = "proxy"
    """The site streams the file through its own process."""


class RedirectDelivery(Model):
    """The site asks the permission and sends the browser to B2, with an address that opens this file for a while."""

    mode: Literal["redirect"]
    """The site answers with a redirect; the bytes come from B2."""
    signer: Literal["s3", "native"] = "s3"
    """Who makes the address: "s3" signs it here, for one object; "native" asks B2 for a download authorisation."""
    expires_in_s: Whole = Field(default=300, ge=10, le=604_800)
    """How long the address works at least, in seconds; at most half as long again."""


def _internal_location(value: str) -> str:
    if not re.fullmatch(f"/{SEGMENTS}", value):
        raise PydanticCustomError(
            "internal", "expected a path of letters, digits and -._~ that begins and ends with '/', such as '/_b2/'"
        )
    return value


class AccelDelivery(Model):
    """The site asks the permission, and nginx, which stands before it, fetches the file from B2 and hands it on."""

    mode: Literal["accel"]
    """The site answers nginx, by X-Accel-Redirect; the bytes do not pass its process."""
    internal: Annotated[
        str, AfterValidator(_internal_location), WithJsonSchema({"type": "string", "pattern": f"^/{SEGMENTS}$"})
    ] = "/_b2/"
    """The internal location of nginx, as `manage.py b2router nginx` prints it; the site can have no page below it."""


_BEFORE_NAME = r"(?:(?:[A-Za-z0-9._~-]|\{bucket\})+/|\{location\})*"


def _path(value: str) -> str:
    """A template of paths that no two names share: the name is last, and whole segments stand before it."""
    known = re.fullmatch(rf"{_BEFORE_NAME}\{{name\}}", value) is not None
    once = value.count("{bucket}") <= 1 and value.count("{location}") <= 1
    if not known or not once or {".", ".."} & set(value.replace("{location}", "").split("/")):
        raise PydanticCustomError(
            "path",
            "expected segments of letters, digits, -._~, {bucket} and {location}, each at most once, and then "
            "{name}, such as '{location}{name}' or 'assets/{name}'",
        )
    return value


def _direct_path(value: str) -> str:
    if not _path(value).endswith("{location}{name}"):
        raise PydanticCustomError("path", "expected it to end with '{location}{name}': B2 knows a file by both of them")
    return value


class DirectDelivery(Model):
    """Browsers fetch from B2 itself; the bucket is public."""

    mode: Literal["direct"]
    """Addresses point at B2."""
    base_url: WebAddress
    """B2's download host for the account, such as "https://f004.backblazeb2.com"."""
    path: Annotated[
        str,
        AfterValidator(_direct_path),
        WithJsonSchema({"type": "string", "pattern": rf"^{_BEFORE_NAME}\{{location\}}\{{name\}}$"}),
    ] = "file/{bucket}/{location}{name}"
    """What follows it: {bucket}, and {location}{name}, which B2 needs whole, at the end."""


class CdnSigning(Model):
    """How the site signs addresses that the CDN checks."""

    scheme: Literal["bunny", "cloudflare"]
    """Bunny's token authentication, or a Cloudflare rule with is_timed_hmac_valid_v0."""
    secret: SecretStr = Field(min_length=8)
    """What the site and the CDN share: Bunny's token authentication key, or the key in Cloudflare's rule."""
    expires_in_s: Whole = Field(default=300, ge=10, le=604_800)
    """How long an address works at least, in seconds; at most half as long again."""


class CdnDelivery(Model):
    """Browsers fetch from a content delivery network; in front of a public bucket, unless addresses are signed."""

    mode: Literal["cdn"]
    """Addresses point at the CDN."""
    base_url: WebAddress
    """Where the CDN is, such as "https://cdn.example.com/"."""
    path: Annotated[
        str, AfterValidator(_path), WithJsonSchema({"type": "string", "pattern": rf"^{_BEFORE_NAME}\{{name\}}$"})
    ] = "{location}{name}"
    """What follows it, as the CDN maps it to the bucket: {bucket}, {location}, and {name}, with which it ends."""
    signing: CdnSigning | None = None
    """How addresses are signed, so that the CDN hands out nothing else; without it, they are open to anyone."""

    @model_validator(mode="after")
    def _signatures_travel_unseen(self) -> Self:
        address = urlsplit(self.base_url)
        if self.signing is not None and address.scheme != "https" and not is_loopback(address.hostname):
            raise located("web_address", ("base_url",), "expected https: whoever reads a signed address can use it")
        return self


def _delivery_mode(value: Any) -> Any:
    return {"mode": "proxy", **value} if isinstance(value, Mapping) and "mode" not in value else value


Delivery = Annotated[
    ProxyDelivery | RedirectDelivery | AccelDelivery | DirectDelivery | CdnDelivery,
    Field(discriminator="mode"),
    BeforeValidator(_delivery_mode),
]


def before_names(base_url: str, path: str, bucket: str, location: str) -> str:
    """What all public or signed addresses of a profile begin with; percent-encoded, ending with "/".

    Args:
        base_url: of its delivery.
        path: template of its delivery.
        bucket: of the profile.
        location: of the profile.
    """
    before = path.removesuffix("{name}").replace("{bucket}", bucket)
    return base_url + before.replace("{location}", quote(location, safe="/"))
