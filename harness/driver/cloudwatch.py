"""Alarms on the whole service: blue and green swap target groups at every deployment, the load balancer stays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from harness import clock
from harness.driver.session import Session, key_value
from harness.driver.undo import Undo
from harness.errors import StepFailed
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


class AlarmHistory:
    """The states of some alarms, each change once, however short: DescribeAlarms shows the present, and an alarm can be red and
    green again between two looks at it. Its history is read only where StateUpdatedTimestamp has moved."""

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self._session, self._names = session, tuple(names)
        self._last: dict[str, AlarmView] = {}

    def look(self) -> Iterator[AlarmView]:
        """What is new, of each alarm oldest first. Raises ClientError or StepFailed, as Session.call does; where only the history
        cannot be read, after all that DescribeAlarms shows."""
        failed: Exception | None = None
        for now in alarms(self._session, self._names):
            before = self._last.get(now.name)
            if before is not None and now.since > before.since:
                try:
                    yield from self._differing(_changes(self._session, now.name, before.since))
                except (ClientError, StepFailed) as error:
                    failed = error
            yield from self._differing([now])
            self._last[now.name] = now
        if failed is not None:
            raise failed

    def _differing(self, views: Sequence[AlarmView]) -> Iterator[AlarmView]:
        for view in views:
            before = self._last.get(view.name)
            if before is None or view.state != before.state:
                self._last[view.name] = view
                yield view


def _changes(session: Session, name: str, since: float) -> list[AlarmView]:
    """Of one alarm, oldest first (API_DescribeAlarmHistory): at most 100, what CloudWatch gives at once."""
    answer = session.call(
        "cloudwatch",
        "describe_alarm_history",
        AlarmName=name,
        HistoryItemType="StateUpdate",
        StartDate=clock.utc(since),
        ScanBy="TimestampAscending",
    )
    return [
        AlarmView(name, new["stateValue"], item["Timestamp"].timestamp(), new.get("stateReason", ""))
        for item in answer["AlarmHistoryItems"]
        for new in (json.loads(item["HistoryData"])["newState"],)
    ]


def set_alarm(session: Session, name: str, state: str) -> None:
    session.call("cloudwatch", "set_alarm_state", AlarmName=name, StateValue=state, StateReason="set by the rehearsal")
