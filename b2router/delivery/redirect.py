"""Where a browser is sent that may read a file which the site does not stream: a signed address; asked by `response`
and storage.

The permission has been asked before. The address opens this file and no other, for a while, to whoever holds it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlencode

from b2router import names
from b2router.config import BucketProfile, CdnDelivery, CdnSigning, RedirectDelivery
from b2router.delivery import cdn_signing, headers, signing
from b2router.delivery.addresses import cdn_address
from b2router.delivery.presentation import AS_DECLARED, Presentation
from b2router.errors import NotFound, NotServed, Refused, UnexpectedAnswer
from b2router.router import current_router

if TYPE_CHECKING:
    from b2router.b2.session import Session

__all__ = ["DEFAULT_EXPIRES_IN_S", "given_out", "s3_address", "to_signed_address"]


DEFAULT_EXPIRES_IN_S = 300
"""How long an address works at least, when neither the caller nor the profile says."""


def to_signed_address(
    profile: BucketProfile,
    name: str,
    method: Literal["GET", "HEAD"],
    *,
    shown: Presentation = AS_DECLARED,
    link_ends_at: int | None = None,
) -> dict[str, str] | None:
    """The headers of the redirect, Location among them.

    Args:
        profile: whose file it is.
        name: the file name, which has passed the gate.
        method: of the request; the address is for the same.
        shown: what the site's own code wants to be other than usual.
        link_ends_at: when the link ends that the visitor came by, who may read nothing else; None for no link. The
            address, and what browsers keep of it, end with the link.
    Returns:
        None when the site is to stream the file itself: the profile says so, nothing narrow enough can be signed, or
        what is wanted cannot be had there: a type to be shown that only the site can lock up, other headers at a CDN.
    Raises:
        NotFound: there is no such file, of which B2 is asked for the signer `native` alone.
        BackendError: there is no login, or the key cannot sign.
    """
    if shown.disposition == "inline" and not headers.can_be_shown(name):
        return None
    match profile.delivery:
        case RedirectDelivery(signer="s3", expires_in_s=expires_in_s):
            address = s3_address(profile, name, expires_in_s, method=method, shown=shown, ends_by=link_ends_at)
        case RedirectDelivery(signer="native", expires_in_s=expires_in_s) if link_ends_at is None:
            address = _native_address(profile, name, expires_in_s, shown)
        case CdnDelivery(signing=CdnSigning(expires_in_s=expires_in_s)) if shown == AS_DECLARED:
            found = _signed_cdn_address(profile, profile.delivery, name, expires_in_s, link_ends_at)
            if found is None:
                return None
            address = found
        case _:
            return None
    keep_s = expires_in_s // 2
    if link_ends_at is not None:
        keep_s = max(0, min(keep_s, int(link_ends_at - time.time())))
    return {"Location": address, **headers.for_redirect(profile, name, keep_s, shown)}


def given_out(profile: BucketProfile, name: str, expires_in_s: int | None, download_as: str | None) -> str:
    """An address that the site's own code gives to whom it chooses; so it has to open this file alone.

    Args:
        profile: whose file it is; its files have no public addresses.
        name: the file name, relative to the profile's location.
        expires_in_s: how long it works at least, in seconds; None for what the delivery says.
        download_as: the name to save the file under; None for its own.
    Raises:
        NotServed: the profile is signed by tokens that open more than one file, or by a CDN that cannot do this.
        InvalidName, ValueError, BackendError: see `s3_address`.
    """
    usual_s = DEFAULT_EXPIRES_IN_S
    if isinstance(profile.delivery, CdnDelivery):
        return _given_out_by_cdn(profile, profile.delivery, name, expires_in_s, download_as)
    if isinstance(profile.delivery, RedirectDelivery):
        usual_s = profile.delivery.expires_in_s
        if profile.delivery.signer == "native":
            raise NotServed(
                f"The profile '{profile.name}' is signed by B2's download tokens, which open every file whose name "
                "begins alike: give out its share_url(), or sign it by 's3'."
            )
    shown = Presentation(download_as=download_as)
    return s3_address(profile, name, usual_s if expires_in_s is None else expires_in_s, shown=shown)


def _given_out_by_cdn(
    profile: BucketProfile, delivery: CdnDelivery, name: str, expires_in_s: int | None, download_as: str | None
) -> str:
    usual_s = delivery.signing.expires_in_s if delivery.signing else DEFAULT_EXPIRES_IN_S
    if expires_in_s is not None and expires_in_s > usual_s:
        raise ValueError(f"Found {expires_in_s} s, but the delivery of '{profile.name}' signs for {usual_s} s at most.")
    address = _signed_cdn_address(profile, delivery, name, usual_s if expires_in_s is None else expires_in_s)
    if address is None or download_as is not None:
        raise NotServed(
            f"The CDN of '{profile.name}' cannot be told under which name to save a file, nor can every name be signed "
            "for it: give out the share_url()."
        )
    return address


def s3_address(
    profile: BucketProfile,
    name: str,
    expires_in_s: int,
    *,
    method: Literal["GET", "HEAD"] = "GET",
    shown: Presentation = AS_DECLARED,
    ends_by: int | None = None,
) -> str:
    """An address at B2's S3-compatible API, signed here: no call once the process has logged in.

    Args:
        profile: whose file it is.
        name: the file name, relative to the profile's location.
        expires_in_s: how long it works at least, in seconds.
        method: what it may be used for.
        shown: what the site's own code wants to be other than usual. A type that browsers run is not shown, because
            B2 does not lock it up.
        ends_by: when it ends in any case, in Unix seconds, and with it what browsers keep without asking; None for no
            such time. Within a window the address stays the same nevertheless.
    Raises:
        InvalidName: no file can have this name.
        ValueError: the time is out of bounds.
        BackendError: there is no login, or the key cannot sign.
    """
    key = names.key(profile.location, name)
    window = signing.window(expires_in_s, time.time()).until(ends_by)
    if ends_by is not None:
        shown = headers.kept_for(profile, name, shown, max(0, ends_by - window.ends_at))
    session = _session(profile)
    login = session.login()
    if login.is_master:
        raise Refused(
            f"The account '{profile.account}' has the master key, which B2's S3 API does not take. "
            "Make an application key with readFiles for it."
        )
    if not login.s3_url:
        raise UnexpectedAnswer("The login was answered without an S3 endpoint, so no address can be signed for it.")
    if shown.disposition == "inline" and not headers.can_be_shown(name):
        shown = replace(shown, disposition=None)
    said = headers.by_name(profile, name, shown)
    return signing.presign(
        login.s3_url,
        profile.bucket,
        key,
        key_id=session.account.application_key_id,
        secret=session.account.application_key,
        window=window,
        method=method,
        overrides={f"response-{field.lower()}": value for field, value in said.items()},
    )


def _signed_cdn_address(
    profile: BucketProfile, delivery: CdnDelivery, name: str, expires_in_s: int, ends_by: int | None = None
) -> str | None:
    """An address at the CDN; None when none can be signed that opens this file alone."""
    if delivery.signing is None:
        return None
    address = cdn_address(profile, delivery, name)
    window = signing.window(expires_in_s, time.time()).until(ends_by)
    return cdn_signing.signed(delivery.signing, address, window)


def _native_address(profile: BucketProfile, name: str, expires_in_s: int, shown: Presentation) -> str:
    """An address at B2's download host with a token of B2's: one call for each file and window, and one to learn that
    there is such a file: a token for a name that none has would open all that begin with it.

    Raises:
        NotFound: no such file.
        BackendError: there is no login, or B2 refused or failed.
    """
    from b2router.b2 import tokens

    key, now = names.key(profile.location, name), time.time()
    file = current_router().place(profile).file(key)
    if file.is_missing:
        raise NotFound("There is no such file.")
    if file.remembered is None:
        file.look()
    session = _session(profile)
    login = session.login()
    token = tokens.download_token(session, profile.bucket, key, signing.window(expires_in_s, now).ends_at, now)
    said = headers.by_name(profile, name, shown)
    query = {f"b2{field.replace('-', '')}": value for field, value in said.items()}
    path = f"file/{profile.bucket}/{quote(key, safe='/')}"
    return f"{login.download_url}/{path}?{urlencode({'Authorization': token, **query}, quote_via=quote)}"


def _session(profile: BucketProfile) -> Session:
    return current_router().session(profile)
