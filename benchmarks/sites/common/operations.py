"""Runs a storage operation inside the server, so that the emulator can count what it costs; asked by `calls`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.http import HttpRequest, JsonResponse

URLS = 100


def perform(request: HttpRequest, operation: str) -> JsonResponse:
    """Answer with what the operation returned."""
    if operation == "build":
        return JsonResponse({"result": [type(storages[alias]).__name__ for alias in ("public", "logged_in", "staff")]})
    return JsonResponse({"result": _OPERATIONS[operation](storages["public"], request.GET["name"])})


def _urls(storage: Storage, name: str) -> int:
    return len({storage.url(f"{number}-{name}") for number in range(URLS)})


def _save(storage: Storage, name: str) -> str:
    return storage.save(name, ContentFile(b"saved by the benchmark"))


def _overwrite(storage: Storage, name: str) -> str:
    with storage.open(name, "wb") as file:
        file.write(b"written over by the benchmark")
    return name


_OPERATIONS: dict[str, Callable[[Storage, str], Any]] = {
    "exists": lambda storage, name: storage.exists(name),
    "size": lambda storage, name: storage.size(name),
    "urls": _urls,
    "save": _save,
    "overwrite": _overwrite,
}
