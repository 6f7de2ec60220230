"""What docs/broken-configurations.md says: loads each broken configuration, and notes what is printed. Called by
`generate`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from django.core.checks import run_checks
from django.test import override_settings
from django.urls import include, path

from b2router import router

PAGE = Path(__file__).with_name("broken-configurations.md")

KEY = "the-application-key-of-the-site"
"""Looked for in all that is printed."""

STAFF = {"bucket": "acme-staff"}

FILE, ENV_FILE, SECRETS_DIR = "BACKBLAZE_CONFIG_FILE", "BACKBLAZE_ENV_FILE", "BACKBLAZE_SECRETS_DIR"


@dataclass(frozen=True)
class Broken:
    """One configuration that cannot be used.

    Attributes:
        what: is wrong with it.
        profile: what is wrong in the profile "staff".
        config: what is wrong elsewhere in BACKBLAZE_CONFIG; its profiles take the place of the sound ones.
        files: name → text.
        variables: of the environment.
        is_live: whether it is looked at as before going live.
        setting: stands in the place of BACKBLAZE_CONFIG.
    """

    what: str
    profile: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    is_live: bool = False
    setting: Any = None


PUBLIC_CDN = {"permission": "public", "delivery": {"mode": "cdn", "base_url": "http://cdn.example.com/"}}

BROKEN = [
    Broken("an unknown key", profile={"routte": "b2s/"}),
    Broken("an unknown key at the top", config={"storagse": {"default": "staff"}}),
    Broken("a misspelt variable", variables={"BACKBLAZE_PROFILE__STAFF__ROUTE": "b2s/"}),
    Broken("a misspelt key in a variable", variables={"BACKBLAZE_PROFILES__STAFF__BUCKTE": "acme-x"}),
    Broken("a misspelt profile in a variable", variables={"BACKBLAZE_PROFILES__STAF__ROUTE": "b2s/"}),
    Broken(
        "a misspelt variable in a `.env` file",
        files={".env": "BACKBLAZE_PROFILE__STAFF__ROUTE=b2s/\n"},
        variables={ENV_FILE: ".env"},
    ),
    Broken("text for a number", profile={"max_age_s": "an hour"}),
    Broken("one rule for a list of rules", profile={"cache": {"match": "*.css", "max_age_s": 60}}),
    Broken("a word for an object", profile={"delivery": "redirect"}),
    Broken("a number out of bounds", variables={"BACKBLAZE_LIMITS__REQUEST_S": "0"}),
    Broken("a word that is none of the choices", profile={"on_denied": "hide"}),
    Broken("a setting of another type", setting="b2router.toml"),
    Broken("no configuration at all", setting={}),
    Broken("keys of django-backblaze-b2 beside those of b2router", config={"specificBucketNames": {"staff": "acme-x"}}),
    Broken("one bucket for the classes of django-backblaze-b2", setting={"bucket": "acme-files"}),
    Broken("a bucket name that B2 does not allow", profile={"bucket": "acme_staff"}),
    Broken("a bucket name that B2 reserves", profile={"bucket": "b2-staff"}),
    Broken("no bucket", config={"profiles": {"staff": {"route": "b2s/", "permission": "staff"}}}),
    Broken("a profile's name with a capital", config={"profiles": {"Staff": STAFF}}),
    Broken("a location that is no prefix", profile={"location": "invoices"}),
    Broken("a location that leaves the bucket", profile={"location": "../invoices/"}),
    Broken("a route that is no prefix", profile={"route": "/b2s", "permission": "staff"}),
    Broken(
        "overlapping routes",
        config={
            "profiles": {
                "media": {"bucket": "acme-media", "route": "m/", "permission": "staff"},
                "films": {"bucket": "acme-films", "route": "m/films/", "permission": "staff"},
            }
        },
    ),
    Broken(
        "overlapping locations in one bucket",
        config={
            "profiles": {
                "media": {"bucket": "acme-media", "route": "m/", "permission": "public"},
                "drafts": {"bucket": "acme-media", "location": "drafts/", "permission": "staff"},
            }
        },
    ),
    Broken("an alias of a profile that does not exist", config={"storages": {"default": "staf"}}),
    Broken("an alias that is a profile's name", config={"profiles": {"a": STAFF, "b": STAFF}, "storages": {"a": "b"}}),
    Broken("an account that does not exist", profile={"account": "eu"}),
    Broken("no application key", config={"application_key": None}),
    Broken("the application key in the place of the realm", config={"realm": KEY}),
    Broken("a realm that would carry the key in clear", config={"realm": "http://b2.example.com"}),
    Broken("a permission that does not exist", profile={"permission": "stuff"}),
    Broken("a predicate that cannot be imported", profile={"permission": "library.rules.may_read"}),
    Broken("a predicate that is none", profile={"permission": {"any": ["staff", "os.path.sep"]}}),
    Broken("an owner that is no model field", profile={"permission": "staff", "owner": "library.Invoice.pdf"}),
    Broken("a delivery that does not exist", profile={"delivery": {"mode": "redirekt"}}),
    Broken("a key of another delivery", profile={"delivery": {"mode": "accel", "base_url": "https://x.example/"}}),
    Broken("nginx's location without its slashes", profile={"delivery": {"mode": "accel", "internal": "_b2"}}),
    Broken(
        "files below nginx's location",
        profile={"route": "_b2/staff/", "permission": "staff", "delivery": {"mode": "accel"}},
    ),
    Broken("a CDN without its address", profile={"permission": "public", "delivery": {"mode": "cdn"}}),
    Broken(
        "public addresses of files that are not public",
        profile={"permission": "staff", "delivery": {"mode": "cdn", "base_url": "https://cdn.example.com/"}},
    ),
    Broken("a CDN over plain http, before going live", profile=PUBLIC_CDN, is_live=True),
    Broken(
        "signed addresses over plain http",
        profile={
            "permission": "staff",
            "delivery": {**PUBLIC_CDN["delivery"], "signing": {"scheme": "bunny", "secret": KEY}},
        },
    ),
    Broken(
        "redirects whose tokens open more than one file",
        profile={
            "permission": "library.rules.may_read",
            "delivery": {"mode": "redirect", "signer": "native"},
        },
    ),
    Broken("a rule that none reaches", profile={"cache": [{"max_age_s": 60}, {"match": "*.css", "immutable": True}]}),
    Broken("locked files that are deleted for good", profile={"legal_hold": True, "on_delete": "purge"}),
    Broken("a cache that is not in `CACHES`", config={"metadata_cache": "redis"}),
    Broken(
        "an environment that is not declared",
        config={"environments": {"staging": {}, "production": {}}},
        variables={"BACKBLAZE_ENVIRONMENT": "stagin"},
    ),
    Broken(
        "profiles that extend each other",
        config={"profiles": {"a": {"extends": "b", "bucket": "acme-a1"}, "b": {"extends": "a"}}},
    ),
    Broken("a profile that extends none", profile={"extends": "members"}),
    Broken("a route for all profiles", config={"defaults": {"route": "b2/"}}),
    Broken(
        "broken TOML",
        files={"b2router.toml": '[profiles.media]\nbucket = "acme-media\n'},
        variables={FILE: "b2router.toml"},
    ),
    Broken(
        "broken YAML",
        files={"b2router.yaml": "profiles: {media: {bucket: acme-media, route: m/}\nstorages: {}\n"},
        variables={FILE: "b2router.yaml"},
    ),
    Broken(
        "broken JSON",
        files={"b2router.json": '{"profiles": {\n"media": {"bucket": "acme-media" "route": "m/"}}}\n'},
        variables={FILE: "b2router.json"},
    ),
    Broken(
        "a key that stands twice",
        files={"b2router.yaml": "profiles:\n  media: {bucket: acme-media, permission: staff, permission: public}\n"},
        variables={FILE: "b2router.yaml"},
    ),
    Broken("broken JSON in a variable", variables={"BACKBLAZE_LIMITS": '{"request_s": 5'}),
    Broken("a permission that is broken JSON", variables={"BACKBLAZE_PROFILES__STAFF__PERMISSION": '{"any": ["staff"'}),
    Broken("a file that is not there", variables={FILE: "deploy/b2router.toml"}),
    Broken("a file of another kind", files={"b2router.ini": "[profiles]\n"}, variables={FILE: "b2router.ini"}),
    Broken("a secrets directory that is not there", variables={SECRETS_DIR: "run/secrets"}),
    Broken(
        "a value in a secrets directory",
        files={"secrets/accounts__eu__realm": "nowhere", "secrets/accounts__eu__application_key": KEY},
        variables={SECRETS_DIR: "secrets"},
    ),
    Broken(
        "several mistakes in several layers",
        profile={"read_only": "perhaps"},
        files={
            "b2router.toml": '[defaults]\nmax_age_s = -1\n\n[profiles.media]\nbucket = "acme-media"\nroutte = "m/"\n'
        },
        variables={FILE: "b2router.toml", "BACKBLAZE_MAX_STREAMS": "0"},
    ),
]

SITE: dict[str, Any] = {
    "ROOT_URLCONF": (path("", include("b2router.urls")),),
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
}
"""The site that has these configurations, but for its apps."""

HEAD = f"""\
# Broken configurations

