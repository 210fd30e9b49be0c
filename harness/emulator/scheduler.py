"""Keeps the task sets of a service at their desired count (D.4), one coroutine for each service.

It wakes when something changed, compares what is with what should be, and starts, registers, drains and stops tasks. It alone
writes a task set's computed count and stability, and the registrations of tasks with target groups.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from harness.emulator.capacity import UNABLE_TO_PLACE, Unplaced
from harness.emulator.cloud import Cloud
from harness.emulator.rolling import MAXIMUM, MINIMUM_HEALTHY, count_failure, count_health, roll
from harness.emulator.rolling_alarms import read_alarms
from harness.emulator.service_targets import Health, Targets, state_in
from harness.emulator.services.ecs_network import Interfaces
from harness.emulator.services.ecs_state import Service, StopOrder, Task, TaskSet

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
# AWS restarts these at once, paced by Fargate's own half minute: here a process starts in no time
CRASH_DELAYS = (1, 2, 4, 8)


def start_delay(failures: int) -> float:
    """Seconds until the next start after so many tasks in a row ended before RUNNING."""
    return START_DELAYS[min(failures, len(START_DELAYS)) - 1] if failures else 0.0


def crash_delay(crashes: int) -> float:
    """Seconds until the next start after so many tasks in a row ended soon after RUNNING."""
    return CRASH_DELAYS[min(crashes, len(CRASH_DELAYS)) - 1] if crashes else 0.0


def is_steady(*, desired: int, running: int, pending: int, healthy: int) -> bool:
    """STEADY_STATE (A.3.4): running = desired, none pending, and the targets of every running task healthy or not checked."""
    return running == desired == healthy and pending == 0


class Scheduler:
    """`start_task(service, task_set)` makes one task and begins its life, or says why there is no place for it."""

    def __init__(
        self, cloud: Cloud, interfaces: Interfaces, start_task: Callable[[Service, TaskSet], Task | Unplaced]
    ) -> None:
        self._cloud, self._interfaces, self._start_task = cloud, interfaces, start_task
        self._targets = Targets(cloud)

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
        await self._targets.register(service)
        await self._targets.deregister(service)
        health = await self._targets.health(service)
        if service.controller == "ECS":
            await read_alarms(self._cloud, service)
        self._end_drains(service, health)
        for task_set in service.task_sets:
            self._bury(service, task_set)
            self._stop_unhealthy(service, task_set, health)
            self._leave_instances(service, task_set)
            self._scale_in(service, task_set)
            self._start(service, task_set)
            self._judge(service, task_set, health)
        if service.controller == "ECS":
            shown = self._cloud.settings.failed_deployment_seconds / self._cloud.compression
            roll(service, self._cloud.clock.now(), shown)
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
        count = min(missing, math.floor(_room(service) * task_set.computed_desired) - alive)
        if count <= 0 or self._cloud.clock.now() < task_set.not_before:
            return
        tasks: list[Task] = []
        for _ in range(count):
            task = self._start_task(service, task_set)
            if isinstance(task, Unplaced):
                service.say_once(self._cloud.clock.now(), task.event)
                break
            task_set.tasks.append(task)
            tasks.append(task)
        if tasks:
            self._unsettle(service, task_set)
            self._say(service, f"has started {len(tasks)} tasks: {_names(tasks)}.")
        if len(tasks) == count:
            service.said -= {message for message in service.said if message.startswith(UNABLE_TO_PLACE)}

    def _scale_in(self, service: Service, task_set: TaskSet) -> None:
        """Stop what is too much: first what does not run yet, then the youngest; never what is protected."""
        living = [task for task in task_set.tasks if (task.pending or task.running) and not task.leaving]
        surplus = len(living) - task_set.computed_desired
        now = self._cloud.clock.now()
        stoppable = [task for task in living if task.protected_until <= now]
        if surplus > 0 and stoppable:
            stoppable.sort(key=lambda task: (task.running, -task.created_at))
            self._stop(service, task_set, stoppable[:surplus], _scaling(service, task_set))

    def _leave_instances(self, service: Service, task_set: TaskSet) -> None:
        """Tasks on a draining instance go as fast as the others, healthy, make up the minimum (D.5)."""
        leaving = [task for task in task_set.tasks if task.leaving and task.order is None]
        if not leaving:
            return
        percent = service.settings["deploymentConfiguration"].get("minimumHealthyPercent", MINIMUM_HEALTHY)
        at_least = math.ceil(task_set.computed_desired * percent / 100)
        spare = task_set.healthy + sum(task.running for task in leaving) - at_least
        now = self._cloud.clock.now()
        free = [task for task in leaving if task.running and task.protected_until <= now]
        going = [task for task in leaving if not task.running] + free[: max(0, spare)]
        if going:
            self._stop(service, task_set, going, _scaling(service, task_set))

    def _stop(self, service: Service, task_set: TaskSet, tasks: Sequence[Task], reason: str) -> None:
        """Registered tasks drain first (`_deregister` follows); the others get their SIGTERM at once."""
        at_once = [task for task in tasks if not task.registrations]
        for task in tasks:
            task.stop(StopOrder("ServiceSchedulerInitiated", reason, drain=bool(task.registrations)))
        if at_once:
            self._say(service, f"has stopped {len(at_once)} running tasks: {_names(at_once)}.")
        self._unsettle(service, task_set)

    # ---- targets

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
        """After its grace period, a task that fails its own health checks or a target group's drains and is replaced (D.3)."""
        grace = service.settings.get("healthCheckGracePeriodSeconds") or 0
        now = self._cloud.clock.now()
        for task in task_set.tasks:
            if not task.running or task.started_at is None or now < task.started_at + grace:
                continue
            if failed := _failed_check(task, health):
                event, reason = failed
                self._say(service, event)
                count_failure(service, task_set, ran=True)
                self._stop(service, task_set, [task], reason)

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
        if task.started_at is None:
            count_failure(service, task_set, ran=False)
        if now < task_set.not_before:
            return
        if task.started_at is None:
            task_set.failures += 1
            task_set.not_before = now + start_delay(task_set.failures)
            if task_set.failures >= UNABLE_AFTER:
                service.say_once(now, UNABLE_TO_START)
        else:
            quick = now - task.started_at < QUICK_CRASH
            task_set.crashes = task_set.crashes + 1 if quick else 0
            task_set.not_before = now + crash_delay(task_set.crashes)

    def _judge(self, service: Service, task_set: TaskSet, health: Health) -> None:
        """stabilityStatus."""
        healthy = [
            task for task in task_set.tasks if task.running and self._is_healthy(service, task_set, task, health)
        ]
        count_health(service, task_set, sum(not task.leaving for task in healthy))
        steady = (
            task_set.computed
            and is_steady(
                desired=task_set.computed_desired,
                running=task_set.running,
                pending=task_set.pending,
                healthy=task_set.healthy,
            )
            and not any(task.leaving and task.order is None for task in task_set.tasks)
        )
        if steady == task_set.stable:
            return
        task_set.stable, task_set.stable_at = steady, self._cloud.clock.now()
        self._cloud.changed.ring()
        if steady and service.controller != "ECS" and task_set.status != "DRAINING":
            self._say(service, "updated state to STEADY_STATE.", task_set.id)

    def _is_healthy(self, service: Service, task_set: TaskSet, task: Task, health: Health) -> bool:
        """By its target groups and its own health checks; a rolling service's task without any, 40 s after RUNNING (D.3)."""
        groups = {balancer.target_group for balancer in task_set.load_balancers}
        checked = any(one.health_check and one.essential for one in task.definition.containers)
        if not groups and not checked and service.controller == "ECS":
            wait = self._cloud.settings.unchecked_healthy_seconds / self._cloud.compression
            return self._cloud.clock.now() >= (task.started_at or 0.0) + wait
        behind = STEADY_TARGETS.issuperset(state_in(health, task, group) for group in groups)
        return behind and (not checked or task.health == "HEALTHY")

    def _remove_drained(self, service: Service) -> None:
        """A draining task set is gone with its last task; a draining service with its last task set.

        A failed deployment stays to be seen until the rollback is complete.
        """
        primary = service.primary
        seen = primary.roll.rolls_back if primary and not primary.roll.completed else ""
        for task_set in [
            one for one in service.task_sets if one.status == "DRAINING" and not one.tasks and one.id != seen
        ]:
            service.task_sets.remove(task_set)
            self._cloud.changed.ring()
        if service.status == "DRAINING" and not service.task_sets:
            service.status = "INACTIVE"
            self._cloud.changed.ring()

    def _settle(self, service: Service) -> None:
        """The service's own steady state: every task set stable and nothing on its way out; repeated every six hours."""
        quiet = all(one.stable and all(task.running for task in one.tasks) for one in service.task_sets)
        quiet = quiet and (service.controller != "ECS" or all(one.roll.completed for one in service.task_sets))
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


