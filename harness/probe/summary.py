"""What users met so far, folded from answers one by one: for the live view. The verdict is the expectations' own."""

from __future__ import annotations

from collections import deque

from harness.journal import RequestDone

RATE_OVER = 2.0  # seconds


class Summary:
    """Counts, the present rate and the longest time between two good answers."""

    def __init__(self) -> None:
        self.requests = self.failed = 0
        self.longest_gap = 0.0
        self._last_good: float | None = None
        self._recent: deque[float] = deque()

    def add(self, answer: RequestDone) -> None:
        self.requests += 1
        self._recent.append(answer.at)
        if not good(answer):
            self.failed += 1
            return
        if self._last_good is not None:
            self.longest_gap = max(self.longest_gap, answer.at - self._last_good)
        self._last_good = answer.at

    def gap(self, now: float) -> float:
        """The longest gap, one that is still open included."""
        return max(self.longest_gap, now - self._last_good) if self._last_good is not None else self.longest_gap

    def rate(self, now: float) -> float:
        """Answers per second, lately."""
        while self._recent and self._recent[0] < now - RATE_OVER:
            self._recent.popleft()
        return len(self._recent) / RATE_OVER


def good(answer: RequestDone) -> bool:
    """2xx or 3xx; anything else, or no answer at all, is a failure for the user."""
    return answer.status is not None and 200 <= answer.status < 400
