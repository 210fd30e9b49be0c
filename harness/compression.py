"""How much faster than AWS a scenario may run, and how long each of AWS's waits then really takes.

Deployment time (intervals, ready and termination wait, alarm periods) is divided by a factor; user time never is. A rehearsal must
not become kinder than AWS by being faster: from the first shift to the end of the termination wait, an unhealthy green or an alarm
has the real time it needs to show, the *detection floor*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError
from harness.scenario import Alarm, Scenario

AUTO_AT_MOST = 60.0
PERIOD_AT_LEAST = 2.5  # real seconds of an alarm's period, under `auto`
REQUESTS_PER_PERIOD = 20
MARGIN = 2.0
ALARM_POLL = 10.0  # declared seconds between two readings of a deployment's alarms
ALARM_POLL_AT_LEAST = 0.25  # of which this much is real, however compressed
GIVE_UP_AT_LEAST = 20.0
START_AT_LEAST = 10.0  # of it for the task itself, the rest for its health checks
SETTLE = 2.0
HOOK_LIMIT, HOOK_LIMIT_AT_LEAST = 3600.0, 20.0  # A.7, and what the emulator leaves of it
SLOW_START = 10.0  # the sample app's, where a scenario names no seconds


@dataclass(frozen=True, slots=True)
class Wait:
    """One of AWS's waits: seconds as declared, and as they will really pass."""

    why: str
    declared: float
    effective: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The two clocks of one rehearsal. Every `..._seconds` is real. `asked_for`: by this run; else the endpoint's clock is so."""

    factor: float
    floor_seconds: float
    waits: tuple[Wait, ...]
    ready_wait: Wait | None
    alarm_periods: tuple[Wait, ...]
    give_up_after_seconds: float
    asked_for: bool = True

    @property
    def last_wait_at_least(self) -> float:
        """Real seconds of the termination wait, which is the one that is stretched."""
        return self.waits[-1].effective

    @property
    def waits_seconds(self) -> float:
        return sum(wait.effective for wait in self.waits) + (self.ready_wait.effective if self.ready_wait else 0.0)

    @property
    def tags(self) -> dict[str, str]:
        """For the deployment group and the alarms; none where there is nothing to ask for."""
        if self.factor == 1 or not self.asked_for:
            return {}
        return {"rehearsal:compression": f"{self.factor:g}", "rehearsal:floor": f"{self.floor_seconds:g}"}

    def real(self, declared: float) -> float:
        """Real seconds of `declared` deployment time, such as a `during` action's `after`."""
        return declared / self.factor


def compression_for(scenario: Scenario, asked: Literal["auto"] | float = "auto") -> Plan:
    """The plan for `asked`: a factor of 1 or more, or `auto`. Raises UsageError for any other."""
    if asked != "auto" and not (isinstance(asked, (int, float)) and math.isfinite(asked) and asked >= 1):
        raise UsageError(f"compression is {asked}; it must be auto, or a number that is 1 or more")
    factor = automatic(scenario) if asked == "auto" else float(asked)
    deploy = scenario.deploy
    at_least = floor(scenario, factor)
    return Plan(
        factor=factor,
        floor_seconds=at_least,
        waits=_waits(scenario, factor, at_least),
        ready_wait=Wait("ready wait", deploy.ready_wait, deploy.ready_wait / factor) if deploy.ready_wait else None,
        alarm_periods=tuple(
            Wait(f"period of {name}", alarm.period, alarm.period / factor) for name, alarm in deploy.alarms.items()
        ),
        give_up_after_seconds=give_up_after(scenario, factor),
    )


def automatic(scenario: Scenario) -> float:
    """At most 60, and so low that every period of an alarm lasts 2.5 s and sees 20 requests. A whole number.

    Whether two periods fit between two shifts does not depend on the factor: both are divided by it. The linter looks at that.
    """
    bounds = [AUTO_AT_MOST]
    for alarm in scenario.deploy.alarms.values():
        bounds += [alarm.period / PERIOD_AT_LEAST, alarm.period * scenario.traffic.rate / REQUESTS_PER_PERIOD]
    return float(max(1, math.floor(min(bounds))))


