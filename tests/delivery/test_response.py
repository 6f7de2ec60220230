"""Whole answers of the proxy: status, headers, bytes, and what each costs in calls and in bytes pulled from B2."""

from __future__ import annotations

from typing import Any

import pytest
from b2sdk.v3 import B2Api, InMemoryAccountInfo
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.middleware.gzip import GZipMiddleware
from django.test import Client, RequestFactory, override_settings
from django.utils.http import http_date
from django.views.decorators.gzip import gzip_page

from b2router import get_storage
from b2router.emulator import Emulator
from b2router.views import serve
from tests.conftest import Configure

pytestmark = pytest.mark.django_db  # the end of a request closes old connections

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SIZE = len(CONTENT)
URL = "/b2/a.bin"


@pytest.fixture(autouse=True)
def _stored(configure: Configure, emulator: Emulator) -> None:
    get_storage("public").save("a.bin", ContentFile(CONTENT))
    get_storage("public").save("empty", ContentFile(b""))
    emulator.reset_counts()


def ask(url: str = URL, method: str = "GET", **headers: str) -> Any:
    answer: Any = Client().generic(method, url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    answer.close()
    return answer


def etag() -> str:
    return str(ask(method="HEAD")["ETag"])


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        pytest.param("bytes=0-0", 0, 0, id="first byte: what players probe with"),
        pytest.param("bytes=0-99", 0, 99, id="beginning"),
        pytest.param("bytes=1000-1999", 1000, 1999, id="middle"),
        pytest.param("bytes=1000000-", 1000000, SIZE - 1, id="open end"),
        pytest.param("bytes=-1", SIZE - 1, SIZE - 1, id="last byte"),
        pytest.param("bytes=-500", SIZE - 500, SIZE - 1, id="suffix"),
        pytest.param("bytes=1048570-99999999", 1048570, SIZE - 1, id="clamped"),
        pytest.param("bytes=0-", 0, SIZE - 1, id="all of it: B2 answers 200"),
        pytest.param("bytes=-99999999", 0, SIZE - 1, id="longer suffix: B2 answers 200"),
        pytest.param(f"bytes=0-{SIZE}", 0, SIZE - 1, id="past the end: B2 answers 200"),
    ],
)
def test_a_range_pulls_its_bytes_and_no_more(wanted: str, first: int, last: int, emulator: Emulator) -> None:
    answer = ask(range=wanted)
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer["Content-Length"] == str(last - first + 1)
    assert answer.body == CONTENT[first : last + 1]
    assert emulator.calls() == {"download": 1}
    assert emulator.bytes_out() == last - first + 1


@pytest.mark.parametrize(
    "ignored", ["bytes=0-1,5-6", "items=0-1", "bytes=9-1", "bytes=-", "nonsense", "bytes=" + "0-0," * 999]
)
def test_what_is_no_single_range_gets_the_whole_file(ignored: str, emulator: Emulator) -> None:
    answer = ask(range=ignored)
    assert (answer.status_code, answer.body) == (200, CONTENT)
    assert "Content-Range" not in answer
    assert emulator.calls() == {"download": 1}


@pytest.mark.parametrize(("url", "wanted", "size"), [(URL, f"bytes={SIZE}-", SIZE), ("/b2/empty", "bytes=0-", 0)])
def test_a_range_without_a_byte_is_told_the_size(url: str, wanted: str, size: int, emulator: Emulator) -> None:
    answer = ask(url, range=wanted)
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{size}")
    assert answer.body == b"The file has no byte of this range.\n"
    assert answer["Cache-Control"] == "no-store"
    assert emulator.calls() == {"head": 1}, "416 is never answered from memory alone"
    cache.clear()
    emulator.reset_counts()
    again = ask(url, range=wanted)
    assert dict(again.items()) == dict(answer.items())
    assert emulator.calls() == {"download": 1, "head": 1}


def test_a_file_that_grew_outside_the_site_has_its_new_bytes(emulator: Emulator) -> None:
    """What is remembered says that it ends before them."""
    other_tool = B2Api(InMemoryAccountInfo())
    other_tool.authorize_account(emulator.key_id, emulator.key, emulator.url)
    other_tool.get_bucket_by_name("acme-public").upload_bytes(CONTENT + b"more", "a.bin")
    other_tool.session.raw_api.b2_http.session.close()
    emulator.reset_counts()
    answer = ask(range=f"bytes={SIZE}-")
    assert (answer.status_code, answer.body) == (206, b"more")
    assert answer["Content-Range"] == f"bytes {SIZE}-{SIZE + 3}/{SIZE + 4}"
    assert emulator.calls() == {"download": 1, "head": 1}


