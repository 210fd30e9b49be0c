"""What was parsed before: identical bytes parse to identical results, and most heads come again and again.

A memo holds only what the parser accepted in full, so a hit can never be looser than the parser. It is small, and it is emptied every
few seconds, because heads carry cookies and passwords; nothing ever writes it anywhere.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 512
LONGEST = 4096  # bytes of a head
OLDEST = 10.0  # seconds


class Memo(Generic[T]):
    """`known` is for reading only; `learn` and `forget` are the only writers."""

    __slots__ = ("known", "since")

    def __init__(self) -> None:
        self.known: dict[bytes, T] = {}
        self.since = 0.0

    def learn(self, head: bytes, parsed: T) -> None:
        if len(head) <= LONGEST:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[head] = parsed

    def forget(self, now: float) -> None:
        """Called every second or so; `now` is seconds since the epoch."""
        if now - self.since > OLDEST:
            self.known.clear()
            self.since = now
