"""The manual's page about tenants: what it says that each way withstands, over sockets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.test import Client

from b2router import get_storage
from b2router.emulator import Emulator
from b2router.errors import ConfigError, Refused
from b2router.router import current_router
from tests.conftest import Configure
from tests.project.models import Invoice

PAGE = (Path(__file__).parents[1] / "docs" / "tenants.md").read_text()


def declared(heading: str) -> dict[str, Any]:
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```toml\n(.+?)```", text, re.DOTALL)
    return tomllib.loads(block)


@pytest.fixture
def tenants(settings: Any) -> Any:
    """North and South, with a key each, as the page has it."""
    with Emulator(buckets=["acme-tenants"]) as emulator:
        values = declared("A key for each tenant")
        typed = re.findall(r"^\$ b2 key create --bucket (\S+) --name-prefix (\S+) (\S+) (\S+)$", PAGE, re.MULTILINE)
        assert [name for _, _, name, _ in typed] == ["north", "south"]
        for bucket, prefix, name, rights in typed:
            key_id, key = emulator.create_key(rights.split(","), bucket, prefix)
            values["accounts"][name] = {"application_key_id": key_id, "application_key": key, "realm": emulator.url}
        settings.BACKBLAZE_CONFIG = values
        yield values


def member(group: str) -> Client:
    user, client = User.objects.create_user(group), Client()
    user.groups.add(Group.objects.create(name=group))
    client.force_login(user)
    return client


@pytest.mark.django_db
def test_members_read_what_is_theirs(tenants: dict[str, Any]) -> None:
    north, south = member("north"), member("south")
    name = get_storage("north").save("plan.txt", ContentFile(b"to the north"))
    answers = [client.get(f"/files/north/{name}") for client in (north, south, Client())]
    assert [answer.status_code for answer in answers] == [200, 404, 404]
    assert answers[0].content == b"to the north"
    assert get_storage("north").listdir("") == ([], [name])
    get_storage("north").delete(name)
    assert not get_storage("north").exists(name)


def test_b2_refuses_what_is_outside_of_the_key(tenants: dict[str, Any], settings: Any) -> None:
    """A location that is wrong, and that no proof can know to be."""
    get_storage("south").save("plan.txt", ContentFile(b"to the south"))
    tenants["profiles"]["north"]["location"] = "south/"
    del tenants["profiles"]["south"]
    settings.BACKBLAZE_CONFIG = dict(tenants)
    with pytest.raises(Refused):
        get_storage("north").open("plan.txt")
    with pytest.raises(Refused):
        get_storage("north").save("b.txt", ContentFile(b"b"))


@pytest.mark.parametrize("heading", ["A profile for each tenant", "A key for each tenant"])
def test_folders_that_contain_each_other_are_refused_at_the_start(heading: str, settings: Any) -> None:
    values = declared(heading)
    for account in values.get("accounts", {}).values():
        account |= {"application_key_id": "id", "application_key": "key"}
    settings.BACKBLAZE_CONFIG = values
    assert set(current_router().profiles) == {"north", "south"}
    values["profiles"]["south"]["location"] = "north/south/"
    settings.BACKBLAZE_CONFIG = dict(values)
    with pytest.raises(ConfigError, match="reachable through the looser profile"):
        current_router()


def test_a_profile_over_the_whole_bucket_is_refused(settings: Any) -> None:
    values = declared("A profile for each tenant")
    values["profiles"]["audit"] = {"route": "audit/", "permission": "staff"}
    settings.BACKBLAZE_CONFIG = values
    with pytest.raises(ConfigError, match="'north' is reachable through the looser profile 'audit'"):
        current_router()


def may_read(request: Any, file: Any) -> bool:
    return file.row is not None and file.row.owner_id == request.user.pk


@pytest.mark.django_db
def test_where_rows_decide_other_files_look_as_if_they_were_not_there(configure: Configure) -> None:
    rule = {"all": ["authenticated", f"{__name__}.may_read"]}
    configure(staff={"permission": rule, "owner": "project.Invoice.pdf", "on_denied": "404"})
    clients = [member("north"), member("south")]
    mine, theirs, nobodys = (get_storage("staff").save(f"{n}.txt", ContentFile(b"x")) for n in range(3))
    Invoice.objects.create(pdf=mine, owner=User.objects.get(username="north"))
    Invoice.objects.create(pdf=theirs, owner=User.objects.get(username="south"))
    answers = [[client.get(f"/b2s/{name}").status_code for name in (mine, theirs, nobodys)] for client in clients]
    assert answers == [[200, 404, 404], [404, 200, 404]]
