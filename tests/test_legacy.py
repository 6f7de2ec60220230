"""The classes of django-backblaze-b2, on the profiles of b2router: what sites that come from there rely on, and what
used to go wrong. Everything runs on the flat dict that such a site has.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.migrations.writer import MigrationWriter
from django.db.models import FileField
from django.test import Client
from django.views.debug import ExceptionReporter

from b2router import get_storage
from b2router.b2.objects import upload
from b2router.b2.options import UploadOptions
from b2router.b2.session import Session
from b2router.emulator import Emulator
from b2router.errors import ConfigError, InvalidName, NotFound
from b2router.legacy import (
    B2FileInformationNotAvailableException,
    BackblazeB2Storage,
    LoggedInStorage,
    PublicStorage,
    StaffStorage,
)
from tests.b2.conftest import account

ROOT = Path(__file__).parents[1]
CDN = {"base_url": "https://cdn.example.com", "include_bucket_url_segments": True}
APART = {"public": "acme-public", "logged_in": "acme-members", "staff": "acme-staff"}

Site = Callable[..., None]


@pytest.fixture
def site(settings: Any, emulator: Emulator) -> Site:
    """A configuration of django-backblaze-b2 on the emulator; `site(bucket="…")` changes it."""
    settings.CACHES = {**settings.CACHES, "django-backblaze-b2": settings.CACHES["default"]}

    def apply(**options: Any) -> None:
        settings.BACKBLAZE_CONFIG = {
            "application_key_id": emulator.key_id,
            "application_key": emulator.key,
            "realm": emulator.url,
            "bucket": "acme-shared",
            "specific_bucket_names": APART,
            **options,
        }

    apply()
    return apply


def read(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        content: bytes = file.read()
    return content


def elsewhere(emulator: Emulator, bucket: str, name: str, content: bytes, type_: str = "text/plain") -> None:
    """Another program stores a file."""
    upload(Session(account(emulator)), bucket, name, BytesIO(content), UploadOptions(type_))


def at_b2(emulator: Emulator, bucket: str, name: str) -> Any:
    """What B2 itself knows of a file."""
    return Session(account(emulator)).bucket(bucket).get_file_info_by_name(name)


# The same files at the same places


@pytest.mark.parametrize(
    ("storage", "bucket", "url"),
    [
        (PublicStorage, "acme-public", "/b2/a%20b.txt"),
        (LoggedInStorage, "acme-members", "/b2l/a%20b.txt"),
        (StaffStorage, "acme-staff", "/b2s/a%20b.txt"),
    ],
)
def test_files_lie_where_they_lay_at_the_same_urls(
    storage: type[Storage], bucket: str, url: str, site: Site, emulator: Emulator
) -> None:
    elsewhere(emulator, bucket, "a b.txt", b"from before")
    assert read(storage(), "a b.txt") == b"from before"
    assert storage().url("a b.txt") == url
    name = storage().save("a b.txt", ContentFile(b"new"))
    assert name != "a b.txt"
    assert at_b2(emulator, bucket, name).content_length == 3


def test_the_files_of_the_base_class_are_in_the_bucket_and_at_b2(site: Site, emulator: Emulator) -> None:
    elsewhere(emulator, "acme-shared", "in/ü.txt", b"from before")
    storage = BackblazeB2Storage()
    assert read(storage, "in/ü.txt") == b"from before"
    assert storage.url("in/ü.txt") == f"{emulator.url}/file/acme-shared/in/%C3%BC.txt"
    assert storage.get_backblaze_url("x") == f"{emulator.url}/file/acme-shared/x"
    emulator.reset_counts()
    storage.url("x")
    assert emulator.calls() == {}


def test_the_classes_work_on_profiles_of_the_same_names(settings: Any, site: Site, emulator: Emulator) -> None:
    """So the configuration can be written anew before the models are."""
    keys = ("application_key_id", "application_key", "realm")
    settings.BACKBLAZE_CONFIG = {key: settings.BACKBLAZE_CONFIG[key] for key in keys} | {
        "profiles": {"staff": {"bucket": "acme-staff", "location": "in/", "route": "s/", "permission": "staff"}}
    }
    assert StaffStorage().url(StaffStorage().save("a.txt", ContentFile(b"x"))) == "/s/a.txt"
    with pytest.raises(ConfigError, match="there is no such alias; the aliases are staff"):
        PublicStorage().url("a.txt")


def test_views_serve_what_the_classes_save(site: Site) -> None:
    PublicStorage().save("a.txt", ContentFile(b"hello"))
    StaffStorage().save("a.txt", ContentFile(b"secret"))
    client = Client()
    assert client.get("/b2/a.txt").getvalue() == b"hello"
    assert client.get("/b2s/a.txt").status_code == 302


def test_a_subclass_may_say_where_its_files_are(site: Site) -> None:
    class Mirrored(PublicStorage):
        def _get_file_url(self, name: str) -> str:
            return f"https://mirror.example.com/{name}"

    assert Mirrored().url("a.txt") == "https://mirror.example.com/a.txt"


def test_a_path_is_the_name_and_a_missing_file_has_no_size_and_no_time(site: Site) -> None:
    storage = PublicStorage()
    assert (storage.path("a/b.txt"), storage.size("nothing"), storage.exists("nothing")) == ("a/b.txt", 0, False)
    for question in (storage.get_created_time, storage.get_modified_time):
        with pytest.raises(B2FileInformationNotAvailableException):
            question("nothing")
    with pytest.raises(NotImplementedError):
        storage.get_accessed_time("nothing")
    with pytest.raises(ValueError, match="Name must be defined"):
        storage.url("")


def test_building_costs_nothing_even_where_it_is_asked_to_be_eager(site: Site, emulator: Emulator) -> None:
    site(authorize_on_init=True, validate_on_init=True)
    for storage in (BackblazeB2Storage, PublicStorage, LoggedInStorage, StaffStorage):
        storage(authorize_on_init=True)
    assert emulator.calls() == {}


def test_django_builds_them_from_its_settings(settings: Any, site: Site) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "b2router.legacy.BackblazeB2Storage", "OPTIONS": {"bucket": "acme-members"}},
    }
    assert storages["default"] == BackblazeB2Storage(bucket="acme-members")
    assert storages["default"] != BackblazeB2Storage()


def test_a_file_is_copied_to_any_storage(site: Site) -> None:
    storage = PublicStorage()
    storage.save("a.txt", ContentFile(b"x"))
    assert storage.copy("a.txt", "b.txt", to="staff") == "b.txt"
    assert read(StaffStorage(), "b.txt") == b"x"


# Options of constructors


@pytest.mark.parametrize("given", [lambda o: {"opts": o}, lambda o: o], ids=["opts", "keywords"])
def test_options_count_for_one_storage_and_over_those_of_the_site(given: Any, site: Site, emulator: Emulator) -> None:
    site(default_file_info={"a": "site", "b": "site"})
    options = {"allow_file_overwrites": True, "defaultFileInfo": {"b": "own"}, "forbid_file_property_caching": True}
    storage = StaffStorage(**given(options))
    assert [storage.save("a.txt", ContentFile(b"x" * size)) for size in (1, 2)] == ["a.txt", "a.txt"]
    assert at_b2(emulator, "acme-staff", "a.txt").file_info == {"a": "site", "b": "own"}
    emulator.reset_counts()
    assert [storage.size("a.txt"), storage.size("a.txt")] == [2, 2]
    assert emulator.calls() == {"head": 2}
    assert StaffStorage().size("a.txt") == 2
    storage.save("a.txt", ContentFile(b"xxx"))
    assert StaffStorage().size("a.txt") == 3, "what others remember is set right"
    assert StaffStorage().save("a.txt", ContentFile(b"x")) != "a.txt"
    assert StaffStorage().profile.file_info == {"a": "site", "b": "site"}


def test_the_base_class_takes_any_bucket(site: Site, emulator: Emulator) -> None:
    """Also one that others read: nothing has been promised for its files."""
    for bucket in ("acme-members", "acme-public"):
        BackblazeB2Storage(bucket=bucket).save("base.txt", ContentFile(b"x"))
        assert at_b2(emulator, bucket, "base.txt").content_length == 1
    assert BackblazeB2Storage().save("base.txt", ContentFile(b"x")) == "base.txt"


@pytest.mark.parametrize(
    ("storage", "options", "message"),
    [
        (StaffStorage, {"opts": {"bucket": "x"}, "realm": "x"}, "Can only specify opts or keyword args, not both!"),
        (StaffStorage, {"buckett": "x"}, r"Unrecognized options: \['buckett'\]"),
        (StaffStorage, {"opts": {"audiences": []}}, r"Unrecognized options: \['audiences'\]"),
        (PublicStorage, {"bucket": "x"}, r"PublicStorage\(\): \['bucket'\] cannot be given here: the view would look"),
        (StaffStorage, {"applicationKey": "canary"}, r"StaffStorage\(\): \['applicationKey'\] cannot be given here"),
        (LoggedInStorage, {"opts": {"realm": "x"}}, r"LoggedInStorage\(\): \['realm'\] cannot be given here"),
    ],
)
def test_what_constructors_refused_they_refuse(storage: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as refused:
        storage(**options)
    assert "canary" not in str(refused.value)
    reporter = ExceptionReporter(None, ConfigError, refused.value, refused.tb)
    frames = [frame["vars"] for frame in reporter.get_traceback_frames() if "b2router" in frame["filename"]]
    assert len(frames) == 2, "the constructor, and what refuses"
    assert "canary" not in str(frames)


def test_options_have_names(site: Site) -> None:
    """Positions used to be taken by one class, and to fail in the next."""
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        PublicStorage({"allow_file_overwrites": True})  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        pytest.param(
            BackblazeB2Storage(application_key_id="canary", application_key="canary"),
            r"BackblazeB2Storage\(\): a key or a realm cannot be given here, .* Declare it in 'accounts'",
            id="a key, which migrations would have kept",
        ),
        pytest.param(
            StaffStorage(cdn_config=CDN), "'cdn_config' is for PublicStorage", id="a CDN that was never asked"
        ),
        pytest.param(
            StaffStorage(specific_bucket_names={"staff": "acme-shared"}),
            "another bucket than the profile 'staff', where the view looks",
            id="a bucket where no view looks",
        ),
        pytest.param(
            PublicStorage(cdn_config={"base_url": "https://cdn.example.com", "segments": True}),
            r"cdn_config.segments: unknown option; .* \[from PublicStorage options \['cdn_config'\]\['segments'\]\]",
            id="a typo further in",
        ),
        pytest.param(
            PublicStorage(cdn_config={"include_bucket_url_segments": True}),
            "cdn_config.base_url: found nothing, expected the address of the CDN",
            id="a CDN without an address",
        ),
        pytest.param(
            BackblazeB2Storage(bucket="x"),
            r"bucket: String should have at least 6 characters\. Change it where BackblazeB2Storage is called",
            id="an invalid value",
        ),
        pytest.param(
            PublicStorage(cdn_config=CDN, specific_bucket_names={"public": "acme-staff"}),
            r"profile 'staff' is reachable through the looser profile 'PublicStorage\(\)'",
            id="a CDN before files that are not public",
        ),
    ],
)
def test_what_cannot_be_is_told_at_first_use(storage: Storage, message: str, site: Site, emulator: Emulator) -> None:
    """Not before: old migrations build such storages, and never use them."""
    with pytest.raises(ConfigError, match=message) as refused:
        storage.save("a.txt", ContentFile(b"x"))
    assert "canary" not in str(refused.value)
    assert emulator.calls() == {}


def test_a_bucket_to_be_made_is_not_made_and_its_details_stay_as_they_are(
    site: Site, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    details: dict[str, Any] = {}
    storage = BackblazeB2Storage(bucket="acme-new", non_existent_bucket_details=details)
    with pytest.raises(NotFound):
        storage.open("a.txt")
    assert details == {}
    assert "BackblazeB2Storage() is told of a bucket to be made; b2router makes none." in caplog.messages
    assert "b2_create_bucket" not in emulator.calls()


# Migrations


def test_no_key_comes_into_migrations_pickles_and_texts() -> None:
    storage = BackblazeB2Storage(opts={"application_key_id": "canary", "application_key": "canary", "bucket": "acme-x"})
    assert storage.deconstruct() == ("b2router.legacy.BackblazeB2Storage", (), {"opts": {"bucket": "acme-x"}})  # type: ignore[attr-defined]
    seen = (repr(storage), str(vars(storage)), str(pickle.dumps(storage)), MigrationWriter.serialize(storage)[0])
    assert [("canary" in text) for text in seen] == [False] * 4


class OfTenant(BackblazeB2Storage):
    """A site's own class, with a constructor of its own."""

    def __init__(self, tenant: str, **options: Any) -> None:
        super().__init__(bucket=f"acme-{tenant}", **options)


