"""Signed CDN addresses: Bunny's own example, the vectors of the manual by openssl, and what the site does with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from b2router import content_types, get_storage
from b2router.config import BucketProfile, CdnSigning
from b2router.delivery import redirect
from b2router.delivery.cdn_signing import bunny, cloudflare, signed
from b2router.delivery.signing import Window
from b2router.emulator import Emulator
from b2router.errors import InvalidName, NotServed
from tests.conftest import Configure

pytestmark = pytest.mark.django_db

MANUAL = Path(__file__).parents[2] / "docs" / "set-up-delivery.md"
SECRET = "canary-shared-secret"
NOW = 1_790_000_100  # a window of 150 s begins here


def delivery(scheme: str = "bunny", **signing: Any) -> dict[str, Any]:
    signing = {"scheme": scheme, "secret": SECRET, "expires_in_s": 300, **signing}
    return {"mode": "cdn", "base_url": "https://cdn.example.com/media", "signing": signing}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time at which addresses are signed; `now.at` can be set."""
    clock = SimpleNamespace(at=float(NOW))
    monkeypatch.setattr(redirect, "time", SimpleNamespace(time=lambda: clock.at))
    return clock


@pytest.fixture
def sam() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


def edge_of_bunny_lets_in(address: str, at: float) -> bool:
    """What the documentation says that Bunny's edge does: path decoded, then the time."""
    parts = urlsplit(address)
    said = {key: value[0] for key, value in parse_qs(parts.query).items()}
    digest = hmac.new(SECRET.encode(), f"{unquote(parts.path)}{said['expires']}".encode(), hashlib.sha256).digest()
    token = "HS256-" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return token == said["token"] and at < int(said["expires"])


