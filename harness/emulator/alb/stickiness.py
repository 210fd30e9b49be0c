"""Sticky sessions: the cookies that bring a client back to the same target group and the same target (C.2).

A cookie holds a time and a token: a keyed hash of the place it stands for. The key is the data plane's own and new in each of its
lives, so nobody can make or read one, and none outlives the process. Every answer renews what it used (ALB resets the expiry
after every request); the `Expires` attribute is always seven days, the configured duration is checked here.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

KEY = secrets.token_bytes(32)
STAMP, TOKEN, SEAL = 6, 12, 15  # bytes of a cookie: milliseconds since the epoch, the place, the proof
LIFETIME = 7 * 24 * 3600.0  # of the cookie at the client
GROUP, TARGET, APP = "AWSALBTG", "AWSALB", "AWSALBAPP-0"
CORS = ("AWSALBTGCORS", "AWSALBCORS")


class Asks(Protocol):
    """The part of a request that stickiness looks at and leaves its mark on."""

    arrived: float
    sticky: Sticky | None

    def header(self, name: bytes) -> list[bytes]:
        """Values of a header; `name` in lower case."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Target stickiness of a group: seconds, and the name of the application's cookie (empty: the load balancer's own)."""

    duration: float
    app_cookie: bytes = b""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Policy | None:
        """From the attributes of a target group; None where it is off."""
        if attributes.get("stickiness.enabled") != "true":
            return None
        if attributes.get("stickiness.type") == "app_cookie":
            name = attributes.get("stickiness.app_cookie.cookie_name", "")
            return cls(float(attributes.get("stickiness.app_cookie.duration_seconds", 86400)), name.encode("latin-1"))
        return cls(float(attributes.get("stickiness.lb_cookie.duration_seconds", 86400)))

    def token_in(self, asked: Asks) -> bytes | None:
        """The target that the client's cookies name; the application's cookie must come along with its own kind."""
        given = cookies_of(asked)
        if not self.app_cookie:
            return read(given, (TARGET, CORS[1]), asked.arrived, self.duration)
        return read(given, (APP,), asked.arrived, self.duration) if self.app_cookie in given else None

    def promise(self, asked: Asks, token: bytes, *, known: bool) -> None:
        """Have the answer name the target. `known`: the client came with that name."""
        sticky = asked.sticky = asked.sticky or Sticky()
        if not self.app_cookie:
            sticky.lines += written(TARGET, token, asked.arrived, cors=CORS[1])
        elif known:
            sticky.lines += written(APP, token, asked.arrived)
        else:
            sticky.app_cookie, sticky.app_lines = self.app_cookie, written(APP, token, asked.arrived)


@dataclass(slots=True)
class Sticky:
    """The `Set-Cookie` lines that an answer carries; `app_lines` only where the target sets `app_cookie` itself."""

    lines: list[bytes] = field(default_factory=list)
    app_cookie: bytes = b""
    app_lines: list[bytes] = field(default_factory=list)

    def cookies(self, head: Iterable[bytes]) -> list[bytes]:
        """Lines to add to a target's head."""
        if self.app_cookie and any(_sets(line, self.app_cookie) for line in head):
            return self.lines + self.app_lines
        return self.lines


def _sets(line: bytes, cookie: bytes) -> bool:
    name, _, value = line.partition(b":")
    return name.lower() == b"set-cookie" and value.strip().startswith(cookie + b"=")


def token_of(kind: str, *names: str) -> bytes:
    """Stands for a group or a target; cookies of one kind are none of another."""
    return hashlib.blake2s("\0".join((kind, *names)).encode(), digest_size=TOKEN, key=KEY).digest()


def written(name: str, token: bytes, now: float, *, cors: str = "") -> list[bytes]:
    """The `Set-Cookie` line, and the one for requests from other origins."""
    stamped = int(now * 1000).to_bytes(STAMP, "big") + token
    value = urlsafe_b64encode(stamped + _seal(stamped)).decode()
    rest = f"{value}; Expires={formatdate(now + LIFETIME, usegmt=True)}; Path=/"
    lines = [f"Set-Cookie: {name}={rest}".encode()]
    return [*lines, f"Set-Cookie: {cors}={rest}; SameSite=None; Secure".encode()] if cors else lines


def read(given: Mapping[bytes, bytes], names: Iterable[str], now: float, duration: float) -> bytes | None:
    """The token of the first cookie of `names` that is ours and not stale."""
    for name in names:
        token = _opened(given.get(name.encode(), b""), now, duration)
        if token is not None:
            return token
    return None


def _opened(value: bytes, now: float, duration: float) -> bytes | None:
    try:
        data = urlsafe_b64decode(value)
    except ValueError:
        return None
    stamped, seal = data[: STAMP + TOKEN], data[STAMP + TOKEN :]
    if len(data) != STAMP + TOKEN + SEAL or not secrets.compare_digest(seal, _seal(stamped)):
        return None
    age = now - int.from_bytes(stamped[:STAMP], "big") / 1000
    return stamped[STAMP:] if age <= duration else None


def _seal(stamped: bytes) -> bytes:
    return hashlib.blake2s(stamped, digest_size=SEAL, key=KEY).digest()


def cookies_of(asked: Asks) -> dict[bytes, bytes]:
    """The cookies of a request by name."""
    pairs = (one.strip().partition(b"=") for value in asked.header(b"cookie") for one in value.split(b";"))
    return {name: value for name, _, value in pairs}