def test_a_subclass_is_built_anew_as_it_was_built() -> None:
    storage = OfTenant("members", application_key_id="canary", application_key="canary", allow_file_overwrites=True)
    path, args, keywords = storage.deconstruct()  # type: ignore[attr-defined]
    assert (path, args, keywords) == (f"{__name__}.OfTenant", ("members",), {"allow_file_overwrites": True})
    assert "canary" not in str(pickle.dumps(storage))
    again = OfTenant(*args, **keywords)
    assert (again._given, again.deconstruct()) == (storage._given, storage.deconstruct())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        (PublicStorage, "b2router.legacy.PublicStorage"),
        (StaffStorage(), "b2router.legacy.StaffStorage()"),
        (PublicStorage(opts={"cdn_config": CDN}), f"b2router.legacy.PublicStorage(opts={{'cdn_config': {CDN!r}}})"),
        (BackblazeB2Storage(bucket="acme-x"), "b2router.legacy.BackblazeB2Storage(bucket='acme-x')"),
    ],
)
def test_migrations_are_written_as_fields_declare(storage: Any, expected: str) -> None:
    text, imports = MigrationWriter.serialize(FileField(storage=storage))
    assert (
        text == f"models.FileField(storage={expected}, upload_to='')".replace(", upload_to=''", "") or expected in text
    )
    assert "import b2router.legacy" in imports


