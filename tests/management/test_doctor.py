"""`manage.py b2router doctor`: what it finds on the emulator when all is well, and when something is not."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from b2sdk.v3 import B2Api, InMemoryAccountInfo
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application

from b2router import get_storage
from b2router.b2 import wire
from b2router.emulator import Emulator
from b2router.management import probes
from tests.conftest import Configure
from tests.impostor import Impostor

ENOUGH = ["listBuckets", "readFiles", "writeFiles", "deleteFiles", "listFiles"]


def examined(*words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and what → verdict and finding."""
    output, code = StringIO(), 0
    try:
        call_command("b2router", "doctor", "--json", *words, stdout=output)
    except SystemExit as end:
        code = int(str(end.code))
    return code, {
        one["what"]: (one["verdict"], f"{one['found']} {one['fix']}") for one in json.loads(output.getvalue())
    }


@pytest.fixture
def narrow(configure: Configure, emulator: Emulator, settings: Any) -> Emulator:
    """A key that has what it needs and no more."""
    key_id, key = emulator.create_key(ENOUGH)
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    emulator.reset_counts()
    return emulator


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """Where the test project answers, in a thread of this process."""
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_works_is_said_to_work(narrow: Emulator) -> None:
    code, found = examined()
    assert code == 0
    assert {what: verdict for what, (verdict, _) in found.items()} == {
        "cache default": "warn",
        "account default: login": "ok",
        "account default: rights": "ok",
        "profile public: bucket acme-public": "warn",
        "profile logged_in: bucket acme-members": "ok",
        "profile staff: bucket acme-staff": "ok",
    }
    assert set(narrow.calls()) == {"b2_authorize_account", "b2_list_buckets"}, "it only reads"


def test_a_profile_that_is_not_there_ends_the_command(configure: Configure) -> None:
    with pytest.raises(CommandError) as error:
        examined("--profile=stuff")
    assert str(error.value).startswith("There is no profile 'stuff'; the profiles and aliases are ")