@pytest.mark.parametrize("is_known", [True, False])
def test_the_last_bytes_of_an_empty_file_are_the_whole_of_it(is_known: bool, emulator: Emulator) -> None:
    if not is_known:
        cache.clear()
    answer = ask("/b2/empty", range="bytes=-5")
    assert (answer.status_code, answer.body, answer["Content-Length"]) == (200, b"", "0")
    assert emulator.calls() == ({"download": 1} if is_known else {"download": 1, "head": 1})


@pytest.mark.parametrize("url", [URL, "/b2/empty"])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_last_no_bytes_are_none_of_any_file(url: str, is_known: bool, emulator: Emulator) -> None:
    """B2 is not asked for them: nobody knows what it makes of that."""
    if not is_known:
        cache.clear()
    answer = ask(url, range="bytes=-0")
    assert answer.status_code == 416
    assert emulator.calls() == {"head": 1}


def test_an_empty_file_is_served(emulator: Emulator) -> None:
    answer = ask("/b2/empty")
    assert (answer.status_code, answer.body, answer["Content-Length"]) == (200, b"", "0")


def test_a_range_of_another_version_gets_the_whole_file(emulator: Emulator) -> None:
    """RFC 9110, 13.1.5."""
    current = etag()
    emulator.reset_counts()
    assert ask(range="bytes=0-9", if_range=current).status_code == 206
    assert emulator.calls() == {"download": 1}
    assert ask(range="bytes=0-9", if_range='"another"').body == CONTENT
    assert ask(range="bytes=0-9", if_range=f"W/{current}").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(method: str, emulator: Emulator) -> None:
    current = etag()
    emulator.reset_counts()
    answer = ask(method=method, if_none_match=f'"x", W/{current}')
    assert (answer.status_code, answer.body) == (304, b"")
    assert {name for name, _ in answer.items()} >= {"ETag", "Cache-Control", "Last-Modified"}
    assert not {"Content-Type", "Content-Disposition"} & {name for name, _ in answer.items()}
    assert answer["Content-Length"] == str(SIZE)  # RFC 9110, 8.6: that of the 200, or none
    assert emulator.calls() == {}
    cache.clear()
    assert dict(ask(method=method, if_none_match=current).items()) == dict(answer.items())
    assert emulator.calls() == {"head": 1}
    assert emulator.bytes_out() == 0


def test_conditions_are_decided_before_the_range(emulator: Emulator) -> None:
    """RFC 9110, 13.2.2."""
    current = etag()
    emulator.reset_counts()
    assert ask(range="bytes=0-9", if_none_match=current).status_code == 304
    assert ask(range="bytes=0-9", if_match='"another"').status_code == 412
    assert emulator.calls() == {"head": 1}, "412 is never answered from memory alone"
    assert ask(range="bytes=0-9", if_match=current).body == CONTENT[:10]


def test_dates_are_compared_too() -> None:
    modified = ask(method="HEAD")["Last-Modified"]
    assert ask(if_modified_since=modified).status_code == 304
    assert ask(if_modified_since=http_date(0)).status_code == 200
    assert ask(if_unmodified_since=http_date(1)).status_code == 412


def test_head_ignores_range() -> None:
    """RFC 9110, 14.2: it is defined for GET."""
    answer = ask(method="HEAD", range="bytes=0-9")
    assert (answer.status_code, answer["Content-Length"]) == (200, str(SIZE))


