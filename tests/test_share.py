"""Links that are given out: on the site's own route, and at B2; whom they let in, to what, and for how long."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.signing import Signer
from django.test import Client

from b2router import get_storage, shares
from b2router.emulator import Emulator
from b2router.errors import InvalidName, NotServed
from b2router.storage import B2Storage
from tests.conftest import Configure
from tests.project.models import Invoice

pytestmark = pytest.mark.django_db

LOGIN = 302
SALT = "b2router.shares\nstaff\na.txt"


@pytest.fixture
def staff(configure: Configure) -> B2Storage:
    """A storage with three files whose names begin alike."""
    storage = get_storage("staff")
    for name in ("a.txt", "a.txt.bak", "dir/a.txt"):
        storage.save(name, ContentFile(name.encode()))
    return storage


@pytest.fixture
def application_key(emulator: Emulator, settings: Any, configure: Configure) -> Callable[..., None]:
    """Configure profiles with a key that can sign."""

    def apply(**profiles: Any) -> None:
        configure(**profiles)
        key_id, key = emulator.create_key()
        settings.BACKBLAZE_CONFIG = {
            **settings.BACKBLAZE_CONFIG,
            "application_key_id": key_id,
            "application_key": key,
        }

    return apply


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def later(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django's signing think that so much time has passed."""
    import time

    now = time.time() + seconds
    monkeypatch.setattr("django.core.signing.time.time", lambda: now)


# Whom a link lets in, and to what


def test_a_link_opens_its_file_to_whoever_has_it(staff: B2Storage, client: Client) -> None:
    link = staff.share_url("a.txt")
    answer = client.get(link)
    assert (answer.status_code, body(answer)) == (200, b"a.txt")
    assert client.head(link).status_code == 200
    assert body(client.get(link, headers={"range": "bytes=2-4"})) == b"txt"
    assert client.post(link).status_code == 405
    assert client.get("/b2s/a.txt").status_code == LOGIN


def test_what_a_link_opens_stays_private_and_its_address_with_the_visitor(staff: B2Storage, client: Client) -> None:
    answer = client.get(staff.share_url("a.txt"))
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not answer.cookies


@pytest.mark.parametrize(
    "other",
    ["a.txt.bak", "a.tx", "dir/a.txt", "A.TXT", "a.txt%20", "missing.txt"],
)
def test_a_link_is_for_a_whole_name(other: str, staff: B2Storage, client: Client, emulator: Emulator) -> None:
    """Threat: scopes that are compared by how a name begins."""
    token = staff.share_url("a.txt").partition("?")[2]
    emulator.reset_counts()
    assert client.get(f"/b2s/{other}?{token}").status_code == LOGIN
    assert emulator.calls() == {}


def test_a_link_is_for_one_profile(staff: B2Storage, client: Client) -> None:
    get_storage("logged_in").save("a.txt", ContentFile(b"members"))
    token = staff.share_url("a.txt").partition("?")[2]
    assert client.get(f"/b2l/a.txt?{token}").status_code == LOGIN


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), id="another signature"),
        pytest.param(lambda token: "x" + token, id="other content"),
        pytest.param(lambda token: token.replace(":", "%00", 1), id="no separator"),
        pytest.param(lambda token: "", id="nothing"),
        pytest.param(lambda token: ":::", id="separators"),
        pytest.param(lambda token: "%ff" * 9, id="no text"),
        pytest.param(lambda token: "a" * 10_000, id="very long"),
        pytest.param(lambda token: Signer(salt="other").sign_object([4_000_000_000, None]), id="another purpose"),
        pytest.param(
            lambda token: Signer(key="stolen", salt=SALT).sign_object([4_000_000_000, None]), id="another key"
        ),
        pytest.param(lambda token: f"{token}&share=x", id="another after it"),
    ],
)
def test_a_link_that_the_site_did_not_make_changes_nothing(
    make: Callable[[str], str], staff: B2Storage, client: Client, emulator: Emulator
) -> None:
    token = staff.share_url("a.txt").partition("=")[2]
    emulator.reset_counts()
    assert client.get(f"/b2s/a.txt?share={make(token)}").status_code == LOGIN
    assert emulator.calls() == {}


def test_more_parameters_than_django_reads_are_no_link(staff: B2Storage, client: Client, emulator: Emulator) -> None:
    link = staff.share_url("a.txt")
    emulator.reset_counts()
    answer = client.get(link + "&a=1" * 1001)
    assert (answer.status_code, answer["Cache-Control"]) == (LOGIN, "private, no-store")
    assert emulator.calls() == {}


