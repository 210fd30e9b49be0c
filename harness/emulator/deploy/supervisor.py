"""The only place where a deployment ends early: a failure, an alarm or a stop becomes Failed or Stopped, and then a rollback.

A rollback is a new deployment, as on AWS: creator codeDeployRollback, CodeDeployDefault.ECSAllAtOnce, no new task set (A.5.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.deploy import watch
from harness.emulator.deploy.deployment import Deployment, DeploymentFailed, DeploymentStopped
from harness.emulator.deploy.lifecycle import BlueGreen

log = logging.getLogger("rehearse.deploy")


@dataclass
class Supervisor:
    """Runs one deployment to its end. `new_rollback` registers the rollback deployment of a failed one."""

    work: BlueGreen
    new_rollback: Callable[[Deployment], Deployment]
    changed: Callable[[], None]

    async def run(self) -> None:
        deployment = self.work.deployment
        try:
            await self._until_first(self.work.run(), *self._watches(), self._stop_requested())
            deployment.finishing = True
            await self.work.finish()
        except DeploymentFailed as why:
            await self._end_early(why)
        except AwsError as error:
            await self._end_early(failure_of(error))
        self.changed()

    def _watches(self) -> list[Coroutine[Any, Any, None]]:
        work = self.work
        watches: list[Coroutine[Any, Any, None]] = [
            watch.green(work.deployment, work.plan, work.port, work.clock, work.settings)
        ]
        if work.plan.alarms:
            watches.append(watch.alarms(work.deployment, work.plan, work.port, work.clock, work.settings))
        return watches

    async def _stop_requested(self) -> None:
        raise await self.work.deployment.stop

    async def _until_first(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Run all parts; the first to end decides, by returning or raising. The others are cancelled and awaited."""
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        # In the order given, so that two that end in the same moment always come out the same way.
        for task, result in zip(tasks, results, strict=True):
            if task in done and isinstance(result, BaseException):
                raise result

    async def _end_early(self, why: DeploymentFailed) -> None:
        """Failed or Stopped, with the reason; then the rollback, if the group or the caller asked for one."""
        deployment, clock = self.work.deployment, self.work.clock
        await self._remember_green()
        deployment.skip_the_rest(clock.now())
        deployment.error = why
        deployment.become("Stopped" if isinstance(why, DeploymentStopped) else "Failed", clock.now())
        log.info("deployment %s %s: %s %s", deployment.id, deployment.status, why.code, why)
        if self._rolls_back(why):
            rollback = self.new_rollback(deployment)
            self.changed()
            await self._roll_back(rollback)

    async def _remember_green(self) -> None:
        """A stop may have come between CreateTaskSet and its answer."""
        plan, deployment = self.work.plan, self.work.deployment
        if deployment.blue_id is not None and deployment.green_id is None:
            service = await self.work.port.service(plan.cluster, plan.service)
            green = service.made_by(deployment.id) if service else None
            deployment.green_id = green.id if green else None

    def _rolls_back(self, why: DeploymentFailed) -> bool:
        events = self.work.plan.rollback_events
        if isinstance(why, DeploymentStopped):
            return why.roll_back if why.roll_back is not None else why.rollback_event in events
        if self.work.deployment.green_id is None and self._failed_event() == "BeforeInstall":
            return "DEPLOYMENT_FAILURE" in events and self.work.settings.rollback_before_install_failure
        return "DEPLOYMENT_FAILURE" in events

    def _failed_event(self) -> str | None:
        return next((event.name for event in self.work.deployment.events.values() if event.status == "Failed"), None)

    async def _roll_back(self, rollback: Deployment) -> None:
        """Production and test listener back to blue, blue PRIMARY, green scaled to 0 and draining."""
        work, failed, clock = self.work, self.work.deployment, self.work.clock
        rollback.become("InProgress", clock.now())
        for event in rollback.events:
            if event != "AllowTraffic":  # no hook runs again
                rollback.mark(event, "Skipped", clock.now())
        try:
            with rollback.running("AllowTraffic", clock):
                if failed.blue_id is not None:
                    await work.traffic.back_to_blue()
                    await self._restore_primary(failed.blue_id)
            if failed.green_id is not None:
                await work.port.delete_task_set(work.plan.cluster, work.plan.service, failed.green_id)
        except (AwsError, DeploymentFailed) as error:
            rollback.error = failure_of(error)
            rollback.become("Failed", clock.now())
            return
        rollback.become("Succeeded", clock.now())

    async def _restore_primary(self, blue: str) -> None:
        work = self.work
        service = await work.port.service(work.plan.cluster, work.plan.service)
        if service is not None and (service.primary is None or service.primary.id != blue):
            await work.port.set_primary(work.plan.cluster, work.plan.service, blue)


def failure_of(error: AwsError | DeploymentFailed) -> DeploymentFailed:
    """An error of AWS's that no step expected is CodeDeploy's INTERNAL_ERROR."""
    if isinstance(error, DeploymentFailed):
        return error
    return DeploymentFailed("INTERNAL_ERROR", f"{error.code}: {error}")
