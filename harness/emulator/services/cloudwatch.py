"""CloudWatch: metrics, metric math, and metric alarms that are evaluated as time passes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Regional, Request
from harness.emulator.services.cloudwatch_alarms import Change, MetricAlarm, compression_of
from harness.emulator.services.cloudwatch_metrics import (
    KEPT_SECONDS,
    PLAIN,
    Metric,
    Metrics,
    Samples,
    check_statistic,
    period_starts,
)
from harness.emulator.services.cloudwatch_query import sources_of, values_of
from harness.emulator.services.cloudwatch_requests import rule_of, settings_of
from harness.emulator.services.cloudwatch_watch import Watch, enter

LISTED = 500
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
RECENT_SECONDS = KEPT_SECONDS  # RecentlyActive=PT3H


@dataclass
class Region:
    metrics: Metrics = field(default_factory=Metrics)
    alarms: dict[str, MetricAlarm] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)


class CloudWatch:
    """Composite alarms, anomaly detection, dashboards and metric streams are not emulated."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions: Regional[Region] = Regional(Region)

    # ---- metrics

    def put_metric_data(self, caller: Caller, request: Request) -> Answer:
        if "EntityMetricData" in request:
            raise AwsError("NotImplemented", "cloudwatch:PutMetricData with EntityMetricData is not emulated", 501)
        now, metrics = self._cloud.clock.now(), self._regions[caller].metrics
        parsed = [(Metric.of(datum, request["Namespace"]), datum, Samples.of(datum)) for datum in request["MetricData"]]
        for metric, datum, samples in parsed:
            at = datum.get("Timestamp")
            metrics.put(metric, datum.get("Unit", "None"), now if at is None else seconds(at), samples, now)
        return {}

    def list_metrics(self, caller: Caller, request: Request) -> Answer:
        metrics = self._regions[caller].metrics
        found = [metric for metric in metrics.known() if _matches(metric, request)]
        if request.get("RecentlyActive"):
            oldest = self._cloud.clock.now() - RECENT_SECONDS
            found = [metric for metric in found if (metrics.latest(metric) or 0.0) >= oldest]
        return _page("Metrics", [metric.render() for metric in found], request, LISTED)

    def get_metric_statistics(self, caller: Caller, request: Request) -> Answer:
        named = [*request.get("Statistics", ()), *request.get("ExtendedStatistics", ())]
        if not named:
            raise AwsError(
                "MissingParameter",
                "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
            )
        start, end = _span(request)
        metrics, metric, unit = self._regions[caller].metrics, Metric.of(request), request.get("Unit")
        columns = {
            name: metrics.statistic(
                metric, check_statistic(name), period_starts(start, end, request["Period"]), request["Period"], unit
            )
            for name in named
        }
        shown = unit or metrics.unit_of(metric)
        times = sorted({at for column in columns.values() for at in column})
        return {"Label": request["MetricName"], "Datapoints": [_datapoint(at, columns, shown) for at in times]}

    def get_metric_data(self, caller: Caller, request: Request) -> Answer:
        """Each query with its own period; an expression has the shortest of them. Everything is answered in one page."""
        queries: Sequence[Mapping[str, Any]] = request["MetricDataQueries"]
        sources, (start, end) = sources_of(queries), _span(request)
        periods = {_period(query) for query in queries} - {None}
        if len(periods) != 1:
            raise AwsError(
                "ValidationError", f"Queries of different periods in one call are not emulated: {periods or 'none'}"
            )
        period = float(next(iter(periods)) or 0)
        values = values_of(sources, self._regions[caller].metrics, period_starts(start, end, period), period)
        newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        return {
            "MetricDataResults": [
                _result(query, values.get(query["Id"]), newest_first)
                for query in queries
                if query.get("ReturnData", True)
            ],
            "Messages": [],
        }

    # ---- alarms

    def put_metric_alarm(self, caller: Caller, request: Request) -> Answer:
        """A new alarm is INSUFFICIENT_DATA until its first evaluation, which is at once; an existing one keeps state and tags."""
        rule, settings, now = rule_of(request), settings_of(request), self._cloud.clock.now()
        region, name, enabled = self._regions[caller], request["AlarmName"], request.get("ActionsEnabled", True)
        alarm = region.alarms.get(name)
        if alarm is None:
            tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
            compression_of(tags, 1.0)
            alarm = MetricAlarm(caller, name, rule, settings, now, now, tags, enabled, changed=now)
            region.alarms[name] = alarm
            summary = f'Alarm "{name}" created'
        else:
            alarm.rule, alarm.settings, alarm.actions_enabled, alarm.updated = rule, settings, enabled, now
            summary = f'Alarm "{name}" updated'
        alarm.history.append(Change(now, "ConfigurationUpdate", summary, ""))
        self._watch(region, alarm)
        return {}

    def describe_alarms(self, caller: Caller, request: Request) -> Answer:
        for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
            if name in request:
                raise AwsError(
                    "NotImplemented", f"cloudwatch:DescribeAlarms with {name} is not emulated: no composite alarms", 501
                )
        if "MetricAlarm" not in request.get("AlarmTypes", ["MetricAlarm"]):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        alarms = sorted(self._regions[caller].alarms.values(), key=lambda alarm: alarm.name)
        found = [render(alarm) for alarm in alarms if _chosen(alarm, request)]
        return {**_page("MetricAlarms", found, request, request.get("MaxRecords", 50)), "CompositeAlarms": []}

    def describe_alarms_for_metric(self, caller: Caller, request: Request) -> Answer:
        """Alarms on exactly this metric, also those that reach it through metric math."""
        metric = Metric.of(request)
        same = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        return {
            "MetricAlarms": [
                render(alarm)
                for alarm in self._regions[caller].alarms.values()
                if any(source.metric == metric for source in alarm.rule.sources)
                and all(name not in request or alarm.settings.get(name) == request[name] for name in same)
            ]
        }

    def describe_alarm_history(self, caller: Caller, request: Request) -> Answer:
        alarms = self._regions[caller].alarms
        chosen: Iterable[MetricAlarm] = alarms.values()
        if "AlarmName" in request:
            chosen = [alarms[request["AlarmName"]]] if request["AlarmName"] in alarms else []
        start, end = _span(
            {"StartTime": request.get("StartDate", 0.0), "EndTime": request.get("EndDate", float("inf"))}
        )
        kind = request.get("HistoryItemType")
        found = [
            (change, alarm)
            for alarm in chosen
            for change in alarm.history
            if start <= change.at <= end and kind in (None, change.kind)
        ]
        newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        found.sort(key=lambda pair: pair[0].at, reverse=newest_first)
        items = [_history_item(change, alarm) for change, alarm in found]
        return _page("AlarmHistoryItems", items, request, request.get("MaxRecords", 100))

    def delete_alarms(self, caller: Caller, request: Request) -> Answer:
        """All or none: one name that does not exist keeps the others."""
        region = self._regions[caller]
        if unknown := [name for name in request["AlarmNames"] if name not in region.alarms]:
            raise AwsError("ResourceNotFound", f"Some alarms do not exist: {', '.join(unknown)}")
        for name in dict.fromkeys(request["AlarmNames"]):
            region.watches.pop(name).stop()
            del region.alarms[name]
        return {}

    def set_alarm_state(self, caller: Caller, request: Request) -> Answer:
        """Holds until the next evaluation finds otherwise."""
        region, state = self._regions[caller], request["StateValue"]
        if request["AlarmName"] not in region.alarms:
            raise AwsError("ResourceNotFound", f"The alarm {request['AlarmName']} does not exist")
        if state not in STATES:
            raise AwsError("ValidationError", f"StateValue is {state}: it must be one of {', '.join(STATES)}")
        data = request.get("StateReasonData", "")
        enter(self._cloud, region.alarms[request["AlarmName"]], state, request["StateReason"], data)
        return {}

    def enable_alarm_actions(self, caller: Caller, request: Request) -> Answer:
        return self._switch(caller, request["AlarmNames"], True)

    def disable_alarm_actions(self, caller: Caller, request: Request) -> Answer:
        return self._switch(caller, request["AlarmNames"], False)

    def _switch(self, caller: Caller, names: Iterable[str], enabled: bool) -> Answer:
        alarms = self._regions[caller].alarms
        for name in names:
            if name in alarms:
                alarms[name].actions_enabled = enabled
        return {}

    def _watch(self, region: Region, alarm: MetricAlarm) -> None:
        if (old := region.watches.pop(alarm.name, None)) is not None:
            old.stop()
        region.watches[alarm.name] = Watch(self._cloud, region.metrics, alarm)
        region.watches[alarm.name].start()

    # ---- tags

    def tag_resource(self, caller: Caller, request: Request) -> Answer:
        alarm = self._tagged(caller, request)
        tags = {**alarm.tags, **{tag["Key"]: tag["Value"] for tag in request["Tags"]}}
        compression_of(tags, 1.0)
        alarm.tags = tags
        self._watch(self._regions[caller], alarm)
        return {}

    def untag_resource(self, caller: Caller, request: Request) -> Answer:
        alarm = self._tagged(caller, request)
        for key in request["TagKeys"]:
            alarm.tags.pop(key, None)
        self._watch(self._regions[caller], alarm)
        return {}

    def list_tags_for_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._tagged(caller, request).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tagged(self, caller: Caller, request: Request) -> MetricAlarm:
        arn = request["ResourceARN"]
        for alarm in self._regions[caller].alarms.values():
            if alarm.arn == arn:
                return alarm
        raise AwsError("ResourceNotFoundException", f"No alarm has the ARN {arn}")


