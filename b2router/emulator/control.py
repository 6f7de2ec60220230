"""The emulator's own endpoint under /_emulator/: counts, log, faults, for tests in other processes.

GET    /_emulator/counts     calls, classes, bytes, by client tag
POST   /_emulator/reset      counts and log begin anew
GET    /_emulator/log        the last calls, oldest first
GET    /_emulator/faults     those that wait and those that were met
POST   /_emulator/faults     {"operation": "download", "times": 2, "status": 503, "retry_after": 1}
DELETE /_emulator/faults     none waits any more
POST   /_emulator/expire     every account token so far is expired
GET    /_emulator/webhooks   what became of event notifications
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from b2router.emulator.answers import Answer, Refusal, bad_request, from_json, from_refusal
from b2router.emulator.faults import Fault
from b2router.emulator.http1 import Request
from b2router.emulator.world import World

ROOT = "/_emulator/"
MAX_BODY_BYTES = 64 * 1024

_POSITIONS = ("stall_at", "cut_at", "truncate_at")
_FLAGS = ("reset", "corrupt", "wrong_sha1", "drop_answer", "after_commit")


def answer(world: World, request: Request) -> Answer:
    """Answer one control request."""
    try:
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            raise Refusal(403, "access_denied", "A web page may not control the emulator")
        return from_json(_perform(world, request))
    except Refusal as refusal:
        return from_refusal(refusal)


def _perform(world: World, request: Request) -> Any:
    action = f"{request.method} {request.path.removeprefix(ROOT).rstrip('/')}"
    if action == "GET counts":
        clients = {tag: tally.as_json() for tag, tally in world.meter.by_client().items()}
        return world.meter.total().as_json() | {"clients": clients}
    if action == "POST reset":
        world.meter.reset()
    elif action == "GET log":
        return [asdict(record) for record in world.meter.log()]
    elif action == "GET faults":
        return {"waiting": world.faults.waiting(), "met": [asdict(met) for met in world.faults.met()]}
    elif action == "POST faults":
        _add_fault(world, request)
    elif action == "DELETE faults":
        world.faults.clear()
    elif action == "POST expire":
        world.expire_tokens()
    elif action == "GET webhooks":
        return [asdict(delivery) for delivery in list(world.webhooks.deliveries)]
    else:
        raise bad_request(f"Unknown control request: {action[:100]}")
    return {}


def _add_fault(world: World, request: Request) -> None:
    if request.body.length > MAX_BODY_BYTES:
        raise bad_request("The request body is too large")
    try:
        said = json.loads(request.body.read())
    except (ValueError, RecursionError):
        raise bad_request("The request body is not JSON") from None
    if not isinstance(said, dict):
        raise bad_request("The request body is not a JSON object")
    times = said.pop("times", 1)
    unknown = sorted(set(said) - {item.name for item in fields(Fault)})
    if unknown:
        raise bad_request(f"Unknown field {unknown[0][:40]!r}")
    for name, value in said.items():
        if not _fits(name, value):
            raise bad_request(f"Bad value of {name}")
    try:
        world.faults.add(Fault(**said), times if isinstance(times, int) else 0)
    except (TypeError, ValueError) as error:
        raise bad_request(str(error)) from None


def _fits(name: str, value: object) -> bool:
    if value is None:
        return name not in ("operation", "delay_s", *_FLAGS)
    if name in _FLAGS:
        return isinstance(value, bool)
    if name == "status":
        return isinstance(value, int) and 200 <= value <= 599
    if name == "delay_s":
        return isinstance(value, int | float) and 0 <= value < 86400
    if name in _POSITIONS:
        return isinstance(value, int) and 0 <= value < 10**15
    if name == "retry_after":
        return isinstance(value, int | str) and str(value).isprintable()
    return isinstance(value, str)
