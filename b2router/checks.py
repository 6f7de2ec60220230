"""System checks: what is wrong with a declaration, said before the first request; offline. Registered by `apps`.

Every id is listed in docs/checks.md. A configuration that cannot be used is reported by `check_configuration` alone;
the other checks then have nothing to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, FileField, TextField
from django.urls import NoReverseMatch, reverse

from b2router.errors import ConfigError, Problem

__all__ = [
    "IDS",
    "check_configuration",
    "check_deployment",
    "check_environment",
    "check_permissions",
    "check_seed",
    "check_sharing",
    "check_site",
]

IDS = {
    "invalid": "b2router.E001",
    "unknown_key": "b2router.E002",
    "unknown_profile": "b2router.E003",
    "unknown_account": "b2router.E004",
    "missing_key": "b2router.E005",
    "overlapping_routes": "b2router.E006",
    "leak": "b2router.E007",
    "predicate": "b2router.E008",
    "public_delivery": "b2router.E009",
    "owner": "b2router.E010",
    "urls": "b2router.E011",
    "users": "b2router.E012",
    "no_configuration": "b2router.E013",
    "layer": "b2router.E014",
    "emulator": "b2router.E015",
    "prefix_token": "b2router.E016",
    "hidden_route": "b2router.E017",
    "unknown_cache": "b2router.E018",
    "encrypt": "b2router.E019",
    "sqlite": "b2router.E020",
    "customer_key": "b2router.E021",
    "locked": "b2router.E022",
    "callable": "b2router.E023",
    "mixed": "b2router.E024",
    "unknown_variable": "b2router.W001",
    "unreadable_route": "b2router.W002",
    "master_key": "b2router.W003",
    "local_cache": "b2router.W004",
    "plain_http": "b2router.W005",
    "long_expiry": "b2router.W006",
    "wide_key": "b2router.W007",
    "session_cookie": "b2router.W008",
    "site_cache": "b2router.W009",
    "static_order": "b2router.W010",
    "static_cache": "b2router.W011",
    "cache_in_transaction": "b2router.W012",
    "cache_without_timeout": "b2router.W013",
    "declared_leak": "b2router.W014",
    "seed": "b2router.W015",
    "misspelt_secret": "b2router.W016",
}
"""Kind of problem → id of the check. A kind that is not here is an invalid value."""

_Apps = Sequence[AppConfig] | None


def check_configuration(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """Whether the configuration can be used: every layer readable, every value valid, no profile reachable through a
    looser one, every key there."""
    from b2router.config import missing_key
    from b2router.router import current_router

    try:
        config = current_router().config
    except ConfigError as error:
        return [_message(problem) for problem in error.problems]
    used = sorted({profile.account for profile in config.profiles.values()})
    return [_message(missing_key(name)) for name in used if config.account(name) is None]


def check_environment(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """Whether every variable that begins with BACKBLAZE_ means something, and every secret file almost named so."""
    from b2router.config import BackblazeConfig
    from b2router.settings import misspelt_secrets, unknown_variables

    if isinstance(getattr(django_settings, "BACKBLAZE_CONFIG", None), BackblazeConfig):
        return []
    nothing = "it means nothing to b2router."
    problems = [
        Problem("unknown_variable", f"environment variable {variable}", nothing, _hint_for_variable(variable, near))
        for variable, near in unknown_variables(os.environ)
    ]
    problems += [
        Problem("misspelt_secret", f"secrets directory, file {file}", nothing, f"Did you mean {near}?")
        for file, near in misspelt_secrets(django_settings)
    ]
    return [_message(problem, Warning) for problem in problems]


def check_seed(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """What is different from now on for a configuration of django-backblaze-b2."""
    from b2router.settings import seed_warnings

    return [_message(problem, Warning) for problem in seed_warnings(django_settings)]


def _hint_for_variable(variable: str, near: str | None) -> str:
    if near is None:
        return "Rename it if it is not meant for b2router, or silence this."
    if variable.upper() == f"{near}_FILE":
        return f"Put the value into {near}, or its file into the directory that BACKBLAZE_SECRETS_DIR names."
    return f"Did you mean {near}?"


def check_permissions(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """Whether what decides about visitors and files is there: predicates, owners' models, users, callables."""
    return [_message(problem) for problem in _permission_problems()]


