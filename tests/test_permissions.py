"""Who may read: every word, every combinator, and what happens when a predicate misbehaves."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import RequestFactory
from django.utils.asyncio import async_unsafe
from django.utils.functional import SimpleLazyObject

from b2router.config import AllOf, AnyOf, BucketProfile, Not
from b2router.permissions import RequestedFile, describe, is_allowed, needs_user, predicate_paths

FILE = RequestedFile("media", "a.txt")
HERE = "tests.test_permissions"


class Visitor:
    """A user as Django's authentication gives it."""

    pk = 1

    def __init__(self, *, authenticated: bool = True, active: bool = True, **ranks: Any) -> None:
        self.is_authenticated, self.is_active = authenticated, active
        self.is_staff, self.is_superuser = ranks.get("staff", False), ranks.get("superuser", False)
        self._groups, self._perms = ranks.get("groups", ()), ranks.get("perms", ())

    def has_perm(self, perm: str) -> bool:
        return self.is_superuser or perm in self._perms

    @property
    def groups(self) -> Any:
        groups = self._groups
        return SimpleNamespace(filter=lambda name: SimpleNamespace(exists=lambda: name in groups))


VISITORS = {
    "anonymous": Visitor(authenticated=False, active=False),
    "member": Visitor(),
    "staff": Visitor(staff=True),
    "superuser": Visitor(superuser=True),
    "editor": Visitor(groups=("editors",)),
    "auditor": Visitor(perms=("shop.view_order",)),
    "half signed in": Visitor(authenticated=False, active=True, staff=True, superuser=True),
    "dismissed": Visitor(active=False, staff=True, superuser=True, groups=("editors",), perms=("shop.view_order",)),
}


def rule(permission: Any) -> Any:
    return BucketProfile(bucket="acme-media", permission=permission).permission


def allowed(permission: Any) -> set[str]:
    """The visitors that a permission lets in."""
    found = set()
    for name, user in VISITORS.items():
        request = RequestFactory().get("/")
        request.user = user  # type: ignore[assignment]
        if is_allowed(rule(permission), request, FILE):
            found.add(name)
    return found


def yes(request: Any, file: RequestedFile) -> bool:
    return True


def no(request: Any, file: RequestedFile) -> bool:
    return False


def truthy(request: Any, file: RequestedFile) -> Any:
    return "yes"


def number(request: Any, file: RequestedFile) -> Any:
    return 0


def nothing(request: Any, file: RequestedFile) -> None:
    return None


def broken(request: Any, file: RequestedFile) -> bool:
    raise RuntimeError("broken")


async def later(request: Any, file: RequestedFile) -> bool:
    return file.name == "a.txt"


SIGNED_IN = {"member", "staff", "superuser", "editor", "auditor"}


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        pytest.param(None, set(), id="none"),
        pytest.param("public", set(VISITORS), id="public"),
        pytest.param("authenticated", SIGNED_IN, id="authenticated"),
        pytest.param("staff", {"staff"}, id="staff"),
        pytest.param("superuser", {"superuser"}, id="superuser"),
        pytest.param("group:editors", {"editor"}, id="group"),
        pytest.param("perm:shop.view_order", {"auditor", "superuser"}, id="permission of Django"),
        pytest.param({"any": ["staff", "group:editors"]}, {"staff", "editor"}, id="any"),
        pytest.param({"all": ["authenticated", {"not": "staff"}]}, SIGNED_IN - {"staff"}, id="all, not"),
        pytest.param({"not": "authenticated"}, {"anonymous", "dismissed", "half signed in"}, id="not"),
        pytest.param(f"{HERE}.yes", set(VISITORS), id="a predicate that says yes"),
        pytest.param(f"{HERE}.no", set(), id="a predicate that says no"),
        pytest.param({"not": f"{HERE}.no"}, set(VISITORS), id="not of no"),
        pytest.param(f"{HERE}.later", set(VISITORS), id="a predicate that is awaited"),
        pytest.param({"all": [f"{HERE}.yes", "staff"]}, {"staff"}, id="a predicate and a word"),
    ],
)
def test_a_permission_lets_in_whom_it_names(permission: Any, expected: set[str]) -> None:
    """A user who is not active anymore is nobody, whatever ranks are left in the database."""
    assert allowed(permission) == expected


