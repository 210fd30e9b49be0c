"""How long the runner waits for green before it gives up, on a clock that only runs while the run can see."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 2.0  # times what was meant: CodeDeploy's own hour, compressed to a minute, must not be over before
LOOK_AT_MOST = 0.75  # seconds that one round of the observer may count for; usually it takes a third of a second


@dataclass
class Patience:
    """On a machine that is too busy to answer, a healthy green takes longer to come up and longer still to be seen: time in which
    the observer got no further is the machine's, not the release's. `began` is monotonic."""

    seconds: float
    began: float
    used: float = 0.0
    _seen: int = 0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._last = self.began

    def gone(self, now: float, rounds: int) -> bool:
        """Whether it is used up, the observer having made `rounds` so far."""
        if rounds != self._seen:
            self.used += min(now - self._last, LOOK_AT_MOST * (rounds - self._seen))
            self._last, self._seen = now, rounds
        return self.used > self.seconds or now - self.began > LONGEST * self.seconds
