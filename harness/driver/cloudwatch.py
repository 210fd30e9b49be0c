"""Alarms on the whole service: blue and green swap target groups at every deployment, the load balancer stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.driver.session import Session, key_value
from harness.driver.undo import Undo
from harness.scenario import Alarm

NAMESPACE = "AWS/ApplicationELB"
SINGLE = {  # scenario metric: AWS's metric and its statistic
    "target_5xx_count": ("HTTPCode_Target_5XX_Count", "Sum"),
    "elb_5xx_count": ("HTTPCode_ELB_5XX_Count", "Sum"),
    "target_response_time": ("TargetResponseTime", "Average"),
}
MISSING = {"not_breaching": "notBreaching", "breaching": "breaching", "ignore": "ignore", "missing": "missing"}


@dataclass(frozen=True, slots=True)
class AlarmView:
    name: str
    state: str
    since: float
    reason: str


def put_alarm(
    session: Session, undo: Undo, name: str, alarm: Alarm, load_balancer: str, tags: Mapping[str, str]
) -> str:
    """`load_balancer` is the dimension's value, `tags` the compression's."""
    undo.later(f"alarm {name}", lambda: session.call("cloudwatch", "delete_alarms", AlarmNames=[name]))
    session.call(
        "cloudwatch",
        "put_metric_alarm",
        AlarmName=name,
        AlarmDescription=f"rehearsal: {alarm.metric} over {alarm.threshold:g}",
        ActionsEnabled=False,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=alarm.threshold,
        EvaluationPeriods=alarm.evaluation_periods,
        DatapointsToAlarm=alarm.datapoints_to_alarm or alarm.evaluation_periods,
        TreatMissingData=MISSING[alarm.missing_data],
        Tags=key_value({**session.tags, **tags}),
        **_what(alarm, load_balancer),
    )
    return name


def _what(alarm: Alarm, load_balancer: str) -> dict[str, Any]:
    period = round(alarm.period)
    if alarm.metric in SINGLE:
        metric, statistic = SINGLE[alarm.metric]
        return {"Statistic": statistic, "Period": period, **_metric(metric, load_balancer)}
    return {
        "Metrics": [
            {"Id": "percent", "Expression": "100 * m5xx / requests", "Label": alarm.metric, "ReturnData": True},
            _sum("m5xx", "HTTPCode_Target_5XX_Count", load_balancer, period),
            _sum("requests", "RequestCount", load_balancer, period),
        ]
    }


def _sum(identifier: str, metric: str, load_balancer: str, period: int) -> dict[str, Any]:
    return {
        "Id": identifier,
        "MetricStat": {"Metric": _metric(metric, load_balancer), "Period": period, "Stat": "Sum"},
        "ReturnData": False,
    }


def _metric(name: str, load_balancer: str) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "MetricName": name,
        "Dimensions": [{"Name": "LoadBalancer", "Value": load_balancer}],
    }


def alarms(session: Session, names: Sequence[str]) -> list[AlarmView]:
    answer = session.call("cloudwatch", "describe_alarms", AlarmNames=list(names))
    return [
        AlarmView(
            name=one["AlarmName"],
            state=one["StateValue"],
            since=one["StateUpdatedTimestamp"].timestamp(),
            reason=one.get("StateReason", ""),
        )
        for one in answer["MetricAlarms"]
    ]


def set_alarm(session: Session, name: str, state: str) -> None:
    session.call("cloudwatch", "set_alarm_state", AlarmName=name, StateValue=state, StateReason="set by the rehearsal")
