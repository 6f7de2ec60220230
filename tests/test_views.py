"""The proxy view: who gets what, with which headers, and what that costs in calls on B2."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.core.exceptions import SynchronousOnlyOperation
from django.core.files.base import ContentFile
from django.db import connection
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from b2router import get_storage
from b2router.b2 import objects
from b2router.b2.options import UploadOptions
from b2router.delivery import response
from b2router.emulator import Emulator
from b2router.permissions import RequestedFile
from b2router.router import Target, current_router
from b2router.views import ROWS, requested_file, serve
from tests.conftest import Configure, forget
from tests.project.models import Invoice, Scan

pytestmark = pytest.mark.django_db


class Reader(Client):
    """A visitor who reads every answer to its end, into `body`."""

    def generic(self, *args: Any, **options: Any) -> Any:
        answer = super().generic(*args, **options)
        answer.body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        answer.close()
        return answer


@pytest.fixture
def client() -> Reader:
    return Reader()


@pytest.fixture
def clients() -> dict[str, Reader]:
    """A signed-in client for each visitor."""
    User.objects.create_user("alice")
    User.objects.create_user("sam", is_staff=True)
    User.objects.create_superuser("root")
    editor = User.objects.create_user("eve")
    editor.groups.add(Group.objects.create(name="editors"))
    found: dict[str, Reader] = {"anonymous": Reader()}
    for user in User.objects.all():
        found[user.username] = Reader()
        found[user.username].force_login(user)
    return found


def put(alias: str, name: str = "a.txt", content: bytes = b"hello", **declared: str) -> str:
    file: Any = ContentFile(content)
    for key, value in declared.items():
        setattr(file, key, value)
    return get_storage(alias).save(name, file)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def owns(request: Any, file: RequestedFile) -> bool:
    """The site's own predicate of these tests."""
    return file.row.owner_id == request.user.pk  # type: ignore[union-attr]


# Who may read


@pytest.mark.parametrize(
    ("alias", "anonymous", "alice", "sam"),
    [("public", 200, 200, 200), ("logged_in", 302, 200, 200), ("staff", 302, 403, 200)],
)
def test_each_profile_serves_those_it_is_for(
    alias: str, anonymous: int, alice: int, sam: int, configure: Configure, clients: dict[str, Reader]
) -> None:
    url = get_storage(alias).url(put(alias))
    answers = {name: clients[name].get(url) for name in ("anonymous", "alice", "sam")}
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "anonymous": anonymous,
        "alice": alice,
        "sam": sam,
    }
    for answer in answers.values():
        assert (answer.body == b"hello") is (answer.status_code == 200)


def test_whoever_may_not_read_learns_nothing_and_costs_nothing(
    configure: Configure, clients: dict[str, Reader], emulator: Emulator
) -> None:
    """Threat: telling missing from present by status, body, headers, or by a call on B2."""
    put("staff", "there.txt")
    emulator.reset_counts()
    for visitor in ("anonymous", "alice"):
        answers = [
            clients[visitor].generic(method, f"/b2s/{name}", headers=extra)
            for name in ("there.txt", "gone.txt")
            for method in ("GET", "HEAD", "OPTIONS", "POST")
            for extra in ({}, {"range": "bytes=900-"}, {"if-none-match": "*"}, {"accept": "application/json"})
        ]
        seen = [(a.status_code, a.content, {k: v for k, v in a.items() if k != "Location"}) for a in answers]
        assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert emulator.calls() == {}


@pytest.mark.parametrize(
    ("on_denied", "accept", "anonymous", "alice"),
    [
        ("login", "text/html,*/*;q=0.8", 302, 403),
        ("login", "application/json", 403, 403),
        ("403", "text/html", 403, 403),
        ("404", "text/html", 404, 404),
    ],
)
def test_denials_are_answered_as_the_profile_says(
    on_denied: str, accept: str, anonymous: int, alice: int, configure: Configure, clients: dict[str, Reader]
) -> None:
    configure(staff={"on_denied": on_denied})
    found = {n: clients[n].get("/b2s/a.txt", headers={"accept": accept}) for n in ("anonymous", "alice")}
    assert {name: answer.status_code for name, answer in found.items()} == {"anonymous": anonymous, "alice": alice}
    if anonymous == 302:
        assert found["anonymous"]["Location"] == "/login/?next=/b2s/a.txt"
    for answer in found.values():
        assert answer["Cache-Control"] == "private, no-store"


