"""Deployment alarms of a rolling service (B.6): one that comes up fails the deployment, one that was up before it is ignored."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.services.ecs_state import Roll, Service


async def read_alarms(cloud: Cloud, service: Service) -> None:
    """Look at the alarms of the deployment under way, as often as CodeDeploy does; writes what is found into its `roll`."""
    alarms = service.settings["deploymentConfiguration"].get("alarms") or {}
    primary = service.primary
    if not alarms.get("enable") or primary is None or primary.roll.state != "IN_PROGRESS":
        return
    roll, now = primary.roll, cloud.clock.now()
    if now < roll.alarms_read_at + cloud.settings.alarm_poll_seconds / cloud.compression:
        return
    roll.alarms_read_at = now
    try:
        answer = await cloud.call(service.caller, "cloudwatch", "DescribeAlarms", AlarmNames=alarms["alarmNames"])
    except AwsError as error:
        service.say_once(now, f"failed to read its deployment alarms with (error {error.message})")
        return
    _note(roll, [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())], cloud.compression)


def _note(roll: Roll, alarms: list[dict[str, Any]], compression: float) -> None:
    up = frozenset(alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM")
    roll.ignored_alarms = up if roll.ignored_alarms is None else roll.ignored_alarms
    roll.alarmed = tuple(sorted(up - roll.ignored_alarms))
    # AWS watches on after the last task was replaced, for as long as the alarms need to see it
    spans = [float(alarm.get("Period") or 60) * alarm.get("EvaluationPeriods", 1) for alarm in alarms]
    roll.bake_seconds = max(spans, default=0.0) / compression
