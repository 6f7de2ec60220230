"""A site's own view that wants a file shown, saved or kept other than usual: over HTTP, in every mode of delivery."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import include, path

from b2router import get_storage
from b2router.config import CachePolicy
from b2router.emulator import Emulator
from b2router.views import serve
from tests.conftest import Configure

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.delivery.test_presentation")]

WANTED: dict[str, Any] = {}
"""What the view of these tests wants; set by `ask`."""


def own_view(request: HttpRequest, alias: str, name: str) -> HttpResponseBase:
    return serve(request, alias, name, **WANTED)


urlpatterns = [path("own/<str:alias>/<path:name>", own_view), path("", include("b2router.urls"))]

DELIVERIES: dict[str, dict[str, Any]] = {
    "proxy": {"mode": "proxy"},
    "s3": {"mode": "redirect"},
    "native": {"mode": "redirect", "signer": "native"},
    "accel": {"mode": "accel"},
    "signed cdn": {
        "mode": "cdn",
        "base_url": "https://cdn.example.com",
        "signing": {"scheme": "bunny", "secret": "of these tests"},
    },
    "cdn": {"mode": "cdn", "base_url": "https://cdn.example.com"},
    "direct": {"mode": "direct", "base_url": "https://f004.backblazeb2.com"},
}
PROTECTED = [mode for mode in DELIVERIES if mode not in ("cdn", "direct")]
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'self'"

Deliver = Callable[..., None]


@pytest.fixture
def deliver(configure: Configure, emulator: Emulator, settings: Any) -> Deliver:
    """Deliver `public`, and where it may be `staff`, in one way, and store the same files in both."""

    def apply(mode: str, **values: Any) -> None:
        staff = {"staff": {"delivery": DELIVERIES[mode], **values}} if mode in PROTECTED else {}
        if mode == "signed cdn":
            signing = {"scheme": "bunny", "secret": "of staff in these tests"}
            staff["staff"]["delivery"] = {
                **DELIVERIES[mode],
                "base_url": "https://staff.example.com",
                "signing": signing,
            }
        configure(public={"delivery": DELIVERIES[mode], **values}, **staff)
        key_id, key = emulator.create_key()
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
        for alias in ("public", *staff):
            for name in ("a.png", "page.html"):
                get_storage(alias).save(name, ContentFile(b"<script>alert(1)</script>"))

    return apply


@pytest.fixture
def sam() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


def ask(client: Client, alias: str, name: str, **wanted: Any) -> Any:
    WANTED.clear()
    WANTED.update(wanted)
    return client.get(f"/own/{alias}/{name}")


def shown(answer: Any) -> tuple[str, str, str, str | None]:
    """What the visitor's browser is told in the end: status, disposition, cache policy, sandbox."""
    if answer.has_header("X-Accel-Redirect"):
        told = (answer["X-B2-Content-Disposition"], answer["X-B2-Cache-Control"])
        return ("nginx", *told, answer.get("Content-Security-Policy"))
    if answer.status_code == 302:
        if "cdn.example.com" in answer["Location"] or "backblazeb2.com" in answer["Location"]:
            return ("there", "", "", None)
        with urllib.request.urlopen(answer["Location"]) as there:
            assert there.status == 200
            return ("there", there.headers["Content-Disposition"], there.headers["Cache-Control"], None)
    assert answer.status_code == 200
    return ("here", answer["Content-Disposition"], answer["Cache-Control"], answer.get("Content-Security-Policy"))


@pytest.mark.parametrize(
    ("mode", "where"),
    [
        ("proxy", "here"),
        ("s3", "there"),
        ("native", "there"),
        ("accel", "nginx"),
        ("signed cdn", "here"),
        ("cdn", "here"),
        ("direct", "here"),
    ],
)
def test_what_is_wanted_holds_in_every_mode(mode: str, where: str, deliver: Deliver, client: Client) -> None:
    """Where B2 or a CDN cannot be told, the site streams the file."""
    deliver(mode)
    frames = None if where == "there" else "frame-ancestors 'self'"
    sandbox = None if where == "there" else SANDBOX
    usual = "public, no-cache"
    assert shown(ask(client, "public", "a.png", disposition="attachment")) == (
        *(where, 'attachment; filename="a.png"', usual, sandbox),
    )
    assert shown(ask(client, "public", "a.png", download_as="Logo.png")) == (
        *(where, 'attachment; filename="Logo.png"', usual, sandbox),
    )
    assert shown(ask(client, "public", "a.png", disposition="inline", download_as="Logo.png")) == (
        *(where, 'inline; filename="Logo.png"', usual, frames),
    )
    assert shown(ask(client, "public", "a.png", cache=CachePolicy(immutable=True))) == (
        *(where, 'inline; filename="a.png"', "public, max-age=31536000, immutable", frames),
    )