def edge_of_cloudflare_lets_in(address: str, at: float, ttl_s: int, *, looks_at_query: bool = True) -> bool:
    """What the documentation says of is_timed_hmac_valid_v0(secret, http.request.uri, ttl, now, 8): eight bytes before
    the time are left out, whatever they are. The rule in the manual looks at the query, too."""
    uri = address.removeprefix("https://cdn.example.com")
    match = re.fullmatch(r"(.+?)(.{8})(\d{10})-(.{43,})", uri)
    if match is None or (looks_at_query and not uri.partition("?")[2].startswith("verify=")):
        return False
    digest = hmac.new(SECRET.encode(), (match[1] + match[3]).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() == unquote(match[4]) and int(match[3]) <= at < int(match[3]) + ttl_s


# The signatures


def test_the_example_that_bunny_publishes() -> None:
    """BunnyWay/BunnyCDN.TokenAuthentication, e2e/vectors.json, "plain"."""
    assert bunny("https://token-tester.b-cdn.net/300kb.jpg", SecretStr("SecurityKey"), 1598024587) == (
        "https://token-tester.b-cdn.net/300kb.jpg"
        "?token=HS256-o10JRWlsAItyAsdKS6jJKjabHN4FrFsplDHPV1idcX4&expires=1598024587"
    )


def vectors() -> list[tuple[str, str]]:
    """Command and output of every openssl line in the manual."""
    return re.findall(r"(?m)^(printf .*openssl.*)\n# (.+)$", MANUAL.read_text())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_computes_what_the_manual_says() -> None:
    assert len(vectors()) == 3
    for command, expected in vectors():
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_so_does_the_site() -> None:
    found = [
        bunny("https://x/300kb.jpg", SecretStr("SecurityKey"), 1598024587),
        bunny("https://x/media/a%20b%2B%C3%BC.jpg", SecretStr("SecurityKey"), 1598024587),
        cloudflare("https://x/media/a%20b%2B%C3%BC.jpg", SecretStr("mysecrettoken"), 1484063787),
    ]
    tokens = [re.findall(r"HS256-([^&]+)|\d{10}-(.+)", address)[0] for address in found]
    assert [unquote(one or other) for one, other in tokens] == [expected for _, expected in vectors()]


def test_the_address_for_cloudflare_is_the_manual_s() -> None:
    """Base64 is percent-encoded in it; Cloudflare asks for that unless the rule says otherwise."""
    expected = "?verify=1484063787-rCgXtWTYfip3FlwTDkrhOquCyVCbZT%2Fx5OHCNhCs3H4%3D"
    path = "https://x/media/a%20b%2B%C3%BC.jpg"
    assert cloudflare(path, SecretStr("mysecrettoken"), 1484063787) == path + expected
    assert expected in MANUAL.read_text()


# What the site does with them


@pytest.mark.parametrize("scheme", ["bunny", "cloudflare"])
def test_after_the_permission_the_browser_is_sent_to_the_cdn(
    scheme: str, configure: Configure, emulator: Emulator, now: SimpleNamespace, sam: Client, client: Client
) -> None:
    """A CDN that hands out only what the site signed may serve files that are not public, without a call on B2."""
    configure(staff={"delivery": delivery(scheme), "location": "loc/"})
    assert client.get("/b2s/a%20b+%C3%BC.txt").status_code == 302
    assert client.get("/b2s/a%20b+%C3%BC.txt")["Location"].startswith("/login/")
    answer = sam.get("/b2s/a%20b+%C3%BC.txt")
    address = answer["Location"]
    assert address.startswith("https://cdn.example.com/media/loc/a%20b%2B%C3%BC.txt?")
    assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("private, no-store", "no-referrer")
    if scheme == "bunny":
        assert edge_of_bunny_lets_in(address, NOW + 300)
        assert not edge_of_bunny_lets_in(address, NOW + 451)
        assert not edge_of_bunny_lets_in(address.replace("a%20b", "a"), NOW)
    else:
        assert edge_of_cloudflare_lets_in(address, NOW + 299, ttl_s=450)
        assert not edge_of_cloudflare_lets_in(address, NOW + 451, ttl_s=450)
        assert not edge_of_cloudflare_lets_in(address.replace("a%20b", "a"), NOW, ttl_s=450)
    assert emulator.calls() == {}


@pytest.mark.parametrize("scheme", ["bunny", "cloudflare"])
def test_within_a_window_the_address_stays(
    scheme: str, configure: Configure, now: SimpleNamespace, sam: Client
) -> None:
    """CDNs and browsers cache by address."""
    configure(staff={"delivery": delivery(scheme)})
    found = []
    for at in (NOW, NOW + 149.9, NOW + 150):
        now.at = at
        found.append(sam.get("/b2s/a.txt")["Location"])
    assert (found[0] == found[1], found[1] == found[2]) == (True, False)


def test_bunny_signs_no_name_that_can_be_cut_to_another(
    configure: Configure, emulator: Emulator, now: SimpleNamespace, sam: Client
) -> None:
    """Path and time are signed without anything between them, so "report7" until T is also "report" until 7T."""
    address = bunny("https://cdn.example.com/report7", SecretStr(SECRET), NOW)
    cut = address.replace("/report7?", "/report?").replace(f"expires={NOW}", f"expires=7{NOW}")
    assert edge_of_bunny_lets_in(cut, NOW + 1_000_000_000)
    configure(staff={"delivery": delivery()})
    get_storage("staff").save("report7", ContentFile(b"streamed"))
    assert sam.get("/b2s/report7").status_code == 200
    with pytest.raises(NotServed, match="share_url"):
        get_storage("staff").signed_url("report7")
    assert sam.get("/b2s/clip.mp4").status_code == 302


@pytest.mark.parametrize(
    ("scheme", "name", "is_signed"),
    [
        ("bunny", "a.txt", True),
        ("bunny", "clip.mp4", True),
        ("bunny", "2024", False),
        ("bunny", "a.part1", False),
        ("bunny", "dir7/a", True),
        ("bunny", "a&b/c.txt", True),
        ("bunny", "9999999999token_path=%2F&z=", False),
        ("bunny", "9999999999token_path%3D/a.txt", False),
        ("bunny", "a=b", False),
        ("bunny", "report+", False),
        ("bunny", "report%20", False),
        ("bunny", "report\u0663", False),
        ("cloudflare", "2024", True),
        ("cloudflare", "a%3Db", True),
    ],
)
def test_which_names_can_be_signed(scheme: Any, name: str, *, is_signed: bool) -> None:
    signing = CdnSigning(scheme=scheme, secret=SecretStr(SECRET))
    assert (signed(signing, f"https://x/{name}", Window(NOW, NOW + 450)) is not None) is is_signed


@given(path=st.text("9=&/.az+%3D \u0663", min_size=1, max_size=30))
@example(path="9999999999token_path=/&z=")
@example(path="contracts/secret.pdf9999999999z=")
@example(path="report7")
def test_what_bunny_signs_reads_in_one_way_only(path: str) -> None:
    """Every cut into a path, a time to come and parameters, as Bunny's edge might make it. Numbers may have a sign and
    spaces before them. A digit of a known type, as in "clip.mp4", is the manual's exception."""
    assume(content_types.of_name(path) == content_types.UNKNOWN or not path[-1].isdecimal())
    signing = CdnSigning(scheme="bunny", secret=SecretStr(SECRET))
    if signed(signing, "https://x/" + quote(path), Window(NOW, NOW + 450)) is None:
        return
    text = f"/{path}{NOW + 450}"
    cuts = [
        (text[:first], text[first:last])
        for first in range(1, len(text))
        for last in range(first + 1, len(text) + 1)
        if re.fullmatch(r"\s*[+]?\d+", text[first:last])
        and int(text[first:last]) > NOW
        and all("=" in part for part in text[last:].split("&") if text[last:])
    ]
    assert cuts == [(f"/{path}", str(NOW + 450))]


@pytest.mark.parametrize(
    ("profile", "place"),
    [
        ({"location": "a=b/"}, "location"),
        ({"delivery": {**delivery(), "base_url": "https://cdn.example.com/a=b"}}, "delivery.base_url"),
        ({"delivery": {**delivery(), "base_url": "https://cdn.example.com/a%3Db"}}, "delivery.base_url"),
    ],
)
def test_a_profile_of_which_bunny_could_sign_nothing_is_refused(profile: dict[str, Any], place: str) -> None:
    whole = {"bucket": "acme-staff", "route": "b2s/", "permission": "staff", "delivery": delivery(), **profile}
    with pytest.raises(ValidationError) as found:
        BucketProfile.model_validate(whole)
    assert [(".".join(map(str, e["loc"])), e["msg"]) for e in found.value.errors(include_input=False)] == [
        (place, "expected no '=': Bunny cannot tell such a path from parameters")
    ]


def test_a_location_that_is_no_part_of_the_path_may_be_any(configure: Configure) -> None:
    configure(staff={"location": "a=b/", "delivery": {**delivery(), "path": "{name}"}})
    configure(staff={"location": "a=b/", "delivery": delivery("cloudflare")})


def test_cloudflare_cuts_path_and_time_in_one_way_only() -> None:
    """The time has ten digits."""
    address = cloudflare("https://cdn.example.com/report7", SecretStr(SECRET), NOW)
    cut = address.replace("/report7?", "/report?").replace(f"verify={NOW}", f"verify=7{NOW}")
    assert edge_of_cloudflare_lets_in(address, NOW, 60)
    assert not edge_of_cloudflare_lets_in(cut, NOW, 60)
    assert not edge_of_cloudflare_lets_in(cut, NOW, 60, looks_at_query=False)


def test_the_rule_for_cloudflare_looks_at_the_query_too() -> None:
    """Otherwise seven characters and a question mark pass for "?verify=", and "a.txt" opens "a.txt.backup"."""
    address = cloudflare("https://cdn.example.com/a.txt", SecretStr(SECRET), NOW)
    other = address.replace("a.txt?verify=", "a.txt.backup?")
    assert edge_of_cloudflare_lets_in(other, NOW, 60, looks_at_query=False)
    assert not edge_of_cloudflare_lets_in(other, NOW, 60)
    assert 'starts_with(http.request.uri.query, "verify=") and' in MANUAL.read_text()


@pytest.mark.parametrize("scheme", ["bunny", "cloudflare"])
def test_signed_url_is_the_cdn_s_and_for_no_longer_than_it_signs(
    scheme: str, configure: Configure, emulator: Emulator, now: SimpleNamespace
) -> None:
    configure(staff={"delivery": delivery(scheme), "route": None})
    storage = get_storage("staff")
    emulator.reset_counts()
    for expires_in, life_s in ((None, 450), (300, 450), (60, 90)):
        address = storage.signed_url("a.txt", expires_in)
        lets_in = edge_of_bunny_lets_in if scheme == "bunny" else lambda a, at: edge_of_cloudflare_lets_in(a, at, 450)
        assert lets_in(address, NOW + (expires_in or 300) - 1)
        assert not lets_in(address, NOW + life_s)
    with pytest.raises(ValueError, match="signs for 300 s at most"):
        storage.signed_url("a.txt", 301)
    with pytest.raises(NotServed, match="share_url"):
        storage.signed_url("a.txt", download_as="b.txt")
    with pytest.raises(InvalidName):
        storage.signed_url("../a.txt")
    assert emulator.calls() == {}


def test_url_is_the_route_because_the_permission_is_asked_there(configure: Configure) -> None:
    unrouted = delivery(secret="canary-secret-of-members")
    configure(staff={"delivery": delivery()}, logged_in={"delivery": unrouted, "route": None})
    assert get_storage("staff").url("a.txt") == "/b2s/a.txt"
    with pytest.raises(NotServed):
        get_storage("logged_in").url("a.txt")


def test_the_path_that_is_signed_is_the_one_of_the_template(
    configure: Configure, now: SimpleNamespace, sam: Client
) -> None:
    configure(staff={"delivery": {**delivery(), "path": "v/{bucket}/{name}"}, "location": "staff/"})
    address = sam.get("/b2s/a%20b.txt")["Location"]
    assert urlsplit(address).path == "/media/v/acme-staff/a%20b.txt"
    assert edge_of_bunny_lets_in(address, NOW)


def test_a_link_with_a_name_to_save_under_is_streamed(
    configure: Configure, now: SimpleNamespace, client: Client
) -> None:
    """A CDN cannot be told the name."""
    configure(staff={"delivery": delivery()})
    storage = get_storage("staff")
    storage.save("a.txt", ContentFile(b"x"))
    assert client.get(storage.share_url("a.txt")).status_code == 302
    answer = client.get(storage.share_url("a.txt", download_as="b.txt"))
    assert (answer.status_code, answer["Content-Disposition"]) == (200, 'attachment; filename="b.txt"')


def test_no_text_holds_the_secret_or_an_address(
    configure: Configure, now: SimpleNamespace, sam: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(staff={"delivery": delivery()})
    answer = sam.get("/b2s/a.txt")
    token = parse_qs(urlsplit(answer["Location"]).query)["token"][0]
    profile = get_storage("staff").profile
    records = "".join(repr({k: v for k, v in vars(record).items() if k != "request"}) for record in caplog.records)
    assert token not in caplog.text + records
    assert SECRET not in f"{caplog.text} {records} {profile!r} {profile} {profile.model_dump()} {dict(answer.items())}"