@pytest.mark.parametrize("misbehaving", ["truthy", "number", "nothing", "broken", "absent"])
def test_anything_but_true_is_a_denial(misbehaving: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also inside `not` and `any`: a predicate that cannot decide must not let anyone in by being negated."""
    path = f"{HERE}.{misbehaving}"
    with caplog.at_level(logging.ERROR, "b2router.permissions"):
        assert allowed(path) == set()
        assert allowed({"not": path}) == set()
        assert allowed({"not": {"any": [path, f"{HERE}.no"]}}) == set()
        assert allowed({"all": [f"{HERE}.yes", {"not": path}]}) == set()
    assert path in caplog.text


def test_another_way_in_still_counts_beside_a_broken_one() -> None:
    assert allowed({"any": [f"{HERE}.broken", "staff"]}) == {"staff"}


def test_a_predicate_that_stumbles_over_a_missing_row_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise whoever asks for random names fills the log."""
    with caplog.at_level(logging.INFO, "b2router.permissions"):
        file = RequestedFile("media", "a.txt", row=None, is_owned=True)
        assert not is_allowed(rule(f"{HERE}.broken"), RequestFactory().get("/"), file)
    assert not caplog.records


def test_a_failing_user_lookup_is_a_denial_and_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        @property
        def is_authenticated(self) -> bool:
            raise ConnectionError("the database is away")

    request = RequestFactory().get("/")
    request.user = Failing()  # type: ignore[assignment]
    assert not is_allowed("staff", request, FILE)
    assert "access denied" in caplog.text


def cancels(request: Any, file: RequestedFile) -> bool:
    raise asyncio.CancelledError


async def cancels_later(request: Any, file: RequestedFile) -> bool:
    raise asyncio.CancelledError


@pytest.mark.parametrize("name", ["cancels", "cancels_later"])
def test_a_predicate_that_cancels_itself_is_a_denial(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """CancelledError is no Exception: it would pass all of Django, and end a worker of gunicorn."""
    assert allowed({"any": [f"{HERE}.{name}", {"not": f"{HERE}.{name}"}]}) == set()
    assert f"The predicate {HERE}.{name} failed for profile media; access denied." in caplog.messages


async def waits(request: Any, file: RequestedFile) -> bool:
    request.has_begun.set()
    await asyncio.sleep(60)
    return True


def test_a_request_that_is_given_up_is_no_failure_of_its_predicate(caplog: pytest.LogCaptureFixture) -> None:
    """Under ASGI, when the visitor leaves."""
    request: Any = RequestFactory().get("/")

    async def leave() -> None:
        request.has_begun = asyncio.Event()
        task = asyncio.ensure_future(sync_to_async(is_allowed)(rule(f"{HERE}.waits"), request, FILE))
        await request.has_begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(leave(), 20))
    assert not caplog.records


async def is_staff_later(request: Any, file: RequestedFile) -> bool:
    return bool(request.user.is_staff)


def test_an_async_predicate_may_look_at_the_user() -> None:
    """`request.user` asks the database when it is first looked at, which Django refuses where an event loop runs."""
    request = RequestFactory().get("/")
    ask_database = async_unsafe("The database was asked where an event loop runs.")(lambda: VISITORS["staff"])
    request.user = SimpleLazyObject(ask_database)  # type: ignore[assignment]
    assert is_allowed(rule(f"{HERE}.is_staff_later"), request, FILE)


def test_a_public_file_never_looks_at_the_visitor() -> None:
    """Touching the user loads the session and adds `Vary: Cookie`."""

    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    request = RequestFactory().get("/")
    request.user = Untouchable()  # type: ignore[assignment]
    assert is_allowed("public", request, FILE)


def test_without_authentication_nobody_is_signed_in() -> None:
    assert not is_allowed("authenticated", RequestFactory().get("/"), FILE)


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (None, "nobody"),
        ("public", "anyone"),
        ("perm:shop.view_order", "users with shop.view_order"),
        (
            {"any": ["staff", {"all": ["authenticated", "group:editors"]}]},
            "staff or (signed-in users and members of editors)",
        ),
        ({"not": "superuser"}, "not superusers"),
        ("shop.may_read", "whom shop.may_read lets in"),
    ],
)
def test_a_permission_can_be_said_in_words(permission: Any, words: str) -> None:
    assert describe(rule(permission)) == words


def test_what_a_permission_depends_on() -> None:
    permission = rule({"any": ["public", {"not": "shop.may_read"}, "perm:shop.view_order"]})
    assert predicate_paths(permission) == ["shop.may_read"]
    assert needs_user(permission)
    assert not needs_user(rule("public"))
    assert needs_user(rule("shop.may_read"))
    assert not needs_user(None)


def test_combinators_are_models() -> None:
    assert isinstance(rule({"any": ["staff"]}), AnyOf)
    assert isinstance(rule({"all": ["staff"]}), AllOf)
    assert isinstance(rule({"not": "staff"}), Not)
