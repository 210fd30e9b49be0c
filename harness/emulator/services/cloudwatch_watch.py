"""Evaluation of alarms as time passes.

An alarm's period is time in which AWS merely waits: with compression N, it lasts period/N real seconds, and each datapoint is the
statistic of that real time. PERIOD() and RATE() see real seconds, so that a rate per second stays one. Periods begin at multiples
since the epoch; each is judged `INGESTION` seconds after its end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import Any

from harness import clock
from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.services.cloudwatch_alarms import (
    EXTRA_PERIODS,
    Change,
    Datapoint,
    MetricAlarm,
    State,
    judge,
    reason,
    reason_data,
)
from harness.emulator.services.cloudwatch_metrics import Metrics
from harness.emulator.services.cloudwatch_query import values_of

log = logging.getLogger("rehearse.cloudwatch")
INGESTION = 0.4  # real seconds until what was measured in a period has been published
SHORTEST_SLEEP = 0.01


class Watch:
    """The background task of one alarm."""

    def __init__(self, cloud: Cloud, metrics: Metrics, alarm: MetricAlarm) -> None:
        self._cloud, self._metrics, self._alarm = cloud, metrics, alarm
        self._window = alarm.rule.period / alarm.compression(cloud.compression)
        metrics.keep_for(self._window, (alarm.rule.periods + EXTRA_PERIODS + 1) * self._window + INGESTION)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Needs a running event loop."""
        self._task = self._cloud.spawn(self._run(), f"alarm {self._alarm.name}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._evaluate()
            end = (self._complete() + 1) * self._window + INGESTION
            await self._cloud.clock.sleep(max(end - self._cloud.clock.now(), SHORTEST_SLEEP))

    def _complete(self) -> int:
        """How many periods since the epoch have ended and been published."""
        return math.floor((self._cloud.clock.now() - INGESTION) / self._window + 1e-6)

    def _evaluate(self) -> None:
        rule, end = self._alarm.rule, self._complete()
        starts = [n * self._window for n in range(end - rule.periods - EXTRA_PERIODS, end)]
        try:
            series = values_of(rule.sources, self._metrics, starts, self._window).get(rule.returned, {})
        except AwsError as error:
            log.warning("alarm %s cannot be evaluated: %s", self._alarm.name, error)
            series = {}
        points = [Datapoint(at, series[at]) if at in series else None for at in reversed(starts)]
        verdict = judge(rule, points, self._alarm.state)
        if verdict.state != self._alarm.state:
            data = reason_data(rule, verdict, self._cloud.clock.now())
            enter(self._cloud, self._alarm, verdict.state, reason(rule, verdict), data)


def enter(cloud: Cloud, alarm: MetricAlarm, state: State, why: str, data: str) -> None:
    """Set the state, with its entry in the history and its actions."""
    before, now = alarm.state, cloud.clock.now()
    old, new = _side(alarm), {"stateValue": state, "stateReason": why, **({"stateReasonData": data} if data else {})}
    alarm.state, alarm.reason, alarm.reason_data, alarm.since = state, why, data, now
    if state == before:
        return
    alarm.changed = now
    document = json.dumps({"version": "1.0", "oldState": old, "newState": new})
    alarm.history.append(Change(now, "StateUpdate", f"Alarm updated from {before} to {state}", document))
    cloud.changed.ring()
    log.info("alarm %s: %s -> %s: %s", alarm.name, before, state, why)
    if alarm.actions_enabled:
        for action in alarm.actions(state):
            cloud.spawn(_act(cloud, alarm, action, _message(alarm, before)), f"action of alarm {alarm.name}")


def _side(alarm: MetricAlarm) -> dict[str, str]:
    return {"stateValue": alarm.state, "stateReason": alarm.reason}


async def _act(cloud: Cloud, alarm: MetricAlarm, action: str, message: dict[str, Any]) -> None:
    """SNS topics and Lambda functions are told; another action is refused by name in the history."""
    try:
        match action.split(":")[2]:
            case "sns":
                subject = f'{message["NewStateValue"]}: "{alarm.name}" in {alarm.caller.region}'
                await cloud.call(
                    alarm.caller, "sns", "Publish", TopicArn=action, Subject=subject[:100], Message=json.dumps(message)
                )
            case "lambda":
                payload = json.dumps(_event(alarm, message)).encode()
                await cloud.call(
                    alarm.caller, "lambda", "Invoke", FunctionName=action, InvocationType="Event", Payload=payload
                )
            case other:
                raise AwsError("NotImplemented", f"alarm actions of {other} are not emulated", 501)
    except AwsError as error:
        log.warning("alarm %s: the action %s failed: %s", alarm.name, action, error)
        summary = f"Failed to execute action {action}. Received error: {error.message}"
    else:
        summary = f"Successfully executed action {action}"
    alarm.history.append(Change(cloud.clock.now(), "Action", summary, json.dumps({"actionState": summary.split()[0]})))


def _message(alarm: MetricAlarm, before: State) -> dict[str, Any]:
    """The body that AWS sends to SNS."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.settings.get("AlarmDescription"),
        "AWSAccountId": alarm.caller.account,
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": clock.utc(alarm.since).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": alarm.caller.region,
        "AlarmArn": alarm.arn,
        "OldStateValue": before,
        "Trigger": {
            name: value
            for name, value in alarm.settings.items()
            if not name.endswith("Actions") and name != "AlarmDescription"
        },
    }


def _event(alarm: MetricAlarm, message: dict[str, Any]) -> dict[str, Any]:
    """What a function gets as its event."""
    state = {"value": alarm.state, "reason": alarm.reason, "timestamp": message["StateChangeTime"]}
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.arn,
        "accountId": alarm.caller.account,
        "time": message["StateChangeTime"],
        "region": alarm.caller.region,
        "alarmData": {"alarmName": alarm.name, "state": state, "previousState": {"value": message["OldStateValue"]}},
    }
