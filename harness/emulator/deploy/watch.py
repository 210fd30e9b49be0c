"""What is watched while a deployment runs: its alarms, and green's health once users may meet it. Each watch only ever raises."""

from __future__ import annotations

from typing import NoReturn

from harness.clock import Compressed
from harness.emulator.cloud import AwsError
from harness.emulator.deploy.deployment import Deployment, DeploymentFailed, DeploymentStopped, Plan
from harness.emulator.deploy.lifecycle import GREEN_UNHEALTHY, POLL, alarm_poll
from harness.emulator.deploy.port import Port
from harness.emulator.settings import Settings

ALARMED = (
    "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected "
    "deployments have been stopped. Activated alarms: {names}"
)
UNREADABLE = "The deployment was stopped because its alarms could not be read: {error}"
RECOVERY_AT_LEAST = 20.0  # compressed, green still gets the real time that replacing a task takes


async def alarms(deployment: Deployment, plan: Plan, port: Port, clock: Compressed, settings: Settings) -> NoReturn:
    """Raise DeploymentStopped(ALARM_ACTIVE) when an alarm is in ALARM (A.5.1), also one that was red before."""
    ignored: set[str] = set() if settings.alarm_at_start_stops else await _red(plan, port)
    while True:
        unwatched = deployment.termination_wait_started and not settings.alarms_in_termination_wait
        red = set() if unwatched else await _red(plan, port)
        ignored &= red
        if active := [name for name in plan.alarms if name in red - ignored]:
            names = " ".join(f"<{name}>" for name in active)
            raise DeploymentStopped("ALARM_ACTIVE", ALARMED.format(names=names), "DEPLOYMENT_STOP_ON_ALARM")
        await clock.sleep(alarm_poll(settings, clock))


async def _red(plan: Plan, port: Port) -> set[str]:
    try:
        return {alarm.name for alarm in await port.alarms(plan.alarms) if alarm.state == "ALARM"}
    except AwsError as error:
        if plan.ignore_unreadable_alarms:
            return set()
        raise DeploymentStopped("ALARM_ACTIVE", UNREADABLE.format(error=error), "DEPLOYMENT_STOP_ON_ALARM") from error


async def green(deployment: Deployment, plan: Plan, port: Port, clock: Compressed, settings: Settings) -> NoReturn:
    """Raise DeploymentFailed when green is out of its steady state for too long, from the first shift on (A.9)."""
    allowed = settings.unhealthy_green_seconds
    if clock.factor > 1:
        allowed = max(allowed / clock.factor, min(allowed, RECOVERY_AT_LEAST))
    unstable_since: float | None = None
    while True:
        await port.changed(POLL)
        if deployment.events["AllowTraffic"].status == "Pending":
            continue
        service = await port.service(plan.cluster, plan.service)
        task_set = service.task_set(deployment.green_id) if service else None
        if task_set is not None and task_set.stable:
            unstable_since = None
        elif unstable_since is None:
            unstable_since = clock.now()
        elif clock.now() - unstable_since >= allowed:
            raise DeploymentFailed("ECS_UPDATE_ERROR", GREEN_UNHEALTHY)
