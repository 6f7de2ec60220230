"""The manual's pages for those who come from elsewhere: what lies in their buckets is read under its names."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from b2sdk.v3 import B2Api, InMemoryAccountInfo
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousFileOperation
from django.test import Client

from b2router import get_storage
from b2router.config import BackblazeConfig
from b2router.emulator import Emulator
from b2router.testing import pointed_at

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ["from-django-storages.md", "from-django-b2.md", "from-django-backblazeb2-storage.md"]


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_files_are_found_where_they_lie(page: str, settings: Any) -> None:
    """By the page's configuration and its table of keys, names and addresses; the files were put there by b2sdk."""
    text = (DOCS / page).read_text()
    declared = next(
        block for block in re.findall(r"```python\n(.+?)```", text, re.DOTALL) if "BACKBLAZE_CONFIG" in block
    )
    names: dict[str, Any] = {}
    exec(declared, names)
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", text.partition("| address |")[2], re.MULTILINE)
    assert rows
    user, client = User.objects.create_user("alice"), Client()
    client.force_login(user)
    with Emulator(buckets=["acme-media:public" if '"direct"' in declared else "acme-media"]) as emulator:
        api = B2Api(InMemoryAccountInfo())
        api.authorize_account(emulator.key_id, emulator.key, emulator.url)
        bucket = api.get_bucket_by_name("acme-media")
        config = BackblazeConfig.model_validate(names["BACKBLAZE_CONFIG"])
        for key, name, address in rows:
            bucket.upload_bytes(key.encode(), key)
            settings.BACKBLAZE_CONFIG = names["BACKBLAZE_CONFIG"]
            assert get_storage("default").url(name) == address
            settings.BACKBLAZE_CONFIG = pointed_at(config, emulator)
            with get_storage("default").open(name) as file:
                assert file.read() == key.encode()
            if address.startswith("/"):
                answer = client.get(address)
                assert (answer.status_code, key.rpartition("/")[2].split()[0] in answer["Location"]) == (302, True)
            saved = get_storage("default").save("new.txt", BytesIO(b"new"))
            assert get_storage("default").exists(saved)


def test_names_that_s3_can_make_and_b2_cannot_are_told() -> None:
    """The page's `not_found` takes them for missing."""
    for name in ("a//b.txt", "/a.txt"):
        with pytest.raises(SuspiciousFileOperation):
            get_storage("staff").exists(name)
