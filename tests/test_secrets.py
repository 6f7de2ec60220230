"""A canary key, looked for wherever texts come out: logs, errors, reprs, pages, cookies, command output."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import Client
from django.urls import include, path

from b2router import get_storage, router
from b2router.b2.sessions import close_all
from b2router.emulator import Emulator
from b2router.router import current_router
from tests.conftest import BUCKETS, Configure

CANARY = "K001canaryCANARYcanaryCANARYcan"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(buckets=BUCKETS, key_id="0001canaryid", key=CANARY) as running:
        yield running
        close_all()


def failing(request: Any) -> Any:
    """A page of the site that lets an error of a storage through."""
    get_storage("staff").save("a.txt", ContentFile(b"x"))


urlpatterns = [path("", include("b2router.urls")), path("failing/", failing)]


def token() -> str:
    return current_router().session(current_router().profile("staff")).login().token


def everything_about(error: BaseException) -> str:
    """The error as a tracker sees it: texts, chain, and the local variables of every frame."""
    seen = [repr(error), str(error), "".join(traceback.format_exception(error))]
    chained: BaseException | None = error
    while chained is not None:
        for frame, _ in traceback.walk_tb(chained.__traceback__):
            if "b2router" in frame.f_code.co_filename and "/tests/" not in frame.f_code.co_filename:
                seen += [repr(value) for value in frame.f_locals.values()]
        chained = chained.__cause__ or (None if chained.__suppress_context__ else chained.__context__)
    return "\n".join(seen)


def test_no_log_at_any_level_holds_key_or_token(
    configure: Configure, emulator: Emulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """b2sdk's and urllib3's own logs included."""
    caplog.set_level(logging.DEBUG)
    storage = get_storage("public")
    name = storage.save("a.txt", ContentFile(b"x"))
    client.get(storage.url(name))
    storage.listdir("")
    emulator.expire_tokens()
    storage.exists(name)
    emulator.fail("download", status=503, code="service_unavailable", times=9)
    client.get(storage.url(name))
    seen = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert caplog.records
    assert CANARY not in seen
    assert token() not in seen


@pytest.mark.parametrize("trouble", ["wrong key", "no B2", "refused", "bad configuration", "no key"])
def test_no_error_page_holds_key_or_token(
    trouble: str, configure: Configure, emulator: Emulator, settings: Any
) -> None:
    """DEBUG pages and error mails show the settings and the local variables of every frame."""
    settings.DEBUG = True
    settings.ROOT_URLCONF = "tests.test_secrets"
    secrets = [CANARY]
    if trouble == "wrong key":
        secrets.append("K001another-canary")
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key": "K001another-canary"}
    elif trouble == "no B2":
        emulator.stop()
    elif trouble == "refused":
        secrets.append(token())
        emulator.fail("head", status=401, code="unauthorized", times=3)
    elif trouble == "bad configuration":
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "realm": "nowhere", "profile": {}}
    else:
        settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": None}
    page = Client(raise_request_exception=False).get("/failing/")
    assert page.status_code == 500
    text = page.content.decode()
    assert "BACKBLAZE_CONFIG" in text
    assert not [secret for secret in secrets if secret in text]


def test_no_frame_of_our_errors_holds_key_or_token(configure: Configure, emulator: Emulator, settings: Any) -> None:
    storage = get_storage("staff")
    live = token()
    emulator.fail("head", status=503, code="service_unavailable", times=9)
    with pytest.raises(OSError) as busy:
        storage.size("a.txt")
    emulator.stop()
    with pytest.raises(OSError) as away:
        storage.listdir("")
    for caught in (busy.value, away.value):
        seen = everything_about(caught)
        assert "login" in seen or "session" in seen.lower()
        assert CANARY not in seen
        assert live not in seen


def test_no_repr_or_pickle_of_a_storage_holds_the_key(configure: Configure) -> None:
    storage = get_storage("staff")
    storage.exists("x")
    session = current_router().session(current_router().profile("staff"))
    shown = storage, session, session.login(), current_router().config, vars(storage), pickle.dumps(storage)
    seen = " ".join(map(repr, shown))
    assert CANARY not in seen
    assert token() not in seen


def test_no_answer_to_a_visitor_holds_key_or_token(configure: Configure, emulator: Emulator, client: Client) -> None:
    name = get_storage("public").save("a.txt", ContentFile(b"x"))
    answers = [client.get(f"/b2/{name}"), client.head(f"/b2/{name}"), client.get("/b2/gone"), client.get("/b2s/x")]
    emulator.fail("download", status=401, code="unauthorized", message=f"for {CANARY}")
    answers.append(client.get(f"/b2/{name}"))
    for answer in answers:
        text = f"{dict(answer.items())} {answer.cookies} " + (
            b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()  # type: ignore[attr-defined]
        )
        assert CANARY not in text
        assert token() not in text


def test_no_output_of_a_command_holds_the_key(
    configure: Configure, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in (
        {**settings.BACKBLAZE_CONFIG, "profiles": CANARY},
        {**settings.BACKBLAZE_CONFIG, "application_kye": CANARY},
        {**settings.BACKBLAZE_CONFIG, "accounts": {"eu": {"application_key": CANARY}}},
    ):
        settings.BACKBLAZE_CONFIG = config
        output = io.StringIO()
        with pytest.raises(Exception, match="E00") as error:
            call_command("check", stdout=output, stderr=output)
        assert CANARY not in f"{error.value} {output.getvalue()}"
    router.reload()
