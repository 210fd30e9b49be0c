"""A service's tasks as targets of its target groups: registering, their health, draining (C.3, C.4, D.5).

An awsvpc task is known by its interface's address and the container's port, a bridge or host task by its EC2 instance and host port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.services.ecs_state import LoadBalancer, Registration, Service, Task


@dataclass(frozen=True, slots=True)
class TargetHealth:
    state: str
    reason: str  # the sentence of an event: `Health checks failed with these codes: [503]`


Health = dict[tuple[str, str, int], TargetHealth]  # by target group, id, port


class Targets:
    """Of every service; it alone writes `Task.registrations`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def register(self, service: Service) -> None:
        """Running tasks become targets, one call for each target group."""
        for task_set in list(service.task_sets):
            for balancer in task_set.load_balancers:
                group = balancer.target_group
                fresh = [task for task in task_set.tasks if task.running and not registered(task, group)]
                if not fresh:
                    continue
                targets = [target_of(task, balancer) for task in fresh]
                try:
                    await self._elbv2(service, "RegisterTargets", group, targets)
                except AwsError as error:
                    text = f"failed to register targets in (target-group {group}) with (error {error.message})"
                    service.say_once(self._now(), text)
                    continue
                for task, target in zip(fresh, targets, strict=True):
                    task.registrations.append(target)
                service.say(self._now(), f"registered {len(fresh)} targets in (target-group {group})")

    async def deregister(self, service: Service) -> None:
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
                    text = f"failed to deregister targets in (target-group {group}) with (error {error.message})"
                    service.say_once(self._now(), text)
                    continue
                service.say(self._now(), f"deregistered {len(of_group)} targets in (target-group {group})")
                service.say(self._now(), f"has begun draining connections on {len(of_group)} tasks.", task_set.id)

    async def health(self, service: Service) -> Health:
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
                text = f"failed to read the health of (target-group {group}) with (error {error.message})"
                service.say_once(self._now(), text)
                continue
            for one in answer["TargetHealthDescriptions"]:
                seen, target = one["TargetHealth"], one["Target"]
                reason = seen.get("Description") or seen.get("Reason") or ""
                health[group, target["Id"], target["Port"]] = TargetHealth(seen["State"], reason)
        return health

    async def _elbv2(
        self, service: Service, operation: str, group: str, targets: Sequence[Registration]
    ) -> dict[str, Any]:
        ids = [{"Id": target.ip, "Port": target.port} for target in targets]
        return await self._cloud.call(service.caller, "elbv2", operation, TargetGroupArn=group, Targets=ids)

    def _now(self) -> float:
        return self._cloud.clock.now()


def target_of(task: Task, balancer: LoadBalancer) -> Registration:
    if task.interface is not None:
        return Registration(balancer.target_group, task.interface.ip, balancer.port)
    assert task.container_instance is not None  # without an interface a task is on an instance
    wanted = (balancer.container, balancer.port)
    port = next(one.host_port for one in task.host_ports if (one.container, one.container_port) == wanted)
    return Registration(balancer.target_group, task.container_instance.ec2_id, port)


def registered(task: Task, target_group: str) -> bool:
    return any(one.target_group == target_group for one in task.registrations)


def state_in(health: Health, task: Task, target_group: str) -> str:
    """The health of a task in one of its target groups; `initial` while it is not registered there."""
    for target in task.registrations:
        if target.target_group == target_group and (seen := health.get((target_group, target.ip, target.port))):
            return seen.state
    return "initial"
