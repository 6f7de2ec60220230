"""Static files with hashes in their names: what is uploaded in which order, and what an address costs."""

from __future__ import annotations

import io
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.storage import storages
from django.core.management import CommandError
from django.template import Context, Engine
from django.test import Client

from b2router.emulator import Emulator
from b2router.errors import BackendError
from b2router.staticfiles import B2ManifestStaticStorage
from tests.staticfiles.conftest import MANIFEST, Use, collect, restart
from tests.staticfiles.test_static import both, content, done

APP, BASE, DOT, NOTE = (
    "css/app.1bab3a46b4ce.css",
    "css/base.a1cf5980b586.css",
    "dot.3bdaf5969285.png",
    "note.b1946ac92492.txt",
)


@both
def test_files_get_their_hashes_and_the_manifest_names_them(is_above: bool, use: Use, emulator: Emulator) -> None:
    storage = use(MANIFEST, is_above=is_above)
    assert "4 static files copied, 4 post-processed." in collect()
    assert done(emulator) == {"b2_list_file_names": 1, "b2_upload_file": 9}
    assert json.loads(content(storage, "staticfiles.json"))["paths"] == {
        "css/app.css": APP,
        "css/base.css": BASE,
        "dot.png": DOT,
        "note.txt": NOTE,
    }
    assert content(storage, APP) == (
        b'@import url("base.a1cf5980b586.css");\nbody { background: url("../dot.3bdaf5969285.png") }\n'
    )


@both
def test_a_second_run_lists_downloads_nothing_and_uploads_nothing(is_above: bool, use: Use, emulator: Emulator) -> None:
    use(MANIFEST, is_above=is_above)
    collect()
    restart()
    emulator.reset_counts()
    assert "0 static files copied, 4 unmodified, 2 post-processed." in collect()
    assert done(emulator) == {"b2_list_file_names": 1}


def test_a_change_uploads_what_depends_on_it_and_the_manifest_last(use: Use, emulator: Emulator, source: Path) -> None:
    storage = use(MANIFEST)
    collect()
    restart()
    emulator.reset_counts()
    (source / "dot.png").write_bytes(b"\x89PNG2")
    collect()
    storage = storages["staticfiles"]
    paths = json.loads(content(storage, "staticfiles.json"))["paths"]
    emulator_calls = done(emulator)
    assert emulator_calls["b2_upload_file"] == 4  # the image, twice; the style sheet that shows it; the manifest
    assert paths["dot.png"].encode() in content(storage, paths["css/app.css"]).replace(b"../", b"")
    assert storage.exists(APP)  # pages that are open still use it


