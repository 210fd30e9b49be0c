"""A CodeDeploy blue/green deployment on ECS, in the order of AWS's own page (A.3.1, A.9).

Read `BlueGreen.run` from top to bottom: one coroutine per lifecycle event. Nothing here ends a deployment; a problem is raised,
and the supervisor decides what it means.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from harness.clock import Clock, Compressed
from harness.emulator.cloud import AwsError
from harness.emulator.deploy import timetable
from harness.emulator.deploy.deployment import Deployment, DeploymentFailed, DeploymentStopped, Plan
from harness.emulator.deploy.guard import Guard
from harness.emulator.deploy.hooks import Hooks
from harness.emulator.deploy.port import Port, Service, TaskSet
from harness.emulator.deploy.traffic import Traffic, elb_invalid
from harness.emulator.settings import Settings

POLL = 0.5  # real seconds between two looks at a task set; a change of state wakes earlier
INSTALL_TIMED_OUT = (
    "The deployment timed out while waiting for the replacement task set to become healthy. "
    "This time out period is 60 minutes."
)
READY_TIMED_OUT = "The deployment timed out while waiting for a notification to continue. This time out period is {minutes:.0f} minutes."
LEFTOVER = "The ECS service still has a task set that an earlier deployment left: {ids}."
GREEN_UNHEALTHY = "CodeDeploy detected that the replacement task set is unhealthy."


@dataclass
class BlueGreen:
    """One deployment at work. `clock` is compressed as the deployment group says."""

    deployment: Deployment
    plan: Plan
    port: Port
    clock: Compressed
    hooks: Hooks
    settings: Settings
    guard: Guard = field(default_factory=Guard)

    async def run(self) -> None:
        """From Created to the end of the termination wait; `finish` is what remains."""
        await self.start()
        await self.hook("BeforeInstall")
        await self.install()
        await self.hook("AfterInstall")
        if self.plan.pair.test_listener is not None:
            await self.allow_test_traffic()
            await self.hook("AfterAllowTestTraffic")
        if self.settings.ready_wait_before_hook:
            await self.wait_until_told_to_continue()
        await self.hook("BeforeAllowTraffic")
        if not self.settings.ready_wait_before_hook:
            await self.wait_until_told_to_continue()
        await self.allow_traffic()
        await self.hook("AfterAllowTraffic")
        await self.wait_for_termination()

    async def start(self) -> None:
        """Created for a moment; what was deleted meanwhile fails the deployment (A.5.4)."""
        await self.clock.sleep(self.settings.created_seconds / self.clock.factor)
        self.deployment.become("InProgress", self.clock.now())
        await self.guard.start()

    async def hook(self, name: str) -> None:
        """An event that only runs the function named for it, if any; without one it succeeds at once."""
        with self.deployment.running(name, self.clock):
            if function := self.plan.app_spec.hooks.get(name):
                limit = timetable.limit(timetable.HOOK_LIMIT, self.clock.factor)
                await self.guard.invoke(function)
                await self.hooks.run(self.deployment.id, function, self.port, self.clock, limit, self.settings)

    async def install(self) -> None:
        """Create the replacement task set behind the idle target group, and wait until ECS calls it steady (A.3.4)."""
        with self.deployment.running("Install", self.clock):
            service, blue = await self._service()
            self.traffic = await self._traffic(blue)
            await self.traffic.check()
            self.deployment.blue_id = blue.id
            await self._clear_leftovers(service, blue)
            if self.settings.attach_idle_at_deployment_start:
                await self.traffic.attach_idle()
            green = await self._create_green(service)
            self.deployment.green_id = green.id
            await self._steady_within(timetable.limit(timetable.INSTALL_LIMIT, self.clock.factor))

    async def allow_test_traffic(self) -> None:
        with self.deployment.running("AllowTestTraffic", self.clock):
            await self.traffic.show_green_to_testers()

    async def wait_until_told_to_continue(self) -> None:
        """Ready, until ContinueDeployment(READY_WAIT); only when the group says STOP_DEPLOYMENT (A.5.3)."""
        if (wait := self.plan.ready_wait) is None:
            return
        self.deployment.become("Ready", self.clock.now())
        if not await self._told(self.deployment.continue_ready, wait, "ready wait"):
            raise DeploymentStopped(
                self.settings.ready_timeout_code, READY_TIMED_OUT.format(minutes=wait / 60), "DEPLOYMENT_FAILURE"
            )
        self.deployment.become("InProgress", self.clock.now())

    async def allow_traffic(self) -> None:
        """Move production to green step by step; at 100 % green becomes PRIMARY (A.3.5)."""
        with self.deployment.running("AllowTraffic", self.clock):
            self.waits = await self._effective_waits()
            for shift in self.plan.routing.shifts():
                last = shift.weight == 100
                if last and self.settings.primary_before_last_weight:
                    await self._make_green_primary()
                await self.traffic.shift(shift.weight)
                if last and not self.settings.primary_before_last_weight:
                    await self._make_green_primary()
                if shift.wait:
                    await self.clock.idle(shift.wait, f"after {shift.weight} %", at_least=self.waits.pop(0))

    async def wait_for_termination(self) -> None:
        """Both task sets stay; a stop, an alarm or an unhealthy green can still end the deployment."""
        self.deployment.termination_wait_started = True
        declared = self.plan.termination_wait
        await self._told(self.deployment.continue_termination, declared, "termination wait", at_least=self.waits.pop(0))
        await self._green_settled()

    async def finish(self) -> None:
        """Delete blue; the deployment has Succeeded as soon as ECS took the order, the drain goes on (A.3.1)."""
        blue = self.deployment.blue_id
        assert blue is not None
        await self.port.delete_task_set(self.plan.cluster, self.plan.service, blue)
        self.deployment.become("Succeeded", self.clock.now())

    # ---- parts

    async def _service(self) -> tuple[Service, TaskSet]:
        service = await self.port.service(self.plan.cluster, self.plan.service)
        if service is None or service.primary is None:
            raise DeploymentFailed(
                "INVALID_ECS_SERVICE", f"The ECS service {self.plan.cluster}:{self.plan.service} is not active."
            )
        return service, service.primary

    async def _traffic(self, blue: TaskSet) -> Traffic:
        """Which of the pair is live is decided by the PRIMARY task set, never by a name (A.5.6)."""
        pair = self.plan.pair
        try:
            groups = await self.port.target_groups(pair.names)
        except AwsError as error:
            raise elb_invalid(error) from error
        arns = {group.arn for group in groups.values()}
        live = blue.target_group
        if live is None or live not in arns:
            raise elb_invalid(f"Primary taskset target group must be behind listener {pair.production_listener}")
        self.health_checks = [group.health_check for group in groups.values()]
        idle = (arns - {live}).pop()
        return Traffic(self.port, pair.production_listener, pair.test_listener, live, idle, self.settings)

    async def _clear_leftovers(self, service: Service, blue: TaskSet) -> None:
        """A replacement task set that an earlier deployment left behind the target group which green is to have (A.5.6)."""
        left = [one for one in service.task_sets if one.status == "ACTIVE" and one.id != blue.id]
        if left and self.settings.leftover_task_set == "fail":
            raise DeploymentFailed("ECS_UPDATE_ERROR", LEFTOVER.format(ids=", ".join(one.id for one in left)))
        for one in left if self.settings.leftover_task_set == "delete" else []:
            await self.port.delete_task_set(self.plan.cluster, self.plan.service, one.id)

    async def _create_green(self, service: Service) -> TaskSet:
        plan = self.plan
        try:
            return await self.port.create_task_set(
                plan.cluster, service, plan.app_spec, self.traffic.idle, self.deployment.id
            )
        except AwsError as error:
            raise DeploymentFailed("ECS_UPDATE_ERROR", ecs_update_error(error, self.deployment.id)) from error

    async def _green(self) -> TaskSet | None:
        service = await self.port.service(self.plan.cluster, self.plan.service)
        return service.task_set(self.deployment.green_id) if service else None

    async def _steady_within(self, limit: float) -> None:
        deadline = self.clock.now() + limit
        while (green := await self._green()) is None or not green.stable:
            if self.clock.now() >= deadline:
                raise DeploymentFailed(self.settings.install_timeout_code, INSTALL_TIMED_OUT)
            await self.port.changed(POLL)

    async def _make_green_primary(self) -> None:
        assert self.deployment.green_id is not None
        try:
            await self.port.set_primary(self.plan.cluster, self.plan.service, self.deployment.green_id)
        except AwsError as error:
            raise DeploymentFailed("ECS_UPDATE_ERROR", ecs_update_error(error, self.deployment.id)) from error

    async def _effective_waits(self) -> list[float]:
        """Real seconds of each wait between two shifts and of the termination wait, with the detection floor in force."""
        declared = [shift.wait for shift in self.plan.routing.shifts() if shift.wait] + [self.plan.termination_wait]
        self.declared_after_shift = sum(declared)
        at_least = self.plan.floor
        if at_least is None:
            alarms = await self.port.alarms(self.plan.alarms)
            poll = alarm_poll(self.settings, self.clock)
            at_least = timetable.floor(self.health_checks, [alarm.periods for alarm in alarms], poll)
        return timetable.effective(declared, self.clock.factor, at_least if self.clock.factor > 1 else 0.0)

    async def _told(self, told: asyncio.Event, declared: float, why: str, *, at_least: float = 0.0) -> bool:
        """True as soon as ContinueDeployment says so; False when the wait is over."""
        waiting = asyncio.ensure_future(self.clock.idle(declared, why, at_least=at_least))
        telling = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait({waiting, telling}, return_when=asyncio.FIRST_COMPLETED)
            return told.is_set()
        finally:
            for task in (waiting, telling):
                task.cancel()
            await asyncio.gather(waiting, telling, return_exceptions=True)

    async def _green_settled(self) -> None:
        """Compressed waits may end while green is out of its steady state: it gets the time to show what it is.

        Only where AWS's own waits are long enough to find out; a shorter deployment succeeds with sick tasks there too.
        """
        if self.clock.factor > 1 and self.declared_after_shift >= self.settings.unhealthy_green_seconds:
            while (
                (green := await self._green()) is not None
                and not green.stable
                and not self.deployment.continue_termination.is_set()
            ):
                await self.port.changed(POLL)


def alarm_poll(settings: Settings, clock: Compressed) -> float:
    """Real seconds between two readings of the alarms."""
    return max(settings.alarm_poll_seconds / clock.factor, 0.25)


def ecs_update_error(error: AwsError, request_id: str) -> str:
    """CreateTaskSet's own error, embedded as CodeDeploy does (A.2.1)."""
    return (
        f"The ECS service cannot be updated due to an unexpected error: {error} (Service: AmazonECS; Status Code: 400; "
        f"Error Code: {error.code}; Request ID: {request_id}; Proxy: null). Check your ECS service status."
    )


__all__ = ["GREEN_UNHEALTHY", "BlueGreen", "Clock", "alarm_poll", "ecs_update_error"]
