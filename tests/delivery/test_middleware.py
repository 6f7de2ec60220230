"""Every status of a public and of a protected profile, with Django's middleware in the chain: who may keep an answer,
what it tells browsers about frames, and that nothing in the chain spoils it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client

from b2router import get_storage
from b2router.emulator import Emulator
from tests.conftest import Configure

pytestmark = pytest.mark.django_db

GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
SITE_POLICY = "tests.delivery.test_middleware.policy_of_the_site"
CHAINS = {
    "usual": ([], []),
    "gzip": ([GZIP], []),
    "conditional get": ([CONDITIONAL], []),
    "login required": ([], [LOGIN]),
    "all of them": ([GZIP, CONDITIONAL], [LOGIN, SITE_POLICY]),
}
TEXT = b"words " * 1000


def policy_of_the_site(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """As Django 6 and django-csp have it: a policy for all answers that bring none."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        answer = get_response(request)
        answer.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        return answer

    return middleware


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest, settings: Any) -> None:
    before, after = CHAINS[request.param]
    settings.MIDDLEWARE = [*before, *settings.MIDDLEWARE, *after]


@pytest.fixture
def sam() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


def every_status(
    route: str, reader: Client, emulator: Emulator, *, denies: bool
) -> dict[str, tuple[int, HttpResponseBase, bytes]]:
    """One answer for each way that a request can end, by what is special about it."""

    def ask(client: Client, path: str = "a.txt", method: str = "GET", **headers: str) -> Any:
        fields = {"accept-encoding": "gzip", **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer: Any = client.generic(method, f"/{route}/{path}", headers=fields)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        answer.close()
        return answer.status_code, answer, body

    found = {"whole": ask(reader)}
    etag = found["whole"][1]["ETag"]
    found |= {
        "head": ask(reader, method="HEAD"),
        "part": ask(reader, range="bytes=0-499"),
        "not modified": ask(reader, if_none_match=etag),
        "missing": ask(reader, "gone.txt"),
        "impossible name": ask(reader, "..%2fa.txt"),
        "method": ask(reader, method="POST"),
        "options": ask(reader, method="OPTIONS"),
        "condition": ask(reader, if_match='"another"'),
        "range": ask(reader, range="bytes=9000-"),
    }
    if denies:
        found["to login"] = ask(Client(), accept="text/html")
        found["denied"] = ask(Client(), accept="application/json")
    emulator.fail("download", status=400, code="bad_request")
    found["nonsense"] = ask(reader)
    emulator.fail("download", status=403, code="download_cap_exceeded")
    found["out of reach"] = ask(reader)
    return found


STATUSES = {
    "whole": 200,
    "head": 200,
    "part": 206,
    "not modified": 304,
    "missing": 404,
    "impossible name": 404,
    "method": 405,
    "options": 200,
    "condition": 412,
    "range": 416,
    "nonsense": 502,
    "out of reach": 503,
}
WITH_FILE = ("whole", "head", "part", "not modified")


@pytest.mark.parametrize("max_age_s", [0, 3600])
def test_no_answer_of_a_protected_profile_is_for_shared_caches(
    max_age_s: int, chain: None, configure: Configure, emulator: Emulator, sam: Client
) -> None:
    """Whatever the status, the name, and a rule for it."""
    configure(staff={"max_age_s": max_age_s, "cache": [{"match": "gone.txt", "immutable": True}]})
    get_storage("staff").save("a.txt", ContentFile(TEXT))
    found = every_status("b2s", sam, emulator, denies=True)
    assert {case: answer[0] for case, answer in found.items()} == {**STATUSES, "to login": 302, "denied": 403}
    policy = "private, max-age=3600" if max_age_s else "private, no-cache"
    for case, (_, answer, body) in found.items():
        assert (case, answer["Cache-Control"]) == (case, policy if case in WITH_FILE else "private, no-store")
        assert (case, answer["X-Content-Type-Options"]) == (case, "nosniff")
        assert (case, answer.get("Cross-Origin-Resource-Policy")) == (
            *(case, "same-origin" if case in WITH_FILE else None),
        )
        assert case in ("whole", "part") or TEXT[:10] not in body


def test_no_answer_of_a_public_profile_is_for_one_visitor(
    chain: None, configure: Configure, emulator: Emulator, sam: Client
) -> None:
    """No cookie, and no Vary that would make caches keep one for each."""
    configure(public={"max_age_s": 3600})
    get_storage("public").save("a.txt", ContentFile(TEXT))
    found = every_status("b2", sam, emulator, denies=False)
    assert {case: answer[0] for case, answer in found.items()} == STATUSES
    for case, (_, answer, _) in found.items():
        assert (case, answer["Cache-Control"]) == (
            *(case, "public, max-age=3600" if case in WITH_FILE else "no-store"),
        )
        assert (case, answer.get("Vary"), dict(answer.cookies)) == (case, None, {})


def looks_at_the_user(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """A middleware that loads the session after the view has answered."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        answer = get_response(request)
        assert not request.user.is_authenticated
        return answer

    return middleware


@pytest.mark.parametrize("keeps_token_in_session", [False, True])
@pytest.mark.parametrize(
    "cookie", ["csrftoken=bad", "csrftoken=" + "!" * 32, "sessionid=short", "sessionid=" + "a" * 32, "messages=bad"]
)
def test_whatever_cookie_comes_with_it_a_public_answer_brings_none(
    cookie: str, keeps_token_in_session: bool, chain: None, configure: Configure, settings: Any, client: Client
) -> None:
    """Django renews a token that it cannot read, and deletes the cookie of a session that is over. A shared cache would
    give everybody one token, or sign everybody out."""
    configure(public={"max_age_s": 3600})
    settings.CSRF_USE_SESSIONS = keeps_token_in_session
    get_storage("public").save("a.txt", ContentFile(TEXT))
    for method, path in (("GET", "a.txt"), ("HEAD", "a.txt"), ("GET", "gone.txt"), ("OPTIONS", "a.txt"), ("POST", "a")):
        answer = client.generic(method, f"/b2/{path}", headers={"cookie": cookie})
        assert (method, path, dict(answer.cookies), answer.get("Vary")) == (method, path, {}, None)


@pytest.mark.parametrize("cookie", ["sessionid=short", "sessionid=" + "a" * 32])
def test_nor_does_it_when_middleware_looks_at_the_user_afterwards(
    cookie: str, configure: Configure, settings: Any, client: Client
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.delivery.test_middleware.looks_at_the_user"]
    get_storage("public").save("a.txt", ContentFile(TEXT))
    assert dict(client.get("/b2/a.txt", headers={"cookie": cookie}).cookies) == {}


def test_bytes_and_facts_survive_the_chain(chain: None, configure: Configure, emulator: Emulator, sam: Client) -> None:
    """GZipMiddleware would compress a part and drop its length; ConditionalGetMiddleware would weaken the ETag."""
    get_storage("staff").save("a.txt", ContentFile(TEXT))
    found = every_status("b2s", sam, emulator, denies=False)
    assert found["whole"][2] == TEXT
    assert found["part"][2] == TEXT[:500]
    lengths = {case: found[case][1]["Content-Length"] for case in WITH_FILE}
    assert lengths == {"whole": "6000", "head": "6000", "part": "500", "not modified": "6000"}
    assert {found[case][1]["ETag"] for case in WITH_FILE} == {found["whole"][1]["ETag"]}
    assert not found["whole"][1]["ETag"].startswith("W/")


@pytest.mark.parametrize(
    ("frames", "policy", "option"),
    [
        ("same-origin", "frame-ancestors 'self'", "SAMEORIGIN"),
        ("deny", "frame-ancestors 'none'", "DENY"),
        ("any", "frame-ancestors *", None),
        (["https://partner.example"], "frame-ancestors 'self' https://partner.example", None),
    ],
)
def test_frames_are_as_the_profile_says_whatever_the_status(
    frames: Any,
    policy: str,
    option: str | None,
    chain: None,
    configure: Configure,
    emulator: Emulator,
    sam: Client,
) -> None:
    """Other middleware puts the site's own into answers that bring none. Caches would take a 304's for the file's."""
    configure(staff={"frames": frames})
    get_storage("staff").save("a.txt", ContentFile(TEXT))
    for case, (_, answer, _) in every_status("b2s", sam, emulator, denies=True).items():
        assert (case, answer["Content-Security-Policy"], answer.get("X-Frame-Options")) == (case, policy, option)


def test_a_304_leaves_the_sandbox_locked(chain: None, configure: Configure, sam: Client) -> None:
    get_storage("staff").save("page.html", ContentFile(b"<script>alert(1)</script>"))
    whole = sam.get("/b2s/page.html")
    same = sam.get("/b2s/page.html", headers={"if-none-match": whole["ETag"]})
    assert same.status_code == 304
    assert same["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'self'"
