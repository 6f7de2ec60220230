"""`manage.py b2router nginx`: what it prints, and what it says when it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings
from syrupy.assertion import SnapshotAssertion

CONFIG: dict[str, Any] = {
    "application_key_id": "0001",
    "application_key": "canary-K001",
    "accounts": {"eu": {"application_key_id": "0002", "application_key": "canary-K002"}},
    "profiles": {
        "staff": {"bucket": "acme-staff", "route": "s/", "permission": "public", "delivery": {"mode": "accel"}},
        "videos": {
            "bucket": "acme-videos",
            "account": "eu",
            "route": "v/",
            "permission": "public",
            "delivery": {"mode": "accel"},
            "file_info": {"Camera": "x"},
        },
        "others": {"bucket": "acme-others", "route": "o/", "permission": "public"},
    },
}


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    with override_settings(BACKBLAZE_CONFIG=CONFIG):
        yield


def printed(*words: str, resolver: str = "192.0.2.53") -> str:
    output = StringIO()
    call_command("b2router", "nginx", f"--resolver={resolver}", *words, stdout=output)
    return output.getvalue()


def directives(text: str) -> list[str]:
    """The text without its comments, a directive a line."""
    return [line.strip() for line in re.sub(r"(?m)^\s*#.*$", "", text).splitlines() if line.strip()]


def test_the_whole_configuration(snapshot: SnapshotAssertion) -> None:
    assert printed() == snapshot


def test_it_holds_no_secret() -> None:
    assert "canary" not in printed()
    assert "000" not in printed()


def test_each_part_can_be_had_for_its_block() -> None:
    http, server = printed("--context=http"), printed("--context=server")
    assert {line.split()[0] for line in directives(http) if line.startswith(("map", "location"))} == {"map"}
    assert {line.split()[0] for line in directives(server) if line.startswith(("map", "location"))} == {"location"}
    assert directives(printed()) == directives(http) + directives(server)


def test_only_the_buckets_of_these_profiles_can_be_fetched() -> None:
    assert allowed() == [r"https://s3\.[a-z0-9-]+\.backblazeb2\.com/(?:acme-staff|acme-videos)/"]


@pytest.mark.parametrize(
    ("realm", "address", "is_allowed"),
    [
        pytest.param("production", "https://s3.us-west-004.backblazeb2.com/acme-staff/a", True, id="B2"),
        pytest.param("production", "http://s3.us-west-004.backblazeb2.com/acme-staff/a", False, id="plain http"),
        pytest.param("production", "https://s3.us-west-004.backblazeb2.com/acme-others/a", False, id="other bucket"),
        pytest.param("production", "https://s3.us-west-004.backblazeb2.com/acme-staff-2/a", False, id="longer bucket"),
        pytest.param(
            "production", "https://s3.us-west-004.backblazeb2.com.evil.example/acme-staff/a", False, id="host"
        ),
        pytest.param("production", "https://evil@s3.us-west-004xbackblazeb2.com/acme-staff/a", False, id="login"),
        pytest.param("production", "https://169.254.169.254/acme-staff/a", False, id="address of the cloud's metadata"),
        pytest.param("staging", "https://s3.us-west-000.backblaze.net/acme-staff/a", True, id="staging"),
        pytest.param("http://127.0.0.1:9000", "http://127.0.0.1:9001/acme-staff/a", True, id="emulator"),
        pytest.param("http://127.0.0.1:9000", "http://127.0.0.11/acme-staff/a", False, id="not the emulator"),
        pytest.param("http://[::1]:9000", "http://[::1]:9000/acme-staff/a", True, id="emulator on IPv6"),
        pytest.param("http://localhost:9000", "http://localhost:9000/acme-staff/a", True, id="emulator by name"),
        pytest.param("https://b2.acme-1.example", "https://b2.acme-1.example/acme-staff/a", True, id="another B2"),
        pytest.param("https://b2.acme-1.example", "https://s3.b2.acme-1.example/acme-staff/a", True, id="its own host"),
        pytest.param("https://b2.acme-1.example", "https://s3.acme-1.example/acme-staff/a", False, id="its neighbour"),
        pytest.param("https://b2.acme-1.example", "https://b2.acme-1Xexample/acme-staff/a", False, id="not that B2"),
        pytest.param("https://b2.acme-1.example", "http://b2.acme-1.example/acme-staff/a", False, id="by plain http"),
    ],
)
def test_only_the_realm_s_hosts_can_be_asked(realm: str, address: str, *, is_allowed: bool) -> None:
    """The same hosts as the login may name: whatever the site answers, nginx asks no other."""
    with override_settings(BACKBLAZE_CONFIG={**CONFIG, "realm": realm}, DEBUG=True):
        assert any(re.match(source, address) for source in allowed()) is is_allowed


def allowed() -> list[str]:
    return re.findall(r'^    "~\^(.+)" \$upstream_http_location;$', printed("--context=http"), re.MULTILINE)


def test_information_that_is_stored_with_every_upload_is_hidden() -> None:
    assert 'proxy_hide_header "x-amz-meta-camera";' in directives(printed())


def test_all_information_is_hidden_where_nginx_can() -> None:
    assert 'more_clear_headers "x-amz-*" "x-bz-*";' in directives(printed("--headers-more"))
    assert "more_clear_headers" not in "\n".join(directives(printed()))


def test_each_internal_location_is_there() -> None:
    profiles = {**CONFIG["profiles"], "more": {"bucket": "acme-more", "delivery": {"mode": "accel", "internal": "/x/"}}}
    with override_settings(BACKBLAZE_CONFIG={**CONFIG, "profiles": profiles}):
        found = [line for line in directives(printed()) if line.startswith("location") and "@" not in line]
    assert found == [
        *("location ^~ /_b2/ {", "location = /_b2/ {", "location = /_b2/whole {"),
        *("location ^~ /x/ {", "location = /x/ {", "location = /x/whole {"),
    ]


def test_without_a_profile_for_nginx_it_says_what_is_missing() -> None:
    expected = pytest.raises(CommandError, match="No profile has the delivery mode 'accel'")
    with override_settings(BACKBLAZE_CONFIG={**CONFIG, "profiles": {"others": CONFIG["profiles"]["others"]}}), expected:
        printed()


@pytest.mark.parametrize("words", ["1.1.1.1; evil on", "1.1.1.1 {", "", "1.1.1.1\n"])
def test_an_option_is_one_word_of_the_configuration(words: str) -> None:
    with pytest.raises(CommandError, match="--resolver is"):
        printed(resolver=words)


def test_the_checks_run_first() -> None:
    expected = pytest.raises(SystemCheckError, match=r"profiles\.x\.bucket")
    with override_settings(BACKBLAZE_CONFIG={"profiles": {"x": {"bucket": "x"}}}), expected:
        call_command("b2router", "nginx", skip_checks=False)


def test_a_verb_is_needed() -> None:
    with pytest.raises(CommandError, match="VERB"):
        call_command("b2router")
