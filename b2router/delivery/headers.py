"""Which headers a file gets: type, disposition, caching, and what keeps active content from running as the site.

Asked by `response`. Headers are made here from facts, and nothing else of B2's answer is passed on: an uploader chose
the type and the file information.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2s

from django.utils.http import content_disposition_header, http_date

from b2router import caching, content_types, framing
from b2router.b2.stored import StoredFile
from b2router.config import BucketProfile, CachePolicy
from b2router.delivery.presentation import AS_DECLARED, Presentation

__all__ = [
    "INLINE_TYPES",
    "OF_NOT_MODIFIED",
    "by_name",
    "can_be_shown",
    "for_denial",
    "for_file",
    "for_redirect",
    "guards_by_name",
    "kept_for",
]

INLINE_TYPES = frozenset(
    {
        "application/pdf",
        "audio/aac",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "audio/x-wav",
        "image/apng",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/vnd.microsoft.icon",
        "image/webp",
        "image/x-icon",
        "text/plain",
        "video/mp4",
        "video/ogg",
        "video/quicktime",
        "video/webm",
    }
)
"""Types that no browser runs as code in the site's name. All others are offered as a download."""

OF_NOT_MODIFIED = frozenset(
    {
        "Cache-Control",
        "Content-Length",
        "Content-Security-Policy",
        "Cross-Origin-Resource-Policy",
        "ETag",
        "Last-Modified",
        "X-Content-Type-Options",
        "X-Frame-Options",
    }
)
"""Which of a file's headers a 304 repeats. Source: RFC 9110, 15.4.5. The length, because CommonMiddleware would put in
a wrong one, see 8.6; the guards, because other middleware would put in the site's, and caches take what a 304 says for
what they keep: RFC 9111, 3.2."""

