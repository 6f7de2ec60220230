"""The health view: what B2 was last like, without asking it, and nothing that strangers should not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import path

from b2router import get_storage, health
from b2router.emulator import Emulator
from b2router.errors import BackendError, Locked
from tests.conftest import Configure

pytestmark = pytest.mark.django_db

urlpatterns = [path("health/b2/", health.view), path("alive/b2/", health.alive)]


@pytest.fixture(autouse=True)
def _mounted(settings: Any, configure: Configure) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.test_health"
    health.begin_anew()
    yield
    health.begin_anew()


def probed(address: str = "/health/b2/") -> tuple[int, dict[str, Any]]:
    """Status and facts, ages as whether there is one."""
    answer = Client().get(address)
    assert answer["Cache-Control"] == "no-store"
    found = answer.json()
    assert (found["last_success_age_s"] or 0) < 60
    found["last_success_age_s"] = found["last_success_age_s"] is not None
    if found["last_failure"]:
        found["last_failure"] = found["last_failure"]["error"]
    return answer.status_code, found


def facts(status: str, **values: Any) -> dict[str, Any]:
    usual = {"configured": True, "logged_in": True, "last_success_age_s": True, "last_failure": None}
    return {"status": status, **usual, **values}


def test_a_probe_asks_nothing_of_b2(emulator: Emulator) -> None:
    assert probed() == (200, facts("unused", logged_in=False, last_success_age_s=False))
    assert emulator.calls() == {}


def test_success_failure_and_recovery(emulator: Emulator) -> None:
    storage = get_storage("staff")
    assert not storage.exists("a.txt")  # that it is missing is an answer
    assert probed() == (200, facts("ok"))
    emulator.fail("head", status=403, code="cap_exceeded")
    with pytest.raises(BackendError):
        storage.exists("b.txt")
    assert probed() == (503, facts("failing", last_failure="CapExceeded"))
    assert probed("/alive/b2/") == (200, facts("failing", last_failure="CapExceeded"))


def test_a_success_ends_a_failure(emulator: Emulator) -> None:
    emulator.fail("head", status=401, code="unauthorized", times=3)
    with pytest.raises(BackendError):
        get_storage("staff").exists("b.txt")
    assert probed()[1]["logged_in"] is False
    emulator.clear_faults()
    get_storage("public").listdir("")
    assert probed() == (200, facts("ok", last_failure="Refused"))


def test_a_locked_file_is_an_answer(emulator: Emulator) -> None:
    """B2 and the key are in order, so no load balancer has to know."""
    storage = get_storage("staff")
    storage.save("a.txt", ContentFile(b"1"))
    emulator.fail("b2_delete_file_version", status=401, code="access_denied")
    with pytest.raises(Locked):
        storage.purge("a.txt")
    assert probed() == (200, facts("ok"))


def test_an_old_failure_of_a_process_without_visitors_counts_no_more(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.fail("head", status=403, code="cap_exceeded")
    with pytest.raises(BackendError):
        get_storage("staff").exists("b.txt")
    assert probed()[0] == 503
    monkeypatch.setattr("b2router.health.FAILING_FOR_S", 0.0)
    assert probed()[0] == 200


@pytest.mark.parametrize("change", [{"profiles": {}}, {"application_key": None}, {"realm": "nowhere"}])
def test_a_configuration_that_cannot_be_used_is_misconfigured(change: dict[str, Any], settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, **change}
    expected = facts("misconfigured", configured=False, logged_in=False, last_success_age_s=False)
    assert probed() == (503, expected)
    assert probed("/alive/b2/") == (503, expected)


def test_strangers_learn_no_names(settings: Any, emulator: Emulator) -> None:
    get_storage("staff").exists("a.txt")
    emulator.stop()
    with pytest.raises(BackendError):
        get_storage("staff").listdir("secret-folder")
    text = Client().get("/health/b2/").content.decode()
    assert "Unavailable" in text
    for name in ("staff", "acme", "secret", "default", emulator.key_id, emulator.key, "127.0.0.1"):
        assert name not in text


def test_it_can_be_read_only_and_touches_no_session() -> None:
    answer = Client().post("/health/b2/")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert not Client().get("/health/b2/").has_header("Vary")
    assert Client().head("/health/b2/").status_code == 200