@pytest.mark.parametrize(
    ("mode", "where"),
    [
        ("proxy", "here"),
        ("s3", "here"),
        ("native", "here"),
        ("accel", "nginx"),
        ("signed cdn", "here"),
        ("cdn", "here"),
        ("direct", "here"),
    ],
)
def test_what_browsers_run_is_shown_in_a_sandbox_only(mode: str, where: str, deliver: Deliver, client: Client) -> None:
    """B2 has none, so it never shows it: the site does, or nginx."""
    deliver(mode)
    answer = ask(client, "public", "page.html", disposition="inline")
    assert shown(answer) == (where, 'inline; filename="page.html"', "public, no-cache", SANDBOX)
    if mode == "accel":  # for whom no nginx stands before the site
        assert parse_qs(urlsplit(answer["Location"]).query)["response-content-disposition"] == [
            'attachment; filename="page.html"'
        ]


@pytest.mark.parametrize("mode", PROTECTED)
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (CachePolicy(max_age_s=60), "private, max-age=60"),
        (CachePolicy(immutable=True), "private, max-age=31536000, immutable"),
        (CachePolicy(no_store=True), "private, no-store"),
    ],
)
def test_a_protected_file_never_becomes_public(
    mode: str, policy: CachePolicy, expected: str, deliver: Deliver, sam: Client, client: Client
) -> None:
    deliver(mode)
    answer = ask(sam, "staff", "a.png", cache=policy)
    assert shown(answer)[2] == expected
    assert answer["Cache-Control"].startswith("private")
    denied = ask(client, "staff", "a.png", cache=policy)
    assert (denied.status_code, denied["Cache-Control"]) == (302, "private, no-store")


@pytest.mark.parametrize("mode", PROTECTED)
def test_without_a_wish_the_answer_is_that_of_the_route(mode: str, deliver: Deliver, sam: Client) -> None:
    deliver(mode)
    own, routed = ask(sam, "staff", "a.png"), sam.get("/b2s/a.png")
    assert (own.status_code, {**own.headers, "Location": ""}) == (
        routed.status_code,
        {**routed.headers, "Location": ""},
    )


def test_a_redirect_is_kept_for_less_than_its_signature(deliver: Deliver, client: Client) -> None:
    deliver("s3")
    found = {
        policy: ask(client, "public", "a.png", cache=policy)["Cache-Control"]
        for policy in (CachePolicy(immutable=True), CachePolicy(max_age_s=10), CachePolicy(no_store=True))
    }
    assert list(found.values()) == ["private, max-age=150", "private, max-age=10", "private, no-store"]


def test_a_304_and_a_part_say_the_same_as_the_whole(deliver: Deliver, client: Client) -> None:
    deliver("proxy")
    whole = ask(client, "public", "page.html", disposition="inline", cache=CachePolicy(max_age_s=7))
    part = client.get("/own/public/page.html", headers={"range": "bytes=0-3"})
    same = client.get("/own/public/page.html", headers={"if-none-match": whole["ETag"]})
    assert (part.status_code, same.status_code) == (206, 304)
    for field in ("Cache-Control", "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options"):
        assert (field, whole[field]) == (field, part[field]) == (field, same[field])


def test_a_shared_link_keeps_its_name_and_the_view_its_policy(deliver: Deliver, client: Client) -> None:
    deliver("proxy")
    WANTED.update(disposition="inline", download_as=None, cache=CachePolicy(max_age_s=7))
    for download_as, expected in ((None, 'inline; filename="a.png"'), ("b.png", 'attachment; filename="b.png"')):
        query = urlsplit(get_storage("staff").share_url("a.png", download_as=download_as)).query
        answer = client.get(f"/own/staff/a.png?{query}")
        assert (answer["Content-Disposition"], answer["Cache-Control"]) == (expected, "private, max-age=7")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"disposition": "form-data"}, "Found the disposition 'form-data', expected 'inline', 'attachment' or None"),
        ({"download_as": "a\r\nSet-Cookie: x"}, "Found control characters in the name to save a file under"),
    ],
)
@pytest.mark.parametrize("mode", ["proxy", "s3", "native", "accel"])
def test_what_cannot_stand_in_a_header_is_a_mistake_of_the_view(
    mode: str, wanted: dict[str, str], expected: str, deliver: Deliver, client: Client, emulator: Emulator
) -> None:
    """In an address it would be B2 that put it into a header."""
    deliver(mode)
    emulator.reset_counts()
    with pytest.raises(ValueError, match=expected):
        ask(client, "public", "a.png", **wanted)
    assert emulator.calls() == {}
