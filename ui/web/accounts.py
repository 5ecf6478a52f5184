"""Who may come in: passwords, compared in constant time, and the tokens of those who did."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict

from layerstudio.ui.web.attempts import Attempts
from layerstudio.ui.web.errors_json import TooManyAttempts, Unauthorised

_VALID_S = 7 * 24 * 3600.0
_MOST_TOKENS = 2_000
_FREE_BY_ADDRESS = 5
_FREE_BY_USER = 10  # more than by address, so that a stranger cannot lock a user out so soon


class Accounts:
    """Pairs of user and password. Thread-safe.

    Wrong attempts are counted for the address that they come from and for the user they name.
    """

    def __init__(self, auth: tuple[tuple[str, str], ...]) -> None:
        self._digests = [(user, _digest(user, password)) for user, password in auth]
        self._by_address = Attempts(_FREE_BY_ADDRESS)
        self._by_user = Attempts(_FREE_BY_USER)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def check(self, user: str, password: str, address: str) -> str:
        """The user's name. Raises ``Unauthorised`` for a wrong name or password, and
        ``TooManyAttempts``, whatever the password is, after too many."""
        user_key = user[:200]
        wait = max(self._by_address.wait_s(address), self._by_user.wait_s(user_key))
        if wait > 0:
            raise TooManyAttempts(
                "There were too many wrong logins.",
                advice=f"Wait {round(wait) + 1} seconds and try again.",
                wait_s=wait,
            )
        given = _digest(user, password)
        found = None
        for name, digest in self._digests:  # all of them, so that time tells nothing
            if hmac.compare_digest(digest, given):
                found = name
        if found is None:
            self._by_address.failed(address)
            self._by_user.failed(user_key)
            raise Unauthorised("The name or the password is wrong.")
        self._by_address.succeeded(address)
        self._by_user.succeeded(user_key)
        return found


class Tokens:
    """Random tokens of users who are logged in, kept as hashes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def issue(self, user: str) -> str:
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._users[_hash(token)] = (user, time.monotonic() + _VALID_S)
            while len(self._users) > _MOST_TOKENS:
                self._users.popitem(last=False)
        return token

    def user(self, token: str | None) -> str | None:
        """Whose token it is; None for one that was not issued, was revoked or is too old."""
        if not token:
            return None
        with self._lock:
            user, until = self._users.get(_hash(token), (None, 0.0))
        return user if time.monotonic() < until else None

    def revoke(self, token: str | None) -> None:
        with self._lock:
            self._users.pop(_hash(token or ""), None)


def _digest(user: str, password: str) -> bytes:
    """Of equal length for all; the length of the name is told, so that no two pairs are alike."""
    text = f"{len(user)}:{user}:{password}".encode(errors="surrogatepass")
    return hashlib.sha256(text).digest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
