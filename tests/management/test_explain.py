"""`manage.py b2router explain`: who gets what at a URL, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from b2router import get_storage
from tests.project.models import Invoice

pytestmark = pytest.mark.django_db

CONFIG: dict[str, Any] = {
    "application_key_id": "0001",
    "application_key": "canary-K001",
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public", "max_age_s": 60},
        "staff": {
            "bucket": "acme-staff",
            "location": "in/",
            "route": "b2s/",
            "permission": {"any": ["staff", {"not": "authenticated"}, "group:editors"]},
            "delivery": {"mode": "redirect"},
        },
        "hidden": {"bucket": "acme-hidden", "route": "h/", "permission": "superuser", "on_denied": "404"},
        "invoices": {
            "bucket": "acme-inv",
            "route": "inv/",
            "permission": "authenticated",
            "owner": "project.Invoice.pdf",
        },
    },
}


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    with override_settings(BACKBLAZE_CONFIG=CONFIG):
        yield


@pytest.fixture(autouse=True)
def sam() -> User:
    sam = User.objects.create_user("sam")
    sam.groups.add(Group.objects.create(name="editors"))
    return sam


def explained(url: str, user: str | None = None) -> list[tuple[str, str]]:
    output = StringIO()
    call_command("b2router", "explain", f"--url={url}", "--json", *([f"--user={user}"] if user else []), stdout=output)
    return [(step["step"], step["finding"]) for step in json.loads(output.getvalue())]


def test_every_part_of_a_permission_is_told() -> None:
    assert explained("/b2s/a/b.pdf", "sam") == [
        ("visitor", "sam"),
        ("URL", "under 'b2s/', the route of profile 'staff'"),
        ("file", "'in/a/b.pdf' in bucket 'acme-staff', account 'default'"),
        ("permission", "staff or (not signed-in users) or members of editors: yes"),
        ("permission", "staff: no"),
        ("permission", "not signed-in users: no"),
        ("permission", "signed-in users: yes"),
        ("permission", "members of editors: yes"),
        ("answer", "a redirect to B2, to an address that is signed for a while"),
        ("kept", "private, no-cache"),
    ]


@pytest.mark.parametrize(
    ("url", "user", "answer"),
    [
        ("/b2/a.pdf", None, "the site streams the file from B2, if it is there"),
        ("/inv/a.pdf", None, "a redirect to the login page; B2 is not asked"),
        ("/inv/a.pdf", "sam", "404, because no row names the file; B2 is not asked"),
        ("/h/a.pdf", "sam", "404, as if there were no such file; B2 is not asked"),
        ("/b2s/a/../b", "sam", "404, whoever asks; B2 is not asked"),
        ("/home/", None, "whatever that view does; b2router is not asked"),
        ("/nothing", None, "404"),
    ],
)
def test_the_answer(url: str, user: str | None, answer: str) -> None:
    assert dict(explained(url, user))["answer"] == answer


@pytest.mark.parametrize(
    ("url", "user", "status"),
    [("/inv/a.pdf", None, 302), ("/inv/a.pdf", "sam", 404), ("/h/a.pdf", "sam", 404), ("/nothing", None, 404)],
)
def test_what_is_explained_is_what_happens(url: str, user: str | None, status: int, client: Client) -> None:
    if user:
        client.force_login(User.objects.get(username=user))
    assert client.get(url).status_code == status


def test_the_row_that_owns_a_file_is_named(sam: User) -> None:
    row = Invoice.objects.create(owner=sam, pdf="a.pdf")
    assert dict(explained("/inv/a.pdf", "sam"))["owner"] == f"project.Invoice.pdf: row {row.pk}"


def test_a_link_takes_the_place_of_the_permission() -> None:
    steps = dict(explained(get_storage("hidden").share_url("a.pdf")))
    assert steps["link"] == "valid for this file, in the place of the permission"
    assert steps["answer"] == "the site streams the file from B2, if it is there"
    assert "link" not in dict(explained(get_storage("hidden").share_url("a.pdf") + "x"))


def test_a_user_who_does_not_exist() -> None:
    with pytest.raises(CommandError, match="There is no user 'al'"):
        explained("/b2/a.pdf", "al")


def test_as_text_the_steps_stand_in_two_columns() -> None:
    output = StringIO()
    call_command("b2router", "explain", "--url=/nothing", stdout=output)
    assert output.getvalue().splitlines() == [
        "visitor  somebody who is not signed in",
        "URL      no page of the site",
        "answer   404",
    ]
