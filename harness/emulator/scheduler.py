"""Keeps the task sets of a service at their desired count (D.4), one coroutine for each service.

It wakes when something changed, compares what is with what should be, and starts, registers, drains and stops tasks. It alone
writes a task set's computed count and stability, and the registrations of tasks with target groups.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.rolling import roll
from harness.emulator.services.ecs_network import Interfaces
from harness.emulator.services.ecs_state import Registration, Service, StopOrder, Task, TaskSet

log = logging.getLogger("rehearse.emulator")
GATHER = 0.05  # seconds: rings so close together are answered by one look
LOOK_AGAIN = 1.0  # seconds, while something is under way (grace periods and back-offs end without a ring)
LOOK_AGAIN_STEADY = 5.0
REPEAT_STEADY = 6 * 3600.0  # A.6: "has reached a steady state" repeats about every 6 h
QUICK_CRASH = 30.0  # seconds after RUNNING; a later end does not count as a crash loop
ROOM = 2  # a task set and its draining tasks never exceed twice the desired count (maximumPercent 200, A.6)
STEADY_TARGETS = frozenset({"healthy", "unused", "unavailable"})  # A.3.4: a group that no listener uses is not checked
UNABLE_TO_START = (
    "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the "
    "Amazon ECS Developer Guide."
)
UNABLE_AFTER = 3  # tasks in a row that never ran
START_DELAYS = (1, 2, 4, 8, 16, 30, 60)  # seconds after tasks that never ran; AWS's gap grows to 15 minutes
CRASH_DELAYS = (
    1,
    2,
    4,
    8,
)  # AWS restarts these at once, paced by Fargate's own half minute: here a process starts in no time


def start_delay(failures: int) -> float:
    """Seconds until the next start after so many tasks in a row ended before RUNNING."""
    return START_DELAYS[min(failures, len(START_DELAYS)) - 1] if failures else 0.0


def crash_delay(crashes: int) -> float:
    """Seconds until the next start after so many tasks in a row ended soon after RUNNING."""
    return CRASH_DELAYS[min(crashes, len(CRASH_DELAYS)) - 1] if crashes else 0.0


def is_steady(*, desired: int, running: int, pending: int, healthy: int) -> bool:
    """STEADY_STATE (A.3.4): running = desired, none pending, and the targets of every running task healthy or not checked."""
    return running == desired == healthy and pending == 0


@dataclass(frozen=True, slots=True)
class TargetHealth:
    state: str
    reason: str  # the sentence of an event: `Health checks failed with these codes: [503]`


Health = dict[tuple[str, str, int], TargetHealth]  # by target group, address, port


class Scheduler:
    """`start_task(service, task_set)` makes one task and begins its life."""

    def __init__(self, cloud: Cloud, interfaces: Interfaces, start_task: Callable[[Service, TaskSet], Task]) -> None:
        self._cloud, self._interfaces, self._start_task = cloud, interfaces, start_task

    def watch(self, service: Service) -> None:
        """Keep `service` until it is INACTIVE and nothing of it is left."""
        self._cloud.spawn(self._keep(service), f"scheduler of {service.arn}")

    async def _keep(self, service: Service) -> None:
        clock, bell = self._cloud.clock, self._cloud.changed
        while service.status != "INACTIVE":
            seen = bell.count
            try:
                await self.look(service)
            except Exception:  # one failed look must not leave the service without a scheduler
                log.exception("the scheduler of %s", service.arn)
                await clock.sleep(LOOK_AGAIN)
            await clock.sleep(GATHER)
            await bell.wait(clock, LOOK_AGAIN_STEADY if service.steady else LOOK_AGAIN, seen=seen)

    async def look(self, service: Service) -> None:
        """One comparison of what is with what should be."""
        self._compute(service)
        await self._register(service)
        await self._deregister(service)
        health = await self._health(service)
        self._end_drains(service, health)
        for task_set in service.task_sets:
            self._bury(service, task_set)
            self._stop_unhealthy(service, task_set, health)
            self._scale_in(service, task_set)
            self._start(service, task_set)
            self._judge(service, task_set, health)
        if service.controller == "ECS":
            roll(service, self._cloud.clock.now())
        self._remove_drained(service)
        self._settle(service)

    # ---- how many

    def _compute(self, service: Service) -> None:
        for task_set in service.task_sets:
            wanted = task_set.wanted(service.desired)
            if task_set.computed and wanted == task_set.computed_desired:
                continue
            task_set.computed, task_set.computed_desired, task_set.updated_at = True, wanted, self._cloud.clock.now()
            self._unsettle(service, task_set)
            if service.controller != "ECS":
                self._say(service, f"updated computedDesiredCount for taskSet {task_set.id} to {wanted}.")

    def _start(self, service: Service, task_set: TaskSet) -> None:
        """Start what is missing; draining tasks take room too."""
        missing = task_set.computed_desired - task_set.running - task_set.pending
        alive = sum(task.status != "STOPPED" for task in task_set.tasks)
        count = min(missing, ROOM * task_set.computed_desired - alive)
        if count <= 0 or self._cloud.clock.now() < task_set.not_before:
            return
        tasks = [self._start_task(service, task_set) for _ in range(count)]
        task_set.tasks.extend(tasks)
        self._unsettle(service, task_set)
        self._say(service, f"has started {count} tasks: {_names(tasks)}.")

    def _scale_in(self, service: Service, task_set: TaskSet) -> None:
        """Stop what is too much: first what does not run yet, then the youngest."""
        living = [task for task in task_set.tasks if task.pending or task.running]
        surplus = len(living) - task_set.computed_desired
        if surplus <= 0:
            return
        living.sort(key=lambda task: (task.running, -task.created_at))
        kind = "deployment" if service.controller == "ECS" else "taskSet"
        self._stop(service, task_set, living[:surplus], f"Scaling activity initiated by ({kind} {task_set.id})")

    def _stop(self, service: Service, task_set: TaskSet, tasks: Sequence[Task], reason: str) -> None:
        """Registered tasks drain first (`_deregister` follows); the others get their SIGTERM at once."""
        at_once = [task for task in tasks if not task.registrations]
        for task in tasks:
            task.stop(StopOrder("ServiceSchedulerInitiated", reason, drain=bool(task.registrations)))
        if at_once:
            self._say(service, f"has stopped {len(at_once)} running tasks: {_names(at_once)}.")
        self._unsettle(service, task_set)

    # ---- targets

    async def _register(self, service: Service) -> None:
        """Running tasks become targets, one call for each target group."""
        for task_set in list(service.task_sets):
            for balancer in task_set.load_balancers:
                group = balancer.target_group
                fresh = [task for task in task_set.tasks if task.running and not _registered(task, group)]
                if not fresh:
                    continue
                targets = [Registration(group, _ip(task), balancer.port) for task in fresh]
                try:
                    await self._elbv2(service, "RegisterTargets", group, targets)
                except AwsError as error:
                    self._say_once(
                        service, f"failed to register targets in (target-group {group}) with (error {error.message})"
                    )
                    continue
                for task, target in zip(fresh, targets, strict=True):
                    task.registrations.append(target)
                self._say(service, f"registered {len(fresh)} targets in (target-group {group})")

    async def _deregister(self, service: Service) -> None:
        """Tasks that are to stop, or have stopped of themselves, leave their target groups."""
        for task_set in list(service.task_sets):
            leaving = [task for task in task_set.tasks if task.order]
            targets = [target for task in leaving for target in task.registrations if target.state == "registered"]
            for group in dict.fromkeys(target.target_group for target in targets):
                of_group = [target for target in targets if target.target_group == group]
                for target in of_group:
                    target.state = "draining"
                try:
                    await self._elbv2(service, "DeregisterTargets", group, of_group)
                except AwsError as error:  # the group is gone, or someone else took the target out: nothing drains
                    self._say_once(
                        service, f"failed to deregister targets in (target-group {group}) with (error {error.message})"
                    )
                    continue
                self._say(service, f"deregistered {len(of_group)} targets in (target-group {group})")
                self._say(service, f"has begun draining connections on {len(of_group)} tasks.", task_set.id)

    async def _elbv2(
        self, service: Service, operation: str, group: str, targets: Sequence[Registration]
    ) -> dict[str, Any]:
        ids = [{"Id": target.ip, "Port": target.port} for target in targets]
        return await self._cloud.call(service.caller, "elbv2", operation, TargetGroupArn=group, Targets=ids)

    async def _health(self, service: Service) -> Health:
        """What the load balancer says of every target group that tasks of the service are registered with."""
        groups = {
            target.target_group
            for task_set in service.task_sets
            for task in task_set.tasks
            for target in task.registrations
            if target.state != "gone"
        }
        health: Health = {}
        for group in sorted(groups):
            try:
                answer = await self._cloud.call(service.caller, "elbv2", "DescribeTargetHealth", TargetGroupArn=group)
            except AwsError as error:
                self._say_once(
                    service, f"failed to read the health of (target-group {group}) with (error {error.message})"
                )
                continue
            for one in answer["TargetHealthDescriptions"]:
                seen, target = one["TargetHealth"], one["Target"]
                reason = seen.get("Description") or seen.get("Reason") or ""
                health[group, target["Id"], target["Port"]] = TargetHealth(seen["State"], reason)
        return health

    def _end_drains(self, service: Service, health: Health) -> None:
        """A deregistered target that is no longer draining is gone; a task without targets left may get its SIGTERM."""
        for task_set in service.task_sets:
            drained = []
            for task in task_set.tasks:
                for target in task.registrations:
                    seen = health.get((target.target_group, target.ip, target.port))
                    if target.state == "draining" and (seen is None or seen.state == "unused"):
                        target.state = "gone"
                if task.order and not task.drained.is_set() and all(one.state == "gone" for one in task.registrations):
                    task.drained.set()
                    if task.order.drain:
                        drained.append(task)
            if drained:
                self._say(service, f"has stopped {len(drained)} running tasks: {_names(drained)}.")

    def _stop_unhealthy(self, service: Service, task_set: TaskSet, health: Health) -> None:
        """After its grace period, a task with an unhealthy target drains and is replaced (D.3)."""
        grace = service.settings.get("healthCheckGracePeriodSeconds") or 0
        now = self._cloud.clock.now()
        for task in task_set.tasks:
            if not task.running or task.started_at is None or now < task.started_at + grace:
                continue
            for target in task.registrations:
                seen = health.get((target.target_group, target.ip, target.port))
                if seen and seen.state == "unhealthy":
                    self._say(
                        service,
                        f"(task {task.id}) (port {target.port}) is unhealthy in (target-group {target.target_group}) "
                        f"due to (reason {seen.reason})",
                    )
                    self._stop(
                        service,
                        task_set,
                        [task],
                        f"Task failed ELB health checks in (target-group {target.target_group})",
                    )
                    break

    # ---- ends

    def _bury(self, service: Service, task_set: TaskSet) -> None:
        """Learn from tasks that ended by themselves, and forget those of which nothing is left."""
        for task in [task for task in task_set.tasks if task.order and not task.counted]:
            task.counted = True
            self._learn(service, task_set, task)
        for task in [task for task in task_set.tasks if task.over]:
            self._interfaces.release(task.interface)
            task_set.tasks.remove(task)
        if task_set.failures and task_set.running:
            task_set.failures = 0
            service.said.discard(UNABLE_TO_START)

    def _learn(self, service: Service, task_set: TaskSet, task: Task) -> None:
        """Back off after a failed start or a quick crash; one step for all tasks that failed together."""
        now = self._cloud.clock.now()
        if task.order is None or task.order.code not in ("TaskFailedToStart", "EssentialContainerExited"):
            return
        self._unsettle(service, task_set)
        if now < task_set.not_before:
            return
        if task.started_at is None:
            task_set.failures += 1
            task_set.not_before = now + start_delay(task_set.failures)
            if task_set.failures >= UNABLE_AFTER:
                self._say_once(service, UNABLE_TO_START)
        else:
            quick = now - task.started_at < QUICK_CRASH
            task_set.crashes = task_set.crashes + 1 if quick else 0
            task_set.not_before = now + crash_delay(task_set.crashes)

    def _judge(self, service: Service, task_set: TaskSet, health: Health) -> None:
        """stabilityStatus."""
        groups = [balancer.target_group for balancer in task_set.load_balancers]
        targets = [[_state(health, task, group) for group in groups] for task in task_set.tasks if task.running]
        task_set.healthy = sum(STEADY_TARGETS.issuperset(states) for states in targets)
        steady = task_set.computed and is_steady(
            desired=task_set.computed_desired,
            running=task_set.running,
            pending=task_set.pending,
            healthy=task_set.healthy,
        )
        if steady == task_set.stable:
            return
        task_set.stable, task_set.stable_at = steady, self._cloud.clock.now()
        self._cloud.changed.ring()
        if steady and service.controller != "ECS" and task_set.status != "DRAINING":
            self._say(service, "updated state to STEADY_STATE.", task_set.id)

    def _remove_drained(self, service: Service) -> None:
        """A draining task set is gone with its last task; a draining service with its last task set."""
        for task_set in [one for one in service.task_sets if one.status == "DRAINING" and not one.tasks]:
            service.task_sets.remove(task_set)
            self._cloud.changed.ring()
        if service.status == "DRAINING" and not service.task_sets:
            service.status = "INACTIVE"
            self._cloud.changed.ring()

    def _settle(self, service: Service) -> None:
        """The service's own steady state: every task set stable and nothing on its way out; repeated every six hours."""
        quiet = all(one.stable and all(task.running for task in one.tasks) for one in service.task_sets)
        quiet = quiet and (service.controller != "ECS" or all(one.completed for one in service.task_sets))
        service.steady = quiet and service.status == "ACTIVE" and bool(service.task_sets)
        now = self._cloud.clock.now()
        if service.steady and now >= service.steady_said_at + REPEAT_STEADY:
            service.steady_said_at = now
            self._say(service, "has reached a steady state.")
        if not quiet:
            service.steady_said_at = 0.0

    def _unsettle(self, service: Service, task_set: TaskSet) -> None:
        service.steady, service.steady_said_at = False, 0.0
        if task_set.stable:
            task_set.stable, task_set.stable_at = False, self._cloud.clock.now()
        self._cloud.changed.ring()

    # ---- events

    def _say(self, service: Service, message: str, task_set: str = "") -> None:
        service.say(self._cloud.clock.now(), message, task_set)

    def _say_once(self, service: Service, message: str) -> None:
        """Not again until the cause is resolved (D.4)."""
        if message not in service.said:
            service.said.add(message)
            self._say(service, message)


def _names(tasks: Sequence[Task]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)


def _ip(task: Task) -> str:
    assert task.interface is not None  # services are awsvpc
    return task.interface.ip


def _registered(task: Task, target_group: str) -> bool:
    return any(one.target_group == target_group for one in task.registrations)


def _state(health: Health, task: Task, target_group: str) -> str:
    """The health of a task in one of its target groups; `initial` while it is not registered there."""
    for target in task.registrations:
        if target.target_group == target_group and (seen := health.get((target_group, target.ip, target.port))):
            return seen.state
    return "initial"
