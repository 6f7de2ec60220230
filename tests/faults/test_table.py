"""Every exception that b2sdk, requests and urllib3 can raise has a deliberate row in `FAULTS`, or a reason for none."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import b2sdk._internal
import pytest
import requests.exceptions
import urllib3.exceptions
from b2sdk.v3 import exception as b2

from b2router.b2.faults import FAULTS, is_untrusted, of_connection
from b2router.errors import UnexpectedAnswer

CATCH_ALL = (b2.B2Error, Exception)

NOT_RAISED = {
    # parts of b2sdk that b2router does not call
    "CopyArgumentsMismatch": "server-side copies",
    "InvalidMetadataDirective": "server-side copies",
    "SSECKeyIdMismatchInCopy": "server-side copies",
    "DestinationError": "downloads into local files",
    "DestinationDirectoryError": "downloads into local files",
    "DestinationDirectoryDoesntExist": "downloads into local files",
    "DestinationParentIsNotADirectory": "downloads into local files",
    "DestinationIsADirectory": "downloads into local files",
    "DestinationDirectoryDoesntAllowOperation": "downloads into local files",
    "BaseDirectoryError": "synchronisation of folders",
    "DestFileNewer": "synchronisation of folders",
    "EmptyDirectory": "synchronisation of folders",
    "EnvironmentEncodingError": "synchronisation of folders",
    "IncompleteSync": "synchronisation of folders",
    "InvalidArgument": "synchronisation of folders",
    "NotADirectory": "synchronisation of folders",
    "UnableToCreateDirectory": "synchronisation of folders",
    "UnsupportedFilename": "synchronisation of folders",
    "DisablingFileLockNotSupported": "changes of buckets",
    "DuplicateBucketName": "changes of buckets",
    "EnablingFileLockOnRestrictedBucket": "changes of buckets",
    "SourceReplicationConflict": "changes of buckets",
    "UnrecognizedBucketType": "changes of buckets",
    "FileNotHidden": "unhiding",
    "FileDeleted": "unhiding",
    "UnexpectedFileVersionAction": "unhiding",
    "InvalidUserInput": "encryption settings, which b2router passes none of",
    "WrongEncryptionModeForBucketDefault": "encryption settings, which b2router passes none of",
    "WrongEncryptionSettingForFileWrite": "encryption settings, which b2router passes none of",
    "InvalidUploadSource": "local paths that are no files",
    # bases of others, not raised themselves
    "B2Error": "the last row but one",
    "B2SimpleError": "a base",
    # kinds that b2sdk makes of answers, and does not export: the catch-all is right for them
    "ResourceNotFound": "404 without B2's own code; `wire` has refused such an answer before",
    "FileOrBucketNotFound": "a base",
    "UploadTokenUsedConcurrently": "one upload at a time goes to an address",
    "UnboundStreamBufferTimeout": "b2sdk's own buffer, which is read at once",
    # requests and urllib3
    "MissingDocURL": "b2sdk's own documentation",
    "ProxySchemeUnsupported": "a misuse of urllib3",
}


def exceptions_of(*modules: str) -> Iterator[type[Exception]]:
    for name in modules:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning):
                yield value


def modules_of_b2sdk() -> Iterator[str]:
    for found in pkgutil.walk_packages(b2sdk._internal.__path__, "b2sdk._internal."):
        if found.name.rpartition(".")[2] == "exception":
            yield found.name


EVERY = sorted(
    {
        kind
        for kind in exceptions_of(
            "b2sdk.v3.exception", *modules_of_b2sdk(), "requests.exceptions", "urllib3.exceptions"
        )
        if kind.__module__.startswith(("b2sdk", "requests", "urllib3"))
    },
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


def row_of(kind: type[Exception]) -> type[Exception]:
    return next(row for row in FAULTS if issubclass(kind, row))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.__module__.partition('.')[0]}-{kind.__name__}")
def test_every_exception_has_its_row_or_a_reason_for_none(kind: type[Exception]) -> None:
    """A newer b2sdk that invents one fails here, and somebody decides."""
    is_decided = row_of(kind) not in CATCH_ALL
    assert is_decided or kind.__name__ in NOT_RAISED, (
        f"{kind.__name__} falls to the catch-all: give it a row in FAULTS, or a reason in NOT_RAISED"
    )


def test_reasons_are_given_for_what_needs_them() -> None:
    decided = {kind.__name__ for kind in EVERY if row_of(kind) not in CATCH_ALL}
    assert not decided & NOT_RAISED.keys()


def test_no_row_is_hidden_by_an_earlier_one() -> None:
    rows = list(FAULTS)
    for place, row in enumerate(rows):
        assert row_of(row) is row, f"{row.__name__} is never reached: {rows[: place + 1]}"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(urllib3.exceptions.LocationParseError("x"), id="an address that is none"),
        pytest.param(urllib3.exceptions.InvalidHeader("two lengths"), id="two lengths"),
    ],
)
def test_a_connection_that_cannot_be_made_is_not_tried_again(error: urllib3.exceptions.HTTPError) -> None:
    assert type(of_connection(error)) is UnexpectedAnswer


def test_only_certificates_are_a_matter_of_trust() -> None:
    """A handshake that breaks may go well the next time."""
    assert not is_untrusted(urllib3.exceptions.SSLError(ConnectionResetError()))
    assert not is_untrusted(requests.exceptions.SSLError("EOF occurred in violation of protocol"))