def floor(scenario: Scenario, factor: float) -> float:
    """The detection floor in real seconds: what the slowest of an unhealthy green and the alarms needs to show, and 2 s."""
    poll = max(ALARM_POLL / factor, ALARM_POLL_AT_LEAST)
    alarms = [_evaluated(alarm) / factor + poll for alarm in scenario.deploy.alarms.values()]
    return max([scenario.service.health_check.detection, *alarms]) + MARGIN


def give_up_after(scenario: Scenario, factor: float) -> float:
    """Real seconds the runner lets green come up: compressed, but never too short for a start and its health checks."""
    declared, slow = scenario.deploy.give_up_after, slow_start(scenario)
    at_least = max(GIVE_UP_AT_LEAST + slow, start_up(scenario))
    return min(declared, max(declared / factor, at_least)) if factor > 1 else declared


def start_up(scenario: Scenario) -> float:
    """Real seconds that green needs to start and to pass its health checks."""
    check = scenario.service.health_check
    return START_AT_LEAST + check.healthy * check.interval + slow_start(scenario)


def slow_start(scenario: Scenario) -> float:
    """Real seconds by which green's own fault delays its start."""
    fault = scenario.release.to.fault
    return (fault.seconds or SLOW_START) if fault is not None and fault.kind == "slow_start" else 0.0


def critical_path(scenario: Scenario, plan: Plan) -> float:
    """Real seconds that the scenario takes by its waits alone, however fast the machine is: an estimate, for planning."""
    service, deploy = scenario.service, scenario.deploy
    around = scenario.steady_state.for_ + 2 * service.deregistration_delay + SETTLE
    if scenario.expect.cause == "unhealthy" and scenario.expect.failed_at == "Install":
        return around + plan.give_up_after_seconds
    if any(hook.never_calls_back or hook.callback_denied for hook in deploy.hooks.values()):
        return around + min(plan.give_up_after_seconds, max(HOOK_LIMIT / plan.factor, HOOK_LIMIT_AT_LEAST))
    acts = sum(plan.real(one.after) for one in scenario.during)
    if any(one.do in ("stop", "continue") for one in scenario.during):  # the waits end when somebody acts
        return around + slow_start(scenario) + min(acts, plan.waits_seconds)
    return around + slow_start(scenario) + plan.waits_seconds + acts


def effective(declared: Sequence[float], factor: float, at_least: float) -> list[float]:
    """Real seconds of each declared wait: divided by `factor`, then stretched from the last one backwards.

    Together never less than `at_least`, or than the declared total if that is shorter; none is longer than declared.
    """
    waits = [wait / factor for wait in declared]
    missing = min(at_least, math.fsum(declared)) - math.fsum(waits)
    for i in reversed(range(len(waits))):
        more = max(0.0, min(missing, declared[i] - waits[i]))
        waits[i] += more
        missing -= more
    return waits


def _waits(scenario: Scenario, factor: float, at_least: float) -> tuple[Wait, ...]:
    shifts = [shift for shift in scenario.deploy.config.shifts if shift.wait]
    names = [*(f"after {shift.weight} %" for shift in shifts), "termination wait"]
    declared = [*(shift.wait for shift in shifts), scenario.deploy.terminate_blue_after]
    return tuple(_wait(names, declared, effective(declared, factor, at_least)))


def _wait(names: Iterable[str], declared: Iterable[float], real: Iterable[float]) -> Iterable[Wait]:
    return (Wait(*wait) for wait in zip(names, declared, real, strict=True))


def _evaluated(alarm: Alarm) -> float:
    return alarm.period * alarm.evaluation_periods
