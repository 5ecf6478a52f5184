"""Cookies of a studio: how they are named, signed, read and set.

A session's cookie is a random number with a signature of this process over it and the user's name.
Pages can therefore be given one before anything is kept for them, a number that was made up is
none, and a cookie of one user does not open the session of another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from layerstudio.ui.web.options import DEFAULT_PORT

SESSION_COOKIE = "layerstudio_session"
LOGIN_COOKIE = "layerstudio_login"


def cookie_name(base: str, port: int) -> str:
    """``base``, with the port where it is not the usual one: browsers keep the cookies of all ports
    of a machine together, and two studios would overwrite each other's."""
    return base if port == DEFAULT_PORT else f"{base}_{port}"


def read_cookie(scope: Scope, name: str) -> str | None:
    """The value of a cookie of a request.

    Read as browsers do, not by the standard library: that gives up at the first cookie that is not
    to its taste, and other programs on this machine set theirs for us too.
    """
    found = (cookie_parser(line).get(name) for line in Headers(scope=scope).getlist("cookie"))
    return next((value for value in found if value is not None), None)


def set_cookie(
    name: str, value: str, *, secure: bool, same_site: str = "Strict", max_age: int | None = None
) -> tuple[bytes, bytes]:
    """The header that sets a cookie which scripts cannot read; ``max_age`` 0 removes it."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if secure:
        parts.append("Secure")
    return b"set-cookie", "; ".join(parts).encode("latin-1")


class Signer:
    """Random numbers that only this process can have made, each for one user or for none."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def issue(self, user: str | None) -> str:
        number = secrets.token_urlsafe(24)
        return f"{number}.{self._signature(number, user)}"

    def check(self, value: str | None, user: str | None) -> str | None:
        """The number of a cookie that was issued to ``user``, else None."""
        number, dot, signature = (value or "").partition(".")
        if not dot:
            return None
        expected = self._signature(number, user).encode()
        is_ours = hmac.compare_digest(signature.encode(errors="replace"), expected)
        return number if is_ours else None

    def _signature(self, number: str, user: str | None) -> str:
        owner = "-" if user is None else f"+{user}"
        text = f"{number}\0{owner}".encode(errors="replace")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
