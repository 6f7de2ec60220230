"""What one bucket profile is: a frozen pydantic model whose rules concern nothing but itself. A part of `config`, where
profiles are related to each other.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal, Self
from urllib.parse import unquote

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from b2router import grammar, modes, names
from b2router.caching import CacheRules
from b2router.errors import InvalidName
from b2router.framing import Frames
from b2router.grammar import Permission
from b2router.modes import CdnDelivery, Delivery, DirectDelivery, ProxyDelivery, RedirectDelivery
from b2router.storing import (
    MAX_INFO_BYTES_LOCKED,
    CustomerEncryption,
    DottedPath,
    Encryption,
    FileInfo,
    Retention,
    StoredRules,
)
from b2router.uploading import Upload
from b2router.values import SEGMENTS, Model, Name, Truth, Whole, located

__all__ = ["DEFAULT_ACCOUNT", "BucketProfile"]

DEFAULT_ACCOUNT = "default"

_OWNER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z]+(_[A-Za-z0-9]+)*$"
# What a schema can say of the gate for names: whole segments, none of them "." or "..", no control characters. Any
# engine for regular expressions takes it: no look-around.
_LOCATION_PATTERN = r"^(?:(?:[^/.\x00-\x1f\x7f]|\.[^/.\x00-\x1f\x7f]|\.\.[^/\x00-\x1f\x7f])[^/\x00-\x1f\x7f]*/)*$"


class BucketProfile(Model):
    """One bucket, or a part of it, and its rules. Limits of names: B2 documentation, "Buckets" and "Files"."""

    bucket: str = Field(
        min_length=6,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$",
        json_schema_extra={"not": {"type": "string", "pattern": "^[Bb]2-"}},
    )
    """The bucket's name in B2."""
    account: Name = DEFAULT_ACCOUNT
    """Which of `accounts` the bucket is reached with; "default" is the key at the top level."""
    location: str = Field(default="", json_schema_extra={"pattern": _LOCATION_PATTERN})
    """Key prefix inside the bucket that belongs to this profile, such as "invoices/"; empty is the whole bucket."""
    route: Annotated[str, Field(json_schema_extra={"pattern": f"^{SEGMENTS}$"})] | None = None
    """URL prefix under the include, such as "b2s/"; without one, the site does not serve these files."""
    permission: Permission | None = None
    """Who may read; without one, nobody may."""
    readable_through: tuple[Name, ...] = ()
    """Other profiles through which these files may be read as well, though they let in more people; the isolation
    proof takes it as declared, and `manage.py check` warns of it."""
    on_denied: Literal["login", "403", "404"] = "login"
    """What the others get: the login page (signed-in visitors: 403), 403, or 404 to hide what exists."""
    owner: str | None = Field(default=None, pattern=_OWNER_PATTERN)
    """The model field whose row owns a file, as "app.Model.field"; a file that no row names is not found."""
    delivery: Delivery = ProxyDelivery()
    """How the bytes reach the browser."""
    max_age_s: Whole = Field(default=0, ge=0, le=31_536_000)
    """How long a browser (of a public profile: any cache) may keep a file without asking again, in seconds."""
    naming: Literal["suffix", "uuid", "content_hash", "overwrite"] = "suffix"
    """What a new file is called: its name, with a suffix where that is taken; digits by chance; its name with a digest
    of its content; or its name in any case, which covers a file that was there."""
    on_delete: Literal["hide", "version", "purge"] = "hide"
    """What deleting does: hide the file, so that it can be restored; delete its newest version, so that the one below
    is the file again; or delete all versions for good."""
    read_only: Truth = False
    """Whether the site only reads these files: saving, deleting and moving them raise before B2 is asked."""
    metadata_ttl_s: Whole = Field(default=300, ge=0, le=86_400)
    """How long size, time and type of a file are remembered, in seconds; 0 asks B2 each time."""
    missing_ttl_s: Whole = Field(default=5, ge=0, le=3600)
    """How long the site remembers that a visitor asked for a file that does not exist, in seconds; 0 asks B2 each
    time. Storages never believe it."""
    cache: CacheRules = ()
    """Other policies for files with certain names; the first rule that matches counts, else `max_age_s`."""
    frames: Frames = "same-origin"
    """Which pages may show a file in a frame: "same-origin", "deny", "any", or the site's own and a list of origins."""
    file_info: FileInfo = Field(default_factory=dict)
    """File information that B2 stores with every upload, such as {"b2-content-language": "de"}."""
    file_info_from: DottedPath | None = None
    """Path of a callable of the site that takes the name and the content of an upload, and gives further file
    information for it."""
    stored_as: StoredRules = ()
    """What is stored with files of certain names: type, headers, information; the first rule that matches counts."""
    encryption: Encryption | None = None
    """How B2 encrypts new files: {"mode": "sse_b2"}, or {"mode": "sse_c", "key": "..."} with keys of the site; without
    one, as the bucket's default says."""
    retention: Retention | None = None
    """How long new files cannot be deleted, such as {"mode": "governance", "days": 30}; without one, as the bucket's
    default says."""
    legal_hold: Truth = False
    """Whether new files cannot be deleted until somebody lifts the hold."""
    upload: Upload = Upload()
    """How files are cut and sent to B2."""

    _name: str = PrivateAttr(default="")

    @cached_property
    def name(self) -> str:
        """The profile's name: its key in `BackblazeConfig.profiles`."""
        return self._name  # slow to get at: pydantic keeps private attributes apart

    def named(self, name: str) -> Self:
        """The same declaration under a name."""
        profile = self.model_copy()
        profile.__dict__.pop("name", None)
        profile._name = name
        return profile

    @property
    def is_public(self) -> bool:
        """Whether anyone may read."""
        return self.permission == "public"

    @property
    def has_public_addresses(self) -> bool:
        """Whether anyone can open the files by an address that nobody signed: at B2, or at a CDN."""
        match self.delivery:
            case DirectDelivery() | CdnDelivery(signing=None):
                return True
            case _:
                return False

    @field_validator("bucket")
    @classmethod
    def _bucket_is_not_reserved(cls, value: str) -> str:
        if value.lower().startswith("b2-"):
            raise PydanticCustomError("bucket", "bucket names that begin with 'b2-' are reserved by Backblaze")
        return value

    @field_validator("location")
    @classmethod
    def _location_is_a_prefix_of_names(cls, value: str) -> str:
        if value:
            try:
                names.check(value.removesuffix("/"))
            except InvalidName as error:
                raise PydanticCustomError("location", "{reason}", {"reason": str(error).rstrip(".")}) from None
            if not value.endswith("/"):
                raise PydanticCustomError("location", "expected a prefix that ends with '/', such as 'invoices/'")
        return value

    @field_validator("route")
    @classmethod
    def _route_is_a_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(SEGMENTS, value):
            raise PydanticCustomError(
                "route", "expected URL segments of letters, digits and -._~ that end with '/', such as 'b2s/'"
            )
        return value

    @model_validator(mode="after")
    def _public_addresses_need_public_files(self) -> Self:
        if self.has_public_addresses and not self.is_public:
            raise located(
                "public_delivery",
                ("delivery", "mode"),
                f"'{self.delivery.mode}' gives out addresses that anyone can open, "
                f"but the profile's permission is not 'public'; expected 'public', or {_instead(self.delivery)}",
            )
        if self.has_public_addresses and self.owner is not None:
            raise located(
                "public_delivery",
                ("owner",),
                f"'{self.delivery.mode}' gives out addresses that ask for no row, so no owner can be enforced",
            )
        return self

    @model_validator(mode="after")
    def _only_the_site_knows_its_keys(self) -> Self:
        if isinstance(self.encryption, CustomerEncryption) and self.delivery.mode != "proxy":
            raise located(
                "customer_key",
                ("encryption", "mode"),
                f"with 'sse_c', B2 asks for the site's key with every download, but '{self.delivery.mode}' lets others "
                "fetch the files; expected the delivery 'proxy', or 'sse_b2'",
            )
        return self

    @model_validator(mode="after")
    def _what_is_locked_stays(self) -> Self:
        if (self.retention is not None or self.legal_hold) and self.on_delete != "hide":
            kept = "retention" if self.retention is not None else "legal_hold"
            raise located(
                "locked",
                ("on_delete",),
                f"'{self.on_delete}' deletes versions, which '{kept}' keeps from being deleted; expected 'hide'",
            )
        is_short = self.encryption is not None or self.retention is not None or self.legal_hold
        info_bytes = sum(len(f"{key}{text}".encode()) for key, text in self.file_info.items())
        if is_short and info_bytes > MAX_INFO_BYTES_LOCKED:
            raise located(
                "file_info",
                ("file_info",),
                f"with encryption, retention or a legal hold, B2 takes at most {MAX_INFO_BYTES_LOCKED} bytes of it, "
                "the file's name included",
            )
        return self

    @model_validator(mode="after")
    def _native_tokens_open_names_that_begin_alike(self) -> Self:
        """B2's download authorisations are for a prefix: one for "a" also opens "ab". That gives nothing away where
        whoever may read one file of the profile may read all of them."""
        is_native = isinstance(self.delivery, RedirectDelivery) and self.delivery.signer == "native"
        if is_native and (
            self.owner or any("." in word and ":" not in word for word in grammar.words(self.permission))
        ):
            raise located(
                "prefix_token",
                ("delivery", "signer"),
                "'native' opens every file whose name begins with the one that was asked for, but the profile decides "
                "about each file, by 'owner' or by a predicate of its own; expected 's3'",
            )
        return self

    @model_validator(mode="after")
    def _bunny_can_sign_some_address(self) -> Self:
        """In what Bunny signs, "=" belongs to a parameter, so no path with one is signed. A template has none."""
        if not isinstance(self.delivery, CdnDelivery) or not self.delivery.signing:
            return self
        before_location = modes.before_names(self.delivery.base_url, self.delivery.path, self.bucket, "")
        before_name = modes.before_names(self.delivery.base_url, self.delivery.path, self.bucket, self.location)
        if self.delivery.signing.scheme == "bunny" and "=" in unquote(before_name):
            place = ("delivery", "base_url") if "=" in unquote(before_location) else ("location",)
            raise located("bunny", place, "expected no '=': Bunny cannot tell such a path from parameters")
        return self


def _instead(delivery: Delivery) -> str:
    return "'signing'" if isinstance(delivery, CdnDelivery) else "another delivery"
