"""What a metric alarm says of its last datapoints: state, and the reason in AWS's words.

Evaluation follows the user guide: from somewhat more than EvaluationPeriods, the newest that exist are compared; only what is
still missing then is treated as TreatMissingData says. A fired alarm therefore does not clear at once when its metric is no longer
published (A.5.1).
"""

from __future__ import annotations

import json
import operator
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness import clock
from harness.emulator.cloud import AwsError, Caller
from harness.emulator.services.cloudwatch_expression import Node
from harness.emulator.services.cloudwatch_metrics import Metric

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]
EXTRA_PERIODS = 2  # looked at beyond EvaluationPeriods, for datapoints that exist
HISTORY_KEPT = 500
TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
UNCHECKED = "Unchecked: Initial alarm creation"

OPERATORS: dict[
    str, tuple[Callable[[float, float], bool], str, str]
] = {  # the comparison, and "was [not] ..." of a reason
    "GreaterThanThreshold": (operator.gt, "greater than", "not greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to", "not greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than", "not less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to", "not less than or equal to"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """One number of an alarm: a metric's statistic, or an expression on other ids."""

    id: str
    metric: Metric | None = None
    statistic: str = ""
    unit: str | None = None
    expression: str = ""
    tree: Node | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alarm is in ALARM. `sources` in the order of their computation; `period` in declared seconds; `returned` is the id
    of the source that is compared."""

    sources: tuple[Source, ...]
    returned: str
    period: float
    operator: str
    threshold: float
    periods: int
    to_alarm: int
    missing: Missing = "missing"

    def breaches(self, value: float) -> bool:
        return OPERATORS[self.operator][0](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Datapoint:
    """A period that has a value; `at` is when the period began."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`compared`: the datapoints that decided, newest first. `treated`: how many periods were missing and filled in."""

    state: State
    compared: tuple[Datapoint, ...]
    treated: int


@dataclass(slots=True)
class Change:
    """An entry of the history."""

    at: float
    kind: str
    summary: str
    data: str


@dataclass(slots=True)
class MetricAlarm:
    """An alarm as PutMetricAlarm made it. `settings` are its request's members as DescribeAlarms shows them again."""

    caller: Caller
    name: str
    rule: Rule
    settings: Mapping[str, Any]
    updated: float
    since: float
    tags: dict[str, str] = field(default_factory=dict)
    actions_enabled: bool = True
    state: State = "INSUFFICIENT_DATA"
    reason: str = UNCHECKED
    reason_data: str = ""
    changed: float = 0.0
    history: deque[Change] = field(default_factory=lambda: deque(maxlen=HISTORY_KEPT))

    @property
    def arn(self) -> str:
        return self.caller.arn("cloudwatch", f"alarm:{self.name}")

    def compression(self, default: float) -> float:
        """The tag `rehearsal:compression`, else the emulator's. Raises AwsError for a tag that is no factor."""
        return compression_of(self.tags, default)

    def actions(self, state: State) -> Sequence[str]:
        member = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}[state]
        return self.settings.get(member) or ()


def compression_of(tags: Mapping[str, str], default: float) -> float:
    raw = tags.get("rehearsal:compression")
    if raw is None:
        return default
    try:
        factor = float(raw)
    except ValueError:
        factor = 0.0
    if not 1 <= factor < float("inf"):
        raise AwsError(
            "ValidationError", f"The tag rehearsal:compression is '{raw}'; it must be a number that is 1 or more"
        )
    return factor


# ---- evaluation


def judge(rule: Rule, points: Sequence[Datapoint | None], state: State) -> Verdict:
    """The state after `points`: one a period, newest first, None where a period has no datapoint."""
    real = [point for point in points if point is not None][: rule.periods]
    treated = rule.periods - len(real)
    breaching = sum(rule.breaches(point.value) for point in real)
    if breaching + (treated if rule.missing == "breaching" else 0) >= rule.to_alarm:
        found: State = "ALARM"
    elif treated == 0 or rule.missing in ("breaching", "notBreaching"):
        found = "OK"
    else:
        found = _with_gaps(rule, points, breaching == len(real), state)
    return Verdict(found, tuple(real), treated)


def _with_gaps(rule: Rule, points: Sequence[Datapoint | None], only_breaching: bool, state: State) -> State:
    """Too few datapoints for an alarm, and missing ones that count neither way."""
    oldest = max((age for age, point in enumerate(points, 1) if point is not None), default=0)
    if rule.missing == "ignore":
        return state if only_breaching else "OK"
    if oldest == 0:
        return "INSUFFICIENT_DATA"
    return "ALARM" if only_breaching and oldest >= rule.to_alarm else "OK"


# ---- the reason


def reason(rule: Rule, verdict: Verdict) -> str:
    """StateReason as AWS writes it."""
    if verdict.state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_count(verdict.treated, 'datapoint')} {_was(verdict.treated)} unknown."
    crossing = [point for point in verdict.compared if rule.breaches(point.value) == (verdict.state == "ALARM")]
    if not crossing:
        missing = rule.periods - len(verdict.compared)
        return f"Threshold Crossed: no datapoints were received for {_count(missing, 'period')} and {_treated(rule, missing)}."
    shown = ", ".join(f"{point.value} ({clock.utc(point.at):%d/%m/%y %H:%M:%S})" for point in crossing)
    alarm = verdict.state == "ALARM"
    words, edge = OPERATORS[rule.operator][1 if alarm else 2], "OK -> ALARM" if alarm else "ALARM -> OK"
    needed = rule.to_alarm if alarm else rule.periods - rule.to_alarm + 1
    filled = verdict.treated and rule.missing in TREATED
    return (
        f"Threshold Crossed: {len(crossing)} out of the last {len(verdict.compared)} datapoints [{shown}] "
        f"{_was(len(crossing))} {words} the threshold ({rule.threshold})"
        f"{f' and {_treated(rule, verdict.treated)}' if filled else ''} "
        f"(minimum {_count(needed, 'datapoint')} for {edge} transition)."
    )


def _treated(rule: Rule, number: int) -> str:
    return f"{_count(number, 'missing datapoint')} {_was(number)} treated as [{TREATED.get(rule.missing, 'Missing')}]"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def reason_data(rule: Rule, verdict: Verdict, at: float) -> str:
    """StateReasonData, the JSON that goes with the reason."""
    source = next(one for one in rule.sources if one.id == rule.returned)
    data: dict[str, Any] = {"version": "1.0", "queryDate": _stamp(at)}
    if verdict.compared:
        data["startDate"] = _stamp(verdict.compared[-1].at)
    if source.metric is not None:
        data["statistic"] = source.statistic
    data["period"] = rule.period
    data["recentDatapoints"] = [point.value for point in reversed(verdict.compared)]
    data["threshold"] = rule.threshold
    data["evaluatedDatapoints"] = [{"timestamp": _stamp(point.at), "value": point.value} for point in verdict.compared]
    return json.dumps(data, separators=(",", ":"))


def _stamp(at: float) -> str:
    return clock.utc(at).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