OLD_MIGRATION = """\
import django_backblaze_b2.storage
import django_backblaze_b2.storages
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Paper",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("open", models.FileField(storage=django_backblaze_b2.storages.PublicStorage(), upload_to="a")),
                ("closed", models.FileField(storage=django_backblaze_b2.storages.StaffStorage, upload_to="a")),
                ("base", models.FileField(
                    storage=django_backblaze_b2.storage.BackblazeB2Storage(opts={"application_key": "canary"}),
                    upload_to="a",
                )),
            ],
        ),
    ]
"""

MODELS = """\
from django.db import models

from b2router.legacy import BackblazeB2Storage, PublicStorage, StaffStorage


class Paper(models.Model):
    id = models.BigAutoField(primary_key=True)
    open = models.FileField(storage=PublicStorage(), upload_to="a")
    closed = models.FileField(storage=StaffStorage, upload_to="a")
    base = models.FileField(storage=BackblazeB2Storage(), upload_to="a")
"""

OLD_SITE = """\
SECRET_KEY = "tests only"
INSTALLED_APPS = ["b2router", "b2router.legacy", "papers"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
BACKBLAZE_CONFIG = {
    "application_key_id": "1", "application_key": "2", "bucket": "acme-shared", "audiences": ["staff"],
    "specific_bucket_names": {"staff": "acme-staff"}, "account_info": {"type": "memory"},
}
"""