# ---- rendering


def render(alarm: MetricAlarm) -> Answer:
    return {
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **({} if "Metrics" in alarm.settings else {"Dimensions": []}),
        **alarm.settings,
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": clock.utc(alarm.updated),
        "ActionsEnabled": alarm.actions_enabled,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        **({"StateReasonData": alarm.reason_data} if alarm.reason_data else {}),
        "StateUpdatedTimestamp": clock.utc(alarm.since),
        "StateTransitionedTimestamp": clock.utc(alarm.changed),
    }


def _history_item(change: Change, alarm: MetricAlarm) -> Answer:
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm",
        "Timestamp": clock.utc(change.at),
        "HistoryItemType": change.kind,
        "HistorySummary": change.summary,
        "HistoryData": change.data,
    }


def _datapoint(at: float, columns: Mapping[str, Mapping[float, float]], unit: str) -> Answer:
    found = {name: column[at] for name, column in columns.items() if at in column}
    plain = {name: value for name, value in found.items() if name in PLAIN}
    ranked = {name: value for name, value in found.items() if name not in PLAIN}
    return {"Timestamp": clock.utc(at), **plain, "Unit": unit, **({"ExtendedStatistics": ranked} if ranked else {})}


def _result(query: Mapping[str, Any], series: Mapping[float, float] | None, newest_first: bool) -> Answer:
    if series is None:
        raise AwsError(
            "ValidationError", f"The expression {query['Id']} returns several time series: not emulated for ReturnData"
        )
    stat = query.get("MetricStat")
    times = sorted(series, reverse=newest_first)
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or (stat["Metric"]["MetricName"] if stat else query["Id"]),
        "Timestamps": [clock.utc(at) for at in times],
        "Values": [series[at] for at in times],
        "StatusCode": "Complete",
    }


