"""Visitors of a site who know what the right answer is: they read, save, delete, and write down what they got."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Self
from uuid import uuid4

SMALL = b"0123456789" * 100
LARGE = random.Random(1).randbytes(1_500_000)
FOR_MEMBERS = b"for members\n"

PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; status 0 when the connection ended before the whole of it was there."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_later(self) -> bool:
        """Whether it is an honest "not now"."""
        return self.status == 503 and self.headers.get("retry-after", "").isdigit()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what became of it.

    Attributes:
        what: the kind of request, such as "range".
        began: on the monotonic clock, in seconds; as is `ended`.
        outcome: "right", "later" (503 that says when), "broken" (502, 504, a connection that ended), or "wrong".
        status: of the answer.
    """

    what: str
    began: float
    ended: float
    outcome: str
    status: int

    @property
    def took_s(self) -> float:
        """How long it took, in seconds."""
        return self.ended - self.began


class Browser:
    """Asks one port.

    Args:
        keeps: whether the connection is kept. A server ends one that was idle, which can cross with a request; whoever
            asks now and then does better with a new one.
    """

    def __init__(self, port: int, *, keeps: bool = False) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._keeps = keeps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            self._connection.request(method, path, body, fields)
            with self._connection.getresponse() as answer:
                told = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, answer.read(), told)
        except (OSError, HTTPException):
            self._connection.close()
            return Answer(0)
        finally:
            if not self._keeps:
                self._connection.close()

    def save(self, alias: str, name: str, content: bytes) -> Answer:
        """Send a file as a form does; the body of the answer is its address."""
        boundary = uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        body = head + content + f"\r\n--{boundary}--\r\n".encode()
        return self.ask("POST", f"/upload/{alias}/", body, Content_Type=f"multipart/form-data; boundary={boundary}")

    def close(self) -> None:
        self._connection.close()


class Visitor:
    """Does one thing after the other until told to leave, in a thread.

    Args:
        front: the port of the site.
        hosts: the ports of its processes; the front is one more way to read what was saved.
        number: of this visitor, which decides what it does.
        cookie: of a member who is logged in.
        etag: of the small file.
    """

    def __init__(self, front: int, hosts: Sequence[int], number: int, cookie: str, etag: str) -> None:
        self.asked: list[Asked] = []
        self.saved: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self._front = Browser(front, keeps=True)
        self._hosts = [Browser(port) for port in hosts]
        self._number = number
        self._cookie, self._etag = cookie, etag
        self._random = random.Random(number)
        self._thread = threading.Thread(target=self._stay, daemon=True)
        self._leaves = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Come, and begin."""
        self._thread.start()

    def leave(self) -> None:
        """Stop; returns at once."""
        self._leaves.set()

    def say_goodbye(self) -> None:
        """Wait for the last answer.

        Raises:
            AssertionError: it does not come, or this program of ours failed.
        """
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive(), f"visitor {self._number} waits for an answer"
        assert self._failure is None, f"visitor {self._number}: {self._failure!r}"

    def _stay(self) -> None:
        kinds = {
            self._small: 30, self._part: 15, self._head: 15, self._unchanged: 10, self._large: 5,
            self._missing: 10, self._denied: 10, self._member: 10, self._save: 8, self._delete: 3,
        }  # fmt: skip
        try:
            while not self._leaves.is_set():
                (act,) = self._random.choices(list(kinds), list(kinds.values()))
                act()
        except BaseException as error:  # a thread's own exception would be seen by nobody
            self._failure = error
        finally:
            for browser in (self._front, *self._hosts):
                browser.close()

    def _note(self, what: str, began: float, answer: Answer, *, is_right: bool) -> bool:
        outcome = "wrong"
        if is_right:
            outcome = "right"
        elif answer.is_later:
            outcome = "later"
            self._leaves.wait(0.05)  # nobody reloads faster than that
        elif answer.status in (0, 502, 504):
            outcome = "broken"
            self._leaves.wait(0.05)
        self.asked.append(Asked(what, began, time.monotonic(), outcome, answer.status))
        return is_right

    def _small(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2/small.txt")
        self._note("small", began, answer, is_right=(answer.status, answer.body) == (200, SMALL))

    def _large(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2/large.bin")
        self._note("large", began, answer, is_right=(answer.status, answer.body) == (200, LARGE))

    def _part(self) -> None:
        first = self._random.randrange(len(LARGE))
        last = min(first + self._random.randrange(200_000), len(LARGE) - 1)
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2/large.bin", Range=f"bytes={first}-{last}")
        is_part = answer.headers.get("content-range") == f"bytes {first}-{last}/{len(LARGE)}"
        is_right = answer.status == 206 and is_part and answer.body == LARGE[first : last + 1]
        self._note("range", began, answer, is_right=is_right)

    def _head(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("HEAD", "/b2/small.txt")
        is_right = answer.status == 200 and answer.headers.get("content-length") == str(len(SMALL))
        self._note("head", began, answer, is_right=is_right)

    def _unchanged(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2/small.txt", If_None_Match=self._etag)
        self._note("unchanged", began, answer, is_right=(answer.status, answer.body) == (304, b""))

    def _missing(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", f"/b2/none-{self._random.randrange(10**9)}.txt")
        self._note("missing", began, answer, is_right=answer.status == 404)

    def _denied(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2l/members.txt", Accept="application/json")
        self._note("denied", began, answer, is_right=answer.status == 403)

    def _member(self) -> None:
        began = time.monotonic()
        answer = self._front.ask("GET", "/b2l/members.txt", Cookie=self._cookie)
        self._note("member", began, answer, is_right=(answer.status, answer.body) == (200, FOR_MEMBERS))

    def _save(self) -> None:
        content = self._random.randbytes(self._random.choice((0, 1, 1_000, 100_000)))
        began = time.monotonic()
        answer = self._front.save("public", f"{self._number}-{len(self.asked)}.bin", content)
        if self._note("save", began, answer, is_right=answer.status == 200):
            address = answer.body.decode()
            self.saved[address] = content
            began = time.monotonic()
            answer = self._random.choice(self._hosts).ask("GET", address)
            self._note("read back", began, answer, is_right=(answer.status, answer.body) == (200, content))

    def _delete(self) -> None:
        if not self.saved:
            return
        address = self._random.choice(list(self.saved))
        del self.saved[address]  # when the answer does not come, nobody knows
        began = time.monotonic()
        answer = self._front.ask("DELETE", address.replace("/b2/", "/stored/public/", 1))
        if self._note("delete", began, answer, is_right=answer.status == 200):
            self.deleted.append(address)
            for browser in self._hosts:
                for method in ("GET", "HEAD"):
                    began = time.monotonic()
                    answer = browser.ask(method, address)
                    self._note("deleted", began, answer, is_right=answer.status == 404)


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of all is not above; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
