"""What ECS remembers of one account and region: clusters, task definitions, services, task sets, tasks.

Whoever writes a field is named with it. Timestamps are seconds since the epoch.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.capacity import ContainerInstance, PortWanted
from harness.emulator.cloud import Caller
from harness.emulator.runtime.base import Container

EVENTS_KEPT = 100  # A.6
STOPPED_TASKS_SHOWN = 3600.0  # seconds, D.1: "at least 1 hour"
ENDING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"})
Tags = dict[str, str]


def new_task_id() -> str:
    return uuid.uuid4().hex


def new_task_set_id() -> str:
    """`ecs-svc/` and 19 digits, as ECS names task sets and deployments."""
    return f"ecs-svc/{secrets.randbelow(9 * 10**18) + 10**18}"


# ---- task definitions


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A container health check (D.3): a command run inside the container; seconds and counts."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Where an awslogs container's lines go. Without a prefix the stream is named after the container."""

    group: str
    region: str
    prefix: str


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """The part of a container definition that the emulator acts on; the whole of it stays in `TaskDefinition.document`."""

    name: str
    image: str
    essential: bool
    ports: tuple[int, ...]
    environment: Mapping[str, str]
    command: tuple[str, ...]
    stop_timeout: float
    memory_mib: int | None
    labels: Mapping[str, str]
    depends_on: tuple[tuple[str, str], ...]  # (container name, condition)
    secrets: Mapping[str, str]  # variable -> where its value is
    start_timeout: float = 180.0  # seconds that others wait for this one to reach what they depend on
    health_check: HealthCheck | None = None
    logs: LogOptions | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # name -> (soft, hard), -1 is unlimited


@dataclass
class TaskDefinition:
    """One revision. `document` is what was registered, with the defaults that ECS fills in."""

    arn: str
    family: str
    revision: int
    document: dict[str, Any]
    containers: tuple[ContainerDefinition, ...]
    registered_at: float
    registered_by: str
    tags: Tags = field(default_factory=dict)
    status: str = "ACTIVE"  # ACTIVE | INACTIVE | DELETE_IN_PROGRESS
    deregistered_at: float | None = None
    delete_requested_at: float | None = None

    @property
    def network_mode(self) -> str:
        return str(self.document.get("networkMode", "bridge"))

    def container(self, name: str) -> ContainerDefinition | None:
        return next((container for container in self.containers if container.name == name), None)


# ---- tasks


@dataclass(frozen=True, slots=True)
class Interface:
    """The elastic network interface of an awsvpc task. Its address exists in the API and on the emulated load balancer only."""

    attachment_id: str
    eni: str
    subnet: str
    zone: str
    ip: str
    mac: str


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Why a task has to stop (D.2). With `drain`, it goes on serving until the scheduler says that its targets are drained."""

    code: str
    reason: str
    drain: bool = False


@dataclass
class TaskContainer:
    """One container of a task; written by the task's life only."""

    definition: ContainerDefinition
    arn: str
    runtime_id: str
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    container: Container | None = None
    health: str = "UNKNOWN"  # HEALTHY | UNHEALTHY | UNKNOWN


@dataclass
class Registration:
    """A task as a target of a target group; written by the scheduler only."""

    target_group: str
    ip: str  # of the task's interface; in an instance group the EC2 instance's id
    port: int
    state: str = "registered"  # registered | draining | gone


@dataclass
class Task:
    """`status`, the timestamps after `created_at` and the containers are written by the task's life alone (task.py)."""

    caller: Caller
    id: str
    arn: str
    cluster: str  # ARN
    definition: TaskDefinition
    containers: tuple[TaskContainer, ...]
    group: str
    started_by: str
    launch_type: str
    settings: Mapping[str, Any]  # networkConfiguration, platformVersion, overrides, ... as asked for
    created_at: float
    tags: Tags = field(default_factory=dict)
    status: str = "PROVISIONING"
    version: int = 1
    interface: Interface | None = None
    capacity_provider: str = ""
    container_instance: ContainerInstance | None = None  # of an EC2 task, once it is placed
    host_ports: tuple[PortWanted, ...] = ()  # what it got of the instance's ports
    placed: asyncio.Event = field(default_factory=asyncio.Event)
    protected_until: float = 0.0
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    stopping_at: float | None = None
    execution_stopped_at: float | None = None
    stopped_at: float | None = None
    order: StopOrder | None = None
    registrations: list[Registration] = field(default_factory=list)
    counted: bool = False  # by the scheduler: its end was looked at
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def desired_status(self) -> str:
        return "STOPPED" if self.order else "RUNNING"

    @property
    def pending(self) -> bool:
        return self.status in ("PROVISIONING", "PENDING", "ACTIVATING") and self.order is None

    @property
    def running(self) -> bool:
        """Counts for the task set: it runs, and nobody asked it to stop."""
        return self.status == "RUNNING" and self.order is None

    @property
    def awaits_capacity(self) -> bool:
        """In PROVISIONING until its capacity provider has an instance for it (D.5)."""
        return self.launch_type == "EC2" and self.container_instance is None and self.order is None

    @property
    def leaving(self) -> bool:
        """On an instance that drains: the service replaces it elsewhere."""
        return self.container_instance is not None and self.container_instance.status == "DRAINING"

    @property
    def health(self) -> str:
        """HEALTHY, UNHEALTHY or UNKNOWN: what the health checks of its essential containers say together."""
        checked = [one.health for one in self.containers if one.definition.essential and one.definition.health_check]
        if "UNHEALTHY" in checked:
            return "UNHEALTHY"
        return "UNKNOWN" if not checked or "UNKNOWN" in checked else "HEALTHY"

    @property
    def over(self) -> bool:
        """Nothing of it is left: stopped, and no target group holds it."""
        return self.status == "STOPPED" and all(one.state == "gone" for one in self.registrations)

    def stop(self, order: StopOrder) -> None:
        """Ask it to stop; the first order counts."""
        if self.order is None:
            self.order = order
            self.stop_asked.set()


