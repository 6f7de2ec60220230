"""Signed tokens of all four kinds; made by the operations that hand them out, read by `access`.

A token carries its own facts under a signature, so that handing out millions costs no memory and a restart
on the same folder keeps them valid.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Literal

from b2router.emulator.answers import Refusal

Kind = Literal["acct", "upld", "part", "dnld"]
DAY_MS = 24 * 3600 * 1000


class Tokens:
    """Makes and reads the tokens of one account."""

    def __init__(self, secret: bytes, epoch: int) -> None:
        self._secret = secret
        self.epoch = epoch  # account tokens of an earlier epoch have been expired by hand

    def make(self, kind: Kind, expires_ms: int, **facts: Any) -> str:
        """Return a new token.

        Args:
            kind: account, upload, part upload or download.
            expires_ms: end of its life, in milliseconds since 1970.
            facts: what `read` gives back.
        """
        facts |= {"x": expires_ms, "n": secrets.token_hex(6)}
        if kind == "acct":
            facts["e"] = self.epoch
        payload = base64.urlsafe_b64encode(json.dumps(facts, separators=(",", ":")).encode()).decode()
        head = f"4_{payload}_{kind}_"
        return head + self._signature(head)

    def read(self, token: str, kind: Kind, now_ms: int) -> dict[str, Any]:
        """Return the facts of a token.

        Raises:
            Refusal: 401 bad_auth_token (forged, of another kind) or expired_auth_token.
        """
        head, signature = token[:-32], token[-32:]
        tail = f"_{kind}_"
        well_made = token.isascii() and head.startswith("4_") and head.endswith(tail)
        if not well_made or not hmac.compare_digest(self._signature(head), signature):
            raise Refusal(401, "bad_auth_token", "Invalid authorization token")
        facts: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head[2 : -len(tail)]))
        if facts["x"] <= now_ms or facts.get("e", self.epoch) != self.epoch:
            raise Refusal(401, "expired_auth_token", "Authorization token has expired")
        return facts

    @staticmethod
    def kind(token: str) -> str:
        """Return the kind that a token claims to be, unchecked."""
        return token[-37:-33]

    def _signature(self, head: str) -> str:
        return hmac.new(self._secret, head.encode(), hashlib.sha256).hexdigest()[:32]