What `manage.py check` prints for mistakes that are easily made. This page is made by `python3 noxfile.py schema`, which
loads every one of them.

A message names the value, says what was found (never a secret) and what is expected, and where it was written: a line
of a file, a variable, a key of the setting. The hint is what to do.

All mistakes of a kind are told at once. What a layer holds is looked at when all layers can be read, and what parts
have to do with each other (aliases, accounts, overlapping routes, the isolation proof, what can be imported) when each
of them is valid by itself.

What is shown of a profile stands in the profile `staff`, with the bucket `{STAFF["bucket"]}`, of the setting
`BACKBLAZE_CONFIG`, which has an application key. The ids are those of the [system checks](checks.md).

| what is wrong | written | printed |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"{row(broken)}\n" for broken in BROKEN)


def row(broken: Broken) -> str:
    """A row of its table."""
    return f"| {broken.what} | {_lines(_written(broken))} | {_lines(printed(broken))} |"


def printed(broken: Broken) -> list[str]:
    """What the system checks say, line by line, but for what they say of a sound configuration too.

    Raises:
        ValueError: it is no mistake, or its text shows a secret.
    """
    sound = set(_checked(Broken("nothing", is_live=broken.is_live)))
    found = [line for message in _checked(broken) if message not in sound for line in message.split("\n\t")]
    if not found or any(KEY in line for line in found):
        raise ValueError(f"{broken.what}: expected a message without a secret, found {len(found)} lines")
    return found


