"""The rolling update of a service with the ECS deployment controller, one step at a time.

A deployment is kept as a task set with a fixed count. Without circuit breaker and deployment alarms, which CreateService refuses.
"""

from __future__ import annotations

import math

from harness.emulator.services.ecs_state import Service, TaskSet

MINIMUM_HEALTHY, MAXIMUM = 100, 200  # percent


def roll(service: Service, now: float) -> None:
    """Give every deployment its count: the new one grows into the room, the old ones shrink by what the new one replaces."""
    primary = service.primary
    if primary is None:
        return
    older = [one for one in service.task_sets if one is not primary]
    bounds = service.settings.get("deploymentConfiguration", {})
    at_most = math.floor(service.desired * bounds.get("maximumPercent", MAXIMUM) / 100)
    at_least = math.ceil(service.desired * bounds.get("minimumHealthyPercent", MINIMUM_HEALTHY) / 100)
    alive = sum(task.status != "STOPPED" for one in older for task in one.tasks)
    primary.fixed = min(service.desired, max(at_most - alive, primary.running + primary.pending))
    still_needed = max(0, at_least - primary.healthy)
    for deployment in reversed(older):
        deployment.fixed = min(still_needed, deployment.running)
        still_needed -= deployment.fixed
        if deployment.fixed == 0:
            deployment.status = "DRAINING"
    _complete(service, primary, now)


def _complete(service: Service, primary: TaskSet, now: float) -> None:
    if not primary.completed and primary.stable and len(service.task_sets) == 1 and primary.running == service.desired:
        primary.completed = True
        service.say(now, f"(deployment {primary.id}) deployment completed.")
