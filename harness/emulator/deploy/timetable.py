"""How long each of AWS's waits really takes in a compressed rehearsal.

A rehearsal must not become kinder than AWS by being faster: between the first traffic shift and the end of the termination wait
an unhealthy green, or an alarm, must have the time it needs to show. That time is the *detection floor*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INSTALL_LIMIT = 3600.0  # A.3.4
HOOK_LIMIT = 3600.0  # A.7
LIMIT_AT_LEAST = 20.0  # a compressed limit still lets a real start-up, or a real function, happen
MARGIN = 2.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Of a target group: seconds and counts, never compressed."""

    interval: float
    timeout: float
    unhealthy: int

    @property
    def detection(self) -> float:
        """Real seconds until a target that broke is called unhealthy."""
        return self.unhealthy * self.interval + self.timeout


@dataclass(frozen=True, slots=True)
class AlarmPeriods:
    """Of an alarm: declared seconds of one period, how many are evaluated, and the alarm's own compression."""

    period: float
    evaluated: int
    compression: float

    @property
    def detection(self) -> float:
        return self.period * self.evaluated / self.compression


def floor(health: Iterable[HealthCheck], alarms: Iterable[AlarmPeriods], poll: float) -> float:
    """The detection floor in real seconds; `poll` is the real time between two readings of the alarms."""
    slowest = [check.detection for check in health] + [alarm.detection + poll for alarm in alarms]
    return max(slowest, default=0.0) + MARGIN


def effective(declared: Sequence[float], factor: float, at_least: float) -> list[float]:
    """Real seconds for each declared wait: divided by `factor`, then stretched from the last wait backwards.

    Together never less than `at_least`, or than the declared total if that is shorter; none longer than declared.
    """
    waits = [wait / factor for wait in declared]
    missing = min(at_least, sum(declared)) - sum(waits)
    for i in reversed(range(len(waits))):
        if missing <= 0:
            break
        more = min(missing, declared[i] - waits[i])
        waits[i] += more
        missing -= more
    return waits


def limit(declared: float, factor: float) -> float:
    """A limit of AWS's (60 minutes for Install, one hour for a hook), compressed but never too short to be met."""
    return min(declared, max(declared / factor, LIMIT_AT_LEAST))