def test_a_hidden_profile_answers_as_if_the_file_were_missing(configure: Configure, clients: dict[str, Reader]) -> None:
    configure(staff={"on_denied": "404"})
    put("staff", "there.txt")
    denied, missing = clients["alice"].get("/b2s/there.txt"), clients["sam"].get("/b2s/gone.txt")
    assert (denied.status_code, denied.content, dict(denied.items())) == (
        missing.status_code,
        missing.content,
        dict(missing.items()),
    )


def test_a_user_who_was_dismissed_is_refused_with_a_live_session(
    configure: Configure, clients: dict[str, Reader]
) -> None:
    put("staff")
    User.objects.filter(username="sam").update(is_active=False)
    assert clients["sam"].get("/b2s/a.txt").status_code in (302, 403)


def test_groups_and_permissions_of_django(configure: Configure, clients: dict[str, Reader]) -> None:
    configure(staff={"permission": {"any": ["group:editors", "perm:auth.view_user"]}})
    put("staff")
    assert [clients[name].get("/b2s/a.txt").status_code for name in ("alice", "sam", "eve", "root")] == [
        403,
        403,
        200,
        200,
    ]


def test_a_profile_without_permission_serves_nobody(configure: Configure, clients: dict[str, Reader]) -> None:
    configure(staff={"permission": None})
    assert clients["root"].get("/b2s/a.txt").status_code == 403


# Rows that own files


@pytest.fixture
def invoices(configure: Configure) -> None:
    configure(staff={"permission": "tests.test_views.owns", "owner": "project.Invoice.pdf", "route": "invoices/"})


def test_a_file_belongs_to_the_row_that_names_it(
    invoices: None, clients: dict[str, Reader], emulator: Emulator, django_assert_num_queries: Any
) -> None:
    invoice = Invoice(owner=User.objects.get(username="alice"))
    invoice.pdf.save("7.pdf", ContentFile(b"%PDF"))
    assert invoice.pdf.url == "/invoices/invoices/7.pdf"
    with django_assert_num_queries(3):  # session, user, row
        assert clients["alice"].get(invoice.pdf.url).body == b"%PDF"
    assert clients["sam"].get(invoice.pdf.url).status_code == 403
    assert clients["anonymous"].get(invoice.pdf.url).status_code == 302


def test_a_file_that_no_row_names_is_found_by_nobody(
    invoices: None, clients: dict[str, Reader], emulator: Emulator
) -> None:
    """Another key in the bucket is not the site's business. Who could never read it is told no more than usual."""
    get_storage("staff").save("stray.pdf", ContentFile(b"%PDF"))
    emulator.reset_counts()
    assert clients["alice"].get("/invoices/stray.pdf").status_code == 403
    assert emulator.calls() == {}


def test_a_file_that_no_row_names_is_missing_for_whom_the_rule_lets_in(
    configure: Configure, clients: dict[str, Reader], emulator: Emulator
) -> None:
    configure(staff={"permission": "staff", "owner": "project.Invoice.pdf"})
    put("staff", "stray.pdf")
    emulator.reset_counts()
    assert clients["sam"].get("/b2s/stray.pdf").status_code == 404
    assert clients["alice"].get("/b2s/stray.pdf").status_code == 403
    assert emulator.calls() == {}


def test_the_owner_is_found_by_the_very_name(configure: Configure, clients: dict[str, Reader]) -> None:
    """Many databases take "a" for "A"; B2 has both."""
    configure(staff={"permission": "tests.test_views.owns", "owner": "project.Scan.name"})
    put("staff", "A7.pdf", b"for alice")
    Scan.objects.create(owner=User.objects.get(username="sam"), name="a7.pdf")
    Scan.objects.create(owner=User.objects.get(username="alice"), name="A7.pdf")
    assert clients["sam"].get("/b2s/A7.pdf").status_code == 403
    assert clients["alice"].get("/b2s/A7.pdf").body == b"for alice"


def test_of_several_rows_the_first_owns_the_file(invoices: None, clients: dict[str, Reader]) -> None:
    name = put("staff", "shared.pdf")
    for username in ("sam", "alice"):
        Invoice.objects.create(owner=User.objects.get(username=username), pdf=name)
    assert [clients[n].get("/invoices/shared.pdf").status_code for n in ("sam", "alice")] == [200, 403]


