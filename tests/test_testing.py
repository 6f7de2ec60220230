"""The fixtures that a site's own tests use, used as a site would."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SITE = """
from django.core.files.base import ContentFile
import pytest
from b2router import get_storage
from b2router.errors import Unavailable
from b2router.testing import reload_config


def test_files_are_stored_and_served(b2, client, assert_b2_calls):
    with assert_b2_calls(b2_list_buckets=1, head=1, b2_get_upload_url=1, b2_upload_file=1):
        name = get_storage("public").save("a.txt", ContentFile(b"hello"))
    with assert_b2_calls(download=1):
        assert client.get(f"/b2/{name}").content == b"hello"
    with assert_b2_calls():
        assert client.head(f"/b2/{name}").status_code == 200


def test_every_test_begins_with_nothing(b2):
    for alias in ("public", "staff", "direct"):
        assert get_storage(alias).listdir("") == ([], [])
    assert not get_storage("public").exists("a.txt")


def test_faults_are_switched_on(b2):
    b2.fail("head", status=503, times=100)
    with pytest.raises(Unavailable):
        get_storage("staff").exists("a.txt")


def test_a_public_address_leads_to_the_emulator(b2):
    import urllib.request
    storage = get_storage("direct")
    name = storage.save("a.txt", ContentFile(b"hello"))
    assert urllib.request.urlopen(storage.url(name)).read() == b"hello"


def test_a_wrong_number_of_calls_is_told(b2, assert_b2_calls):
    with pytest.raises(AssertionError, match=r"were {'head': 1}, expected {'download': 1}"):
        with assert_b2_calls(download=1):
            get_storage("staff").exists("a.txt")


def test_the_environment_is_read_again(monkeypatch):
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-other")
    reload_config()
    assert get_storage("staff").profile.bucket == "acme-other"


def test_and_the_next_test_has_it_as_it_was():
    assert get_storage("staff").profile.bucket == "acme-staff"


def test_a_b2_can_have_what_was_read_again(monkeypatch, request):
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-other")
    reload_config()
    request.getfixturevalue("b2")
    storage = get_storage("staff")
    assert (storage.profile.bucket, storage.listdir("")) == ("acme-other", ([], []))


def test_what_is_in_force_cannot_be_read_again(b2, monkeypatch):
    monkeypatch.setenv("BACKBLAZE_PROFILES__STAFF__BUCKET", "acme-other")
    with pytest.raises(RuntimeError, match="Call reload_config.. first"):
        reload_config()
"""

SETTINGS = """
SECRET_KEY = "tests only"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "b2router"]
ROOT_URLCONF = "site_urls"
ALLOWED_HOSTS = ["*"]
BACKBLAZE_CONFIG = {
    "application_key_id": "0001",
    "application_key": "production",
    "accounts": {"eu": {"application_key_id": "0002", "application_key": "production"}},
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
        "staff": {"bucket": "acme-staff", "account": "eu", "route": "b2s/", "permission": "staff"},
        "direct": {
            "bucket": "acme-direct",
            "permission": "public",
            "delivery": {"mode": "direct", "base_url": "https://f004.backblazeb2.com"},
        },
    },
}
"""


def test_a_site_tests_itself(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{pytester.path}")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "site_settings")
    pytester.makeconftest('pytest_plugins = ["b2router.testing"]')
    pytester.makepyfile(
        site_settings=SETTINGS,
        site_urls='from django.urls import include, path\nurlpatterns = [path("", include("b2router.urls"))]',
        test_site=SITE,
    )
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = site_settings\naddopts = -p no:cacheprovider\n")
    result = pytester.runpytest_subprocess("-q", "-W", "error")
    result.assert_outcomes(passed=9)
