"""Task scale-in protection: a protected service task is stopped neither by scaling in nor by a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.services.ecs_lookup import Raw, find_cluster, find_task, invalid, missing, stamps
from harness.emulator.services.ecs_state import Cluster, Task

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

DEFAULT_MINUTES = 120
LONGEST_MINUTES = 2880
AT_MOST = 10


def update_task_protection(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    minutes = request.get("expiresInMinutes") or DEFAULT_MINUTES
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise invalid(f"expiresInMinutes must be between 1 and {LONGEST_MINUTES}.")
    cluster = find_cluster(ecs.regions[caller], request)
    tasks, failures = _service_tasks(cluster, request["tasks"])
    for task in tasks:
        task.protected_until = ecs.now() + minutes * 60 if request["protectionEnabled"] else 0.0
    ecs.cloud.changed.ring()
    return {"protectedTasks": [_shown(task, ecs.now()) for task in tasks], "failures": failures}


def get_task_protection(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    names = request.get("tasks") or [task.arn for task in cluster.tasks.values() if _protectable(task)][:AT_MOST]
    tasks, failures = _service_tasks(cluster, names)
    return {"protectedTasks": [_shown(task, ecs.now()) for task in tasks], "failures": failures}


def _service_tasks(cluster: Cluster, names: list[str]) -> tuple[list[Task], list[Raw]]:
    if len(names) > AT_MOST:
        raise invalid(f"Tasks cannot have more than {AT_MOST} elements.")
    found = {name: find_task(cluster, name) for name in names}
    failures = [
        missing(name) if task is None else _unfit(task) for name, task in found.items() if not _protectable(task)
    ]
    return [task for task in found.values() if task is not None and _protectable(task)], failures


def _protectable(task: Task | None) -> bool:
    return task is not None and task.group.startswith("service:") and task.order is None


def _unfit(task: Task) -> Raw:
    return {
        "arn": task.arn,
        "reason": "TASK_NOT_VALID",
        "detail": "Task protection can be set for running tasks of a service only.",
    }


def _shown(task: Task, now: float) -> Raw:
    protected = task.protected_until > now
    until = stamps(expirationDate=task.protected_until if protected else None)
    return {"taskArn": task.arn, "protectionEnabled": protected, **until}
