"""CloudWatch: metrics, metric math, and metric alarms that are evaluated as time passes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Regional, Request
from harness.emulator.services.cloudwatch_alarms import Change, MetricAlarm, compression_of
from harness.emulator.services.cloudwatch_metrics import (
    FUTURE_SECONDS,
    KEPT_SECONDS,
    PLAIN,
    Metric,
    Metrics,
    Samples,
    check_statistic,
    check_time,
    period_starts,
)
from harness.emulator.services.cloudwatch_query import check_period, sources_of, values_of
from harness.emulator.services.cloudwatch_requests import rule_of, settings_of
from harness.emulator.services.cloudwatch_watch import Watch, enter

LISTED = 500
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
RECENT_SECONDS = KEPT_SECONDS  # RecentlyActive=PT3H
MOST_STATISTICS, MOST_DATA = 1440, 100_800  # datapoints of one GetMetricStatistics, of one GetMetricData (AWS's limits)
NEWEST_FIRST = "TimestampDescending"


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
        now, metrics = self._cloud.clock.now(), self._regions[caller].metrics
        parsed = [
            (Metric.of(datum, request["Namespace"]), datum.get("Unit", "None"), _time(datum, now), Samples.of(datum))
            for datum in request.get("MetricData", ())
        ]  # all of it before any is kept: one wrong datum refuses the request
        for metric, unit, at, samples in parsed:
            metrics.put(metric, unit, at, samples, now)
        return {}

    def list_metrics(self, caller: Caller, request: Request) -> Answer:
        metrics = self._regions[caller].metrics
        found = [metric for metric in metrics.known() if _matches(metric, request)]
        if request.get("RecentlyActive"):
            oldest = self._cloud.clock.now() - RECENT_SECONDS
            found = [metric for metric in found if (metrics.latest(metric) or 0.0) >= oldest]
        return _page("Metrics", [metric.render() for metric in found], request, LISTED)

    def get_metric_statistics(self, caller: Caller, request: Request) -> Answer:
        named = _statistics(request)
        start, end = _span(request)
        period = request["Period"]
        check_period(period)
        if (end - start) / period > MOST_STATISTICS:
            raise AwsError(
                "InvalidParameterCombination",
                f"You have requested up to {math.ceil((end - start) / period):,} datapoints, which exceeds the limit of "
                f"{MOST_STATISTICS:,}. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            )
        metrics, metric, unit = self._regions[caller].metrics, Metric.of(request), request.get("Unit")
        starts = self._starts(start, end, period)
        columns = {name: metrics.statistic(metric, name, starts, period, unit) for name in named}
        shown = unit or metrics.unit_of(metric)
        times = sorted({at for column in columns.values() for at in column})
        return {"Label": request["MetricName"], "Datapoints": [_datapoint(at, columns, shown) for at in times]}

    def get_metric_data(self, caller: Caller, request: Request) -> Answer:
        """Each metric with its own period; an expression has that of all metrics. Everything is answered in one page."""
        queries: Sequence[Mapping[str, Any]] = request["MetricDataQueries"]
        (start, end), metrics = _span(request), self._regions[caller].metrics
        found: dict[str, Mapping[float, float]] = {}
        for period, some in _by_period(queries).items():
            sources, starts = sources_of(some), self._starts(start, end, period)
            if len(starts) * len(sources) > MOST_DATA:
                raise AwsError(
                    "NotImplemented", f"More than {MOST_DATA:,} datapoints in one call are not emulated", 501
                )
            found.update(values_of(sources, metrics, starts, period))
        newest_first = request.get("ScanBy", NEWEST_FIRST) == NEWEST_FIRST
        returned = [query for query in queries if query.get("ReturnData", True)]
        return {
            "MetricDataResults": [_result(query, found[query["Id"]], newest_first) for query in returned],
            "Messages": [],
        }

    def _starts(self, start: float, end: float, period: float) -> list[float]:
        """The periods of a request, without those that cannot have data here."""
        now = self._cloud.clock.now()
        return period_starts(max(start, now - KEPT_SECONDS - period), min(end, now + FUTURE_SECONDS), period)

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
        if "AlarmNames" in request and "AlarmNamePrefix" in request:
            raise AwsError("ValidationError", "AlarmNames and AlarmNamePrefix cannot be given together")
        if not _metric_alarms_asked(request):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        alarms = sorted(self._regions[caller].alarms.values(), key=lambda alarm: alarm.name)
        found = [render(alarm) for alarm in alarms if _chosen(alarm, request)]
        return {**_page("MetricAlarms", found, request, request.get("MaxRecords", 50)), "CompositeAlarms": []}

    def describe_alarms_for_metric(self, caller: Caller, request: Request) -> Answer:
        """Alarms on exactly this metric; as in AWS, not those that reach it through metric math."""
        metric = Metric.of(request)
        same = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        return {
            "MetricAlarms": [
                render(alarm)
                for alarm in self._regions[caller].alarms.values()
                if "Metrics" not in alarm.settings
                and Metric.of(alarm.settings) == metric
                and all(name not in request or alarm.settings.get(name) == request[name] for name in same)
            ]
        }

    def describe_alarm_history(self, caller: Caller, request: Request) -> Answer:
        alarms = self._regions[caller].alarms
        start, end = seconds(request.get("StartDate", 0.0)), seconds(request.get("EndDate", math.inf))
        name, kind = request.get("AlarmName"), request.get("HistoryItemType")
        found = [
            (change, alarm)
            for alarm in (alarms.values() if _metric_alarms_asked(request) else ())
            for change in alarm.history
            if name in (None, alarm.name) and start <= change.at <= end and kind in (None, change.kind)
        ]
        found.sort(key=lambda pair: pair[0].at)
        if request.get("ScanBy", NEWEST_FIRST) == NEWEST_FIRST:
            found.reverse()
        items = [_history_item(change, alarm) for change, alarm in found]
        return _page("AlarmHistoryItems", items, request, request.get("MaxRecords", 100))

    def delete_alarms(self, caller: Caller, request: Request) -> Answer:
        """Those that exist are deleted, also when another name is wrong."""
        region, unknown = self._regions[caller], []
        for name in dict.fromkeys(request["AlarmNames"]):
            if region.alarms.pop(name, None) is None:
                unknown.append(name)
            else:
                region.watches.pop(name).stop()
        if unknown:
            raise AwsError("ResourceNotFound", f"Some alarms do not exist: {', '.join(unknown)}")
        return {}

    def set_alarm_state(self, caller: Caller, request: Request) -> Answer:
        """Holds until the next evaluation finds otherwise."""
        region, state = self._regions[caller], request["StateValue"]
        if request["AlarmName"] not in region.alarms:
            raise AwsError("ResourceNotFound", f"The alarm {request['AlarmName']} does not exist")
        if state not in STATES:
            raise AwsError("ValidationError", f"StateValue is {state}: it must be one of {', '.join(STATES)}")
        data = request.get("StateReasonData", "")
        if data and not _is_json(data):
            raise AwsError("InvalidFormat", "StateReasonData is not syntactically valid JSON")
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
        given = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return self._retag(caller, alarm, {**alarm.tags, **given})

    def untag_resource(self, caller: Caller, request: Request) -> Answer:
        alarm = self._tagged(caller, request)
        gone = request["TagKeys"]
        return self._retag(caller, alarm, {key: value for key, value in alarm.tags.items() if key not in gone})

    def _retag(self, caller: Caller, alarm: MetricAlarm, tags: dict[str, str]) -> Answer:
        """Evaluation begins anew only where the compression is another."""
        other = compression_of(tags, self._cloud.compression) != alarm.compression(self._cloud.compression)
        alarm.tags = tags
        if other:
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


def _result(query: Mapping[str, Any], series: Mapping[float, float], newest_first: bool) -> Answer:
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


def _time(datum: Mapping[str, Any], now: float) -> float:
    return check_time(seconds(datum["Timestamp"]), now) if "Timestamp" in datum else now


def _statistics(request: Request) -> list[str]:
    plain, ranked = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not plain and not ranked:
        raise AwsError(
            "MissingParameter", "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        )
    if wrong := [name for name in plain if name not in PLAIN]:
        raise AwsError("ValidationError", f"Statistics has {wrong[0]}: it must be one of {', '.join(PLAIN)}")
    return [*plain, *(check_statistic(name) for name in ranked)]


def _by_period(queries: Sequence[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """Queries that are computed together, by their period in seconds."""
    given = [(query, (query.get("MetricStat") or query).get("Period")) for query in queries]
    periods = {period for _, period in given if period is not None}
    if not periods:
        raise AwsError("ValidationError", "The parameter Period is required where no query has a MetricStat")
    for period in periods:
        check_period(period)
    if len(periods) == 1:
        return {periods.pop(): list(queries)}
    if any("Expression" in query for query in queries):
        raise AwsError("NotImplemented", "Expressions beside metrics of different periods are not emulated", 501)
    return {period: [query for query, one in given if one == period] for period in periods}


def _metric_alarms_asked(request: Request) -> bool:
    return "MetricAlarm" in request.get("AlarmTypes", ["MetricAlarm"])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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