def managed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "django", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "old_site"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def old_site(tmp_path: Path) -> Path:
    """A project with a migration from before, and models that import from here."""
    migrations = tmp_path / "papers" / "migrations"
    migrations.mkdir(parents=True)
    (tmp_path / "old_site.py").write_text(OLD_SITE)
    (tmp_path / "papers" / "models.py").write_text(MODELS)
    for package in (tmp_path / "papers", migrations):
        (package / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(OLD_MIGRATION)
    return tmp_path


def test_old_migrations_run_and_see_no_change(old_site: Path) -> None:
    """Without the package that they were written with; with it, `OLD_NAME` is left alone."""
    done = managed(old_site, "migrate", "--skip-checks")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Applying papers.0001_initial... OK" in done.stdout
    done = managed(old_site, "makemigrations", "--check", "--skip-checks", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "No changes detected\n")


def test_the_package_itself_goes_before_what_stands_in_for_it(old_site: Path) -> None:
    (old_site / "django_backblaze_b2").mkdir()
    (old_site / "django_backblaze_b2" / "__init__.py").touch()
    done = managed(old_site, "migrate", "--skip-checks")
    assert "No module named 'django_backblaze_b2.storage'" in done.stderr


# What used to go wrong


@pytest.fixture
def storage(site: Site) -> PublicStorage:
    site(allow_file_overwrites=True)
    return PublicStorage()


def test_a_source_that_was_read_is_stored_from_its_beginning(storage: PublicStorage) -> None:
    source = BytesIO(b"first half, second half")
    source.read(12)
    storage.save("a.txt", File(source))
    assert read(storage, "a.txt") == b"first half, second half"


def test_saving_takes_no_memory_for_the_whole_file(storage: PublicStorage, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 20_000_000)
    storage.exists("large")
    tracemalloc.start()
    try:
        with path.open("rb") as source:
            storage.save("large", File(source))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert storage.size("large") == 20_000_000
    assert peak_bytes < 40_000_000  # the emulator runs in this process, and holds the body once


def test_text_is_stored(storage: PublicStorage) -> None:
    storage.save("a.txt", ContentFile("grün"))
    assert read(storage, "a.txt") == "grün".encode()


def test_the_type_of_an_upload_is_kept(storage: PublicStorage, emulator: Emulator) -> None:
    storage.save("a", SimpleUploadedFile("a", b"{}", content_type="application/json"))
    storage.save("a.css", ContentFile(b"a {}"))
    found = [at_b2(emulator, "acme-public", name).content_type for name in ("a", "a.css")]
    assert found == ["application/json", "text/css"]


def test_a_deleted_file_is_gone_with_all_that_it_was(storage: PublicStorage, emulator: Emulator) -> None:
    """Neither does an older version come back, nor is it an older one that is deleted."""
    storage.save("a.txt", ContentFile(b"old"))
    assert storage.size("a.txt") == 3
    elsewhere(emulator, "acme-public", "a.txt", b"newer")
    storage.delete("a.txt")
    assert not storage.exists("a.txt")
    with pytest.raises(FileNotFoundError):
        storage.open("a.txt")
    storage.delete("a.txt")


def test_what_was_overwritten_has_its_new_size_at_once(storage: PublicStorage) -> None:
    storage.save("a.txt", ContentFile(b"short"))
    assert PublicStorage().size("a.txt") == 5
    storage.save("a.txt", ContentFile(b"much longer"))
    assert (storage.size("a.txt"), PublicStorage().size("a.txt")) == (11, 11)


def test_a_name_that_is_used_again_fits_its_column_and_leads_nowhere_else(storage: PublicStorage) -> None:
    assert len(storage.get_available_name("x" * 300, max_length=100)) == 100
    with pytest.raises(SuspiciousFileOperation):
        storage.save("../a.txt", ContentFile(b"x"))


@pytest.mark.parametrize("name", ["/a.txt", "a//b.txt", "../a.txt"])
def test_no_address_has_empty_segments(name: str, site: Site) -> None:
    for storage in (PublicStorage(), BackblazeB2Storage()):
        with pytest.raises(InvalidName):
            storage.url(name)


def test_storages_are_pickled_and_copied(storage: PublicStorage) -> None:
    for made in (storage, PublicStorage(opts={"cdn_config": CDN}), BackblazeB2Storage(bucket="acme-members")):
        made.url("a.txt")
        for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
            assert (type(twin), twin, hash(twin)) == (type(made), made, hash(made))
            assert twin.url("a.txt") == made.url("a.txt")


def test_reading_a_little_pulls_a_little(storage: PublicStorage, emulator: Emulator) -> None:
    storage.save("large", ContentFile(b"x" * 5_000_000))
    emulator.reset_counts()
    with storage.open("large") as file:
        assert file.read(100) == b"x" * 100
    assert emulator.calls() == {"download": 1}
    assert emulator.bytes_out() < 1_000_000


def test_what_is_written_in_parts_is_stored_whole(storage: PublicStorage) -> None:
    with storage.open("a.txt", "w") as file:
        file.write("one")
        file.write("two")
    assert read(storage, "a.txt") == b"onetwo"


def test_closing_a_file_that_nobody_touched_pulls_nothing(storage: PublicStorage, emulator: Emulator) -> None:
    storage.save("a.txt", ContentFile(b"x" * 1_000_000))
    emulator.reset_counts()
    file = storage.open("a.txt")
    assert not file.closed
    file.close()
    assert emulator.calls().get("download", 0) <= 1
    assert emulator.bytes_out() < 100_000
    storage.open("new.txt", "w").close()
    assert read(storage, "new.txt") == b""


def test_a_missing_file_is_missed_as_django_expects(site: Site) -> None:
    class Manifest(ManifestFilesMixin, PublicStorage):  # type: ignore[misc]
        pass

    with pytest.raises(FileNotFoundError):
        PublicStorage().open("nothing").read()
    assert Manifest().hashed_files == {}


def test_files_are_opened_as_text_and_to_append(storage: PublicStorage) -> None:
    with storage.open(
        "a.txt",
        "w",
    ) as file:
        file.write("grün\n")
    with storage.open("a.txt", "a") as file:
        file.write("blau")
    with storage.open("a.txt", "r") as file:
        assert file.read() == "grün\nblau"


ADDRESS = "https://cdn.example.com/file/acme-public/a%20b.txt"


@pytest.mark.parametrize(
    ("of_site", "of_storage"),
    [
        pytest.param({"cdn_config": CDN}, {}, id="in the settings"),
        pytest.param({}, {"cdn_config": CDN}, id="as a keyword"),
        pytest.param({}, {"opts": {"cdn_config": CDN}}, id="in opts"),
        pytest.param(
            {}, {"opts": {"cdnConfig": {"baseUrl": "cdn.example.com/", "includeBucketUrlSegments": True}}}, id="camel"
        ),
    ],
)
def test_a_cdn_counts_wherever_it_is_named(
    of_site: dict[str, Any], of_storage: dict[str, Any], site: Site, emulator: Emulator
) -> None:
    """On any download host, and without asking B2 of what type the bucket is."""
    site(**of_site)
    assert PublicStorage(**of_storage).url("a b.txt") == ADDRESS
    assert emulator.calls() == {}


def test_a_cdn_before_the_bucket_and_one_without_its_flag(site: Site) -> None:
    for config in ({**CDN, "include_bucket_url_segments": False}, {"base_url": "https://cdn.example.com"}):
        assert PublicStorage(opts={"cdn_config": config}).url("a.txt") == "https://cdn.example.com/a.txt"


def test_an_address_stays_the_same_whatever_is_remembered(site: Site, emulator: Emulator) -> None:
    cold = PublicStorage().url("a.txt")
    PublicStorage().save("a.txt", ContentFile(b"x"))
    emulator.reset_counts()
    assert (cold, PublicStorage().url("a.txt")) == ("/b2/a.txt", "/b2/a.txt")
    assert emulator.calls() == {}


def test_times_are_aware(storage: PublicStorage) -> None:
    storage.save("a.txt", ContentFile(b"x"))
    assert abs((datetime.now(UTC) - storage.get_modified_time("a.txt")).total_seconds()) < 60
    assert storage.get_created_time("a.txt") == get_storage("public").get_created_time("a.txt")


def test_other_configurations_have_other_storages(site: Site) -> None:
    """What a constructor changes is worked out for the configuration in force."""
    storage = PublicStorage(default_file_info={"a": "own"})
    assert (storage.profile.bucket, storage.profile.file_info) == ("acme-public", {"a": "own"})
    site(specific_bucket_names={**APART, "public": "acme-shared"}, default_file_info={"b": "site"})
    assert (storage.profile.bucket, storage.profile.file_info) == ("acme-shared", {"b": "site", "a": "own"})