def test_a_new_version_between_look_and_download_is_what_is_sent(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Length, ETag and bytes are of one version, and the conditions are decided for it."""
    from b2router.b2 import download

    old = etag()
    looked = download.stat

    def replaced_after_look(*place: Any) -> Any:
        stored = looked(*place)
        with get_storage("public").open("a.bin", "wb") as file:
            file.write(b"new")
        return stored

    monkeypatch.setattr(download, "stat", replaced_after_look)
    cache.clear()
    answer = ask(if_match=old)
    assert answer.status_code == 412
    monkeypatch.undo()
    cache.clear()
    monkeypatch.setattr(download, "stat", replaced_after_look)
    answer = ask(if_none_match=old)
    assert (answer.status_code, answer.body, answer["Content-Length"]) == (200, b"new", "3")
    assert answer["ETag"] != old


@pytest.mark.parametrize(
    "middleware",
    [
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    ],
)
def test_middleware_in_the_chain_spoils_nothing(middleware: str, settings: Any) -> None:
    """GZip would compress a part and drop its length; ConditionalGet would drop an open download."""
    with override_settings(MIDDLEWARE=[middleware, *settings.MIDDLEWARE]):
        get_storage("public").save("a.txt", ContentFile(b"words " * 1000))
        whole = ask("/b2/a.txt", accept_encoding="gzip")
        part = ask("/b2/a.txt", accept_encoding="gzip", range="bytes=0-499")
        same = ask("/b2/a.txt", accept_encoding="gzip", if_none_match=whole["ETag"])
    assert (whole.status_code, whole.body, whole["Content-Length"]) == (200, b"words " * 1000, "6000")
    assert (part.status_code, part["Content-Length"], len(part.body)) == (206, "500", 500)
    assert part["ETag"] == whole["ETag"]
    assert not whole["ETag"].startswith("W/")
    assert same.status_code == 304


class Compression(GZipMiddleware):
    """A site's own, under another name."""


@pytest.mark.parametrize(
    "url", [pytest.param("/b2/a.txt", id="sent in one piece"), pytest.param("/b2/long.txt", id="streamed")]
)
def test_no_middleware_compresses_a_file(url: str, settings: Any) -> None:
    content = b"words " * (1000 if url == "/b2/a.txt" else 100_000)
    get_storage("public").save(url.removeprefix("/b2/"), ContentFile(content))
    settings.MIDDLEWARE = [f"{__name__}.Compression", *settings.MIDDLEWARE]
    whole = ask(url, accept_encoding="gzip")
    part = ask(url, accept_encoding="gzip", range=f"bytes=0-{len(content) - 2}")
    head = ask(url, "HEAD", accept_encoding="gzip")
    assert (whole.status_code, whole.body) == (200, content)
    assert (part.status_code, part.body) == (206, content[:-1])
    for answer, size_bytes in ((whole, len(content)), (part, len(content) - 1), (head, len(content))):
        assert (answer["Content-Length"], answer["ETag"]) == (str(size_bytes), head["ETag"])
        assert "Content-Encoding" not in dict(answer.items())  # RFC 9110, 8.4: "identity" is not for the wire
    assert not head["ETag"].startswith("W/")


@pytest.mark.parametrize("size_bytes", [1000, 100_000])
def test_no_decorator_of_a_view_compresses_a_part(size_bytes: int) -> None:
    get_storage("public").save("a.txt", ContentFile(b"x" * (size_bytes + 1)))
    request = RequestFactory().get(
        "/", headers={"range": f"bytes=0-{size_bytes - 1}", "accept-encoding": "gzip", "host": "site.example"}
    )
    answer: Any = gzip_page(lambda request: serve(request, "public", "a.txt"))(request)
    assert (answer.status_code, answer["Content-Length"]) == (206, str(size_bytes))
    assert (b"".join(answer.streaming_content) if answer.streaming else answer.content) == b"x" * size_bytes
    answer.close()


def test_what_is_stored_compressed_says_so(configure: Configure) -> None:
    """To the visitor too."""
    configure(public={"stored_as": [{"match": "*.gz", "file_info": {"b2-content-encoding": "gzip"}}]})
    get_storage("public").save("a.txt.gz", ContentFile(b"x" * 300))
    assert dict(ask("/b2/a.txt.gz", accept_encoding="gzip").items())["Content-Encoding"] == "gzip"


def test_a_small_file_that_stalls_is_resumed_in_the_time_of_the_answer(emulator: Emulator, settings: Any) -> None:
    """It is read before the answer begins, so a visitor would wait for `read_timeout_s` and see nothing."""
    settings.BACKBLAZE_CONFIG = settings.BACKBLAZE_CONFIG | {"limits": {"request_s": 1, "read_timeout_s": 300}}
    get_storage("public").save("a.txt", ContentFile(b"x" * 5000))
    emulator.reset_counts()
    emulator.fail("download", stall_at=1000)
    answer = ask("/b2/a.txt")
    assert (answer.status_code, answer.body) == (200, b"x" * 5000)
    assert emulator.calls() == {"download": 2}
    emulator.fail("download", stall_at=1000, times=2)
    emulator.fail("download", stall_at=0, times=2)
    assert ask("/b2/a.txt").status_code == 503


def test_nothing_is_left_of_a_file_that_is_resumed(emulator: Emulator) -> None:
    """An answer that makes no sense: never a 500."""
    get_storage("public").save("a.txt", ContentFile(b"x" * 5000))
    emulator.fail("download", cut_at=2)
    emulator.fail("download", status=416, code="range_not_satisfiable")
    assert ask("/b2/a.txt").status_code == 502


def test_nobody_decides_about_conditions_again(settings: Any) -> None:
    """Django leaves out a tag that it cannot read, and would take the date beside it."""
    settings.MIDDLEWARE = ["django.middleware.http.ConditionalGetMiddleware", *settings.MIDDLEWARE]
    seen = ask()
    answer = ask(if_none_match="abc", if_modified_since=seen["Last-Modified"])
    assert (answer.status_code, answer.body) == (200, CONTENT)


def test_all_calls_of_an_answer_share_its_time(emulator: Emulator, settings: Any) -> None:
    settings.BACKBLAZE_CONFIG = settings.BACKBLAZE_CONFIG | {"limits": {"request_s": 1, "request_tries": 1}}
    ask(URL)
    cache.clear()
    for call in ("head", "download"):
        emulator.fail(call, delay_s=0.7)
    assert ask(URL, If_None_Match='"another"').status_code == 503
    assert ask(URL, If_None_Match='"another"').status_code == 200
