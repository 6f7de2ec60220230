"""The error tree: what can go wrong, and who has to act; raised by every room, caught by views and checks.

    B2RouterError
      ConfigError           the site owner edits the settings          (ImproperlyConfigured)
      InvalidName           no file can have this name                 404 (SuspiciousFileOperation)
      NotFound              there is no such file                      404 (FileNotFoundError)
      RangeNotSatisfiable   no byte of the wanted range exists         416
      NotServed             the profile has no address to give         (ValueError)
      ReadOnly              the profile's files are not to be changed  (PermissionError)
      Locked                retention or a legal hold keeps the file   (PermissionError)
      BackendError          B2 refused or failed                       (OSError)
        Unavailable         B2 cannot be reached, or is busy: later    503 with Retry-After
        Refused             the key is revoked or lacks a right        503 (PermissionError)
        CapExceeded         a cap of the B2 account is used up         503
        UnexpectedAnswer    what answered did not speak B2             502

Every leaf is also the standard exception that Django and Python code already catches. No message holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation

__all__ = [
    "B2RouterError",
    "BackendError",
    "CapExceeded",
    "ConfigError",
    "InvalidName",
    "Locked",
    "NotFound",
    "NotServed",
    "Problem",
    "RangeNotSatisfiable",
    "ReadOnly",
    "Refused",
    "Unavailable",
    "UnexpectedAnswer",
]


class B2RouterError(Exception):
    """Anything that b2router raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    Attributes:
        code: the kind of problem, such as "unknown_key"; system checks map it to their id.
        where: dotted path of the value, such as "profiles.staff.bucket".
        message: what was found and what is expected.
        hint: the next action.
        layer: where the value came from, such as "environment variable BACKBLAZE_REALM"; empty when it came from
            nowhere.
        path: where the value stands, or would stand, in that layer; for tools that point at it.
    """

    code: str
    where: str
    message: str
    hint: str
    layer: str = ""
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        source = f" [from {self.layer}]" if self.layer else ""
        return f"{self.where}: {self.message}{source} {self.hint}".rstrip()


class ConfigError(B2RouterError, ImproperlyConfigured):
    """The configuration cannot be used; `problems` says why, all of it at once."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"The b2router configuration cannot be used:\n{lines}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[Problem, ...]]:
        return type(self), self.problems


class InvalidName(B2RouterError, SuspiciousFileOperation):
    """No file of a profile can have this name; nothing was asked of B2."""


class NotFound(B2RouterError, FileNotFoundError):
    """B2 has no visible file under this name."""


class RangeNotSatisfiable(B2RouterError):
    """The file has no byte of the range that was asked for; an empty file has none of any range."""


class NotServed(B2RouterError, ValueError):
    """The profile declares neither a route nor a public address, so its files have no URL."""


class ReadOnly(B2RouterError, PermissionError):
    """The profile declares that the site does not change its files; nothing was asked of B2."""


class Locked(B2RouterError, PermissionError):
    """Retention or a legal hold keeps a version of the file as it is; B2 and the key are in order."""


class BackendError(B2RouterError, OSError):
    """B2 refused or failed; nothing is known about the file.

    Attributes:
        retry_after_s: seconds after which another try may succeed, None when unknown or pointless.
    """

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(BackendError):
    """B2 could not be reached, or was busy, for longer than the budget of this call."""


class Refused(BackendError, PermissionError):
    """B2 does not accept the application key, or the key lacks the right for this call."""


class CapExceeded(BackendError):
    """A cap that the owner of the B2 account has set is used up."""


class UnexpectedAnswer(BackendError):
    """The answer did not come from B2, or made no sense."""