# ---- services


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    target_group: str
    container: str
    port: int


@dataclass
class Roll:
    """How the rolling update to a deployment goes; written by the scheduler's rolling part only (rolling.py)."""

    state: str = "IN_PROGRESS"  # IN_PROGRESS | COMPLETED | FAILED
    reason: str = ""  # rolloutStateReason, where it is not the usual one
    failed_tasks: int = 0
    ever_ran: bool = False  # stage 2 of the circuit breaker
    ignored_alarms: frozenset[str] | None = None  # in ALARM when it began (B.6)
    alarmed: tuple[str, ...] = ()  # those that came up since
    alarms_read_at: float = 0.0
    bake_seconds: float = 0.0
    up_since: float | None = None
    not_before: float = 0.0  # it is not complete before
    rolls_back: str = ""  # the deployment that failed

    @property
    def completed(self) -> bool:
        return self.state == "COMPLETED"


@dataclass
class TaskSet:
    """A task set; of a service with the ECS controller, a deployment. Counts follow its tasks.

    `computed_desired`, `stable`, `healthy` and the like are written by the scheduler; `status` and `scale` by the operations;
    `fixed` by the rolling update.
    """

    id: str
    arn: str
    definition: TaskDefinition
    settings: Mapping[
        str, Any
    ]  # launchType | capacityProviderStrategy, platformVersion, networkConfiguration, serviceRegistries
    load_balancers: tuple[LoadBalancer, ...]
    created_at: float
    updated_at: float
    status: str = "ACTIVE"  # PRIMARY | ACTIVE | DRAINING
    scale: float = 100.0  # percent of the service's desired count
    fixed: int | None = None  # of a rolling deployment: the count at this moment of the roll, instead of the scale
    started_by: str = ""
    external_id: str = ""
    tags: Tags = field(default_factory=dict)
    computed_desired: int = 0
    computed: bool = False
    stable: bool = False
    stable_at: float = 0.0
    healthy: int = 0  # running tasks whose targets are all healthy, or not checked
    roll: Roll = field(default_factory=lambda: Roll())
    tasks: list[Task] = field(default_factory=list)
    failures: int = 0  # consecutive tasks that ended before RUNNING
    crashes: int = 0  # consecutive tasks that ended soon after RUNNING
    not_before: float = 0.0  # the next start waits until then

    @property
    def running(self) -> int:
        """Tasks that run and shall go on running."""
        return sum(task.running and not task.leaving for task in self.tasks)

    @property
    def running_count(self) -> int:
        """runningCount of the API: also what still serves while its targets drain."""
        return sum(task.status in ("RUNNING", "DEACTIVATING") for task in self.tasks)

    @property
    def pending(self) -> int:
        return sum(task.pending and not task.leaving for task in self.tasks)

    def wanted(self, desired: int) -> int:
        """computedDesiredCount = ceil(desiredCount * scale %), A.6."""
        if self.fixed is not None:
            return self.fixed
        return math.ceil(desired * self.scale / 100)


@dataclass
class ServiceDeployment:
    """One rolling deployment, as ListServiceDeployments remembers it; written by rolling.py."""

    arn: str
    target: TaskSet
    sources: tuple[TaskSet, ...]
    configuration: Mapping[str, Any]
    created_at: float
    status: str = "IN_PROGRESS"  # IN_PROGRESS | SUCCESSFUL | STOPPED | ROLLBACK_IN_PROGRESS | ROLLBACK_SUCCESSFUL | ROLLBACK_FAILED
    reason: str = ""
    finished_at: float | None = None
    rollback: TaskSet | None = None
    rollback_at: float | None = None
    failed_tasks: int = 0
    triggered_alarms: tuple[str, ...] = ()


