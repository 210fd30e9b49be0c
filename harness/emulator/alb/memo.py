"""What was parsed before: identical bytes parse to identical results, and most heads come again and again.

A memo holds only what the parser accepted in full, so a hit can never be looser than the parser. What comes once would only push the
others out: it is remembered the second time. A memo is small, and it is emptied every few seconds, because heads carry cookies and
passwords; nothing ever writes it anywhere.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 512
LONGEST = 4096  # bytes of a head
OLDEST = 10.0  # seconds


class Memo(Generic[T]):
    """`known` is for reading only; `learn` and `forget` are the only writers."""

    __slots__ = ("_once", "known", "since")

    def __init__(self) -> None:
        self.known: dict[bytes, T] = {}
        self.since = 0.0
        self._once: set[int] = set()  # hashes of what came once

    def second(self, head: bytes) -> bool:
        """Whether it came before, not long ago, and is to be learned."""
        mark = hash(head)
        if mark in self._once:
            return True
        if len(self._once) >= MOST:
            self._once.clear()
        self._once.add(mark)
        return False

    def learn(self, head: bytes, parsed: T) -> None:
        if len(head) <= LONGEST:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[head] = parsed

    def forget(self, now: float) -> bool:
        """Called every second or so; `now` is seconds since the epoch. Whether it was time."""
        if now - self.since <= OLDEST:
            return False
        self.known.clear()
        self.since = now
        return True