def test_rows_that_the_default_manager_hides_own_nothing(
    configure: Configure, clients: dict[str, Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soft-deleted rows, other tenants' rows."""
    configure(staff={"permission": "staff", "owner": "project.Invoice.pdf"})
    name = put("staff", "hidden.pdf")
    Invoice.objects.create(owner=User.objects.get(username="sam"), pdf=name)
    assert clients["sam"].get("/b2s/hidden.pdf").status_code == 200
    monkeypatch.setattr(Invoice._default_manager, "get_queryset", lambda: Invoice._base_manager.none())
    assert clients["sam"].get("/b2s/hidden.pdf").status_code == 404


def test_who_may_not_read_causes_no_query_for_an_owner(configure: Configure, clients: dict[str, Reader]) -> None:
    """Its time would tell whether a row names the file; where no predicate asks for the row, nobody has to look."""
    configure(staff={"permission": "staff", "owner": "project.Invoice.pdf", "on_denied": "404"})
    Invoice.objects.create(owner=User.objects.get(username="alice"), pdf="a.pdf")
    with CaptureQueriesContext(connection) as queries:
        assert clients["anonymous"].get("/b2s/a.pdf").status_code == 404
        assert clients["alice"].get("/b2s/a.pdf").status_code == 404
    assert not [query["sql"] for query in queries if "invoice" in query["sql"]]
    with CaptureQueriesContext(connection) as queries:
        assert clients["sam"].get("/b2s/a.pdf").status_code == 404  # of B2
    assert [query["sql"].endswith(f"LIMIT {ROWS}") for query in queries if "invoice" in query["sql"]] == [True]


def test_the_owner_is_looked_up_without_a_cursor_of_the_server(configure: Configure, monkeypatch: Any) -> None:
    """Poolers that give each transaction another connection, such as pgbouncer, lose it; then everybody is denied."""
    configure(staff={"permission": "staff", "owner": "project.Invoice.pdf"})
    monkeypatch.setattr(QuerySet, "iterator", None)
    owner = User.objects.create_user("ada")
    invoice = Invoice.objects.create(owner=owner, pdf="a.pdf")
    assert requested_file(current_router().profile("staff"), "a.pdf").row == invoice


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_b2_is_asked(configure: Configure, client: Reader) -> None:
    """ATOMIC_REQUESTS would take a connection from the database for every public file, for as long as B2 takes."""
    put("public")
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/b2/a.txt").body == b"hello"
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert not queries.captured_queries


def test_an_asynchronous_view_is_told_how_to_serve(configure: Configure, emulator: Emulator) -> None:
    """Called directly it would halt the event loop, and all visitors with it, for as long as B2 takes."""
    put("public")
    emulator.reset_counts()
    request = RequestFactory().get("/")

    async def view() -> Any:
        with pytest.raises(SynchronousOnlyOperation, match=r"await sync_to_async\(serve\)"):
            serve(request, "public", "a.txt")
        assert emulator.calls() == {}
        return await sync_to_async(serve)(request, "public", "a.txt")

    assert body(asyncio.run(view())) == b"hello"


def test_an_owner_that_cannot_be_looked_up_is_a_denial(
    configure: Configure, clients: dict[str, Reader], caplog: pytest.LogCaptureFixture
) -> None:
    configure(staff={"permission": "staff", "owner": "project.Nothing.pdf"})
    assert clients["sam"].get("/b2s/a.txt").status_code == 403
    assert "cannot be looked up" in caplog.text


# Names


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/b2/../b2s/secret.txt", id="dot segments"),
        pytest.param("/b2/%2e%2e/b2s/secret.txt", id="encoded dot segments"),
        pytest.param("/b2/%2E%2E%2Fb2s%2Fsecret.txt", id="encoded dots and slashes"),
        pytest.param("/b2/a/..%2f..%2facme-staff/secret.txt", id="another bucket"),
        pytest.param("/b2//secret.txt", id="empty segment"),
        pytest.param("/b2/a/./secret.txt", id="same folder"),
        pytest.param("/b2/secret.txt/", id="trailing slash"),
        pytest.param("/b2/a%00b", id="NUL"),
        pytest.param("/b2/a%0d%0aSet-Cookie:x", id="line breaks"),
        pytest.param("/b2/" + "x" * 251, id="too long"),
        pytest.param("/b2/" + "/".join(["x" * 200] * 5), id="too long with its location"),
    ],
)
def test_an_impossible_name_is_not_found_before_any_call(
    path: str, configure: Configure, emulator: Emulator, client: Reader
) -> None:
    configure(public={"location": "l" * 50 + "/"})
    put("public", "secret.txt")
    put("staff", "secret.txt", b"for staff")
    emulator.reset_counts()
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (404, b"There is no such file.\n")
    assert emulator.calls() == {}


