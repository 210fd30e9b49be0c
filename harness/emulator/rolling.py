"""The rolling update of a service with the ECS deployment controller, one step at a time; its failure and its rollback (B.6).

A deployment is kept as a task set with a fixed count. Nothing here waits: the scheduler calls `roll` at every look.
"""

from __future__ import annotations

import math
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.emulator.services.ecs_state import Roll, Service, ServiceDeployment, TaskSet, new_task_set_id

MINIMUM_HEALTHY, MAXIMUM = 100, 200  # percent
FEWEST_FAILURES, MOST_FAILURES = 3, 200
THRESHOLDS = ("BOUNDED_PERCENT", "UNBOUNDED_PERCENT", "COUNT")
NO_CANDIDATE = "No rollback candidate was found to run the rollback."


@dataclass(frozen=True, slots=True)
class Breaker:
    """The deployment circuit breaker of a service."""

    enable: bool = False
    rollback: bool = False
    reset: bool = True  # a task that becomes healthy sets the count back to 0
    kind: str = "BOUNDED_PERCENT"
    value: int = 50

    @classmethod
    def of(cls, service: Service) -> Breaker:
        raw: Mapping[str, Any] = (
            service.settings.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker") or {}
        )
        threshold = raw.get("thresholdConfiguration") or {}
        return cls(
            enable=raw.get("enable", False),
            rollback=raw.get("rollback", False),
            reset=raw.get("resetOnHealthyTask", True),
            kind=threshold.get("type", "BOUNDED_PERCENT"),
            value=threshold.get("value", 50),
        )

    def threshold(self, desired: int) -> int:
        """Failed tasks that end a deployment: a count, or percent of the latest desired count."""
        if self.kind == "COUNT":
            return self.value
        share = math.ceil(desired * self.value / 100)
        return share if self.kind == "UNBOUNDED_PERCENT" else max(FEWEST_FAILURES, min(MOST_FAILURES, share))


# ---- beginning and counting


def begin(service: Service, now: float) -> None:
    """The primary deployment is new: remember it, and that whatever was under way has stopped."""
    primary = service.primary
    assert primary is not None
    if service.history and service.history[0].finished_at is None:
        _finish(service.history[0], "STOPPED", now, "A new deployment has started.")
    random_id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(21))
    service.history.insert(
        0,
        ServiceDeployment(
            arn=f"{service.arn.replace(':service/', ':service-deployment/', 1)}/{random_id}",
            target=primary,
            sources=tuple(one for one in service.task_sets if one is not primary),
            configuration=service.settings["deploymentConfiguration"],
            created_at=now,
        ),
    )


def count_failure(service: Service, task_set: TaskSet, *, ran: bool) -> None:
    """A task that never ran counts until one ran (stage 1); after that, those that failed a health check (stage 2)."""
    if service.controller == "ECS" and task_set.roll.state == "IN_PROGRESS" and ran == task_set.roll.ever_ran:
        task_set.roll.failed_tasks += 1


def count_health(service: Service, task_set: TaskSet, healthy: int) -> None:
    """`healthy` tasks now; one more than before resets the count, unless the circuit breaker is told not to."""
    if healthy > task_set.healthy and Breaker.of(service).reset:
        task_set.roll.failed_tasks = 0
    task_set.healthy = healthy
    task_set.roll.ever_ran |= any(task.started_at is not None for task in task_set.tasks)


# ---- one step


def roll(service: Service, now: float, failed_shown: float = 0.0) -> None:
    """Give every deployment its count: the new one grows into the room, the old ones shrink by what the new one replaces.

    `failed_shown`: seconds that a rollback takes at least, with the failed deployment listed beside it.
    """
    if (primary := service.primary) is None:
        return
    if cause := _failure(service, primary):
        _fail(service, primary, *cause, now)
        primary = service.primary
        assert primary is not None
        primary.roll.not_before = now + failed_shown
    _share(service, primary)
    _complete(service, primary, now)


def _share(service: Service, primary: TaskSet) -> None:
    older = [one for one in service.task_sets if one is not primary]
    if primary.roll.state == "FAILED":  # it starts no more, and what served before goes on serving
        primary.fixed = 0
        return
    bounds = service.settings.get("deploymentConfiguration", {})
    at_most = math.floor(service.desired * bounds.get("maximumPercent", MAXIMUM) / 100)
    at_least = math.ceil(service.desired * bounds.get("minimumHealthyPercent", MINIMUM_HEALTHY) / 100)
    alive = sum(task.status != "STOPPED" for one in older for task in one.tasks)
    primary.fixed = min(service.desired, max(at_most - alive, primary.running + primary.pending))
    still_needed = max(0, at_least - primary.healthy)
    for deployment in reversed(older):
        of_use = 0 if deployment.roll.state == "FAILED" else deployment.running
        deployment.fixed = min(still_needed, of_use)
        still_needed -= deployment.fixed
        if deployment.fixed == 0:
            deployment.status = "DRAINING"