def test_what_is_signed_for_links_but_is_none_is_refused() -> None:
    """Whatever the signature covers: the wrong number of parts, or no time."""
    for value in ([4_000_000_000], ["soon", None], {"a": 1, "b": 2, "c": 3, "d": 4}):
        assert shares.read(Signer(salt=SALT).sign_object(value), "staff", "a.txt") is None
    assert shares.read(Signer(salt=SALT).sign_object([4_000_000_000, None]), "staff", "a.txt") is not None


def test_the_gate_comes_before_the_link(staff: B2Storage, client: Client, emulator: Emulator) -> None:
    """A link for a name that no file can have, signed with the site's key, opens nothing."""
    emulator.reset_counts()
    for name in ("../acme-members/a.txt", "a//b", "./a.txt"):
        address = f"/b2s/{quote(name)}?share={shares.token('staff', name, 60)}"
        assert client.get(address).status_code == 404
    assert emulator.calls() == {}


def test_a_link_takes_the_place_of_the_permission_but_not_of_the_row(configure: Configure, client: Client) -> None:
    """Keys that no row names are not the site's business, whoever asks."""
    configure(staff={"owner": "project.Invoice.pdf", "permission": "staff"})
    storage = get_storage("staff")
    for name in ("mine.txt", "nobodys.txt"):
        storage.save(name, ContentFile(b"x"))
    Invoice.objects.create(owner=User.objects.create_user("alice"), pdf="mine.txt")
    answers = [client.get(storage.share_url(name)) for name in ("mine.txt", "nobodys.txt")]
    assert [answer.status_code for answer in answers] == [200, 404]


def test_a_link_opens_a_file_that_nobody_else_may_read(configure: Configure, client: Client) -> None:
    """A profile with a route and no permission is served by links alone."""
    configure(staff={"permission": None})
    get_storage("staff").save("a.txt", ContentFile(b"x"))
    assert client.get("/b2s/a.txt").status_code == LOGIN
    assert client.get(get_storage("staff").share_url("a.txt")).status_code == 200


# For how long