@pytest.mark.parametrize(
    "name",
    [
        "a b.txt",
        "ü/ß.txt",
        "100%.txt",
        "a%2Fb.txt",
        "a?b#c.txt",
        "a+b&c=d;e.txt",
        "\u202egnp.exe",
        "(x)'!*~.txt",
    ],
)
def test_an_odd_name_survives_the_way_through_url_and_b2(name: str, configure: Configure, client: Reader) -> None:
    """One string: what was stored, what url() gave, what the predicate sees, what B2 is asked for."""
    storage = get_storage("public")
    session = current_router().session(current_router().profile("staff"))
    content = name.encode()
    objects.upload(
        session,
        "acme-public",
        name,
        io.BytesIO(content),
        UploadOptions("text/plain"),
        size_bytes=len(content),
    )
    url = storage.url(name)
    assert resolve(client.get(url).wsgi_request.path_info).kwargs["target"] == Target("public", name)
    assert client.get(url).body == content
    assert storage.exists(name)


def test_urls_of_the_site_itself_are_left_alone(configure: Configure, client: Reader) -> None:
    """The include may stand first: what is under no route goes on to the other patterns."""
    assert client.get("/home/").content == b"home"
    assert client.get("/b2/").status_code == 404


def test_reversing_gives_what_url_gives(configure: Configure) -> None:
    assert reverse("b2router:file", args=[Target("staff", "a/b.txt")]) == get_storage("staff").url("a/b.txt")


# Methods


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_files_can_only_be_read(method: str, configure: Configure, emulator: Emulator) -> None:
    put("public")
    emulator.reset_counts()
    answer = Client(enforce_csrf_checks=True).generic(method, "/b2/a.txt", headers={"x-http-method-override": "GET"})
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert emulator.calls() == {}


def test_options_are_answered_without_asking_anyone(configure: Configure, emulator: Emulator, client: Reader) -> None:
    answer = client.options("/b2s/a.txt")
    assert (answer.status_code, answer["Allow"], answer.content) == (200, "GET, HEAD, OPTIONS", b"")
    assert (answer["Content-Length"], answer.get("Content-Type")) == ("0", None)
    assert emulator.calls() == {}


def test_head_is_get_without_a_body(configure: Configure, emulator: Emulator, client: Reader) -> None:
    put("public")
    got = client.get("/b2/a.txt")
    assert got.body == b"hello"
    emulator.reset_counts()
    head = client.head("/b2/a.txt")
    assert (head.status_code, head.content, dict(head.items())) == (200, b"", dict(got.items()))
    assert emulator.calls() == {}
    forget()
    assert dict(client.head("/b2/a.txt").items()) == dict(got.items())
    assert emulator.calls() == {"b2_authorize_account": 1, "head": 1}


@pytest.mark.parametrize("path", ["/b2/missing", "/b2/a//b", "/b2s/a.txt"])
def test_head_of_what_is_refused_has_no_body_either(path: str, configure: Configure, client: Reader) -> None:
    """RFC 9110, 9.3.2; servers log an answer to HEAD that has one."""
    got = client.get(path, headers={"Accept": "text/plain"})
    head = client.head(path, headers={"Accept": "text/plain"})
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head["Content-Length"] == str(len(got.body)) != "0"


# Headers


def test_a_public_file_has_exactly_these_headers(configure: Configure, client: Reader) -> None:
    configure(public={"max_age_s": 3600})
    put("public", "greeting.txt")
    answer = client.get("/b2/greeting.txt")
    given = dict(answer.items())
    assert given.pop("ETag").startswith('"')
    assert given.pop("Last-Modified").endswith(" GMT")
    assert given == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "5",
        "Accept-Ranges": "bytes",
        "Content-Disposition": 'inline; filename="greeting.txt"',
        "Cache-Control": "public, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Content-Security-Policy": "frame-ancestors 'self'",
        "Cross-Origin-Opener-Policy": "same-origin",  # SecurityMiddleware's
        "Referrer-Policy": "same-origin",  # SecurityMiddleware's
    }
    assert not answer.cookies


