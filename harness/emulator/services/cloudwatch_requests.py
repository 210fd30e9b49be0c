"""PutMetricAlarm's request: checked, and turned into a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import AwsError, Request
from harness.emulator.services.cloudwatch_alarms import OPERATORS, Rule, Source
from harness.emulator.services.cloudwatch_metrics import PLAIN, Metric, check_statistic
from harness.emulator.services.cloudwatch_query import check_period, invalid, sources_of

DAY = 86400
SINGLE = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
SHOWN = (
    *("AlarmDescription", "OKActions", "AlarmActions", "InsufficientDataActions", *SINGLE, "Metrics"),
    *("EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
    "EvaluateLowSampleCountPercentile",
)
ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+")
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def settings_of(request: Request) -> dict[str, Any]:
    """What DescribeAlarms shows again. Raises AwsError naming a value that has no effect here."""
    if request.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise AwsError("NotImplemented", "EvaluateLowSampleCountPercentile=ignore is not emulated", 501)
    for name in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        for action in request.get(name) or ():
            if ARN.fullmatch(action) is None:
                raise invalid(f"Invalid arn syntax: {action}")
    return {name: request[name] for name in SHOWN if request.get(name) is not None}


def rule_of(request: Request) -> Rule:
    """Raises AwsError with AWS's code where the request is no alarm."""
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if request.get(name) is None:
            raise invalid(f"The parameter {name} is required for an alarm on a static threshold")
    comparison, missing = request["ComparisonOperator"], request.get("TreatMissingData", "missing")
    if comparison not in OPERATORS:
        raise invalid(f"The ComparisonOperator {comparison} is not emulated: it must be one of {', '.join(OPERATORS)}")
    if missing not in TREATMENTS:
        raise invalid(f"TreatMissingData is {missing}: it must be one of {', '.join(TREATMENTS)}")
    periods, to_alarm = _counts(request)
    sources, returned, period = _many(request) if request.get("Metrics") else _single(request)
    _check_period(period, periods)
    return Rule(sources, returned, period, comparison, float(request["Threshold"]), periods, to_alarm, missing)


def _counts(request: Request) -> tuple[int, int]:
    periods = int(request["EvaluationPeriods"])
    to_alarm = int(request.get("DatapointsToAlarm") or periods)
    if periods < 1:
        raise invalid("EvaluationPeriods must be 1 or more")
    if not 1 <= to_alarm <= periods:
        raise invalid("The value of DatapointsToAlarm must be between 1 and EvaluationPeriods")
    return periods, to_alarm


def _single(request: Request) -> tuple[tuple[Source, ...], str, int]:
    if missing := [name for name in ("MetricName", "Namespace", "Period") if not request.get(name)]:
        raise invalid(
            f"The parameters MetricName, Namespace and Period are required without Metrics; {missing[0]} is missing"
        )
    source = Source("m1", Metric.of(request), _statistic(request), request.get("Unit"))
    return (source,), source.id, int(request["Period"])


def _statistic(request: Request) -> str:
    plain, ranked = request.get("Statistic"), request.get("ExtendedStatistic")
    if bool(plain) == bool(ranked):
        raise invalid("Exactly one of Statistic and ExtendedStatistic must be given")
    if plain and plain not in PLAIN:
        raise invalid(f"The Statistic {plain} must be one of {', '.join(PLAIN)}; pNN and tmNN go to ExtendedStatistic")
    return check_statistic(str(plain or ranked))


def _many(request: Request) -> tuple[tuple[Source, ...], str, int]:
    if also := [name for name in SINGLE if request.get(name)]:
        raise invalid(f"{also[0]} cannot be given together with Metrics")
    queries: list[Mapping[str, Any]] = request["Metrics"]
    returned = [query["Id"] for query in queries if query.get("ReturnData", True)]
    if len(returned) != 1:
        raise invalid("Exactly one element of the metrics list should return data.")
    periods = {query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")}
    periods |= {query["Period"] for query in queries if query.get("Period")}
    if len(periods) != 1:
        raise invalid("The metrics of an alarm must all have the same Period")
    if all("Expression" in query for query in queries):
        raise invalid("The metrics of an alarm must have a MetricStat among them")
    return sources_of(queries), returned[0], int(periods.pop())


def _check_period(period: int, periods: int) -> None:
    check_period(period, (10, 20, 30))
    if period * periods > (7 * DAY if period >= 3600 else DAY):
        raise invalid("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).")
