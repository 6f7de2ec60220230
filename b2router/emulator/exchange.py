"""One request on its way to an answer: operation, faults, counts, log; made by `connection`."""

from __future__ import annotations

import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from b2router.emulator import cors, download_rights, listings, mishaps, routes, s3, sending, testmode
from b2router.emulator.access import authenticate
from b2router.emulator.answers import Answer, Refusal, from_json, from_refusal, not_found
from b2router.emulator.faults import Fault
from b2router.emulator.fields import MAX_JSON_BYTES, Fields
from b2router.emulator.http1 import Disconnected, Request
from b2router.emulator.meter import CallRecord
from b2router.emulator.mishaps import CutOff
from b2router.emulator.routes import Operation, Route
from b2router.emulator.world import Call, World

_INTERESTING = (
    "range",
    "user-agent",
    "x-bz-test-mode",
    "origin",
    "if-none-match",
    "if-modified-since",
    "x-amz-trailer",
)
_CLIENT_HEADER = "x-emulator-client"


class Exchange:
    """One request on its way to an answer."""

    def __init__(self, sock: socket.socket, world: World, request: Request, base_url: str) -> None:
        self._sock = sock
        self._world = world
        self._request = request
        self._base_url = base_url
        self._started = time.time()
        self._client = _client_tag(request)

    def run(self) -> bool:
        """Answer; return whether the connection goes on.

        Raises:
            CutOff: a fault ends the connection.
        """
        request, world = self._request, self._world
        if request.method == "OPTIONS":
            answer = cors.preflight(world, request)
            return self._send(routes.PREFLIGHT, answer, None)
        route = routes.resolve(request)
        operation = route.operation
        call = Call(world, request, operation.name, route.version, self._base_url, route.tail)
        refusal = self._read_fields(call, operation)
        charged = listings.charged_pages(call) if operation.name in routes.LISTINGS else 1
        world.meter.count(operation.name, operation.price_class, self._client, charged)
        fault = world.faults.take(operation.name)
        if world.latency_s:
            world.stopping.wait(world.latency_s)
        try:
            answer = self._answer(call, route, refusal, fault)
        except CutOff:
            self._record(operation, 0, 0, fault)
            raise
        answer.headers += cors.answer_headers(call)
        return self._send(operation, answer, fault)

    def _read_fields(self, call: Call, operation: Operation) -> Refusal | None:
        request = call.request
        try:
            if operation.body == "json":
                if request.body.length > MAX_JSON_BYTES:
                    return Refusal(413, "bad_request", "The request body is too large")
                if request.method == "POST":
                    call.fields = Fields.parse(request.body.read())
                else:
                    call.fields = Fields(dict(download_rights.query_of(call)), as_text=True)
        except Refusal as refusal:
            return refusal
        return None

    def _answer(self, call: Call, route: Route, refusal: Refusal | None, fault: Fault | None) -> Answer:
        operation, world = route.operation, self._world
        if fault is not None:
            content = operation.body == "content"
            mishaps.before(world, self._sock, call.request.body, fault, sends_content=content)
            refusal = mishaps.refusal_before(fault, sends_content=content) or refusal
        show = s3.from_refusal if operation.name.startswith("s3") else from_refusal
        try:
            if refusal is not None:
                raise refusal
            answer = self._guarded(lambda: self._perform(call, operation))
        except Refusal as error:
            answer = show(error)
        if fault is not None:
            if fault.drop_answer:
                raise CutOff(reset=fault.reset)
            if fault.after_commit and fault.refusal is not None:
                answer = show(fault.refusal)
            answer = mishaps.altered(answer, fault)
        return answer

    def _perform(self, call: Call, operation: Operation) -> Answer:
        testmode.before(call)
        if operation.capabilities is not None:
            call.caller = authenticate(self._world, call.request.headers.get("authorization"))
            if operation.capabilities:
                call.caller.require(*operation.capabilities)
        result = operation.run(call)
        return result if isinstance(result, Answer) else from_json(result)

    def _guarded(self, make: Callable[[], Answer]) -> Answer:
        """Make an answer; a mistake of the emulator becomes a 500 and a traceback."""
        try:
            return make()
        except (Refusal, Disconnected, OSError):
            raise
        except Exception:
            if self._world.stopping.is_set():
                raise Disconnected from None
            traceback.print_exc(file=sys.stderr)
            refusal = Refusal(500, "internal_error", "The emulator failed; see its standard error")
            raise refusal from None

    def _send(self, operation: Operation, answer: Answer, fault: Fault | None) -> bool:
        request = self._request
        keep = request.keep_alive and not (request.body.remaining and request.body.awaits_continue)
        first = sending.head(answer, answer.length, close=not keep)
        if request.method == "HEAD":
            answer = replace(answer, body=b"", slices=())
        planned = answer.length
        record = self._record(operation, answer.status, planned, fault)
        sent = 0
        try:
            if fault is not None and request.method != "HEAD":
                fault = mishaps.of_answer(fault, sends_content=operation.body == "content")
                sent = mishaps.send(self._world, self._sock, first, answer, self._world.blobs, fault)
            else:
                sent = sending.send(self._sock, first, answer, self._world.blobs)
        except FileNotFoundError:  # deleted between the look-up and now, or in the middle
            if sent == 0 and planned:
                gone = from_refusal(not_found("The file was deleted"))
                self._sock.sendall(sending.head(gone, gone.length, close=True) + gone.body)
            keep = False
        except (CutOff, sending.ClientGone) as end:
            sent = end.sent
            raise
        finally:
            if sent != planned:
                self._world.meter.amend(record, replace(record, bytes_out=sent))
        return keep and sent == planned

    def _record(self, operation: Operation, status: int, bytes_out: int, fault: Fault | None) -> CallRecord:
        request = self._request
        record = CallRecord(
            time=self._started,
            operation=operation.name,
            price_class=operation.price_class,
            method=request.method,
            path=request.path,
            status=status,
            bytes_in=request.body.length - request.body.remaining,
            bytes_out=bytes_out,
            fault=None if fault is None else fault.describe(),
            client=self._client,
            headers={name: request.headers[name] for name in _INTERESTING if name in request.headers},
        )
        self._world.meter.record(record)
        return record


def _client_tag(request: Request) -> str:
    tag = request.headers.get(_CLIENT_HEADER)
    if tag is None:
        tag = request.headers.get("user-agent", "").split(" ", 1)[0]
    return tag[:100]
