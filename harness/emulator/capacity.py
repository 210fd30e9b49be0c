"""Places tasks on container instances (D.5): what an instance has, what tasks hold of it, which one a task gets, and why none did.

Nothing here waits or calls AWS. CPU is in units of 1/1024, memory in MiB.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.placement_expressions import parse

RESERVED_PORTS = frozenset({22, 2375, 2376, 51678, 51679})  # SSH, Docker, the agent
PORTS_AT_MOST = 100  # of tasks, on one instance
DYNAMIC_PORTS = range(32768, 61000)
UNABLE_TO_PLACE = "was unable to place a task because no container instance met all of its requirements."
TROUBLESHOOTING = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
NO_INSTANCES = "No Container Instances were found in your cluster."
# In the order they are looked at: (RunTask's failure, the event's words). The instance that came furthest is "the closest".
REASONS = {
    "AGENT": ("AGENT", 'encountered error "AGENT"'),
    "ATTRIBUTE": ("ATTRIBUTE", "is missing an attribute required by your task"),
    "MEMBER_OF": ("MemberOf placement constraint unsatisfied.", 'encountered error "MemberOf placement constraint"'),
    "DISTINCT": ("DistinctInstance placement constraint unsatisfied.", 'encountered error "DistinctInstance"'),
    "PORTS": ("RESOURCE:PORTS", "is already using a port required by your task"),
    "ENI": ("RESOURCE:ENI", 'encountered error "RESOURCE:ENI"'),
    "CPU": ("RESOURCE:CPU", "has insufficient CPU units available"),
    "MEMORY": ("RESOURCE:MEMORY", "has insufficient memory available"),
}
FURTHEST = list(REASONS)


@dataclass(frozen=True, slots=True)
class PortWanted:
    """A port mapping of a task; host port 0 is any."""

    container: str
    container_port: int
    host_port: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Demand:
    """What one task takes of an instance, and which attributes it needs there."""

    cpu: int
    memory: int
    ports: tuple[PortWanted, ...] = ()
    interface: bool = False
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a placed task holds; `ports` are with the host ports that it got."""

    demand: Demand
    group: str
    ports: tuple[PortWanted, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """What an instance offers to tasks; `interfaces` are the instance type's limit, less the instance's own."""

    cpu: int
    memory: int
    interfaces: int


@dataclass
class ContainerInstance:
    """An EC2 instance with an agent. Placing and ending tasks write `claims`; the operations and the fleet write the rest."""

    id: str
    arn: str
    ec2_id: str
    room: Room
    attributes: dict[str, str | None]
    registered_at: float
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"  # ACTIVE | DRAINING
    agent_connected: bool = True
    auto_scaling_group: str = ""
    from_ec2: bool = False  # found among the EC2 instances, not registered by a call
    version: int = 1
    claims: dict[str, Claim] = field(default_factory=dict)  # by task id
    _turn: Iterator[int] = field(default_factory=lambda: itertools.cycle(DYNAMIC_PORTS), repr=False)

    @property
    def cpu_left(self) -> int:
        return self.room.cpu - sum(claim.demand.cpu for claim in self.claims.values())

    @property
    def memory_left(self) -> int:
        return self.room.memory - sum(claim.demand.memory for claim in self.claims.values())

    @property
    def interfaces_left(self) -> int:
        return self.room.interfaces - sum(claim.demand.interface for claim in self.claims.values())

    @property
    def zone(self) -> str:
        return self.attributes.get("ecs.availability-zone") or ""

    def ports_used(self, protocol: str = "tcp") -> set[int]:
        held = (port for claim in self.claims.values() for port in claim.ports if port.protocol == protocol)
        return {port.host_port for port in held} | (RESERVED_PORTS if protocol == "tcp" else set())

    def claim(self, task_id: str, demand: Demand, group: str) -> Claim:
        """The task is placed here; dynamic ports are taken in turn, so that one is used again as late as possible."""
        ports: list[PortWanted] = []
        for wanted in demand.ports:
            used = self.ports_used(wanted.protocol) | {one.host_port for one in (*ports, *demand.ports)}
            host = wanted.host_port or next(port for port in self._turn if port not in used)
            ports.append(PortWanted(wanted.container, wanted.container_port, host, wanted.protocol))
        claim = self.claims[task_id] = Claim(demand, group, tuple(ports))
        self.version += 1
        return claim

    def release(self, task_id: str) -> None:
        if self.claims.pop(task_id, None) is not None:
            self.version += 1

    def facts(self) -> dict[str, Collection[str]]:
        """What a memberOf expression can ask."""
        attributes = {f"attribute:{name}": (value or "",) for name, value in self.attributes.items()}
        return {
            **attributes,
            "ec2InstanceId": (self.ec2_id,),
            "agentConnected": (str(self.agent_connected).lower(),),
            "runningTasksCount": (str(len(self.claims)),),
            "task:group": tuple({claim.group for claim in self.claims.values()}),
        }


@dataclass(frozen=True, slots=True)
class Wishes:
    """Constraints of the task definition and of the service together, and the strategy."""

    constraints: tuple[Mapping[str, Any], ...] = ()
    strategy: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why a task found no place: the reason of each instance (a key of REASONS)."""

    reasons: tuple[tuple[ContainerInstance, str], ...]

    @property
    def event(self) -> str:
        """The service event of D.4."""
        if not self.reasons:
            return f"{UNABLE_TO_PLACE} Reason: {NO_INSTANCES} {TROUBLESHOOTING}"
        closest, reason = max(self.reasons, key=lambda pair: FURTHEST.index(pair[1]))
        words = f"The closest matching (container-instance {closest.id}) {REASONS[reason][1]}."
        return f"{UNABLE_TO_PLACE} {words} {TROUBLESHOOTING}"

    def failures(self) -> list[dict[str, Any]]:
        """RunTask's."""
        return [{"arn": instance.arn, "reason": REASONS[reason][0]} for instance, reason in self.reasons]


def place(
    instances: Sequence[ContainerInstance], demand: Demand, wishes: Wishes, group: str
) -> ContainerInstance | Unplaced:
    """The instance that a task of `group` gets; it is not claimed yet."""
    active = [instance for instance in instances if instance.status == "ACTIVE"]
    reasons = [(instance, refusal(instance, demand, wishes, group)) for instance in active]
    able = [instance for instance, reason in reasons if not reason]
    if not able:
        return Unplaced(tuple(reasons))
    keys = [_key(strategy, instances, group) for strategy in wishes.strategy]
    return min(able, key=lambda one: (*(key(one) for key in keys), len(one.claims), one.registered_at))


def refusal(instance: ContainerInstance, demand: Demand, wishes: Wishes, group: str) -> str:
    """A key of REASONS; empty where the task can run there."""
    if not instance.agent_connected:
        return "AGENT"
    if not demand.attributes <= instance.attributes.keys():
        return "ATTRIBUTE"
    for constraint in wishes.constraints:
        if constraint["type"] == "memberOf" and not parse(constraint["expression"])(instance.facts()):
            return "MEMBER_OF"
        if constraint["type"] == "distinctInstance" and any(c.group == group for c in instance.claims.values()):
            return "DISTINCT"
    return _lacks(instance, demand)


def _lacks(instance: ContainerInstance, demand: Demand) -> str:
    taken = any(port.host_port and port.host_port in instance.ports_used(port.protocol) for port in demand.ports)
    if taken or sum(len(claim.ports) for claim in instance.claims.values()) + len(demand.ports) > PORTS_AT_MOST:
        return "PORTS"
    if demand.interface and instance.interfaces_left < 1:
        return "ENI"
    if demand.cpu > instance.cpu_left:
        return "CPU"
    return "MEMORY" if demand.memory > instance.memory_left else ""


def _key(
    strategy: Mapping[str, Any], instances: Sequence[ContainerInstance], group: str
) -> Callable[[ContainerInstance], float]:
    """How little a strategy likes an instance."""
    kind, wanted = strategy["type"], strategy.get("field", "")
    if kind == "random":
        return lambda instance: random.uniform(0, 1)
    if kind == "binpack":
        return lambda instance: float(instance.cpu_left if wanted.lower() == "cpu" else instance.memory_left)
    spread = Counter[str]()
    for instance in instances:
        spread[_place_of(instance, wanted)] += sum(claim.group == group for claim in instance.claims.values())
    return lambda instance: float(spread[_place_of(instance, wanted)])


def _place_of(instance: ContainerInstance, wanted: str) -> str:
    if wanted.lower() in ("instanceid", "host"):
        return instance.id
    return instance.attributes.get(wanted.removeprefix("attribute:")) or ""


def choose_provider(strategy: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> str:
    """The capacity provider of the next task: bases first, then the one furthest below its share of the weights."""
    for one in strategy:
        if counts.get(one["capacityProvider"], 0) < one.get("base", 0):
            return str(one["capacityProvider"])
    weighted = [one for one in strategy if one.get("weight", 0 if len(strategy) > 1 else 1) > 0] or list(strategy[:1])

    def share(one: Mapping[str, Any]) -> float:
        return float((counts.get(one["capacityProvider"], 0) - one.get("base", 0)) / (one.get("weight") or 1))

    return str(min(weighted, key=share)["capacityProvider"])