def _checked(broken: Broken) -> list[str]:
    with _loaded(broken):
        return [str(message) for message in run_checks(tags=["b2router"], include_deployment_checks=broken.is_live)]


@contextlib.contextmanager
def _loaded(broken: Broken) -> Iterator[None]:
    """A site with this configuration, in a folder of its own."""
    sound = {"application_key_id": "000123456789abc0000000001", "application_key": KEY}
    config = {**sound, "profiles": {"staff": {**STAFF, **broken.profile}}, **broken.config}
    others = {name: text for name, text in os.environ.items() if not name.startswith("BACKBLAZE_")}
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {**others, **broken.variables}, clear=True),
        override_settings(**SITE, BACKBLAZE_CONFIG=config if broken.setting is None else broken.setting),
    ):
        for name, text in broken.files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text)
        router.reload()
        try:
            yield
        finally:
            router.reload()


def _written(broken: Broken) -> Iterator[str]:
    """The configuration as somebody wrote it; a secret by its name."""
    if broken.setting is not None:
        yield f"BACKBLAZE_CONFIG = {broken.setting!r}"
    for part in (broken.profile, broken.config):
        yield from (f"{key!r}: {value!r}".replace(repr(KEY), "APPLICATION_KEY") for key, value in part.items())
    for name, text in broken.files.items():
        yield f"{name}:"
        yield from ("APPLICATION_KEY" if text == KEY else text).rstrip("\n").split("\n")
    yield from (f"{name}={text}" for name, text in broken.variables.items())


def _lines(lines: Iterator[str] | list[str]) -> str:
    """Code in a cell of a table, where a bar would be a border."""
    return "<br>".join(f"`{line}`".replace("|", "\\|") for line in lines if line)
