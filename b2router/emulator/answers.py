"""What an operation gives back: an answer or a refusal in B2's error shape; used by every operation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json;charset=utf-8"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """A run of bytes inside one stored blob."""

    address: str
    offset: int
    length: int


@dataclass(slots=True)
class Answer:
    """One HTTP answer; its body is bytes at hand or slices of stored blobs."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    slices: tuple[Slice, ...] = ()

    @property
    def length(self) -> int:
        """Size of the body in bytes."""
        return len(self.body) + sum(part.length for part in self.slices)


class Refusal(Exception):
    """A request that B2 answers with an error body.

    Args:
        status: HTTP status.
        code: B2's short error code, such as "bad_request".
        message: B2's text.
        retry_after_s: sent as Retry-After when given.
        close: end the connection after the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        retry_after_s: int | str | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.close = close


def from_json(value: object, status: int = 200) -> Answer:
    """Wrap a JSON value in an answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Answer(status, [("Content-Type", JSON_TYPE), ("Cache-Control", "max-age=0, no-cache, no-store")], body)


def from_refusal(refusal: Refusal) -> Answer:
    """Put a refusal in the error shape that all of B2's native API shares.

    Source: Backblaze docs, "Native API error handling and status codes".
    """
    answer = from_json({"code": refusal.code, "message": refusal.message, "status": refusal.status}, refusal.status)
    if refusal.retry_after_s is not None:
        answer.headers.append(("Retry-After", str(refusal.retry_after_s)))
    return answer


def bad_request(message: str) -> Refusal:
    """Refuse a malformed request: 400 bad_request."""
    return Refusal(400, "bad_request", message)


def out_of_range(message: str) -> Refusal:
    """Refuse a number outside its limits: 400 out_of_range."""
    return Refusal(400, "out_of_range", message)


def unauthorized(message: str = "") -> Refusal:
    """Refuse a caller whose token is valid but lacks the right: 401 unauthorized."""
    return Refusal(401, "unauthorized", message)


def not_found(message: str) -> Refusal:
    """Refuse a missing bucket or file: 404 not_found."""
    return Refusal(404, "not_found", message)