def _complete(service: Service, primary: TaskSet, now: float) -> None:
    """Alone, stable, and where it has alarms, watched for a while."""
    alone = not any(one.tasks for one in service.task_sets if one is not primary)
    done = primary.stable and alone and primary.running == service.desired
    if primary.roll.state != "IN_PROGRESS" or not done:
        primary.roll.up_since = None
        return
    primary.roll.up_since = primary.roll.up_since or now
    if now < max(primary.roll.up_since + primary.roll.bake_seconds, primary.roll.not_before):
        return
    primary.roll.state, primary.roll.reason = "COMPLETED", ""
    service.last_completed = primary
    service.say(now, f"(deployment {primary.id}) deployment completed.")
    if service.history and service.history[0].finished_at is None:
        _finish(service.history[0], "ROLLBACK_SUCCESSFUL" if primary.roll.rolls_back else "SUCCESSFUL", now)


# ---- failing


def _failure(service: Service, primary: TaskSet) -> tuple[str, str, bool] | None:
    """(what detected it, what happened, whether to roll back), of a deployment that has failed."""
    breaker = Breaker.of(service)
    if primary.roll.state != "IN_PROGRESS":
        return None
    if primary.roll.alarmed:
        alarms = service.settings["deploymentConfiguration"]["alarms"]
        return "alarms", "alarm detected.", alarms["rollback"]
    if breaker.enable and primary.roll.failed_tasks >= breaker.threshold(service.desired):
        return "circuit breaker", "tasks failed to start.", breaker.rollback
    return None


def _fail(service: Service, failed: TaskSet, detector: str, what: str, rollback: bool, now: float) -> None:
    failed.roll.state, failed.updated_at = "FAILED", now
    failed.roll.reason = f"ECS deployment {detector}: {what}"
    service.say(now, f"(deployment {failed.id}) deployment failed: {what}")
    record = service.history[0]
    record.failed_tasks, record.triggered_alarms = failed.roll.failed_tasks, failed.roll.alarmed
    record.reason = f"Service deployment failed: {what}"
    candidate = service.last_completed
    if not rollback:
        _finish(record, "STOPPED", now)
    elif candidate is None or failed.roll.rolls_back:
        _finish(record, "ROLLBACK_FAILED", now, NO_CANDIDATE)
    else:
        _roll_back(service, failed, candidate, detector, now)


def _roll_back(service: Service, failed: TaskSet, candidate: TaskSet, detector: str, now: float) -> None:
    """The last completed deployment is primary again; one whose tasks are all gone comes back as a new one."""
    back = candidate if candidate in service.task_sets else _copy(candidate, now)
    failed.status, back.status, back.updated_at = "ACTIVE", "PRIMARY", now
    reason = f"ECS deployment {detector}: rolling back to deploymentId {back.id}."
    back.roll = Roll(reason=reason, rolls_back=failed.id, ignored_alarms=failed.roll.ignored_alarms)
    back.roll.ignored_alarms = (back.roll.ignored_alarms or frozenset()) | frozenset(failed.roll.alarmed)
    service.task_sets = [back, *(one for one in service.task_sets if one is not back)]
    service.definition, service.load_balancers = back.definition, back.load_balancers
    service.settings = {**service.settings, **back.settings}
    service.say(now, f"rolling back to deployment {back.id}.")
    record = service.history[0]
    record.status, record.rollback, record.rollback_at = "ROLLBACK_IN_PROGRESS", back, now
    record.reason = f"{record.reason} Rolling back."


def _copy(old: TaskSet, now: float) -> TaskSet:
    new_id = new_task_set_id()
    arn = f"{old.arn.partition('/ecs-svc/')[0]}/{new_id}"
    return TaskSet(new_id, arn, old.definition, old.settings, old.load_balancers, now, now, stable_at=now, fixed=0)


def _finish(record: ServiceDeployment, status: str, now: float, reason: str = "") -> None:
    record.status, record.finished_at = status, now
    record.reason = reason or record.reason
