"""The heads of requests and answers, without what http.client takes for them: a parser for e-mails, which needs twice
as long, and a call for each field. How long a body is follows RFC 9112, section 6.3."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Answer", "of_request"]

MAX_BYTES: Final = 64 * 1024
"""Of a status line and its fields together."""

MAX_INTERIM: Final = 8
"""So many answers may announce the one that is waited for (RFC 9110, section 15.2); B2 sends none."""

_STATUS = re.compile(r"HTTP/1\.(\d)[ \t]+([1-9]\d\d)([^\d\r\n][^\r\n]*)?\r?\n")
_FIELD = r"([^\0-\x20\x7f:]+)[ \t]*:([^\r\n\0]*)\r?\n"  # names that RFC 9110, section 5.1, has not, do no harm
_EACH_FIELD = re.compile(_FIELD)
_LENGTH = re.compile("[0-9]{1,18}")
_ALL_FIELDS = re.compile(f"(?:{_FIELD})*\r?\n")
_END = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")  # RFC 9112, section 5.2

_TARGET = re.compile("/[!-~]*")
_NAME = re.compile("[A-Za-z0-9-]+")
_VALUE = re.compile("[ -~]*")
_BY_ITSELF = frozenset({"accept-encoding", "content-length", "host", "transfer-encoding"})


def of_request(method: str, target: str, host: str, fields: Mapping[str, str]) -> bytes | None:
    """The head of a request without a body, as urllib3 and http.client write it.

    Args:
        method: of the request.
        target: path and query.
        host: name and port, as in the field.
        fields: name and value of each, User-Agent among them.
    Returns:
        None for what is not quite usual: they write that themselves, or say what is wrong.
    """
    if method not in ("GET", "HEAD") or not _TARGET.fullmatch(target):
        return None
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"]
    has_agent = False
    for name, value in fields.items():
        lower = name.lower()
        if lower in _BY_ITSELF or not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            return None
        has_agent = has_agent or lower == "user-agent"
        lines.append(f"{name}: {value}\r\n")
    if not has_agent or not _VALUE.fullmatch(host):
        return None
    lines.append("\r\n")
    return "".join(lines).encode("ascii")


class _Fields(http.client.HTTPMessage):
    """What urllib3 and requests look at."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in fields:
            self.set_raw(name, value)
        self._in_order = fields

    def items(self) -> list[tuple[str, str]]:
        """Name and value of each, as they came; the caller may change the list."""
        return self._in_order.copy()


class Answer(http.client.HTTPResponse):
    """An answer as http.client has it, except that a head that is none of HTTP is an error.

    Args:
        sock: what has a `makefile` that gives what comes.
        method: of the request; the answer to HEAD has no body.
    """

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._is_head = method == "HEAD"
        self._has_begun = False

    def begin(self) -> None:
        """Read status and fields, and how long the body will be.

        Raises:
            http.client.RemoteDisconnected: the connection was closed before anything came.
            http.client.HTTPException: what came is no answer of HTTP/1, or its head is too long.
        """
        if self._has_begun:
            return
        for _ in range(MAX_INTERIM):
            head = self._head()
            if (status := _STATUS.match(head)) is None:
                raise http.client.BadStatusLine(repr(head[:100]))
            lines = _FOLD.sub(" ", head[status.end() :])
            if not _ALL_FIELDS.fullmatch(lines):
                raise http.client.HTTPException("The head of the answer broke off, or has a line that is no field.")
            self.status = int(status[2])
            if self.status == 101 or self.status >= 200:
                break
        else:
            raise http.client.HTTPException("Only interim answers came.")
        self._has_begun = True
        self.version = 10 if status[1] == "0" else 11
        self.reason = (status[3] or "").strip()
        fields = [(name, value.strip(" \t")) for name, value in _EACH_FIELD.findall(lines)]
        self.headers = self.msg = _Fields(fields)
        self._frame({name.lower(): value for name, value in reversed(fields)})

    def _frame(self, fields: dict[str, str]) -> None:
        coding = fields.get("transfer-encoding")
        self.chunked = coding is not None and coding.lower() == "chunked"
        self.chunk_left = None
        length = fields.get("content-length", "")
        self.length = int(length) if _LENGTH.fullmatch(length) and coding is None else None
        if self._is_head or self.status in (101, 204, 304):
            self.length = 0
        connection = fields.get("connection", "").lower()
        if self.version == 11:
            stays = "close" not in connection
        else:
            stays = "keep-alive" in connection or bool(fields.get("keep-alive"))
        is_framed = self.chunked or self.length is not None
        self.will_close = not stays or not is_framed or (coding is not None and bool(length))

    def _head(self) -> str:
        """All until the empty line; mostly that has come by one read."""
        ahead = self.fp.peek()
        if not ahead:
            raise http.client.RemoteDisconnected("The connection was closed, and no answer came.")
        if (end := _END.search(ahead)) is not None:
            head = self.fp.read(end.end())
        else:
            head = b""
            while (line := self.fp.readline(MAX_BYTES + 1 - len(head))) and len(head) <= MAX_BYTES:
                head += line
                if line in (b"\r\n", b"\n"):
                    break
        if len(head) > MAX_BYTES:
            raise http.client.LineTooLong("the head of the answer")
        return head.decode("iso-8859-1")
