"""What each request of the probe is: which of several, with whose cookies; and where its answer names a version. All pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_BODY = 64 * 1024  # of an answer whose body names the version


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request, and its share beside the others."""

    path: str
    method: str = "GET"
    body: str | None = None
    content_type: str = "application/json"
    weight: int = 1

    def text(self, host: str) -> tuple[bytes, bytes]:
        """The request before and after the place of a Cookie line."""
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {host}",
            "User-Agent: rehearse-probe",
            "Accept: */*",
        ]
        body = (self.body or "").encode()
        if self.body is not None:
            lines.append(f"Content-Type: {self.content_type}")
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        return "".join(f"{line}\r\n" for line in lines).encode(), b"\r\n" + body


class Asks:
    """Request `seq` to the bytes that are sent. Without sessions the kinds come mixed by their weights; with them each user
    goes through the kinds in order, again and again, each as often as its weight says."""

    def __init__(self, asks: Sequence[Ask], host: str, sessions: int = 0) -> None:
        self._texts = [one.text(host) for one in asks]
        weights = [one.weight for one in asks]
        self._turns = [index for index, weight in enumerate(weights) for _ in range(weight)]
        if not sessions:
            self._turns = mixed(weights)
        self._jars: list[dict[str, str]] = [{} for _ in range(sessions)]

    def of(self, seq: int) -> tuple[bytes, dict[str, str] | None]:
        """The bytes of a request, and the cookies of whoever sends it (None: nobody keeps any)."""
        if not self._jars:
            before, after = self._texts[self._turns[seq % len(self._turns)]]
            return before + after, None
        turn, user = divmod(seq, len(self._jars))
        before, after = self._texts[self._turns[turn % len(self._turns)]]
        jar = self._jars[user]
        if not jar:
            return before + after, jar
        cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
        return before + f"Cookie: {cookies}\r\n".encode("latin-1") + after, jar


def mixed(weights: Sequence[int]) -> list[int]:
    """Indices, each as often as its weight and spread as evenly as can be: 3 and 1 give 0, 0, 1, 0."""
    total, credit, turns = sum(weights), [0] * len(weights), []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(weights)), key=lambda index: credit[index])
        credit[chosen] -= total
        turns.append(chosen)
    return turns


def keep(jar: dict[str, str], header: str) -> None:
    """Put the cookie of one Set-Cookie header into `jar`; one that ends at once is taken out."""
    cookie, *attributes = header.split(";")
    name, equals, value = cookie.strip().partition("=")
    if not equals or not name:
        return
    if any(one.strip().lower() in ("max-age=0", "max-age=-1") for one in attributes):
        jar.pop(name, None)
    else:
        jar[name] = value


def version_in(body: bytes, path: Sequence[str]) -> str | None:
    """The version at `path` of a JSON body, None where there is none."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return None
    for step in path:
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else None