_TYPE = re.compile(
    r"([a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*)\s*(?:;\s*charset=\"?([\w-]+)\"?\s*)?(?:;|$)"
)
_REMEMBERED = 1024
"""Of so many files that were asked for lately the headers are not made anew."""
_UNDECLARED = "b2/x-auto"
"""What asks B2 to guess at upload; where it was stored as it is, nobody has said a type."""
_HIDDEN = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of writing, so that "exe.pdf" can look like "fdp.exe" in a save dialog."""


def for_file(
    profile: BucketProfile, name: str, stored: StoredFile, shown: Presentation = AS_DECLARED
) -> dict[str, str]:
    """The headers of an answer that carries the file, or describes it.

    Args:
        profile: whose rules apply.
        name: the file name, relative to the profile's location.
        stored: what B2 said.
        shown: what the site's own code wants to be other than usual.
    Source: RFC 9110, 8.3, 8.8; RFC 6266; RFC 9111, 5.2.2; Fetch standard, CORP and nosniff.
    """
    media_type, content_type = _content_type(stored.content_type, name)
    etag, last_modified = _validators(stored.file_id, stored.uploaded_at)
    headers = {
        "Content-Type": content_type,
        "Content-Length": str(stored.size_bytes),
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(name, shown, media_type),
        "ETag": etag,
        "Last-Modified": last_modified,
        "Cache-Control": _cache_control(profile, _policy(profile, name, shown)),
        **_guards(profile, shown, media_type),
    }
    if stored.content_encoding and re.fullmatch(r"[a-zA-Z0-9, -]{1,40}", stored.content_encoding):
        headers["Content-Encoding"] = stored.content_encoding
    return headers


def by_name(profile: BucketProfile, name: str, shown: Presentation = AS_DECLARED) -> dict[str, str]:
    """What another than the site is to say about a file that it sends: from the name alone, because nobody looks at
    the file.

    Args:
        profile: whose rules apply.
        name: the file name, relative to the profile's location.
        shown: what the site's own code wants to be other than usual.
    """
    media_type = content_types.of_name(name)
    return {
        "Content-Type": _with_charset(media_type),
        "Content-Disposition": _disposition(name, shown, media_type),
        "Cache-Control": _cache_control(profile, _policy(profile, name, shown)),
    }


def kept_for(profile: BucketProfile, name: str, shown: Presentation, keep_s: int) -> Presentation:
    """As `shown`, but kept without asking for so many seconds at most."""
    if _policy(profile, name, shown).life_s <= keep_s:
        return shown
    return replace(shown, cache=CachePolicy(max_age_s=keep_s))


def guards_by_name(profile: BucketProfile, name: str, shown: Presentation = AS_DECLARED) -> dict[str, str]:
    """What keeps a file that nginx sends from running as the site: as `by_name`, from the name alone."""
    return _guards(profile, shown, content_types.of_name(name))


def can_be_shown(name: str) -> bool:
    """Whether the type that the name suggests is safe to show where nothing can lock it up."""
    return content_types.of_name(name) in INLINE_TYPES


def for_redirect(profile: BucketProfile, name: str, keep_s: int, shown: Presentation = AS_DECLARED) -> dict[str, str]:
    """The headers of a redirect to a signed address: for this visitor only, and not passed on as a referrer.

    Args:
        profile: whose rules apply.
        name: the file name, relative to the profile's location.
        keep_s: how long the browser may keep it at most, in seconds; less than the signature has left.
        shown: what the site's own code wants to be other than usual.
    """
    max_age_s = min(_policy(profile, name, shown).life_s, keep_s)
    return {
        "Cache-Control": f"private, max-age={max_age_s}" if max_age_s else "private, no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def for_denial(profile: BucketProfile) -> dict[str, str]:
    """The headers of every answer that carries no file: an error, a redirect to the login page, a refused method.
    Frames are as for files: whether a page can show one would tell whether there is a file."""
    return {
        "Cache-Control": "no-store" if profile.is_public else "private, no-store",
        "X-Content-Type-Options": "nosniff",
        **framing.headers(profile.frames),
    }


def _guards(profile: BucketProfile, shown: Presentation, media_type: str) -> dict[str, str]:
    guards = {"X-Content-Type-Options": "nosniff", **framing.headers(profile.frames)}
    if not profile.is_public:
        guards["Cross-Origin-Resource-Policy"] = "same-origin"
    is_safe = media_type in INLINE_TYPES
    if not is_safe or not shown.is_inline(is_safe=is_safe):
        guards["Content-Security-Policy"] = f"sandbox; default-src 'none'; {guards['Content-Security-Policy']}"
    return guards


@lru_cache(maxsize=_REMEMBERED)
def _validators(file_id: str, uploaded_at: datetime) -> tuple[str, str]:
    """ETag and Last-Modified of a version."""
    etag = blake2s(file_id.encode(), digest_size=16).hexdigest()
    return f'"{etag}"', http_date(uploaded_at.timestamp())


@lru_cache(maxsize=_REMEMBERED)
def _content_type(stored: str, name: str) -> tuple[str, str]:
    """The type alone, and with its charset: as stored; by the name, where nothing is stored that is a type."""
    match = _TYPE.match(stored.strip().lower())
    if match is None or match[1] == _UNDECLARED:
        media_type = content_types.of_name(name)
        return media_type, _with_charset(media_type)
    if match[1].startswith(("multipart/", "message/")):
        return content_types.UNKNOWN, content_types.UNKNOWN
    return match[1], _with_charset(match[1], match[2])


def _with_charset(media_type: str, charset: str | None = None) -> str:
    """Text whose charset nobody knows is UTF-8; browsers would take windows-1252."""
    charset = charset or ("utf-8" if media_type.startswith("text/") else None)
    return f"{media_type}; charset={charset}" if charset else media_type


def _disposition(name: str, shown: Presentation, media_type: str) -> str:
    return _named(shown.download_as or name, is_inline=shown.is_inline(is_safe=media_type in INLINE_TYPES))


@lru_cache(maxsize=_REMEMBERED)
def _named(name: str, *, is_inline: bool) -> str:
    filename = _HIDDEN.sub("", name.rpartition("/")[2]) or "file"
    return content_disposition_header(not is_inline, filename.replace("\\", "_")) or "attachment"


def _policy(profile: BucketProfile, name: str, shown: Presentation) -> CachePolicy:
    return shown.cache or caching.policy(profile.cache, name, profile.max_age_s)


def _cache_control(profile: BucketProfile, policy: CachePolicy) -> str:
    return caching.header(policy, is_public=profile.is_public)
