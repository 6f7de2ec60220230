"""Acts out faults on the wire: stalls, cuts, truncated and corrupted bodies; called by `exchange`."""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import replace

from b2router.emulator import sending
from b2router.emulator.answers import Answer, Refusal
from b2router.emulator.blobs import Blobs, cut
from b2router.emulator.faults import Fault
from b2router.emulator.http1 import Body
from b2router.emulator.receiving import sha1_mismatch
from b2router.emulator.world import World

MAX_STALL_S = 3600.0
_POLL_S = 0.1
_HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)  # Linux tells a half-closed connection apart


class CutOff(Exception):
    """End the connection now, without another byte."""

    def __init__(self, *, reset: bool, sent: int = 0) -> None:
        super().__init__()
        self.reset = reset
        self.sent = sent  # bytes of the body that went out before


def before(world: World, sock: socket.socket, body: Body, fault: Fault, *, sends_content: bool) -> None:
    """Act out what happens before the operation.

    Raises:
        CutOff: reset instead of an answer, or a cut inside the request's content.
    """
    if fault.delay_s:
        world.stopping.wait(fault.delay_s)
    if sends_content and (fault.stall_at is not None or fault.cut_at is not None):
        position = min(at for at in (fault.stall_at, fault.cut_at) if at is not None)
        for _ in body.blocks(position):
            pass
        if fault.stall_at is not None:
            stall(world, sock)
        raise CutOff(reset=fault.reset)
    if fault.reset and fault.cut_at is None:
        raise CutOff(reset=True)


def refusal_before(fault: Fault, *, sends_content: bool) -> Refusal | None:
    """Return the refusal that stands in for the operation, if the fault asks for one."""
    if sends_content and (fault.corrupt or fault.wrong_sha1):
        return sha1_mismatch()
    return None if fault.after_commit else fault.refusal


def of_answer(fault: Fault, *, sends_content: bool) -> Fault:
    """Return what is left of a fault for the answer, after it met the content of the request."""
    return replace(fault, stall_at=None, cut_at=None, corrupt=False) if sends_content else fault


def altered(answer: Answer, fault: Fault) -> Answer:
    """Return the answer with a wrong SHA-1 or a shorter body, if the fault says so."""
    if fault.wrong_sha1:
        wrong = [(name, "0" * 40 if name == "X-Bz-Content-Sha1" else value) for name, value in answer.headers]
        answer = replace(answer, headers=wrong)
    if fault.truncate_at is not None and fault.truncate_at < answer.length:
        at = fault.truncate_at
        slices = cut(answer.slices, 0, at - 1) if at else ()
        answer = replace(answer, body=answer.body[:at], slices=slices)
    return answer


def send(world: World, sock: socket.socket, first: bytes, answer: Answer, blobs: Blobs, fault: Fault) -> int:
    """Send an answer as the fault wants it.

    Returns:
        Bytes of the body that went out.
    Raises:
        CutOff: at the position asked for.
    """
    stops = [at for at in (fault.stall_at, fault.cut_at) if at is not None]
    limit = min([*stops, answer.length])
    flip_at = answer.length // 2 if fault.corrupt else -1
    sock.sendall(first)
    sent = 0
    for block in sending.blocks(answer, blobs):
        if sent <= flip_at < sent + len(block):
            changed = bytearray(block)
            changed[flip_at - sent] ^= 1
            block = bytes(changed)
        block = block[: limit - sent]
        sock.sendall(block)
        sent += len(block)
        if sent >= limit:
            break
    if fault.stall_at is not None:
        stall(world, sock)
        raise CutOff(reset=fault.reset, sent=sent)
    if fault.cut_at is not None:
        raise CutOff(reset=fault.reset, sent=sent)
    return sent


def stall(world: World, sock: socket.socket) -> None:
    """Do nothing until the client hangs up, the emulator stops, or an hour is over."""
    poller = select.poll()
    poller.register(sock, _HUNG_UP)
    waited = 0.0
    while waited < MAX_STALL_S and not world.stopping.wait(_POLL_S) and not poller.poll(0):
        waited += _POLL_S


def end(sock: socket.socket, *, reset: bool) -> None:
    """Close a connection by FIN, or by RST."""
    try:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