def test_without_the_checks_a_broken_configuration_ends_the_command(settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {"profiles": {"staff": {"bucket": "acme-staff", "routte": "b2s/"}}}
    with pytest.raises(CommandError, match="did you mean 'route'"):
        call_command("b2router", "doctor", skip_checks=True)


def test_a_file_goes_there_and_back(narrow: Emulator) -> None:
    code, found = examined("--round-trip", "--profile=staff")
    assert (code, found["profile staff: round trip"][0]) == (0, "ok")
    assert get_storage("staff").listdir("") == ([], []), "and nothing is left"


def test_a_public_address_is_asked_for_parts_too(narrow: Emulator, configure: Configure, settings: Any) -> None:
    config = settings.BACKBLAZE_CONFIG
    direct = {"mode": "direct", "base_url": narrow.url}
    settings.BACKBLAZE_CONFIG = {
        **config,
        "profiles": {"public": {"bucket": "acme-public", "permission": "public", "delivery": direct}},
    }
    code, found = examined("--round-trip")
    assert code == 0
    assert {what: verdict for what, (verdict, _) in found.items() if "public: " in what} == {
        "profile public: bucket acme-public": "ok",
        "profile public: round trip": "ok",
        "profile public: address": "ok",
        "profile public: ranges": "ok",
        "profile public: 304": "warn",  # B2 itself has no ETag
    }


def test_the_routes_of_a_running_site_are_asked(narrow: Emulator, site: str, settings: Any) -> None:
    """By links, so that every permission is passed; a redirect leads to B2, which has no ETag for a native address."""
    config = settings.BACKBLAZE_CONFIG
    talks = {
        "bucket": "acme-shared",
        "location": "t/",
        "route": "talks/",
        "permission": "staff",
        "delivery": {"mode": "redirect"},
    }
    owned = {**talks, "location": "own/", "route": "own/", "owner": "project.Invoice.pdf"}
    settings.BACKBLAZE_CONFIG = {**config, "profiles": {**config["profiles"], "talks": talks, "owned": owned}}
    code, found = examined("--round-trip", f"--site={site}")
    asked = {what.removeprefix("profile "): verdict for what, (verdict, _) in found.items() if "route" in what}
    every = {
        f"{profile}: route{aspect}": "ok"
        for profile in ("public", "logged_in", "staff", "talks")
        for aspect in ("", ", ranges", ", 304")
    }
    assert (code, asked) == (0, {**every, "owned: route": "ok"})


@pytest.mark.parametrize("answer", [404, 200])
def test_a_site_that_is_another_one(narrow: Emulator, answer: int) -> None:
    with closing(Impostor()) as elsewhere:
        elsewhere.script = lambda request: elsewhere.http(answer, b"<html>")
        code, found = examined("--round-trip", "--profile=staff", f"--site={elsewhere.url}")
    assert (code, found["profile staff: route"][0]) == (1, "fail")
    assert "b2router.urls" in found["profile staff: route"][1]


def test_a_site_that_does_not_answer(narrow: Emulator) -> None:
    code, found = examined("--round-trip", "--profile=staff", "--site=http://127.0.0.1:9")
    assert (code, found["profile staff: route"][0]) == (1, "fail")
    assert "--site" in found["profile staff: route"][1]


def test_a_site_that_makes_no_sense(configure: Configure) -> None:
    with pytest.raises(CommandError, match="an address such"):
        examined("--site=x.example")


# What is stored already

CONTENT = random.Random(3).randbytes(3_000_000)
READING = {"b2_authorize_account", "b2_list_buckets", "b2_list_file_names", "download", "head"}


@pytest.fixture
def public_at(narrow: Emulator, settings: Any) -> Callable[[str], Emulator]:
    """One profile, whose files are found at an address."""

    def declare(base_url: str) -> Emulator:
        delivery = {"mode": "cdn", "base_url": base_url}
        public = {"bucket": "acme-public", "location": "media/", "permission": "public", "delivery": delivery}
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "profiles": {"public": public}}
        return narrow

    return declare


def stored(emulator: Emulator, alias: str = "public", name: str = "a/b/clip.mp4") -> None:
    get_storage(alias).save(name, ContentFile(CONTENT))
    emulator.reset_counts()


def test_a_stored_file_is_asked_for_at_its_public_address(
    public_at: Callable[[str], Emulator], narrow: Emulator
) -> None:
    stored(public_at(f"{narrow.url}/file/acme-public/"))
    code, found = examined()
    assert code == 0
    assert {what: verdict for what, (verdict, _) in found.items() if "public: " in what} == {
        "profile public: bucket acme-public": "ok",
        "profile public: address": "ok",
        "profile public: ranges": "ok",
        "profile public: 304": "warn",  # B2 itself has no ETag
    }
    assert set(narrow.calls()) <= READING, "it only reads"
    assert narrow.bytes_out() < 200_000, "no more than the beginning"


def test_without_a_file_it_is_asked_who_answers(public_at: Callable[[str], Emulator], narrow: Emulator) -> None:
    public_at(f"{narrow.url}/file/acme-public/")
    code, found = examined()
    assert (code, found["profile public: address"]) == (0, ("ok", "it answers, 404 for a file that is not there. "))


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_cdn_that_cannot_be_reached(public_at: Callable[[str], Emulator], is_stored: bool) -> None:
    emulator = public_at("http://127.0.0.1:9/")
    if is_stored:
        stored(emulator)
    code, found = examined()
    assert (code, found["profile public: address"][0]) == (1, "fail")
    assert "it cannot be reached (ConnectionError). Look at base_url" in found["profile public: address"][1]