def test_a_protected_file_is_private_on_every_status(configure: Configure, clients: dict[str, Reader]) -> None:
    put("staff", "page.css")
    statuses = {}
    for visitor, name, method in [
        ("sam", "page.css", "GET"),
        ("sam", "page.css", "HEAD"),
        ("sam", "gone.css", "GET"),
        ("sam", "..%2fx.css", "GET"),
        ("sam", "page.css", "POST"),
        ("alice", "page.css", "GET"),
        ("anonymous", "page.css", "GET"),
    ]:
        answer = clients[visitor].generic(method, f"/b2s/{name}")
        assert answer["Cache-Control"].startswith("private"), (visitor, name, method)
        statuses[visitor, name, method] = answer.status_code
    assert sorted(statuses.values()) == [200, 200, 302, 403, 404, 404, 405]


def test_a_session_that_will_be_saved_makes_a_public_file_private(
    configure: Configure, settings: Any, clients: dict[str, Reader]
) -> None:
    """A shared cache that kept the cookie would hand out a live session."""
    configure(public={"max_age_s": 60})
    settings.SESSION_SAVE_EVERY_REQUEST = True
    put("public")
    signed_in, anonymous = clients["sam"].get("/b2/a.txt"), clients["anonymous"].get("/b2/a.txt")
    assert (signed_in["Cache-Control"], bool(signed_in.cookies)) == ("private, no-store", True)
    assert (anonymous["Cache-Control"], bool(anonymous.cookies)) == ("public, max-age=60", False)


@pytest.mark.parametrize(
    ("login_url", "location"),
    [
        ("/login/", "/login/?next=/b2s/a%2520b.txt%3Fx%3D1"),
        ("/login/?next=/home/&theme=dark#form", "/login/?next=/b2s/a%2520b.txt%3Fx%3D1&theme=dark#form"),
        ("http://testserver/login/", "http://testserver/login/?next=/b2s/a%2520b.txt%3Fx%3D1"),
        ("//id.example/", "//id.example/?next=http%3A//testserver/b2s/a%2520b.txt%3Fx%3D1"),
        ("https://testserver/", "https://testserver/?next=http%3A//testserver/b2s/a%2520b.txt%3Fx%3D1"),
        ("https://id.example/in?next=/", "https://id.example/in?next=http%3A//testserver/b2s/a%2520b.txt%3Fx%3D1"),
    ],
)
def test_the_login_page_leads_back_wherever_it_is(
    login_url: str, location: str, configure: Configure, settings: Any, client: Reader
) -> None:
    """As Django's login_required does: from another host it takes the whole address."""
    settings.LOGIN_URL = login_url
    answer = client.get("/b2s/a%20b.txt?x=1")
    assert (answer.status_code, answer["Location"]) == (302, location)


@pytest.mark.parametrize("cannot_be_read", ["a*=nope'en'%41", "a*=idna'x'%41", "a*=undefined'x'%41"])
def test_who_asks_for_a_type_that_cannot_be_read_gets_no_page(
    cannot_be_read: str, configure: Configure, client: Reader
) -> None:
    """Django decodes parameters of media types by whatever charset they name."""
    answer = client.get("/b2s/a.txt", headers={"accept": f"text/html; {cannot_be_read}"})
    assert (answer.status_code, answer["Cache-Control"]) == (403, "private, no-store")


def test_nothing_relies_on_other_middleware(configure: Configure, settings: Any, client: Reader) -> None:
    settings.MIDDLEWARE = []
    put("public")
    for path, method in (("/b2/a.txt", "GET"), ("/b2/gone", "GET"), ("/b2s/x", "GET"), ("/b2/a.txt", "POST")):
        assert client.generic(method, path)["X-Content-Type-Options"] == "nosniff"