def test_the_manifest_comes_when_all_that_it_names_is_there(use: Use, emulator: Emulator) -> None:
    use(MANIFEST)
    order: list[str] = []
    store = B2ManifestStaticStorage._store

    def slow(self: Any, name: str, file: Any, sha1: str | None) -> None:
        store(self, name, file, sha1)
        order.append(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(B2ManifestStaticStorage, "_store", slow)
        emulator.fail("b2_upload_file", times=5, delay_s=0.2)
        collect()
    assert (order[-1], sorted(order[:-1])) == (
        "staticfiles.json",
        sorted(["css/app.css", "css/base.css", "dot.png", "note.txt", APP, BASE, DOT, NOTE]),
    )


def test_the_manifest_is_replaced_by_one_upload(use: Use, source: Path) -> None:
    """Between deleting it and saving it anew, a process that starts would find none."""
    storage = use(MANIFEST)
    collect()
    (source / "note.txt").write_text("other\n")
    restart()
    collect()
    assert [version.is_deletion for version in storage.versions("staticfiles.json")] == [False, False]
    before = storage.manifest_hash
    storage = storages["staticfiles"]
    assert storage.manifest_hash not in ("", before)
    storage.save_manifest()
    assert len(storage.versions("staticfiles.json")) == 2


def test_a_failed_upload_leaves_the_manifest_as_it_was(use: Use, emulator: Emulator, source: Path) -> None:
    storage = use(MANIFEST)
    collect()
    before = content(storage, "staticfiles.json")
    (source / "note.txt").write_text("other\n")
    restart()
    emulator.fail("b2_upload_file", times=1, status=403, code="storage_cap_exceeded")
    with pytest.raises(BackendError):
        collect()
    restart()
    assert content(storages["staticfiles"], "staticfiles.json") == before


def test_clear_takes_away_old_hashes_after_the_new_manifest(use: Use, emulator: Emulator, source: Path) -> None:
    use(MANIFEST)
    collect()
    (source / "note.txt").unlink()
    restart()
    emulator.reset_counts()
    collect(clear=True)
    operations = [record.operation for record in emulator.log()]
    assert [call for call in operations if call in ("b2_upload_file", "b2_hide_file")] == [
        "b2_upload_file",
        "b2_hide_file",
        "b2_hide_file",
    ]
    storage = storages["staticfiles"]
    assert (storage.exists(NOTE), storage.exists("note.txt"), "note.txt" in storage.hashed_files) == (
        False,
        False,
        False,
    )


@both
def test_a_reference_to_nothing_fails_as_in_django(is_above: bool, use: Use, source: Path, emulator: Emulator) -> None:
    use(MANIFEST, is_above=is_above)
    (source / "css" / "base.css").write_text("p { background: url(missing.png) }")
    kind = ValueError if django.VERSION < (6, 1) else CommandError
    with pytest.raises(kind, match=r"css/missing\.png"):
        collect(stderr=io.StringIO())
    assert not storages["staticfiles"].exists("staticfiles.json")
    assert "download" not in emulator.calls()


def test_source_maps_and_modules_are_followed(use: Use, source: Path, emulator: Emulator) -> None:
    (source / "main.js").write_text(
        'import { one } from "./one.js";\nconst two = import("./one.js");\n//# sourceMappingURL=main.js.map\n'
    )
    (source / "one.js").write_text("export const one = 1;\n")
    (source / "main.js.map").write_text("{}")
    storage = use(f"{__name__}.Modules")
    collect(verbosity=0)
    paths = storage.hashed_files
    one, map_ = paths["one.js"], paths["main.js.map"]
    text = content(storage, paths["main.js"]).decode()
    assert text.count(f'"./{one}"') == 2 and f"sourceMappingURL={map_}" in text


class Modules(B2ManifestStaticStorage):
    support_js_module_import_aggregation = True


# While the site runs


def test_a_process_reads_the_manifest_once(use: Use, emulator: Emulator) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    restart()
    emulator.reset_counts()
    engine = Engine(libraries={"static": "django.templatetags.static"})
    template = engine.from_string("{% load static %}{% static 'css/app.css' %} {% static 'dot.png' %}")
    for _ in range(3):
        assert template.render(Context()) == f"/static/{APP} /static/{DOT}"
    assert done(emulator) == {"download": 1}


def test_threads_that_begin_together_read_it_once(use: Use, emulator: Emulator) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    restart()
    emulator.reset_counts()
    storage, found = storages["staticfiles"], []
    threads = [threading.Thread(target=lambda: found.append(storage.url("note.txt"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, done(emulator)) == ([f"/static/{NOTE}"] * 8, {"download": 1})


def test_building_one_asks_b2_for_nothing(use: Use, emulator: Emulator) -> None:
    use(MANIFEST)
    assert B2ManifestStaticStorage("assets") == storages["staticfiles"]
    assert emulator.calls() == {}


def test_a_manifest_that_cannot_be_read_now_is_read_later(use: Use, emulator: Emulator) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    restart()
    emulator.fail("download", times=1, status=403, code="download_cap_exceeded")
    storage = storages["staticfiles"]
    with pytest.raises(BackendError):
        storage.url("note.txt")
    restart()
    assert storage.url("note.txt") == f"/static/{NOTE}"


def test_what_the_manifest_lacks_raises_where_it_is_strict(use: Use) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    restart()
    with pytest.raises(ValueError, match=r"Missing staticfiles manifest entry for 'nope\.css'"):
        storages["staticfiles"].url("nope.css")


def test_the_manifest_can_stay_on_the_local_disk(use: Use, tmp_path: Path, emulator: Emulator) -> None:
    local = StaticFilesStorage(location=tmp_path / "manifest", base_url="/unused/")
    storage = use(MANIFEST, options={"manifest_storage": local})
    collect(verbosity=0)
    restart()
    emulator.reset_counts()
    assert storages["staticfiles"].url("note.txt") == f"/static/{NOTE}"
    assert emulator.calls() == {}
    assert not storage.exists("staticfiles.json")


def test_the_site_says_that_hashed_files_never_change(use: Use) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    client = Client()
    found = [client.get(f"/static/{name}")["Cache-Control"] for name in (APP, "css/app.css")]
    assert found == ["public, max-age=31536000, immutable", "public, no-cache"]


@pytest.mark.parametrize("delivery", ["direct", "cdn"])
def test_b2_says_so_where_the_site_is_not_asked(delivery: str, use: Use, emulator: Emulator) -> None:
    where = {"direct": emulator.url, "cdn": f"{emulator.url}/file/acme-public"}[delivery]
    storage = use(MANIFEST, route=None, cache=[], delivery={"mode": delivery, "base_url": where})
    collect(verbosity=0)
    found = []
    for name in ("css/app.css", "note.txt"):
        with urllib.request.urlopen(storage.url(name)) as answer:
            found.append((answer.headers["Content-Type"], answer.headers["Cache-Control"]))
    forever = "public, max-age=31536000, immutable"
    assert found == [("text/css", forever), ("text/plain", forever)]


def test_finders_are_not_needed_where_the_site_runs(use: Use, settings: Any) -> None:
    use(MANIFEST)
    collect(verbosity=0)
    settings.STATICFILES_DIRS = []
    finders.get_finder.cache_clear()
    restart()
    assert storages["staticfiles"].url("note.txt") == f"/static/{NOTE}"