# ---- requests


def seconds(at: datetime | float) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at)


def _span(request: Mapping[str, Any]) -> tuple[float, float]:
    start, end = seconds(request["StartTime"]), seconds(request["EndTime"])
    if start >= end:
        raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _period(query: Mapping[str, Any]) -> int | None:
    stat = query.get("MetricStat")
    return stat["Period"] if stat else query.get("Period")


def _matches(metric: Metric, request: Request) -> bool:
    dimensions = dict(metric.dimensions)
    return (
        request.get("Namespace") in (None, metric.namespace)
        and request.get("MetricName") in (None, metric.name)
        and all(
            one["Name"] in dimensions and one.get("Value") in (None, dimensions[one["Name"]])
            for one in request.get("Dimensions", ())
        )
    )


def _chosen(alarm: MetricAlarm, request: Request) -> bool:
    actions = [action for state in STATES for action in alarm.actions(state)]  # type: ignore[arg-type]
    return (
        ("AlarmNames" not in request or alarm.name in request["AlarmNames"])
        and alarm.name.startswith(request.get("AlarmNamePrefix", ""))
        and request.get("StateValue") in (None, alarm.state)
        and ("ActionPrefix" not in request or any(action.startswith(request["ActionPrefix"]) for action in actions))
    )


def _page(member: str, items: Sequence[Answer], request: Request, size: int) -> Answer:
    """`size` items from NextToken on."""
    try:
        start = int(base64.b64decode(request.get("NextToken") or b"MA==", validate=True))
    except ValueError as error:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from error
    more = {"NextToken": base64.b64encode(str(start + size).encode()).decode()} if len(items) > start + size else {}
    return {member: list(items[start : start + size]), **more}
