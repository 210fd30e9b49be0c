"""Which capacity a new task gets: its capacity provider, and on EC2 its container instance (D.5). The arithmetic is in capacity.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.emulator.capacity import ContainerInstance, Demand, PortWanted, Unplaced, Wishes, choose_provider, place
from harness.emulator.services.ecs_lookup import last_part
from harness.emulator.services.ecs_state import Cluster, Region, Task, TaskDefinition
from harness.emulator.services.ecs_task_definitions import cpu_units, memory_mib

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new task runs. Neither Fargate nor an instance: it waits for its capacity provider."""

    launch_type: str  # EC2 | FARGATE
    provider: str = ""
    instance: ContainerInstance | None = None


def demand_of(definition: TaskDefinition, settings: Mapping[str, Any]) -> Demand:
    """The task's own CPU and memory, else what its containers reserve together; overrides count."""
    document, overrides = definition.document, settings.get("overrides", {})
    containers = [_overridden(raw, overrides) for raw in document["containerDefinitions"]]
    cpu, memory = (overrides.get(member) or document.get(member) for member in ("cpu", "memory"))
    return Demand(
        cpu=cpu_units(cpu) if cpu else sum(raw["cpu"] for raw in containers),
        memory=memory_mib(memory) if memory else sum(_reserved(raw) for raw in containers),
        ports=tuple(_ports(document)),
        interface=definition.network_mode == "awsvpc",
        attributes=frozenset(one["name"] for one in document["requiresAttributes"]),
    )


def _overridden(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    given = [one for one in overrides.get("containerOverrides", ()) if one.get("name") == raw["name"]]
    changes = given[0] if given else {}
    return {
        **raw,
        **{member: changes[member] for member in ("cpu", "memory", "memoryReservation") if member in changes},
    }


def _reserved(raw: Mapping[str, Any]) -> int:
    """The soft limit counts where it is given (D.5)."""
    return int(raw.get("memoryReservation") or raw.get("memory") or 0)


def _ports(document: Mapping[str, Any]) -> Iterable[PortWanted]:
    """Ports of the instance: an awsvpc task has its own, a task without network none."""
    if document["networkMode"] not in ("bridge", "host"):
        return
    for raw in document["containerDefinitions"]:
        for mapping in raw["portMappings"]:
            yield PortWanted(raw["name"], mapping["containerPort"], mapping["hostPort"], mapping["protocol"])


def wishes_of(definition: TaskDefinition, settings: Mapping[str, Any]) -> Wishes:
    constraints = (*definition.document.get("placementConstraints", ()), *settings.get("placementConstraints", ()))
    return Wishes(constraints, tuple(settings.get("placementStrategy", ())))


def seat(
    region: Region,
    cluster: Cluster,
    definition: TaskDefinition,
    settings: Mapping[str, Any],
    group: str,
    siblings: Iterable[Task],
) -> Place | Unplaced:
    """Where the next task of `group` runs; `siblings` are those that the capacity provider strategy counts."""
    strategy = settings.get("capacityProviderStrategy")
    if not strategy:
        launch_type = settings.get("launchType", "EC2")
        return Place("FARGATE") if launch_type == "FARGATE" else _on_ec2(cluster, definition, settings, group)
    counts = Counter(task.capacity_provider for task in siblings if task.order is None)
    name = last_part(choose_provider(strategy, counts))
    if name not in region.providers:
        return Place("FARGATE", name)
    found = _on_ec2(cluster, definition, settings, group, of_group=region.providers[name].group)
    if isinstance(found, Unplaced):
        return Place("EC2", name) if region.providers[name].managed else found
    return Place("EC2", name, found.instance)


def _on_ec2(
    cluster: Cluster, definition: TaskDefinition, settings: Mapping[str, Any], group: str, of_group: str = ""
) -> Place | Unplaced:
    instances = [one for one in cluster.instances.values() if of_group in ("", one.auto_scaling_group)]
    found = place(instances, demand_of(definition, settings), wishes_of(definition, settings), group)
    return found if isinstance(found, Unplaced) else Place("EC2", instance=found)


def settle(task: Task, instance: ContainerInstance) -> None:
    """Place `task` on `instance`; its life goes on from there."""
    claim = instance.claim(task.id, demand_of(task.definition, task.settings), task.group)
    task.container_instance, task.host_ports = instance, claim.ports
    task.placed.set()


def place_waiting(ecs: Ecs, region: Region) -> None:
    """Give the tasks that wait for capacity what there is now, the oldest first."""
    for cluster in region.clusters.values():
        for task in [task for task in cluster.tasks.values() if task.awaits_capacity]:
            provider = region.providers.get(task.capacity_provider)
            found = _on_ec2(cluster, task.definition, task.settings, task.group, provider.group if provider else "")
            if isinstance(found, Place) and found.instance is not None:
                settle(task, found.instance)
                ecs.cloud.changed.ring()
