"""`manage.py b2router routes`: which alias leads where, and who may read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from syrupy.assertion import SnapshotAssertion

CONFIG: dict[str, Any] = {
    "application_key_id": "0001",
    "application_key": "canary-K001",
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public", "max_age_s": 60},
        "staff": {
            "bucket": "acme-staff",
            "location": "in/",
            "route": "b2s/",
            "permission": {"any": ["staff", "group:editors"]},
            "delivery": {"mode": "redirect"},
        },
        "invoices": {
            "bucket": "acme-inv",
            "route": "inv/",
            "permission": "authenticated",
            "owner": "project.Invoice.pdf",
        },
        "cdn": {
            "bucket": "acme-assets",
            "permission": "public",
            "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com"},
        },
        "exports": {"bucket": "acme-exports"},
    },
    "storages": {"default": "staff", "avatars": "public"},
}


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    with override_settings(BACKBLAZE_CONFIG=CONFIG):
        yield


def printed(*words: str) -> str:
    output = StringIO()
    call_command("b2router", "routes", *words, stdout=output)
    return output.getvalue()


@pytest.mark.parametrize("form", ["table", "mermaid", "dot"])
def test_what_is_printed(form: str, snapshot: SnapshotAssertion) -> None:
    assert printed(f"--format={form}") == snapshot


def test_programs_get_the_same_as_json() -> None:
    found = {row["profile"]: row for row in json.loads(printed("--json"))}
    assert list(found) == ["public", "staff", "invoices", "cdn", "exports"]
    assert found["staff"] == {
        "profile": "staff",
        "aliases": ["default"],
        "bucket": "acme-staff",
        "account": "default",
        "location": "in/",
        "url": "/b2s/NAME",
        "permission": "staff or members of editors",
        "owner": None,
        "on_denied": "login",
        "delivery": "redirect (s3)",
        "max_age_s": 0,
        "cache_rules": 0,
        "read_only": False,
    }
    assert (found["cdn"]["url"], found["exports"]["url"]) == ("https://cdn.example.com/NAME", None)


def test_nothing_printed_holds_a_secret() -> None:
    assert not [form for form in ("table", "json", "mermaid", "dot") if "canary" in printed(f"--format={form}")]