@pytest.mark.parametrize(
    ("status", "body", "is_stored", "expected"),
    [
        (200, CONTENT, True, {"address": "ok", "ranges": "warn", "304": "warn"}),
        (200, b"<html>", True, {"address": "fail"}),
        (404, b"", True, {"address": "fail"}),
        (206, CONTENT[1:101], True, {"address": "fail"}),
        (200, b"<html>", False, {"address": "fail"}),
        (503, b"", False, {"address": "fail"}),
        (401, b"", False, {"address": "ok"}),
    ],
)
def test_what_a_cdn_may_answer(
    status: int, body: bytes, is_stored: bool, expected: dict[str, str], public_at: Callable[[str], Emulator]
) -> None:
    with closing(Impostor()) as cdn:
        cdn.script = lambda request: cdn.http(status, body, ETag='"v"')
        emulator = public_at(cdn.url)
        if is_stored:
            stored(emulator)
        _, found = examined()
    assert {
        what.removeprefix("profile public: "): verdict for what, (verdict, _) in found.items() if "public: " in what
    } == {"bucket acme-public": "ok", **expected}


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_address_that_dribbles_ends_by_the_deadline(
    is_stored: bool, public_at: Callable[[str], Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes well within the timeout of a read."""
    monkeypatch.setattr(probes, "TIMEOUT_S", 0.5)
    stop = threading.Event()

    def dribble(request: bytes) -> Iterator[bytes]:
        yield cdn.http(206, CONTENT[:1], Content_Length="2000000")
        while not stop.is_set():
            yield b"."

    with closing(Impostor(pause_s=0.05)) as cdn:
        cdn.script = dribble
        emulator = public_at(cdn.url)
        if is_stored:
            stored(emulator)
        timer = threading.Timer(4, stop.set)
        timer.start()
        code, found = examined()
        was_in_time = not stop.is_set()
        timer.cancel()
        stop.set()
    assert (was_in_time, code, found["profile public: address"][0]) == (True, 1, "fail")
    assert "it cannot be reached" in found["profile public: address"][1] or not is_stored


def test_a_file_that_is_stored_compressed_is_compared_as_it_is_stored(
    public_at: Callable[[str], Emulator], narrow: Emulator
) -> None:
    public_at(f"{narrow.url}/file/acme-public/")
    get_storage("public").save_with(
        "a.css", ContentFile(gzip.compress(CONTENT[:500])), file_info={"b2-content-encoding": "gzip"}
    )
    code, found = examined()
    assert (code, found["profile public: address"][0], found["profile public: ranges"][0]) == (0, "ok", "ok")


@pytest.mark.parametrize("key", ["media/../a", "media/./a", "media/a?b#c%20=&;+ é"])
def test_what_others_have_stored_under_odd_names(
    key: str, public_at: Callable[[str], Emulator], narrow: Emulator
) -> None:
    """What no file of a profile can be called is passed over."""
    public_at(f"{narrow.url}/file/acme-public/")
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(narrow.key_id, narrow.key, narrow.url)
    for stored_as in (key, "media/z/z.bin"):
        api.get_bucket_by_name("acme-public").upload_bytes(CONTENT[:500], stored_as)
    code, found = examined()
    assert (code, found["profile public: address"][:2]) == (0, ("ok", "it gives a file that is stored. "))


def test_a_signed_address_is_asked_too(narrow: Emulator, settings: Any) -> None:
    with closing(Impostor()) as cdn:
        signing = {"scheme": "bunny", "secret": "canary-signing-key"}
        delivery = {"mode": "cdn", "base_url": cdn.url, "signing": signing}
        staff = {"bucket": "acme-staff", "route": "b2s/", "permission": "staff", "delivery": delivery}
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "profiles": {"staff": staff}}
        stored(narrow, "staff")
        cdn.script = lambda request: cdn.http(206 if b"range: bytes=0-99" in request.lower() else 304, CONTENT[:100])
        code, found = examined()
        assert (code, found["profile staff: address"][0], found["profile staff: ranges"][0]) == (0, "ok", "ok")
        assert cdn.asked(b"/a/b/clip.mp4?token=") == len(cdn.requests) > 0
    assert "canary" not in str(found)


def test_a_key_that_may_not_list_is_enough(
    public_at: Callable[[str], Emulator], narrow: Emulator, settings: Any
) -> None:
    public_at(f"{narrow.url}/file/acme-public/")
    key_id, key = narrow.create_key(["listBuckets", "readFiles", "writeFiles"])
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": key_id, "application_key": key}
    code, found = examined()
    assert (code, found["profile public: address"][0]) == (0, "ok")


def test_the_routes_are_asked_for_what_is_stored(narrow: Emulator, site: str) -> None:
    for alias in ("public", "staff"):
        stored(narrow, alias)
    code, found = examined(f"--site={site}")
    asked = {what.removeprefix("profile "): verdict for what, (verdict, _) in found.items() if "route" in what}
    ways = {
        f"{profile}: route{aspect}": "ok" for profile in ("public", "staff") for aspect in ("", ", ranges", ", 304")
    }
    assert (code, asked) == (0, {**ways, "logged_in: route": "ok"})
    assert set(narrow.calls()) <= READING, "it only reads"


@pytest.mark.parametrize(("status", "verdict"), [(404, "ok"), (400, "fail"), (403, "fail"), (500, "fail")])
def test_a_route_without_a_file_says_so_by_404(status: int, verdict: str, narrow: Emulator) -> None:
    """Django answers 400 where ALLOWED_HOSTS lacks the host."""
    with closing(Impostor()) as elsewhere:
        elsewhere.script = lambda request: elsewhere.http(status)
        _, found = examined("--profile=staff", f"--site={elsewhere.url}")
    assert found["profile staff: route"][0] == verdict


def test_nothing_is_asked_for_a_route_that_is_left_out(narrow: Emulator, site: str, settings: Any) -> None:
    config = settings.BACKBLAZE_CONFIG
    owned = {**config["profiles"]["staff"], "owner": "project.Invoice.pdf"}
    settings.BACKBLAZE_CONFIG = {**config, "profiles": {"owned": owned}}
    code, found = examined(f"--site={site}")
    assert (code, found["profile owned: route"][1]) == (
        0,
        "left out, because only files that a row names are found there. ",
    )
    assert set(narrow.calls()) == {"b2_authorize_account", "b2_list_buckets"}


def test_of_a_profile_that_is_only_read_what_is_stored_is_asked(
    public_at: Callable[[str], Emulator], narrow: Emulator, settings: Any
) -> None:
    stored(public_at(f"{narrow.url}/file/acme-public/"))
    config = settings.BACKBLAZE_CONFIG
    public = {**config["profiles"]["public"], "read_only": True}
    settings.BACKBLAZE_CONFIG = {**config, "profiles": {"public": public}}
    code, found = examined("--round-trip")
    assert (code, found["profile public: address"][0]) == (0, "ok")
    assert "read_only" in found["profile public: round trip"][1]
    assert set(narrow.calls()) <= READING


def test_an_address_that_leads_elsewhere(narrow: Emulator, settings: Any) -> None:
    cdn = {"mode": "cdn", "base_url": f"{narrow.url}/file/acme-staff/"}
    public = {"bucket": "acme-public", "permission": "public", "delivery": cdn}
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "profiles": {"public": public}}
    code, found = examined("--round-trip")
    assert (code, found["profile public: address"][0]) == (1, "fail")


@pytest.mark.parametrize(
    ("change", "what", "says"),
    [
        ({"application_key": "wrong"}, "account default: login", "refused the application key"),
        ({"profiles": {"x": {"bucket": "acme-missing"}}}, "profile x: bucket acme-missing", "Make the bucket"),
        (
            {"profiles": {"x": {"bucket": "acme-public", "permission": "staff", "route": "x/"}}},
            "profile x: bucket acme-public",
            "whoever knows a name reads the file",
        ),
        (
            {
                "profiles": {
                    "x": {
                        "bucket": "acme-staff",
                        "permission": "public",
                        "delivery": {"mode": "direct", "base_url": "https://f000.example.com"},
                    }
                }
            },
            "profile x: bucket acme-staff",
            "browsers are sent to it",
        ),
        (
            {
                "profiles": {
                    "x": {
                        "bucket": "acme-staff",
                        "permission": "staff",
                        "route": "x/",
                        "delivery": {"mode": "redirect", "signer": "native"},
                    }
                }
            },
            "account default: rights",
            "lacks shareFiles",
        ),
    ],
    ids=["key", "bucket", "open bucket", "closed bucket", "rights"],
)
def test_what_does_not_work_is_said(
    change: dict[str, Any], what: str, says: str, narrow: Emulator, settings: Any
) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, **change}
    code, found = examined()
    assert code == 1
    assert found[what][0] == "fail"
    assert says in found[what][1]


@pytest.mark.parametrize(
    ("key", "value"), [("retention", {"mode": "governance", "days": 1}), ("legal_hold", True), ("on_delete", "hide")]
)
@pytest.mark.parametrize("can_lock", [True, False])
def test_a_bucket_in_which_nothing_can_be_locked(
    key: str, value: Any, can_lock: bool, narrow: Emulator, settings: Any
) -> None:
    api = B2Api(InMemoryAccountInfo())
    api.authorize_account(narrow.key_id, narrow.key, narrow.url)
    api.create_bucket("acme-vault", "allPrivate", is_file_lock_enabled=can_lock)
    vault = {"bucket": "acme-vault", key: value}
    rights = [*ENOUGH, "readBucketRetentions", "writeFileRetentions", "writeFileLegalHolds"]
    key_id, secret = narrow.create_key(rights)
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "profiles": {"vault": vault},
        "application_key_id": key_id,
        "application_key": secret,
    }
    code, found = examined()
    is_wrong = not can_lock and key != "on_delete"
    assert code == is_wrong
    assert ("profile vault: bucket acme-vault, file lock" in found) == is_wrong


@pytest.mark.parametrize(("minutes", "says"), [(20, "20 minutes ahead of"), (-31, "31 minutes behind"), (5, "")])
def test_a_wrong_clock_is_a_warning(minutes: int, says: str, narrow: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine: B2 refuses addresses that are signed by it."""
    monkeypatch.setattr(wire, "time", SimpleNamespace(time=lambda: time.time() + 60 * minutes))
    code, found = examined()
    assert code == 0
    expected = ("warn", f"this machine's is {says} B2's. Set it: signed addresses may not work.") if says else None
    assert found.get("account default: clock") == expected


def test_a_key_that_may_do_too_much_is_a_warning(configure: Configure) -> None:
    code, found = examined()
    assert (code, found["account default: rights"][0]) == (0, "warn")
    assert "writeKeys" in found["account default: rights"][1]


def test_a_key_for_other_names(narrow: Emulator, settings: Any) -> None:
    key_id, key = narrow.create_key(ENOUGH, "acme-staff", prefix="in/")
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "application_key_id": key_id,
        "application_key": key,
        "profiles": {"staff": {"bucket": "acme-staff"}},
    }
    code, found = examined()
    assert (code, found["profile staff: location"][0]) == (1, "fail")


def test_a_cache_that_is_away(narrow: Emulator, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    code, found = examined()
    assert (code, found["cache default"][0]) == (1, "fail")


def test_for_people_it_is_a_table(narrow: Emulator) -> None:
    output = StringIO()
    call_command("b2router", "doctor", "--profile=staff", stdout=output)
    lines = output.getvalue().splitlines()
    assert lines[-1] == "3 ok, 1 warn, 0 fail"
    assert lines[3].startswith("ok    account default: login")


def test_no_finding_holds_a_secret(narrow: Emulator, settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key": "canary-K001"}
    assert "canary" not in str(examined("--round-trip"))