def _failed_check(task: Task, health: Health) -> tuple[str, str] | None:
    """The service's event and the task's stoppedReason, of the first health check that the task does not pass."""
    if task.health == "UNHEALTHY":
        return f"(task {task.id}) failed container health checks.", "Task failed container health checks"
    for target in task.registrations:
        seen = health.get((target.target_group, target.ip, target.port))
        if seen and seen.state == "unhealthy":
            group = f"(target-group {target.target_group})"
            event = f"({_subject(task)}) (port {target.port}) is unhealthy in {group} due to (reason {seen.reason})"
            return event, f"Task failed ELB health checks in {group}"
    return None


def _names(tasks: Sequence[Task]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)


def _subject(task: Task) -> str:
    """Of an event on a target: in an instance group, the EC2 instance (D.4)."""
    if task.interface is None and task.container_instance is not None:
        return f"instance {task.container_instance.ec2_id}"
    return f"task {task.id}"


def _room(service: Service) -> float:
    """How many times its desired count a task set may have alive: a rolling service's maximumPercent, else 200 %."""
    if service.controller != "ECS":
        return ROOM
    return float(service.settings["deploymentConfiguration"].get("maximumPercent", MAXIMUM)) / 100


def _scaling(service: Service, task_set: TaskSet) -> str:
    return f"Scaling activity initiated by ({'deployment' if service.controller == 'ECS' else 'taskSet'} {task_set.id})"
