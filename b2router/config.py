"""What a valid configuration is: frozen pydantic models, a profile's in `profiles`; no Django, no I/O. Built by
`settings`, read by everybody.

`BackblazeConfig` is a plain model: validating one reads nothing but the values it is given. The layers (file,
settings, environment) are merged before, by `settings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from b2router.caching import CachePolicy, CacheRule
from b2router.errors import Problem
from b2router.grammar import AllOf, AnyOf, Not, Permission
from b2router.limits import Limits
from b2router.modes import (
    AccelDelivery,
    CdnDelivery,
    CdnSigning,
    DirectDelivery,
    ProxyDelivery,
    RedirectDelivery,
)
from b2router.profiles import DEFAULT_ACCOUNT, BucketProfile
from b2router.sharing import AccountInfo, CacheAccountInfo, MemoryAccountInfo, SqliteAccountInfo
from b2router.storing import (
    CustomerEncryption,
    Retention,
    StoredAs,
    StoredRule,
)
from b2router.uploading import Upload
from b2router.values import Model, Name, Realm, Whole, error_at, is_loopback, near

__all__ = [
    "AccelDelivery",
    "Account",
    "AllOf",
    "AnyOf",
    "BackblazeConfig",
    "BucketProfile",
    "CacheAccountInfo",
    "CachePolicy",
    "CacheRule",
    "CdnDelivery",
    "CdnSigning",
    "CustomerEncryption",
    "DirectDelivery",
    "Limits",
    "MemoryAccountInfo",
    "Not",
    "Permission",
    "ProxyDelivery",
    "RedirectDelivery",
    "Retention",
    "SqliteAccountInfo",
    "StoredAs",
    "StoredRule",
    "Upload",
    "is_loopback",
    "missing_key",
]


class Account(Model):
    """One application key of a B2 account."""

    application_key_id: str = Field(min_length=1, repr=False)
    """The key's id, as Backblaze shows it."""
    application_key: SecretStr = Field(min_length=1)
    """The secret half, which Backblaze shows once."""
    realm: Realm = "production"
    """Backblaze's "production", or the address of another B2, such as an emulator on loopback."""


class BackblazeConfig(Model):
    """Every bucket that a site uses, who may read it, and by which names code reaches it."""

    application_key_id: str | None = Field(default=None, min_length=1, repr=False)
    """Id of the application key of the account "default"."""
    application_key: SecretStr | None = Field(default=None, min_length=1)
    """Secret of the application key of the account "default"."""
    realm: Realm = "production"
    """Realm of the account "default": "production", or the address of another B2."""
    accounts: dict[Name, Account] = Field(
        default_factory=dict, json_schema_extra={"properties": {DEFAULT_ACCOUNT: False}}
    )
    """Further application keys, by name."""
    profiles: dict[Name, BucketProfile] = Field(min_length=1)
    """The bucket profiles, by name; every name is also an alias."""
    storages: dict[Name, Name] = Field(default_factory=dict)
    """Further aliases: alias → profile."""
    account_info: AccountInfo = CacheAccountInfo()
    """Where processes share the login at B2: {"kind": "cache"}, {"kind": "sqlite"} or {"kind": "memory"}."""
    metadata_cache: Annotated[str, Field(min_length=1)] | None = "default"
    """Which of Django's CACHES remembers sizes, times and types of files; none: nothing is remembered."""
    limits: Limits = Limits()
    """How long B2 may take, and how often it is asked again."""
    max_streams: Whole = Field(default=200, ge=1)
    """How many files a process streams at once; whoever comes then is told to try again in a second."""

    @field_validator("profiles")
    @classmethod
    def _profiles_know_their_names(cls, value: dict[str, BucketProfile]) -> dict[str, BucketProfile]:
        return {name: profile.named(name) for name, profile in value.items()}

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        errors = [*self._account_errors(), *self._alias_errors(), *self._reader_errors(), *self._route_errors()]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors, hide_input=True)
        return self

    def account(self, name: str = DEFAULT_ACCOUNT) -> Account | None:
        """The account of this name; None when its key is not configured (yet)."""
        if name != DEFAULT_ACCOUNT:
            return self.accounts.get(name)
        if self.application_key_id is None or self.application_key is None:
            return None
        return Account(
            application_key_id=self.application_key_id, application_key=self.application_key, realm=self.realm
        )

    def _account_errors(self) -> Iterator[InitErrorDetails]:
        if DEFAULT_ACCOUNT in self.accounts:
            yield error_at(
                "account", ("accounts", DEFAULT_ACCOUNT), "'default' is the key at the top level, write it there"
            )
        for profile in self.profiles.values():
            if profile.account != DEFAULT_ACCOUNT and profile.account not in self.accounts:
                yield error_at(
                    "unknown_account",
                    ("profiles", profile.name, "account"),
                    f"found '{profile.account}'{near(profile.account, self.accounts)}; the accounts are "
                    f"{_listed([DEFAULT_ACCOUNT, *self.accounts])}",
                )

    def _reader_errors(self) -> Iterator[InitErrorDetails]:
        for profile in self.profiles.values():
            others = [name for name in self.profiles if name != profile.name]
            for index, name in enumerate(profile.readable_through):
                if name not in others:
                    yield error_at(
                        "unknown_profile",
                        ("profiles", profile.name, "readable_through", index),
                        f"found '{name}'; the other profiles are {_listed(others) or 'none'}",
                    )

    def _alias_errors(self) -> Iterator[InitErrorDetails]:
        for alias, profile in self.storages.items():
            if profile not in self.profiles:
                yield error_at(
                    "unknown_profile",
                    ("storages", alias),
                    f"found '{profile}'{near(profile, self.profiles)}; the profiles are {_listed(self.profiles)}",
                )
            elif alias in self.profiles and alias != profile:
                yield error_at(
                    "alias",
                    ("storages", alias),
                    f"'{alias}' is the name of a profile, so it cannot be an alias of '{profile}'",
                )

    def _route_errors(self) -> Iterator[InitErrorDetails]:
        routed = [profile for profile in self.profiles.values() if profile.route]
        for one, other in combinations(sorted(routed, key=lambda profile: str(profile.route)), 2):
            if str(other.route).startswith(str(one.route)):
                yield error_at(
                    "overlapping_routes",
                    ("profiles", other.name, "route"),
                    f"'{other.route}' lies under '{one.route}', the route of profile '{one.name}'; "
                    "the routes of two profiles may not overlap",
                )


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def missing_key(name: str) -> Problem:
    """The account has no application key: what to do about it."""
    return Problem(
        "missing_key",
        "application_key_id, application_key",
        f"the account '{name}' has no application key.",
        "Set BACKBLAZE_APPLICATION_KEY_ID and BACKBLAZE_APPLICATION_KEY in the environment, or both keys in "
        "BACKBLAZE_CONFIG.",
    )
