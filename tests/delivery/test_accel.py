"""Delivery by nginx, the site's half: what nginx is told, what that costs, and what there is to see without nginx."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, override_settings

from b2router.config import BucketProfile
from b2router.delivery import signing
from b2router.delivery.accel import CARRIED, FORWARDED, LIFE_S, through_nginx
from b2router.delivery.presentation import Presentation
from b2router.emulator import Emulator
from tests.conftest import Configure

pytestmark = pytest.mark.django_db

ACCEL = {"mode": "accel"}
Deliver = Callable[..., None]


@pytest.fixture(autouse=True)
def deliver(configure: Configure, emulator: Emulator, settings: Any) -> Deliver:
    """Deliver `public` and `staff` by nginx, with an application key; a master key cannot sign."""

    def apply(**more: Any) -> None:
        configure(public={"delivery": {**ACCEL, **more}}, staff={"delivery": {**ACCEL, **more}})
        key_id, key = emulator.create_key()
        settings.BACKBLAZE_CONFIG = {
            **settings.BACKBLAZE_CONFIG,
            "application_key_id": key_id,
            "application_key": key,
        }

    apply()
    return apply


@pytest.fixture
def sam() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


def test_nginx_is_told_the_file_and_its_headers(sam: Client, emulator: Emulator) -> None:
    """The whole answer. What nginx would keep under its own name goes by another, so that errors do not have it."""
    answer = sam.get("/b2s/reports/a b.pdf")
    said = dict(answer.items())
    address = urlsplit(said.pop("Location"))
    assert (f"{address.scheme}://{address.netloc}", address.path) == (emulator.url, "/acme-staff/reports/a%20b.pdf")
    assert signing.life_s(LIFE_S) == int(parse_qs(address.query)["X-Amz-Expires"][0]) == 90
    assert (answer.status_code, answer.content) == (302, b"")
    assert said == {
        "X-Accel-Redirect": "/_b2/",
        "X-B2-Content-Type": "application/pdf",
        "X-B2-Content-Disposition": 'inline; filename="a b.pdf"',
        "X-B2-Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Content-Security-Policy": "frame-ancestors 'self'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",  # of SecurityMiddleware, like all that the site adds
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "private",
        "Vary": "*",
        "Content-Length": "0",
    }
    assert {*CARRIED.values(), *(name for name in FORWARDED if name in said)} < {*said}


def test_a_public_file_has_a_policy_for_nginx_alone() -> None:
    """Without nginx no cache keeps a redirect to an address that soon ends; with it, caches keep the file."""
    with override_settings(MIDDLEWARE=[]):
        answer = Client().get("/b2/a.png")
    assert answer["X-B2-Cache-Control"] == "public, no-cache"
    assert answer["Vary"] == "*"
    assert "Cache-Control" not in answer
    assert "Cross-Origin-Resource-Policy" not in answer


def test_asking_costs_no_call(emulator: Emulator) -> None:
    """Once the process has logged in: the address is signed here."""
    Client().get("/b2/a.png")
    emulator.reset_counts()
    for headers in ({}, {"Range": "bytes=0-0"}, {"If-None-Match": '"x"'}):
        assert Client().get("/b2/a.png", headers=headers).status_code == 302
    assert Client().head("/b2/a.png").status_code == 302
    assert emulator.calls() == {}


def test_who_may_not_read_gets_no_address(emulator: Emulator) -> None:
    for path in ("/b2s/a.pdf", "/b2/../acme-staff/a.pdf", "/b2/a//b"):
        answer = Client().get(path, headers={"Accept": "application/json"})
        assert answer.status_code in (403, 404)
        assert "X-Accel-Redirect" not in answer
        assert "Location" not in answer
    assert emulator.calls() == {}


def test_the_address_is_for_the_method_that_was_used() -> None:
    """A signature says which; nginx keeps HEAD as it is."""
    get, head = Client().get("/b2/a.png")["Location"], Client().head("/b2/a.png")["Location"]
    assert get.partition("X-Amz-Signature")[0] == head.partition("X-Amz-Signature")[0]
    assert get != head


@pytest.mark.parametrize(
    ("name", "content_type", "disposition", "is_sandboxed"),
    [
        pytest.param("a.png", "image/png", "inline", False, id="image"),
        pytest.param("a.html", "text/html; charset=utf-8", "attachment", True, id="page"),
        pytest.param("a.svg", "image/svg+xml", "attachment", True, id="image with scripts"),
        pytest.param("A.HTML", "text/html; charset=utf-8", "attachment", True, id="upper case"),
        pytest.param("README", "application/octet-stream", "attachment", True, id="no suffix"),
    ],
)
def test_the_name_decides_about_type_and_sandbox(
    name: str, content_type: str, disposition: str, *, is_sandboxed: bool
) -> None:
    """Nobody looks at the file, and an uploader's type would be a stranger's word."""
    answer = Client().get(f"/b2/{name}")
    assert answer["X-B2-Content-Type"] == content_type
    assert answer["X-B2-Content-Disposition"] == f'{disposition}; filename="{name}"'
    assert answer.get("Content-Security-Policy") == (
        "sandbox; default-src 'none'; frame-ancestors 'self'" if is_sandboxed else "frame-ancestors 'self'"
    )
    query = parse_qs(urlsplit(answer["Location"]).query)  # the same for whoever follows the redirect
    assert query["response-content-type"] == [content_type]
    assert query["response-content-disposition"] == [f'{disposition}; filename="{name}"']


def test_a_download_under_another_name_is_no_longer_inline(configure: Configure) -> None:
    from b2router.router import current_router

    answer = through_nginx(current_router().profile("public"), "a.png", "GET", Presentation(download_as="Logo.png"))
    assert answer is not None
    assert answer["X-B2-Content-Disposition"] == 'attachment; filename="Logo.png"'
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'self'"


def test_another_mode_is_not_nginx_business() -> None:
    assert through_nginx(BucketProfile.model_validate({"bucket": "acme-media"}), "a.png", "GET") is None


def test_the_location_can_have_another_name(deliver: Deliver) -> None:
    deliver(internal="/files/of-b2/")
    assert Client().get("/b2/a.png")["X-Accel-Redirect"] == "/files/of-b2/"


def test_the_longest_name_fits_into_what_the_manual_lets_nginx_read() -> None:
    """nginx takes headers of `proxy_buffer_size`; the manual says 16k. Django's own redirect would refuse."""
    name = "/".join("ü" * 123 for _ in range(4)) + ".txt"
    answer = Client().get(f"/b2/{name}")
    assert unquote(urlsplit(answer["Location"]).path) == f"/acme-public/{name}"
    assert 2048 < sum(len(f"{field}: {value}\r\n") for field, value in answer.items()) < 16 * 1024


def test_no_secret_leaves(sam: Client, settings: Any) -> None:
    """The key's id is in every signature and opens nothing; neither the key nor a token is there."""
    said = str(sam.get("/b2s/a.pdf").serialize_headers())
    config = settings.BACKBLAZE_CONFIG
    assert config["application_key_id"] in said
    assert config["application_key"] not in said
    assert "Authorization" not in said


def test_a_key_that_cannot_sign_is_said_in_the_log(
    emulator: Emulator, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "application_key_id": emulator.key_id,
        "application_key": emulator.key,
    }
    answer = Client().get("/b2/a.png")
    assert (answer.status_code, "X-Accel-Redirect" in answer) == (503, False)
    assert "master key" in caplog.text


def test_a_cache_of_the_whole_site_keeps_no_address(settings: Any) -> None:
    """A 200 would be kept, and given out when its address no longer opens anything."""
    cached = [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    cache.clear()
    with override_settings(MIDDLEWARE=cached):
        first = Client().get("/b2/a.png")["Location"]
        later = time.time() + 120
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: later)
            assert Client().get("/b2/a.png")["Location"] != first
    cache.clear()