@dataclass
class Service:
    caller: Caller
    name: str
    arn: str
    cluster: str  # ARN
    controller: str  # CODE_DEPLOY | EXTERNAL | ECS
    desired: int
    settings: dict[str, Any]  # of the API, as asked for; follows the primary task set
    load_balancers: tuple[LoadBalancer, ...]
    created_at: float
    created_by: str
    request: dict[str, Any]  # as CreateService got it: a repeat must say the same
    tags: Tags = field(default_factory=dict)
    definition: TaskDefinition | None = None
    status: str = "ACTIVE"  # ACTIVE | DRAINING | INACTIVE
    task_sets: list[TaskSet] = field(default_factory=list)
    events: deque[tuple[str, float, str]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    said: set[str] = field(default_factory=set)  # messages not to be repeated until their cause is resolved
    steady: bool = False
    steady_said_at: float = 0.0
    last_completed: TaskSet | None = None  # what a failed rolling deployment goes back to
    history: list[ServiceDeployment] = field(default_factory=list)  # of a rolling service, newest first

    @property
    def primary(self) -> TaskSet | None:
        return next((one for one in self.task_sets if one.status == "PRIMARY"), None)

    def say(self, at: float, message: str, task_set: str = "") -> None:
        """A service event; newest first in the API, at most 100 are kept."""
        subject = f"(service {self.name}, taskSet {task_set})" if task_set else f"(service {self.name})"
        self.events.appendleft((str(uuid.uuid4()), at, f"{subject} {message}"))

    def say_once(self, at: float, message: str) -> None:
        """Not again until the cause is resolved (D.4)."""
        if message not in self.said:
            self.said.add(message)
            self.say(at, message)

    def task_set(self, name: str) -> TaskSet | None:
        """By id or ARN."""
        return next((one for one in self.task_sets if name in (one.id, one.arn)), None)


# ---- capacity, clusters


@dataclass
class CapacityProvider:
    """An auto scaling group as capacity. `settings` is its autoScalingGroupProvider with ECS's defaults."""

    name: str
    arn: str
    group: str  # the auto scaling group's name
    settings: dict[str, Any]
    tags: Tags = field(default_factory=dict)
    update_status: str = "CREATE_COMPLETE"
    short_since: float | None = None  # there is less than the target since then
    spare_since: float | None = None

    @property
    def managed(self) -> bool:
        return bool(self.settings["managedScaling"]["status"] == "ENABLED")


@dataclass
class Cluster:
    name: str
    arn: str
    settings: dict[
        str, Any
    ]  # settings, configuration, capacityProviders, defaultCapacityProviderStrategy, serviceConnectDefaults
    tags: Tags = field(default_factory=dict)
    status: str = "ACTIVE"  # ACTIVE | INACTIVE
    services: dict[str, Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    instances: dict[str, ContainerInstance] = field(default_factory=dict)  # by id

    def forget_stopped(self, now: float) -> None:
        """Drop the tasks that ended more than an hour ago."""
        old = [
            task.id
            for task in self.tasks.values()
            if task.over and task.stopped_at is not None and now - task.stopped_at > STOPPED_TASKS_SHOWN
        ]
        for task_id in old:
            del self.tasks[task_id]


@dataclass
class Region:
    """All of ECS in one account and region."""

    clusters: dict[str, Cluster] = field(default_factory=dict)
    providers: dict[str, CapacityProvider] = field(default_factory=dict)
    families: dict[str, dict[int, TaskDefinition]] = field(default_factory=dict)
    revisions: dict[str, int] = field(
        default_factory=dict
    )  # the last number given out, kept when a revision is deleted
    ran: dict[str, tuple[dict[str, Any], list[Task]]] = field(default_factory=dict)  # RunTask's client tokens
    made: dict[str, tuple[dict[str, Any], TaskSet]] = field(default_factory=dict)  # CreateTaskSet's
    account_settings: dict[tuple[str, str], str] = field(default_factory=dict)  # (principal ARN, name) -> value

    def definitions(self) -> Iterator[TaskDefinition]:
        for revisions in self.families.values():
            yield from revisions.values()

    def services(self) -> Iterator[Service]:
        for cluster in self.clusters.values():
            yield from cluster.services.values()

    def instances(self) -> Iterator[ContainerInstance]:
        for cluster in self.clusters.values():
            yield from cluster.instances.values()

    def tasks(self) -> Iterator[Task]:
        for cluster in self.clusters.values():
            yield from cluster.tasks.values()
