"""What B2 keeps beside the bytes: who says it, what is refused, and files that are encrypted or cannot be deleted."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Any
from urllib.parse import unquote_plus
from urllib.request import Request, urlopen

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from b2router import B2Storage, checks, get_storage
from b2router.b2 import versions
from b2router.b2.download import BLOCK_BYTES
from b2router.b2.session import Session
from b2router.emulator import Emulator
from b2router.errors import BackendError, ConfigError, Locked, NotFound, ReadOnly, Refused
from b2router.router import current_router
from tests.conftest import Configure, forget
from tests.test_storage import Pipe

NAME = "a/may.csv"


def session() -> Session:
    return current_router().session(current_router().profile("staff"))


def headers(name: str = NAME, bucket: str = "acme-staff", **said: str) -> HTTPMessage:
    """What B2 says about a file to whoever has the key."""
    login = session().login()
    asked = Request(f"{login.download_url}/file/{bucket}/{name}", method="HEAD")
    for header, text in {"Authorization": login.token, **said}.items():
        asked.add_header(header.replace("_", "-"), text)
    with urlopen(asked) as answer:
        return answer.headers  # type: ignore[no-any-return]


def told(name: str = NAME) -> dict[str, str]:
    """The headers that an upload can choose."""
    wanted = ("content-type", "cache-control", "content-disposition", "content-language", "expires")
    found = {key.lower(): text for key, text in headers(name).items()}
    return {key: text for key, text in found.items() if key in wanted or key.startswith("x-bz-info-")}


# Who says it


def test_a_file_alone_has_the_type_of_its_name(configure: Configure) -> None:
    get_storage("staff").save(NAME, ContentFile(b"1"))
    assert told() == {"content-type": "text/csv"}


def test_what_the_uploader_declared_counts_more(configure: Configure) -> None:
    get_storage("staff").save(NAME, SimpleUploadedFile("x", b"1", content_type="text/x-table"))
    assert told() == {"content-type": "text/x-table"}


RULE = {
    "match": "*.csv",
    "content_type": "text/csv; charset=utf-8",
    "cache_control": "no-store",
    "content_disposition": 'attachment; filename="may.csv"',
    "content_language": "de",
    "expires": "2030-01-01T00:00:00+01:00",
    "file_info": {"Source": "bank", "b2-content-encoding": "identity"},
}


def test_a_rule_counts_more_than_uploader_and_profile(configure: Configure) -> None:
    configure(staff={"file_info": {"source": "unknown", "kind": "export"}, "stored_as": [RULE]})
    get_storage("staff").save(NAME, SimpleUploadedFile("x", b"1", content_type="text/x-table"))
    assert told() == {
        "content-type": "text/csv; charset=utf-8",
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="may.csv"',
        "content-language": "de",
        "expires": "Mon, 31 Dec 2029 23:00:00 GMT",
        "x-bz-info-source": "bank",
        "x-bz-info-kind": "export",
    }


def test_the_first_rule_that_matches_counts(configure: Configure) -> None:
    rules = [{"match": "a/*.csv", "content_language": "fr"}, {"match": "*.csv", "cache_control": "no-store"}]
    configure(staff={"stored_as": rules})
    get_storage("staff").save(NAME, ContentFile(b"1"))
    get_storage("staff").save("b/may.csv", ContentFile(b"1"))
    assert (told(), told("b/may.csv")) == (
        {"content-type": "text/csv", "content-language": "fr"},
        {"content-type": "text/csv", "cache-control": "no-store"},
    )


def test_the_caller_counts_most(configure: Configure, emulator: Emulator) -> None:
    configure(staff={"stored_as": [RULE]})
    name = get_storage("staff").save_with(
        NAME,
        ContentFile(b"1"),
        content_type="text/plain",
        cache_control="max-age=1",
        content_disposition="inline",
        content_language="en",
        expires=datetime(2031, 1, 1, tzinfo=UTC),
        file_info={"source": "caller", "note": "größer +%"},
    )
    assert name == NAME
    found = told()
    assert unquote_plus(found.pop("x-bz-info-note")) == "größer +%"
    assert found == {
        "content-type": "text/plain",
        "cache-control": "max-age=1",
        "content-disposition": "inline",
        "content-language": "en",
        "expires": "Wed, 01 Jan 2031 00:00:00 GMT",
        "x-bz-info-source": "caller",
    }
    get_storage("staff").save("b.csv", ContentFile(b"1"))
    assert told("b.csv")["x-bz-info-source"] == "bank"  # it counts for one save


def test_the_caller_s_words_go_with_every_naming(configure: Configure) -> None:
    for naming in ("uuid", "content_hash", "overwrite"):
        configure(staff={"naming": naming})
        name = get_storage("staff").save_with("x.csv", ContentFile(b"1"), content_language="en", max_length=60)
        assert told(name)["content-language"] == "en"


def test_files_that_are_written_get_the_same(configure: Configure) -> None:
    configure(staff={"stored_as": [{"match": "*.csv", "content_language": "de"}]})
    with get_storage("staff").open(NAME, "w") as file:
        file.write("1")
    assert told() == {"content-type": "text/csv", "content-language": "de"}


seen: list[tuple[str, bytes]] = []


def info_of(name: str, content: Any) -> dict[str, str]:
    text = content.read()
    seen.append((name, text))
    return {"digits": hashlib.sha256(text).hexdigest()[:8], "source": "callable"}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(lambda: ContentFile(b"12345"), id="memory"),
        pytest.param(lambda: File(Pipe(b"12345"), name="x"), id="pipe"),
        pytest.param(None, id="written"),
    ],
)
def test_a_callable_of_the_site_reads_and_adds(source: Any, configure: Configure) -> None:
    configure(staff={"file_info": {"source": "profile"}, "file_info_from": f"{__name__}.info_of"})
    seen.clear()
    storage = get_storage("staff")
    if source is None:
        with storage.open(NAME, "wb") as file:
            file.write(b"12345")
    else:
        storage.save(NAME, source())
    assert seen == [(NAME, b"12345")]
    assert (told()["x-bz-info-source"], told()["x-bz-info-digits"]) == ("callable", "5994471a")
    with storage.open(NAME) as stored:
        assert stored.read() == b"12345"


def wrong_info(name: str, content: Any) -> Any:
    return {"b2-nonsense": "x"} if name == "reserved" else None


@pytest.mark.parametrize("name", ["reserved", "none"])
def test_what_the_callable_must_not_give_is_refused(name: str, configure: Configure, emulator: Emulator) -> None:
    configure(staff={"naming": "overwrite", "file_info_from": f"{__name__}.wrong_info"})
    with pytest.raises(ValueError, match=r"wrong_info' gave file information that B2 does not take"):
        get_storage("staff").save(name, ContentFile(b"1"))
    assert "b2_upload_file" not in emulator.calls()


def test_callables_are_checked_at_start(configure: Configure) -> None:
    configure(
        staff={"file_info_from": "tests.nowhere.info"},
        logged_in={"encryption": {"mode": "sse_c", "key": f"{__name__}.NAME"}},
    )
    found = [(message.id, message.msg) for message in checks.check_permissions() if message.id == "b2router.E023"]
    assert [text.partition(": ")[0] for _, text in found] == [
        "profiles.logged_in.encryption.key",
        "profiles.staff.file_info_from",
    ]
    with pytest.raises(ConfigError, match=r"tests\.nowhere\.info"):
        get_storage("staff").save("x", ContentFile(b"1"))


# What is refused before B2 is asked


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"content_type": "csv"}, "expected a media type"),
        ({"content_type": "a/b\r\nx: y"}, "expected a media type"),
        ({"cache_control": "a\nb"}, "printable ASCII"),
        ({"content_disposition": 'attachment; filename="größe"'}, "printable ASCII"),
        ({"expires": datetime(2030, 1, 1)}, "a time with its zone"),  # noqa: DTZ001
        ({"file_info": {"b2-nonsense": "x"}}, "of those that begin with 'b2-', B2 takes"),
        ({"file_info": {"x" * 51: "x"}}, "expected 1 to 50 characters"),
        ({"file_info": {"a b": "x"}}, "expected 1 to 50 characters"),
        ({"file_info": {"a": "\ud800"}}, "not valid Unicode|surrogates"),
        ({"file_info": {"a": "x" * 7000}}, "7001 bytes together; expected at most 7000"),
        ({"file_info": {"a": "x" * 6995}}, "Name and file information have 7005 bytes together"),
    ],
)
def test_what_b2_would_not_take_is_refused(
    said: dict[str, Any], text: str, configure: Configure, emulator: Emulator
) -> None:
    configure(staff={"naming": "overwrite"})
    with pytest.raises(ValueError, match=text):
        get_storage("staff").save_with(NAME, ContentFile(b"1"), **said)
    assert emulator.calls() == {}


def test_locked_and_encrypted_files_take_less(configure: Configure, emulator: Emulator) -> None:
    configure(staff={"naming": "overwrite", "encryption": {"mode": "sse_b2"}})
    with pytest.raises(ValueError, match=r"2049 bytes together; expected at most 2048"):
        get_storage("staff").save_with(NAME, ContentFile(b"1"), file_info={"a": "x" * (2048 - len(NAME))})
    assert emulator.calls() == {}
    get_storage("staff").save_with(NAME, ContentFile(b"1"), file_info={"a": "x" * (2047 - len(NAME))})


# Encryption


def test_b2_encrypts_where_the_profile_says_so(configure: Configure) -> None:
    configure(staff={"encryption": {"mode": "sse_b2"}})
    storage = get_storage("staff")
    storage.save(NAME, ContentFile(b"12345"))
    assert headers()["X-Bz-Server-Side-Encryption"] == "AES256"
    copy = storage.copy(NAME, "copy.csv")
    assert headers(copy)["X-Bz-Server-Side-Encryption"] == "AES256"


def key_of(profile: str, name: str) -> bytes:
    return hashlib.sha256(f"{profile}:{name}".encode()).digest()


SSE_C = {"encryption": {"mode": "sse_c", "key": f"{__name__}.key_of"}, "location": "vault/"}


@pytest.fixture
def vault(configure: Configure) -> B2Storage:
    configure(staff=SSE_C)
    return get_storage("staff")


def test_a_file_is_encrypted_with_the_site_s_key(vault: B2Storage) -> None:
    vault.save(NAME, ContentFile(b"12345"))
    key = key_of("staff", NAME)
    digest = b64encode(hashlib.md5(key).digest()).decode()
    found = headers(
        f"vault/{NAME}",
        X_Bz_Server_Side_Encryption_Customer_Algorithm="AES256",
        X_Bz_Server_Side_Encryption_Customer_Key=b64encode(key).decode(),
        X_Bz_Server_Side_Encryption_Customer_Key_Md5=digest,
    )
    assert found["X-Bz-Server-Side-Encryption-Customer-Key-Md5"] == digest
    with pytest.raises(OSError, match="400"):
        headers(f"vault/{NAME}")


def test_it_is_read_with_it_by_the_storage(vault: B2Storage, emulator: Emulator) -> None:
    content = bytes(range(256)) * 4096
    vault.save(NAME, ContentFile(content))
    forget()
    assert (vault.exists(NAME), vault.size(NAME)) == (True, len(content))
    with vault.open(NAME) as file:
        assert file.read() == content
        file.seek(BLOCK_BYTES * 3)
        assert file.read(10) == content[BLOCK_BYTES * 3 :][:10]
    version = vault.versions(NAME)[0].id
    with vault.open(NAME, version=version) as file:
        assert file.read() == content


def test_it_is_served_with_it_and_resumed(configure: Configure, emulator: Emulator, client: Client) -> None:
    configure(staff={**SSE_C, "permission": "public"})
    content = bytes(range(256)) * 4096
    get_storage("staff").save(NAME, ContentFile(content))
    url = get_storage("staff").url(NAME)
    assert client.head(url)["Content-Length"] == str(len(content))
    emulator.fail("download", cut_at=300_000)
    assert body(client.get(url)) == content
    answer = client.get(url, headers={"Range": "bytes=5-9"})
    assert (answer.status_code, body(answer)) == (206, content[5:10])


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def test_copies_and_older_versions_are_encrypted_anew(vault: B2Storage) -> None:
    vault.save(NAME, ContentFile(b"12345"))
    copy = vault.copy(NAME, "copy.csv")
    with vault.open(copy) as file:
        assert file.read() == b"12345"
    with vault.open(NAME, "wb") as file:
        file.write(b"67890")
    vault.restore(NAME, version=vault.versions(NAME)[1].id)
    with vault.open(NAME) as file:
        assert file.read() == b"12345"
    vault.delete(NAME)
    vault.restore(NAME)
    with vault.open(NAME) as file:
        assert file.read() == b"12345"


def test_no_frame_of_a_failed_read_holds_the_key(vault: B2Storage, emulator: Emulator) -> None:
    vault.save(NAME, ContentFile(b"12345"))
    emulator.fail("download", times=9, status=403, code="access_denied")
    with pytest.raises(BackendError) as caught:
        vault.open(NAME)
    frames = repr([list(frame.frame.f_locals.values()) for frame in caught.traceback[1:]])
    assert b64encode(key_of("staff", NAME)).decode() not in frames
    assert repr(key_of("staff", NAME))[2:-1] not in frames


class Making(ContentFile):
    """A content that stores another file while it is read."""

    def chunks(self, chunk_size: int | None = None) -> Any:
        get_storage("staff").save("inner.csv", ContentFile(b"1"))
        yield b"2"


def make_another(name: str, content: Any) -> dict[str, str]:
    if not name.startswith("inner"):
        get_storage("staff").save("inner.csv", ContentFile(b"1"))
    return {}


@pytest.mark.parametrize("by", ["the content", "the callable"])
def test_what_is_said_of_a_file_is_not_said_of_another_that_is_made_meanwhile(by: str, configure: Configure) -> None:
    content = Making(b"") if by == "the content" else ContentFile(b"2")
    configure(staff={} if by == "the content" else {"file_info_from": f"{__name__}.make_another"})
    get_storage("staff").save_with(NAME, content, content_language="de", file_info={"kind": "bill"})
    assert told() == {"content-type": "text/csv", "content-language": "de", "x-bz-info-kind": "bill"}
    assert told("inner.csv") == {"content-type": "text/csv"}


@pytest.mark.parametrize("how", ["restore", "copy", "move", "to another naming"])
def test_a_copy_that_the_site_makes_keeps_type_and_information(how: str, configure: Configure) -> None:
    configure(
        staff={**SSE_C, "naming": "overwrite"} if how != "to another naming" else {"naming": "content_hash"},
    )
    storage, name = get_storage("staff"), NAME
    name = storage.save_with(
        name, ContentFile(b"1"), content_type="text/x-own", content_disposition="attachment", file_info={"kind": "bill"}
    )
    before = storage.versions(name)[0].id
    if how == "restore":
        storage.delete(name)
        storage.restore(name, version=before)
    else:
        name = (storage.move if how == "move" else storage.copy)(name, "b/other.txt")
    stored = versions.info_of(storage._place(), storage._now(name))
    assert storage._now(name).content_type == "text/x-own"
    assert stored == {"b2-content-disposition": "attachment", "kind": "bill"}


def short_key(profile: str, name: str) -> bytes:
    return b"secret-of-the-site"


def no_key(profile: str, name: str) -> bytes:
    raise RuntimeError("secret-of-the-site")


@pytest.mark.parametrize(
    ("path", "text"), [("short_key", "gave bytes of 18; expected bytes, 32"), ("no_key", "failed: RuntimeError")]
)
def test_a_provider_that_gives_no_key_is_named_and_its_words_are_not(
    path: str, text: str, configure: Configure, emulator: Emulator
) -> None:
    configure(staff={"naming": "overwrite", "encryption": {"mode": "sse_c", "key": f"{__name__}.{path}"}})
    for act in (lambda: get_storage("staff").save(NAME, ContentFile(b"1")), lambda: get_storage("staff").open(NAME)):
        with pytest.raises(ConfigError, match=text) as caught:
            act()
        assert "secret-of-the-site" not in str(caught.value)
        frames = [frame.frame.f_locals for frame in caught.traceback[1:]]
        assert "secret-of-the-site" not in repr([list(names.values()) for names in frames])
        assert caught.value.__cause__ is None
    assert not {"b2_upload_file", "download"} & set(emulator.calls())


@pytest.mark.parametrize("mode", ["redirect", "accel"])
def test_a_delivery_that_has_not_the_key_is_a_check_error(mode: str, configure: Configure) -> None:
    configure(staff={**SSE_C, "delivery": {"mode": mode}})
    assert [message.id for message in checks.check_configuration()] == ["b2router.E021"]


# What cannot be deleted


@pytest.fixture
def locked(configure: Configure, emulator: Emulator) -> Configure:
    """A bucket with file lock for the staff."""
    session().login()
    session().api.create_bucket("acme-locked", "allPrivate", is_file_lock_enabled=True)

    def apply(**changes: Any) -> None:
        configure(staff={"bucket": "acme-locked", **changes})

    apply()
    return apply


def locks(name: str = NAME) -> tuple[str | None, str | None, str | None]:
    found = headers(name, "acme-locked")
    kinds = ("X-Bz-File-Retention-Mode", "X-Bz-File-Retention-Retain-Until-Timestamp", "X-Bz-File-Legal-Hold")
    mode, until, held = (found[kind] for kind in kinds)
    return mode, until, held


def test_new_files_are_kept_as_the_profile_says(locked: Configure) -> None:
    locked(retention={"mode": "governance", "days": 30}, legal_hold=True)
    storage = get_storage("staff")
    before = datetime.now(UTC) + timedelta(days=30)
    storage.save(NAME, ContentFile(b"1"))
    mode, until, held = locks()
    assert (mode, held) == ("governance", "on")
    kept_until = datetime.fromtimestamp(int(until or 0) / 1000, tz=UTC)
    assert timedelta(seconds=-1) < kept_until - before < timedelta(minutes=1)
    with pytest.raises(Locked):
        storage.purge(NAME)
    storage.delete(NAME)  # hiding stays possible
    storage.restore(NAME)
    copy = storage.copy(NAME, "copy.csv")
    assert locks(copy)[0::2] == ("governance", "on")


def test_retention_is_set_shortened_and_lifted(locked: Configure, emulator: Emulator) -> None:
    storage, until = get_storage("staff"), datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    storage.save(NAME, ContentFile(b"1"))
    emulator.reset_counts()
    storage.set_retention(NAME, until)
    assert emulator.calls() == {"head": 1, "b2_update_file_retention": 1}
    assert locks()[:2] == ("governance", str(int(until.timestamp() * 1000)))
    with pytest.raises(Locked):
        storage.set_retention(NAME, None)
    storage.set_retention(NAME, until - timedelta(days=1), bypass_governance=True)
    storage.set_retention(NAME, None, bypass_governance=True)
    assert locks()[0] in (None, "", "none")
    assert storage.purge(NAME) == 1


def test_a_hold_keeps_a_version_until_it_is_lifted(locked: Configure) -> None:
    storage = get_storage("staff")
    storage.save(NAME, ContentFile(b"1"))
    older = storage.versions(NAME)[0].id
    with storage.open(NAME, "wb") as file:
        file.write(b"2")
    storage.set_legal_hold(NAME, True, version=older)
    assert locks()[2] in (None, "", "off")
    with pytest.raises(Locked):
        storage.purge(NAME)
    storage.set_legal_hold(NAME, False, version=older)
    assert storage.purge(NAME) == 2


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(401, "access_denied", Locked), (403, "access_denied", Locked), (401, "unauthorized", Refused)],
)
def test_a_lock_is_told_from_a_right_that_is_missing(
    status: int, code: str, expected: type[PermissionError], configure: Configure, emulator: Emulator
) -> None:
    storage = get_storage("staff")
    storage.save(NAME, ContentFile(b"1"))
    emulator.fail("b2_delete_file_version", status=status, code=code)
    with pytest.raises(expected) as caught:
        storage.purge(NAME)
    assert type(caught.value) is expected
    assert ("application key" in str(caught.value)) is (expected is Refused)
    assert storage.open(NAME).read() == b"1"


def test_locks_that_cannot_be_set_are_refused(locked: Configure, configure: Configure, emulator: Emulator) -> None:
    storage = get_storage("staff")
    with pytest.raises(NotFound):
        storage.set_legal_hold("nope", True)
    with pytest.raises(ValueError, match="naive"):
        storage.set_retention(NAME, datetime(2030, 1, 1))  # noqa: DTZ001
    locked(read_only=True)
    for act in (lambda: storage.set_legal_hold(NAME, True), lambda: storage.set_retention(NAME, None)):
        with pytest.raises(ReadOnly):
            act()


def test_a_bucket_without_file_lock_is_named_as_the_reason(configure: Configure) -> None:
    storage = get_storage("staff")
    storage.save(NAME, io.BytesIO(b"1"))
    with pytest.raises(BackendError, match=r"bucket has no file lock.*bucket_missing_file_lock"):
        storage.set_legal_hold(NAME, True)
    configure(staff={"legal_hold": True, "upload": {"part_bytes": 5_000_000}})
    for size in (1, 5_000_001):  # whole, and in parts
        with pytest.raises(BackendError, match=r"bucket has no file lock.*bucket_missing_file_lock"):
            storage.save("b.csv", ContentFile(b"2" * size))
    assert storage.listdir("") == (["a"], [])