def check_site(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """Whether the site can serve what is declared: URLs included, routes readable, no emulator in production."""
    config = _config()
    if config is None:
        return []
    messages = []
    routed = [profile for profile in config.profiles.values() if profile.route]
    for profile in routed:
        if profile.permission is None:
            problem = Problem(
                "unreadable_route",
                f"profiles.{profile.name}",
                "it has a route but no permission, so nobody can read its files.",
                "Add a permission, such as 'authenticated', or remove the route.",
            )
            messages.append(_message(problem, Warning))
    if routed and not _is_included(routed[0].name):
        problem = Problem(
            "urls",
            f"profiles.{routed[0].name}.route",
            "the site does not include the URLs of b2router, so no route is served.",
            "Add path('', include('b2router.urls')) to the URLconf.",
        )
        messages.append(_message(problem))
    messages += [_message(problem, Warning) for problem in _declared_leaks(config)]
    messages += [_message(problem) for problem in _internal_problems(config, routed)]
    messages += [_message(problem, Warning) for problem in _master_key_problems(config)]
    messages += _static_messages(config)
    if not django_settings.DEBUG:
        messages += [_message(problem) for problem in _emulator_problems(config)]
    return messages


def check_sharing(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """Whether the caches and files are there that processes share."""
    from b2router.deployment import sharing_problems

    config = _config()
    return [] if config is None else [_message(problem) for problem in sharing_problems(config)]


def check_deployment(app_configs: _Apps = None, **_: Any) -> list[CheckMessage]:
    """What to look at before the site goes live; run by `manage.py check --deploy`."""
    from b2router.deployment import deployment_problems

    config = _config()
    if config is None:
        return []
    problems = [*deployment_problems(config)]
    if _has_static_files():
        from b2router.staticfiles.declared import cache_problems

        problems += cache_problems(config)
    return [_message(problem, Warning) for problem in problems]


def _static_messages(config: Any) -> list[CheckMessage]:
    if not _has_static_files():
        return []
    from b2router.staticfiles.declared import alias_problems, order_problems

    return [
        *[_message(problem) for problem in alias_problems(config)],
        *[_message(problem, Warning) for problem in order_problems()],
    ]


def _has_static_files() -> bool:
    """Whether Django's app is there; without it, its storages need not even be loaded."""
    return apps.is_installed("django.contrib.staticfiles")


def _message(problem: Problem, kind: type[Error] | type[Warning] = Error) -> CheckMessage:
    from b2router.settings import place_of

    place = problem.layer or place_of(django_settings, problem.where)
    layer = f" [from {place}]" if place else ""
    text = f"{problem.where}: {problem.message}{layer}"
    return kind(text, hint=problem.hint, id=IDS.get(problem.code, IDS["invalid"]))


def _config() -> Any:
    from b2router.router import current_router

    try:
        return current_router().config
    except ConfigError:  # reported by check_configuration
        return None


def _permission_problems() -> Iterator[Problem]:
    from b2router import permissions

    config = _config()
    if config is None:
        return
    for profile in config.profiles.values():
        for path in permissions.predicate_paths(profile.permission):
            try:
                permissions.predicate(path)
            except Exception as error:
                yield Problem(
                    "predicate",
                    f"profiles.{profile.name}.permission",
                    f"the predicate '{path}' cannot be used: {type(error).__name__}: {str(error).rstrip('.')}.",
                    "Name a callable that takes (request, file), by the path it is imported from.",
                )
        yield from _callable_problems(profile)
        if profile.owner is not None:
            yield from _owner_problems(profile.name, profile.owner)
        if profile.route and permissions.needs_user(profile.permission):
            yield from _user_problems(profile.name)


def _callable_problems(profile: Any) -> Iterator[Problem]:
    from b2router import provided

    for where, path in provided.paths(profile):
        try:
            provided.callable_at(where, path)
        except ConfigError as error:
            yield from error.problems


def _owner_problems(profile: str, owner: str) -> Iterator[Problem]:
    app, model, field = owner.split(".")
    try:
        found = apps.get_model(app, model)._meta.get_field(field)
        if not isinstance(found, CharField | TextField | FileField):
            raise FieldDoesNotExist(f"{type(found).__name__} holds no file's name")
    except (LookupError, FieldDoesNotExist) as error:
        yield Problem(
            "owner",
            f"profiles.{profile}.owner",
            f"'{owner}' names no model field: {str(error).rstrip('.')}.",
            "Write it as 'app_label.Model.field', with the field that holds the file's name.",
        )


def _user_problems(profile: str) -> Iterator[Problem]:
    wanted = "django.contrib.auth.middleware.AuthenticationMiddleware"
    if not any(path.endswith("AuthenticationMiddleware") for path in django_settings.MIDDLEWARE):
        yield Problem(
            "users",
            f"profiles.{profile}.permission",
            "it depends on who the visitor is, but no AuthenticationMiddleware is active, so everybody is refused.",
            f"Add '{wanted}' to MIDDLEWARE.",
        )


def _declared_leaks(config: Any) -> Iterator[Problem]:
    from b2router.isolation import declared_leaks

    for leak in declared_leaks(config):
        yield Problem(
            "declared_leak",
            f"profiles.{leak.profile}.readable_through",
            f"{leak}, as declared.",
            f"Keep it only as long as the two share a bucket; move the files of '{leak.profile}' to one of its own.",
        )


def _internal_problems(config: Any, routed: list[Any]) -> Iterator[Problem]:
    """What lies below nginx's internal location is not found, whatever the site would answer."""
    for profile in config.profiles.values():
        internal = getattr(profile.delivery, "internal", None)
        hidden = [other for other in routed if internal and _path(other.name).startswith(internal)]
        for other in hidden:
            yield Problem(
                "hidden_route",
                f"profiles.{profile.name}.delivery.internal",
                f"'{internal}' is for nginx alone, but the files of profile '{other.name}' are at {_path(other.name)}, "
                "so visitors could not reach them.",
                "Name a location that no page of the site has, and print nginx's configuration anew.",
            )


def _master_key_problems(config: Any) -> Iterator[Problem]:
    """The master key's id is the account's, of twelve hexadecimal digits; that of an application key is longer."""
    for profile in config.profiles.values():
        account = config.account(profile.account)
        signs = profile.delivery.mode == "accel" or getattr(profile.delivery, "signer", None) == "s3"
        if signs and account is not None and re.fullmatch(r"[0-9a-f]{12}", account.application_key_id):
            yield Problem(
                "master_key",
                f"profiles.{profile.name}.delivery",
                f"it signs addresses with the key of the account '{profile.account}', which looks like the master key; "
                "B2's S3 API does not take that one.",
                "Make an application key that may read the bucket.",
            )


def _emulator_problems(config: Any) -> Iterator[Problem]:
    from b2router.config import is_loopback

    realms = {"realm": config.realm} | {
        f"accounts.{name}.realm": account.realm for name, account in config.accounts.items()
    }
    for where, realm in realms.items():
        if is_loopback(urlsplit(realm).hostname):
            yield Problem(
                "emulator",
                where,
                f"found '{realm}', an address on this machine such as an emulator's, while DEBUG is off.",
                "Use 'production', or the https address of a B2.",
            )


def _path(profile: str) -> str:
    """Where the site serves a profile; empty when it does not."""
    from b2router.router import Target

    try:
        return reverse("b2router:file", args=[Target(profile, "x")])[:-1]
    except (NoReverseMatch, ImportError):
        return ""


def _is_included(profile: str) -> bool:
    from b2router.router import Target

    try:
        reverse("b2router:file", args=[Target(profile, "x")])
    except NoReverseMatch:
        return False
    except ImportError:  # a broken URLconf is reported by Django itself
        return True
    return True
