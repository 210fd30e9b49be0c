"""When each request is due: a pure function of its number."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacer:
    """Request `seq` (0, 1, ...) is due `seq / rate` seconds after `start`, whatever became of the ones before it."""

    rate: float
    start: float

    def due(self, seq: int) -> float:
        return self.start + seq / self.rate

    def due_by(self, now: float) -> int:
        """How many requests are due at `now`: 0 before `start`, 1 at it."""
        if now < self.start:
            return 0
        count = math.floor((now - self.start) * self.rate) + 1
        return count + 1 if self.due(count) <= now else count  # floor may have rounded one away
