"""One login for all processes of a site: kept where the configuration says, made by one of them at a time; asked by
`session`.

What is kept is what B2 answered to the login: a token, which opens the account's files for a day, and addresses. The
application key never is. It is signed or encrypted by the site's SECRET_KEY, so that whoever else writes to the same
place can make nobody send a token elsewhere; and what cannot be read is as good as absent.
"""

from __future__ import annotations

import json
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from b2router.b2 import host_locks
from b2router.b2.shelves import CacheShelf, Shelf, SqliteShelf, place
from b2router.config import Account, CacheAccountInfo, MemoryAccountInfo, SqliteAccountInfo
from b2router.errors import ConfigError, Problem
from b2router.sharing import AccountInfo

__all__ = ["LIFETIME_S", "Authorisation", "SharedLogin", "due_at"]

LIFETIME_S = 24 * 3600
"""How long B2 accepts a token. Source: B2 documentation, "b2_authorize_account"."""

TURN_S = 15
"""A process that logs in is given so long before another may."""

PATIENCE_S = 3.0
"""Nobody waits longer for another process: a login too many does no harm, and that process may have died."""

_SALT = "b2router.account_info"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """What B2 answered to a login.

    Attributes:
        token: goes into the header Authorization, as it is.
        api_url, download_url, s3_url: where the account lives; the last is empty when it has no S3 endpoint.
        account_id: of the account, the same for all its keys.
        part_bytes, min_part_bytes: what B2 recommends and demands for parts of large files.
        allowed: buckets, capabilities and name prefix of the key, as b2sdk wants them.
        made_at: Unix time.
    """

    token: str = field(repr=False)
    api_url: str
    download_url: str
    s3_url: str
    account_id: str
    part_bytes: int
    min_part_bytes: int
    allowed: Mapping[str, Any]
    made_at: float

    @property
    def age_s(self) -> float:
        """Seconds since B2 gave it."""
        return time.time() - self.made_at

    def text(self) -> str:
        """As JSON; read by `read`."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Authorisation | None:
        """What `text` wrote; None when this is something else, or too old to be of use."""
        try:
            made = cls(**json.loads(text))
            words = made.token, made.api_url, made.download_url, made.s3_url, made.account_id
            is_right = all(isinstance(word, str) for word in words) and made.token and -300 < made.age_s < LIFETIME_S
            is_right = is_right and {"buckets", "capabilities", "namePrefix"} <= set(made.allowed)
            int(made.part_bytes), int(made.min_part_bytes)
        except (ValueError, TypeError, AttributeError):
            return None
        return made if is_right else None


def due_at(made_at: float) -> float:
    """When it is time for another login, before B2 refuses this one, in Unix time. For each process at another moment,
    so that one of them logs in and the others find what it made."""
    return made_at + LIFETIME_S * random.uniform(0.80, 0.95)  # noqa: S311 - spreads processes, hides nothing


class _Seal(Protocol):
    def close(self, text: str) -> str: ...

    def open(self, sealed: str) -> str: ...


class _Signature:
    """Anybody can read it, and only the site can have written it."""

    def close(self, text: str) -> str:
        from django.core.signing import Signer

        return Signer(salt=_SALT).sign(text)

    def open(self, sealed: str) -> str:
        from django.core.signing import Signer

        return Signer(salt=_SALT).unsign(sealed)


class _Encryption:
    """Only the site can read it, or have written it."""

    def close(self, text: str) -> str:
        return str(self._keys().encrypt(text.encode()).decode())

    def open(self, sealed: str) -> str:
        return str(self._keys().decrypt(sealed.encode()).decode())

    def _keys(self) -> Any:
        from django.conf import settings
        from django.utils.crypto import salted_hmac

        try:
            from cryptography.fernet import Fernet, MultiFernet
        except ModuleNotFoundError:
            raise ConfigError(
                Problem(
                    "encrypt",
                    "account_info.encrypt",
                    "found true, but the package cryptography is not installed.",
                    "Install b2router[encrypt], or leave the key out.",
                )
            ) from None
        secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return MultiFernet(
            [
                Fernet(urlsafe_b64encode(salted_hmac(_SALT, "encrypt", secret=secret, algorithm="sha256").digest()))
                for secret in secrets
            ]
        )


class SharedLogin:
    """Where the login of one application key is kept, and whose turn it is to make one.

    Args:
        account: the application key and its realm.
        info: where the configuration says.
    """

    def __init__(self, account: Account, info: AccountInfo) -> None:
        self._account = account
        self._shelf: Shelf | None
        match info:
            case CacheAccountInfo():
                self._shelf = CacheShelf(info.cache)
            case SqliteAccountInfo():
                self._shelf = SqliteShelf(info.path)
            case MemoryAccountInfo():
                self._shelf = None
        self._seal: _Seal = _Encryption() if getattr(info, "encrypt", False) else _Signature()

    def obtain(self, stale_token: str | None, left_s: float, log_in: Callable[[], Authorisation]) -> Authorisation:
        """A login that another process made meanwhile, or else one of our own, which others then find.

        Args:
            stale_token: the token that is no longer good, if there was one.
            left_s: for how many seconds the caller can wait.
            log_in: asks B2.
        """
        if self._shelf is None:
            return log_in()
        turn = self._place("turn")
        until = time.monotonic() + min(PATIENCE_S, left_s / 2)
        while True:
            if (found := self._read(stale_token)) is not None:
                return found
            if host_locks.take(turn):  # caches in files let two processes add
                if self._shelf.add(turn, 1, TURN_S):
                    break
                host_locks.give_back(turn)
            if time.monotonic() > until:
                return self._made(log_in)
            time.sleep(random.uniform(0.02, 0.06))  # noqa: S311 - spreads processes, hides nothing
        try:
            # Another process may have finished between the look and the turn.
            return self._read(stale_token) or self._made(log_in)
        finally:
            self._shelf.delete(turn)
            host_locks.give_back(turn)

    def token(self, *what: str) -> str | None:
        """A token for a narrower purpose that some process of this account has got."""
        return self._unsealed("token", *what)

    def keep_token(self, token: str, ttl_s: float, *what: str) -> None:
        """Let other processes find it, for so many seconds."""
        self._keep(token, ttl_s, "token", *what)

    def bucket_id(self, name: str) -> str | None:
        """The id of a bucket, as some process of this account has learned it. Uploads go where it says."""
        return self._unsealed("bucket", name)

    def keep_bucket_id(self, name: str, bucket_id: str | None) -> None:
        """Let other processes find a bucket's id; None when it was wrong."""
        if self._shelf is None:
            return
        if bucket_id is None:
            self._shelf.delete(self._place("bucket", name))
        else:
            self._keep(bucket_id, LIFETIME_S, "bucket", name)

    def _made(self, log_in: Callable[[], Authorisation]) -> Authorisation:
        made = log_in()
        self._keep(made.text(), LIFETIME_S, "login")
        return made

    def _keep(self, token_text: str, ttl_s: float, *what: str) -> None:
        if self._shelf is not None:
            self._shelf.set(self._place(*what), self._seal.close(f"{self._label(*what)} {token_text}"), ttl_s)

    def _read(self, stale_token: str | None) -> Authorisation | None:
        token_text = self._unsealed("login")
        found = Authorisation.read(token_text) if token_text is not None else None
        return None if found is None or found.token == stale_token else found

    def _unsealed(self, *what: str) -> str | None:
        from django.conf import settings

        if self._shelf is None:
            return None
        for secret in (None, *settings.SECRET_KEY_FALLBACKS):
            label, _, token_text = self._opened(self._shelf.get(self._place(*what, secret=secret))).partition(" ")
            if label == self._label(*what):
                return token_text
        return None

    def _opened(self, sealed_token: Any) -> str:
        if not isinstance(sealed_token, str):
            return ""
        try:
            return self._seal.open(sealed_token)
        except ConfigError:
            raise
        except Exception:  # another SECRET_KEY, or rubbish; what cryptography raises is not imported here
            return ""

    def _label(self, *what: str) -> str:
        """What is sealed says what it is, or others could put it in the place of something else."""
        return place("label", self._account.realm, self._account.application_key_id, *what)

    def _place(self, *what: str, secret: str | bytes | None = None) -> str:
        from django.utils.crypto import salted_hmac

        account = self._account
        secret_words = account.realm, account.application_key_id, account.application_key.get_secret_value()
        owner = salted_hmac(_SALT, "\0".join(secret_words), secret, algorithm="sha256").hexdigest()
        return place(what[0], owner, *what[1:])
