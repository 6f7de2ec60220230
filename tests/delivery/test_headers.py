"""Headers of a file, from facts: type, disposition, caching, and what locks active content up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from b2router.b2.stored import StoredFile
from b2router.config import BucketProfile
from b2router.delivery.headers import INLINE_TYPES, by_name, for_denial, for_file, for_redirect

STORED = StoredFile(
    key="a.txt",
    file_id="4_z1",
    size_bytes=5,
    content_type="text/plain",
    sha1=None,
    uploaded_at=datetime(2026, 1, 2, 3, 4, 5, 999000, tzinfo=UTC),
)


def profile(**values: Any) -> BucketProfile:
    return BucketProfile.model_validate({"bucket": "acme-media", "permission": "public", **values})


def header(name: str, file: str = "a.txt", rules: BucketProfile | None = None, **stored: Any) -> str | None:
    return for_file(rules or profile(), file, replace(STORED, **stored)).get(name)


@pytest.mark.parametrize(
    ("stored", "served"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain; charset=iso-8859-1", "text/plain; charset=iso-8859-1"),
        ('TEXT/Plain ; charset="UTF-8"', "text/plain; charset=utf-8"),
        ("text/html;x=y", "text/html; charset=utf-8"),
        ("image/png", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("application/vnd.ms-excel.sheet.macroEnabled.12", "application/vnd.ms-excel.sheet.macroenabled.12"),
        ("application/octet-stream", "application/octet-stream"),
        ("multipart/x-mixed-replace; boundary=x", "application/octet-stream"),
        ("message/rfc822", "application/octet-stream"),
    ],
)
def test_a_declared_type_is_parsed(stored: str, served: str) -> None:
    """An uploader chose it. Text without a charset is UTF-8; browsers would take windows-1252."""
    assert header("Content-Type", file="a.png", content_type=stored) == served


@pytest.mark.parametrize(
    "nothing", ["", " ", "b2/x-auto", "*/*", "text", "text/plain\r\nX-Evil: 1", "text/plain, text/html", "text/html<"]
)
@pytest.mark.parametrize(
    ("name", "served", "is_shown"),
    [
        ("a.png", "image/png", True),
        ("a.TXT", "text/plain; charset=utf-8", True),
        ("a.html", "text/html; charset=utf-8", False),
        ("a.svg", "image/svg+xml", False),
        ("a.csv.gz", "application/gzip", False),
        ("README", "application/octet-stream", False),
    ],
)
def test_where_no_type_is_stored_the_name_decides(nothing: str, name: str, served: str, *, is_shown: bool) -> None:
    """From a table of our own, the same on every host; what is shown, and what is locked up, follows from it."""
    headers = for_file(profile(), name, replace(STORED, content_type=nothing))
    assert headers["Content-Type"] == served
    assert headers["Content-Disposition"] == f'{"inline" if is_shown else "attachment"}; filename="{name}"'
    assert ("sandbox" in headers["Content-Security-Policy"]) is not is_shown


@pytest.mark.parametrize(
    "active", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/css", "x/y"]
)
def test_what_browsers_may_run_is_a_download_in_a_sandbox(active: str) -> None:
    headers = for_file(profile(), "a", replace(STORED, content_type=active))
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'self'"


@pytest.mark.parametrize("passive", sorted(INLINE_TYPES))
def test_what_browsers_only_show_is_shown(passive: str) -> None:
    headers = for_file(profile(), "a", replace(STORED, content_type=passive))
    assert headers["Content-Disposition"].startswith("inline")
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"


def test_no_type_that_runs_is_shown() -> None:
    assert not [t for t in INLINE_TYPES if any(word in t for word in ("html", "xml", "svg", "script", "css", "json"))]


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a.txt", 'inline; filename="a.txt"'),
        ("folder/b c.txt", 'inline; filename="b c.txt"'),
        ('"quoted".txt', 'inline; filename="\\"quoted\\".txt"'),
        ("ü.txt", "inline; filename*=utf-8''%C3%BC.txt"),
        ("photo\u202egnp.exe", 'inline; filename="photognp.exe"'),
        ("a\\b.txt", 'inline; filename="a_b.txt"'),
        ("\u202e", 'inline; filename="file"'),
    ],
)
def test_the_disposition_names_the_file_and_nothing_else(name: str, disposition: str) -> None:
    """RFC 6266, RFC 8187. Characters that turn the direction of writing would show another extension."""
    assert header("Content-Disposition", file=name) == disposition


@pytest.mark.parametrize(
    ("rules", "policy"),
    [
        ({}, "public, no-cache"),
        ({"max_age_s": 60}, "public, max-age=60"),
        ({"permission": "staff"}, "private, no-cache"),
        ({"permission": "staff", "max_age_s": 60}, "private, max-age=60"),
        ({"permission": {"any": ["public", "staff"]}}, "private, no-cache"),
    ],
)
def test_only_what_anyone_may_read_is_for_shared_caches(rules: dict[str, Any], policy: str) -> None:
    assert header("Cache-Control", rules=profile(**rules)) == policy


@pytest.mark.parametrize(
    ("rule", "policy", "redirect"),
    [
        ({"max_age_s": 60}, "{}, max-age=60", "private, max-age=60"),
        ({"max_age_s": 600}, "{}, max-age=600", "private, max-age=150"),
        ({"max_age_s": 0}, "{}, no-cache", "private, no-store"),
        ({"immutable": True}, "{}, max-age=31536000, immutable", "private, max-age=150"),
        ({"immutable": True, "max_age_s": 60}, "{}, max-age=60, immutable", "private, max-age=60"),
    ],
)
def test_a_rule_says_how_long_and_the_permission_for_whom(rule: dict[str, Any], policy: str, redirect: str) -> None:
    """The same of the site, of B2 and of nginx; a redirect goes to an address that ends."""
    for scope, permission in (("public", "public"), ("private", "staff")):
        rules = profile(permission=permission, max_age_s=5, cache=[{"match": "*.txt", **rule}])
        assert header("Cache-Control", rules=rules) == policy.format(scope)
        assert by_name(rules, "a.txt")["Cache-Control"] == policy.format(scope)
        assert header("Cache-Control", rules=rules, file="a.css") == f"{scope}, max-age=5"
        assert for_redirect(rules, "a.txt", 150)["Cache-Control"] == redirect


def test_what_nobody_may_keep_is_kept_by_nobody() -> None:
    for expected, permission in (("no-store", "public"), ("private, no-store", "staff")):
        rules = profile(permission=permission, cache=[{"no_store": True}])
        assert header("Cache-Control", rules=rules) == by_name(rules, "a.txt")["Cache-Control"] == expected
        assert for_redirect(rules, "a.txt", 150)["Cache-Control"] == "private, no-store"


def test_a_protected_file_is_not_for_other_sites() -> None:
    assert header("Cross-Origin-Resource-Policy", rules=profile(permission="staff")) == "same-origin"
    assert header("Cross-Origin-Resource-Policy") is None


def test_validators_and_length() -> None:
    headers = for_file(profile(), "a.txt", STORED)
    assert headers["Last-Modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert headers["Content-Length"] == "5"
    assert headers["ETag"] != header("ETag", file_id="4_z2")
    assert "4_z1" not in headers["ETag"]


@pytest.mark.parametrize(("encoding", "served"), [("gzip", "gzip"), ("br", "br"), (None, None), ("x\r\ny: z", None)])
def test_an_encoding_is_passed_on(encoding: str | None, served: str | None) -> None:
    """The bytes go out as they are stored, so the client has to know."""
    assert header("Content-Encoding", content_encoding=encoding) == served


def test_denials_are_never_stored() -> None:
    assert for_denial(profile())["Cache-Control"] == "no-store"
    assert for_denial(profile(permission="staff"))["Cache-Control"] == "private, no-store"