def test_a_link_ends_and_then_the_permission_decides(
    staff: B2Storage, client: Client, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = staff.share_url("a.txt", expires_in=60)
    sam = Client()
    sam.force_login(User.objects.create_user("sam", is_staff=True))
    later(30, monkeypatch)
    assert client.get(link).status_code == 200
    later(61, monkeypatch)
    emulator.reset_counts()
    assert client.get(link).status_code == LOGIN
    assert emulator.calls() == {}
    assert sam.get(link).status_code == 200


SIGNED = {"secret": "a secret of ours", "expires_in_s": 345_600}


@pytest.mark.parametrize("left_s", [10, 3600, 302_400])
@pytest.mark.parametrize("scheme", ["s3", "bunny", "cloudflare"])
def test_no_address_that_a_link_hands_out_outlives_it(
    scheme: str, left_s: int, application_key: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what the browser keeps; and within a window the address stays the same, so that it can be kept."""
    now = 1_800_000_000
    monkeypatch.setattr("time.time", lambda: float(now))
    cdn = {"mode": "cdn", "base_url": "https://cdn.example.com/", "signing": {"scheme": scheme, **SIGNED}}
    delivery = {"mode": "redirect", "expires_in_s": 345_600} if scheme == "s3" else cdn
    application_key(staff={"delivery": delivery, "max_age_s": 86_400})
    link = get_storage("staff").share_url("a.txt", expires_in=left_s)
    answer = client.get(link)
    query = parse_qs(urlsplit(answer["Location"]).query)
    if scheme == "s3":
        starts_at = datetime.strptime(query["X-Amz-Date"][0] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        ends_at = starts_at + int(query["X-Amz-Expires"][0])
        assert query["response-cache-control"] == ["private, no-cache"]
    elif scheme == "bunny":
        ends_at = int(query["expires"][0])
    else:
        ends_at = int(query["verify"][0].partition("-")[0]) + 518_400
    assert ends_at == now + left_s
    assert answer["Cache-Control"] == f"private, max-age={min(left_s, 86_400)}"
    monkeypatch.setattr("time.time", lambda: now + 9.5)
    again = client.get(link)
    assert again["Location"] == answer["Location"]
    assert (
        again["Cache-Control"]
        == {
            10: "private, no-store",
            3600: "private, max-age=3590",
            302_400: "private, max-age=86400",
        }[left_s]
    )


def test_a_link_that_has_long_to_live_shortens_nothing(application_key: Any, client: Client) -> None:
    application_key(staff={"delivery": {"mode": "redirect", "expires_in_s": 300}, "max_age_s": 60})
    answer = client.get(get_storage("staff").share_url("a.txt", expires_in=86_400))
    assert "X-Amz-Expires=450&" in answer["Location"]
    assert "response-cache-control=private%2C%20max-age%3D60&" in answer["Location"]
    assert answer["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("policy", [{"max_age_s": 86_400}, {"cache": [{"immutable": True}]}])
def test_what_the_site_streams_is_kept_for_no_longer_than_the_link(
    policy: dict[str, Any], configure: Configure, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(staff=policy)
    storage = get_storage("staff")
    storage.save("a.txt", ContentFile(b"x"))
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    assert client.get(storage.share_url("a.txt", expires_in=60))["Cache-Control"] == "private, max-age=60"
    usual = "private, max-age=31536000, immutable" if "cache" in policy else "private, max-age=86400"
    assert client.get(storage.share_url("a.txt", expires_in=31_536_000))["Cache-Control"] == usual
    link = storage.share_url("a.txt", expires_in=1)
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.5)
    assert client.get(link)["Cache-Control"] == "private, no-cache"


def test_a_link_outlives_a_change_of_the_key_as_long_as_the_site_wants(
    staff: B2Storage, client: Client, settings: Any
) -> None:
    link = staff.share_url("a.txt")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new one"
    assert client.get(link).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get(link).status_code == LOGIN


@pytest.mark.parametrize("expires_in", [0, -1, shares.MAX_LIFE_S + 1])
def test_a_time_out_of_bounds_is_refused(expires_in: int, staff: B2Storage) -> None:
    with pytest.raises(ValueError, match="expected an expiry of 1 to 31536000 seconds"):
        staff.share_url("a.txt", expires_in=expires_in)


@pytest.mark.parametrize("expires_in", ["60", 60.0, None, True, timedelta(minutes=1)])
def test_a_time_that_is_no_whole_number_is_refused(expires_in: Any, staff: B2Storage) -> None:
    with pytest.raises(ValueError, match="expected an expiry in whole seconds, such as 3600"):
        staff.share_url("a.txt", expires_in=expires_in)
    if expires_in is not None:  # as the delivery says
        with pytest.raises(ValueError, match="expected an expiry in whole seconds, such as 3600"):
            staff.signed_url("a.txt", expires_in=expires_in)


@pytest.mark.parametrize("letter", ["a", "日", "ü", " "])
def test_a_link_of_the_longest_name_fits_into_a_request(letter: str, configure: Configure) -> None:
    """gunicorn takes 4,094 bytes in the first line."""
    size = len(letter.encode())
    name = "/".join(["x" + letter * (203 // size)] * 5)
    saved_as = "x" + letter * (249 // size)
    link = get_storage("staff").share_url(name, expires_in=shares.MAX_LIFE_S, download_as=saved_as)
    assert len(name.encode()) > 1000
    assert len(f"HEAD {link} HTTP/1.1\r\n") < 4094


# Under which name


@pytest.mark.parametrize(
    ("download_as", "expected"),
    [
        ("Invoice 7.txt", 'attachment; filename="Invoice 7.txt"'),
        ("Überweisung.txt", "attachment; filename*=utf-8''%C3%9Cberweisung.txt"),
        ('a"b.txt', 'attachment; filename="a\\"b.txt"'),
    ],
)
def test_a_link_can_name_the_download(
    download_as: str, expected: str, staff: B2Storage, client: Client, application_key: Any
) -> None:
    """Text would be shown otherwise. Streamed or redirected, the name is the same."""
    link = staff.share_url("a.txt", download_as=download_as)
    assert client.get(link)["Content-Disposition"] == expected
    assert client.head(link)["Content-Disposition"] == expected
    assert client.get("/b2s/a.txt?" + link.partition("?")[2])["Content-Disposition"] == expected
    application_key(staff={"delivery": {"mode": "redirect"}})
    with urllib.request.urlopen(client.get(link)["Location"]) as answer:
        assert answer.headers["Content-Disposition"] == expected


@pytest.mark.parametrize("download_as", ["a/b.txt", "..", "", "a\r\nX: y", "a\x00"])
@pytest.mark.parametrize("method", ["share_url", "signed_url"])
def test_a_download_cannot_have_any_name(method: str, download_as: str, staff: B2Storage) -> None:
    with pytest.raises(InvalidName):
        getattr(staff, method)("a.txt", download_as=download_as)


# What cannot be shared


@pytest.mark.parametrize("method", ["share_url", "signed_url"])
def test_a_name_that_no_file_can_have_is_refused(method: str, staff: B2Storage, emulator: Emulator) -> None:
    emulator.reset_counts()
    with pytest.raises(InvalidName):
        getattr(staff, method)("../a.txt")
    assert emulator.calls() == {}


@pytest.mark.parametrize("method", ["share_url", "signed_url"])
def test_files_that_anyone_may_open_need_no_link(method: str, configure: Configure) -> None:
    configure(public={"delivery": {"mode": "cdn", "base_url": "https://cdn.example.com"}})
    with pytest.raises(NotServed, match=r"give out their url\(\)"):
        getattr(get_storage("public"), method)("a.txt")


def test_a_profile_without_a_route_has_no_links(configure: Configure) -> None:
    configure(staff={"route": None})
    with pytest.raises(NotServed, match="declares no route"):
        get_storage("staff").share_url("a.txt")


def test_making_a_link_asks_nobody(staff: B2Storage, emulator: Emulator) -> None:
    emulator.reset_counts()
    staff.share_url("a.txt")
    assert emulator.calls() == {}


# Signed addresses at B2


@pytest.mark.parametrize("delivery", [{"mode": "proxy"}, {"mode": "redirect", "expires_in_s": 60}])
def test_a_signed_address_opens_the_file_at_b2(
    delivery: dict[str, Any], application_key: Any, emulator: Emulator
) -> None:
    """Of any profile that is not public, with or without a route; no call once the process has logged in."""
    application_key(staff={"delivery": delivery, "route": None, "location": "x/"})
    storage = get_storage("staff")
    storage.save("ü.txt", ContentFile(b"hello"))
    emulator.reset_counts()
    address = storage.signed_url("ü.txt", download_as="a b.txt")
    assert emulator.calls() == {}
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"hello"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a b.txt"'


@pytest.mark.parametrize(
    ("delivery", "expires_in", "life_s"),
    [({"mode": "proxy"}, None, 450), ({"mode": "redirect", "expires_in_s": 60}, None, 90), ({"mode": "proxy"}, 10, 15)],
)
def test_a_signed_address_lives_as_asked_or_as_the_delivery_says(
    delivery: dict[str, Any], expires_in: int | None, life_s: int, application_key: Any
) -> None:
    application_key(staff={"delivery": delivery})
    assert f"X-Amz-Expires={life_s}&" in get_storage("staff").signed_url("a.txt", expires_in)


@pytest.mark.parametrize("expires_in", [0, 604_801])
def test_a_signed_address_lives_for_a_week_at_most(expires_in: int, application_key: Any) -> None:
    application_key()
    with pytest.raises(ValueError, match="expected an expiry of 1 to 604800 seconds"):
        get_storage("staff").signed_url("a.txt", expires_in)


def test_native_tokens_are_not_given_out(application_key: Any, client: Client) -> None:
    """They would open every file whose name begins alike. Links work, and the site streams."""
    application_key(staff={"delivery": {"mode": "redirect", "signer": "native"}})
    storage = get_storage("staff")
    storage.save("a.txt", ContentFile(b"x"))
    with pytest.raises(NotServed, match="begins alike"):
        storage.signed_url("a.txt")
    assert client.get(storage.share_url("a.txt")).status_code == 200


# Secrets


def test_no_log_holds_a_link_and_no_link_holds_the_key(
    staff: B2Storage, client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level; the records of a request hold its path alone."""
    caplog.set_level(logging.DEBUG)
    link = staff.share_url("a.txt")
    client.get(link)
    client.get(link.replace("a.txt?", "b.txt?"))
    client.get("/b2s//?" + link.partition("?")[2])
    token = link.partition("=")[2]
    seen = caplog.text + "".join(repr({k: v for k, v in vars(r).items() if k != "request"}) for r in caplog.records)
    assert caplog.records
    assert token not in seen
    assert settings.SECRET_KEY not in token