def test_public_answers_without_a_file_touch_no_session_either(
    configure: Configure, settings: Any, clients: dict[str, Reader]
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    for method, path in (("POST", "/b2/a.txt"), ("OPTIONS", "/b2/a.txt"), ("GET", "/b2/..%2fx")):
        assert "Vary" not in clients["sam"].generic(method, path)


@pytest.mark.parametrize("middleware", ["plain", "login required"])
def test_a_public_file_touches_no_session(
    middleware: str, configure: Configure, settings: Any, clients: dict[str, Reader]
) -> None:
    """A signed-in visitor gets the same cacheable answer; LoginRequiredMiddleware does not stand in the way."""
    if middleware == "login required":
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    put("public")
    for visitor in ("anonymous", "sam"):
        answer = clients[visitor].get("/b2/a.txt")
        assert answer.status_code == 200
        assert "Vary" not in answer
        assert not answer.cookies


@pytest.mark.parametrize(
    ("name", "declared", "served"),
    [
        pytest.param("x.html", "text/html", "text/html; charset=utf-8", id="HTML"),
        pytest.param("x.svg", "image/svg+xml", "image/svg+xml", id="SVG"),
        pytest.param("x.png", "TEXT/HTML; charset=utf-7", "text/html; charset=utf-7", id="HTML that calls itself PNG"),
        pytest.param("x.xml", "application/xhtml+xml", "application/xhtml+xml", id="XHTML"),
        pytest.param("x", "multipart/x-mixed-replace; boundary=x", "application/octet-stream", id="mixed replace"),
        pytest.param("x", "not a type", "application/octet-stream", id="no type"),
        pytest.param("x.js", "text/javascript", "text/javascript; charset=utf-8", id="script"),
    ],
)
def test_active_content_is_downloaded_and_locked_up(
    name: str, declared: str, served: str, configure: Configure, client: Reader
) -> None:
    """Users' uploads must not run as the site, whatever type they declared."""
    put("public", name, b"<script>alert(1)</script>", content_type=declared)
    answer = client.get(f"/b2/{name}")
    assert answer["Content-Type"] == served
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'self'"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_file_information_of_an_uploader_sets_no_header(configure: Configure, client: Reader) -> None:
    configure(
        public={
            "file_info": {
                "b2-content-disposition": "inline",
                "b2-cache-control": "public, max-age=9999",
                "b2-content-language": "tlh",
                "note": "x",
            }
        }
    )
    put("public", "x.html", content_type="text/html")
    answer = client.get("/b2/x.html")
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Cache-Control"] == "public, no-cache"
    assert not {"Content-Language", "X-Bz-Info-Note", "X-Bz-File-Id"} & set(answer.headers)


def test_the_etag_changes_with_every_version(configure: Configure, client: Reader) -> None:
    with get_storage("public").open("a.txt", "w") as file:
        file.write("one")
    first = client.get("/b2/a.txt")["ETag"]
    assert client.get("/b2/a.txt")["ETag"] == first
    with get_storage("public").open("a.txt", "w") as file:
        file.write("one")
    assert client.get("/b2/a.txt")["ETag"] != first


# Failures


def test_a_missing_file_is_404_with_fixed_text(configure: Configure, client: Reader) -> None:
    answer = client.get("/b2/%3Cscript%3Ealert(1)%3C/script%3E")
    assert (answer.status_code, answer.content) == (404, b"There is no such file.\n")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_a_site_without_a_key_answers_503(configure: Configure, settings: Any, client: Reader) -> None:
    settings.BACKBLAZE_CONFIG = {**settings.BACKBLAZE_CONFIG, "application_key_id": None}
    assert client.get("/b2/a.txt").status_code == 503


def test_a_lost_session_store_is_a_denial(
    configure: Configure, client: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise ConnectionError("the cache is away")

    monkeypatch.setattr("django.contrib.auth.middleware.get_user", away)
    assert client.get("/b2s/a.txt").status_code == 403


def test_an_outage_is_logged_once_a_minute(
    configure: Configure, emulator: Emulator, client: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    response._report.cache_clear()  # of what another test had to tell this minute
    emulator.fail("download", status=403, code="download_cap_exceeded", times=20)
    for _ in range(20):
        assert client.get("/b2/a.txt").status_code == 503
    assert sum(record.name == "b2router.delivery" for record in caplog.records) in (1, 2)


def test_b2_out_of_reach_is_503_and_the_site_stays_up(
    configure: Configure, emulator: Emulator, client: Reader, settings: Any
) -> None:
    put("public")
    emulator.stop()
    answer = client.get("/b2/a.txt")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert emulator.key not in answer.content.decode()
    assert client.get("/home/").status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param({"status": 503, "code": "service_unavailable"}, 200, id="busy once: the answer comes late"),
        pytest.param({"status": 503, "code": "service_unavailable", "times": 9}, 503, id="busy for long"),
        pytest.param({"status": 429, "code": "too_many_requests", "retry_after": 60}, 503, id="too many requests"),
        pytest.param({"status": 403, "code": "download_cap_exceeded"}, 503, id="cap"),
        pytest.param({"status": 401, "code": "unauthorized"}, 503, id="right missing"),
        pytest.param({"status": 401, "code": "expired_auth_token"}, 200, id="expired token"),
        pytest.param({"status": 400, "code": "bad_request"}, 502, id="not understood"),
        pytest.param({"status": 302, "code": "x"}, 502, id="somebody else answers"),
    ],
)
def test_what_b2_answers_is_translated(
    fault: dict[str, Any], status: int, configure: Configure, emulator: Emulator, client: Reader
) -> None:
    """Never 500, and never B2's own 401 or 403, which would speak of the site's key and not of the visitor."""
    put("public")
    emulator.fail("download", **fault)
    answer = client.get("/b2/a.txt")
    assert answer.status_code == status
    assert emulator.faults_met()
    if status == 200:
        assert answer.body == b"hello"
    if fault.get("retry_after"):
        assert answer["Retry-After"] == "60"


def test_a_body_that_breaks_off_is_not_passed_off_as_complete(configure: Configure, emulator: Emulator) -> None:
    put("public", "big.bin", b"x" * 3_000_000)
    emulator.fail("download", cut_at=500_000, times=9)
    answer = Client().get("/b2/big.bin")
    assert answer["Content-Length"] == "3000000"
    with pytest.raises(OSError, match="broke off"):
        body(answer)


def test_a_broken_configuration_serves_no_file_and_spares_the_site(
    configure: Configure, emulator: Emulator, client: Reader, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers run no system checks, so this is how a site starts that ignored them; said once in the log."""
    put("public")
    emulator.reset_counts()
    shared = {"bucket": "acme-public", "route": "b2s/", "permission": "staff"}
    settings.BACKBLAZE_CONFIG = {
        **settings.BACKBLAZE_CONFIG,
        "profiles": {**settings.BACKBLAZE_CONFIG["profiles"], "staff": shared},
    }
    assert [client.get("/b2/a.txt").status_code for _ in range(3)] == [404] * 3
    assert client.get("/home/").body == b"home"
    assert caplog.text.count("'staff' is reachable through the looser profile 'public'") == 1
    assert emulator.calls() == {}


# Calls


def test_cold_start_and_first_get_are_two_calls(configure: Configure, emulator: Emulator, client: Reader) -> None:
    """No bucket listing, no HEAD: the download's own headers are the metadata."""
    put("public")
    forget()
    emulator.reset_counts()
    assert client.get("/b2/a.txt").body == b"hello"
    assert emulator.calls() == {"b2_authorize_account": 1, "download": 1}


def test_ten_warm_gets_are_ten_downloads(configure: Configure, emulator: Emulator, client: Reader) -> None:
    put("public")
    client.get("/b2/a.txt")
    emulator.reset_counts()
    for _ in range(10):
        assert client.get("/b2/a.txt").body == b"hello"
    assert emulator.calls() == {"download": 10}


# A site's own view


def test_a_site_can_serve_from_its_own_view(configure: Configure, rf: Any) -> None:
    put("public", "a.txt")
    assert body(serve(rf.get("/anything"), "public", "a.txt")) == b"hello"
    assert serve(rf.get("/anything"), "staff", "a.txt").status_code == 302
    assert serve(rf.get("/anything"), "public", "../a.txt").status_code == 404
    renamed = serve(rf.get("/anything"), "public", "a.txt", download_as="greeting.txt")
    assert renamed["Content-Disposition"] == 'attachment; filename="greeting.txt"'


def test_a_public_address_is_redirected_to(configure: Configure, emulator: Emulator, client: Reader) -> None:
    """A CDN profile that keeps a route, for links that were given out before."""
    configure(public={"delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/media"}, "location": "pub/"})
    answer = client.get("/b2/a%20b/%C3%BC@.txt")
    assert (answer.status_code, answer["Location"]) == (302, "https://cdn.example.com/media/pub/a%20b/%C3%BC%40.txt")
    assert answer["Cache-Control"] == "no-store"
    assert emulator.calls() == {}
