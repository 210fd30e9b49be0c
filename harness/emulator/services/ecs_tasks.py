"""Tasks: run, stop, describe, list. A task's states are written by task.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.emulator.capacity import NO_INSTANCES, Unplaced, Wishes, refusal
from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.ecs_checks import check_placement, infrastructure, launch_type_of, refuse_unemulated
from harness.emulator.services.ecs_lookup import (
    Raw,
    find_cluster,
    find_task,
    given,
    invalid,
    last_part,
    missing,
    page,
    stamps,
    tags_in,
    usable_definition,
    with_tags,
)
from harness.emulator.services.ecs_placing import Place, demand_of, seat, settle
from harness.emulator.services.ecs_state import (
    Cluster,
    Region,
    Service,
    StopOrder,
    Tags,
    Task,
    TaskContainer,
    TaskDefinition,
    TaskSet,
    new_task_id,
)
from harness.emulator.task import TaskLife, container_override

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

RUN_SETTINGS = (
    "networkConfiguration",
    "platformVersion",
    "overrides",
    "placementConstraints",
    "placementStrategy",
    "enableExecuteCommand",
)
OF_THE_SERVICE = ("enableExecuteCommand", "placementConstraints", "placementStrategy")  # not of its task sets
MOST_AT_ONCE = 10
NONE_OF_PROVIDER = "No Container Instances were found in your capacity provider."


async def run_task(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Start `count` tasks outside any service; they are not replaced. A task without a place is a failure, not an error."""
    region, token = ecs.regions[caller], request.get("clientToken")
    if token and token in region.ran:
        return _ran_before(region, request)
    cluster, definition, settings = await _to_run(ecs, caller, request)
    whose = _whose(request, cluster, definition)
    tasks: list[Task] = []
    failures: list[Raw] = []
    for _ in range(request.get("count") or 1):
        place = seat(region, cluster, definition, settings, whose.group, tasks)
        if isinstance(place, Unplaced):
            if not place.reasons:
                raise invalid(NO_INSTANCES if "launchType" in settings else NONE_OF_PROVIDER)
            failures += place.failures()
            break
        tasks.append(start_task(ecs, caller, cluster, definition, settings, whose, place))
    if token:
        region.ran[token] = (dict(request), tasks)
    ecs.fleet(caller).keep()
    return {"tasks": [shown(task, {"include": ["TAGS"]}) for task in tasks], "failures": failures}


def _ran_before(region: Region, request: Request) -> Answer:
    """The same request with the same client token starts nothing again."""
    before, tasks = region.ran[request["clientToken"]]
    if before != request:
        raise AwsError("ConflictException", "The client token was used with different parameters.")
    return {"tasks": [shown(task, {"include": ["TAGS"]}) for task in tasks], "failures": []}


async def _to_run(ecs: Ecs, caller: Caller, request: Request) -> tuple[Cluster, TaskDefinition, Raw]:
    """Cluster, task definition and settings of a RunTask that is in order. Raises AwsError."""
    refuse_unemulated("RunTask", request)
    region = ecs.regions[caller]
    cluster, definition = find_cluster(region, request), usable_definition(region, request["taskDefinition"])
    if not 1 <= (request.get("count") or 1) <= MOST_AT_ONCE:
        raise invalid("Count must be between 1 and 10.")
    settings = {**infrastructure(request, cluster), **given(request, RUN_SETTINGS)}
    check_overrides(definition, settings)
    await check_placement(ecs, caller, definition, settings)
    if launch_type_of(settings) == "EC2":
        await ecs.fleet(caller).look()
    return cluster, definition, settings


async def start_task_on(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """StartTask: one task on each of the named container instances, where it fits."""
    refuse_unemulated("StartTask", request)
    region = ecs.regions[caller]
    await ecs.fleet(caller).look()
    cluster, definition = find_cluster(region, request), usable_definition(region, request["taskDefinition"])
    if not 1 <= len(request["containerInstances"]) <= MOST_AT_ONCE:
        raise invalid("StartTask takes 1 to 10 container instances.")
    settings = {"launchType": "EC2", **given(request, RUN_SETTINGS)}
    check_overrides(definition, settings)
    await check_placement(ecs, caller, definition, settings)
    whose, demand = _whose(request, cluster, definition), demand_of(definition, settings)
    tasks: list[Task] = []
    failures: list[Raw] = []
    for name in request["containerInstances"]:
        instance = cluster.instances.get(last_part(name))
        if instance is None:
            failures.append(missing(name))
        elif reason := refusal(instance, demand, Wishes(), whose.group):
            failures += Unplaced(((instance, reason),)).failures()
        else:
            tasks.append(start_task(ecs, caller, cluster, definition, settings, whose, Place("EC2", "", instance)))
    return {"tasks": [shown(task, {"include": ["TAGS"]}) for task in tasks], "failures": failures}


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom a new task belongs: its group, who started it, its tags."""

    group: str
    started_by: str
    tags: Tags


def _whose(request: Request, cluster: Cluster, definition: TaskDefinition) -> Whose:
    """Of RunTask and StartTask."""
    group, propagate = request.get("group") or f"family:{definition.family}", request.get("propagateTags") or "NONE"
    if group.startswith("service:"):
        raise invalid("The group name cannot begin with 'service:'.")
    if propagate == "SERVICE":
        raise invalid("The tags of a service cannot be propagated to a task outside it.")
    tags = {**(definition.tags if propagate == "TASK_DEFINITION" else {}), **tags_in(request)}
    if request.get("enableECSManagedTags"):
        tags |= {"aws:ecs:clusterName": cluster.name}
    return Whose(group, request.get("startedBy") or "", tags)


def check_overrides(definition: TaskDefinition, settings: Mapping[str, Any]) -> None:
    for override in settings.get("overrides", {}).get("containerOverrides", []):
        name = override.get("name")
        if definition.container(name) is None:
            raise invalid(f"Override for container named {name} is not a container in the TaskDefinition.")


def start_task(
    ecs: Ecs,
    caller: Caller,
    cluster: Cluster,
    definition: TaskDefinition,
    settings: Mapping[str, Any],
    whose: Whose,
    place: Place,
) -> Task:
    """Make a task and begin its life; returns at once, the task is PROVISIONING."""
    task_id = new_task_id()
    task = Task(
        caller=caller,
        id=task_id,
        arn=caller.arn("ecs", f"task/{cluster.name}/{task_id}"),
        cluster=cluster.arn,
        definition=definition,
        containers=tuple(
            TaskContainer(
                container,
                caller.arn("ecs", f"container/{cluster.name}/{task_id}/{uuid.uuid4()}"),
                f"{task_id}-{number}",
            )
            for number, container in enumerate(definition.containers)
        ),
        group=whose.group,
        started_by=whose.started_by,
        launch_type=place.launch_type,
        settings=settings,
        created_at=ecs.now(),
        tags=dict(whose.tags),
        capacity_provider=place.provider,
    )
    if place.instance is not None:
        settle(task, place.instance)
    cluster.forget_stopped(ecs.now())
    cluster.tasks[task.id] = task
    ecs.cloud.spawn(TaskLife(ecs.cloud, ecs.interfaces, ecs.starts, task).run(), f"task {task.arn}")
    return task


def start_service_task(ecs: Ecs, service: Service, task_set: TaskSet) -> Task | Unplaced:
    """One more task of a task set, or why there is no place for it."""
    region = ecs.regions[service.caller]
    cluster = region.clusters[last_part(service.cluster)]
    source = {"SERVICE": service.tags, "TASK_DEFINITION": task_set.definition.tags}
    tags = dict(source.get(service.settings.get("propagateTags", "NONE"), {}))
    if service.settings.get("enableECSManagedTags"):
        tags |= {"aws:ecs:clusterName": cluster.name, "aws:ecs:serviceName": service.name}
    settings = {**task_set.settings, **given(service.settings, OF_THE_SERVICE)}
    whose = Whose(f"service:{service.name}", task_set.id, tags)
    place = seat(region, cluster, task_set.definition, settings, whose.group, task_set.tasks)
    if isinstance(place, Unplaced):
        return place
    return start_task(ecs, service.caller, cluster, task_set.definition, settings, whose, place)


def stop_task(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """SIGTERM at once; the service's scheduler deregisters it afterwards (D.3)."""
    task = find_task(find_cluster(ecs.regions[caller], request), request["task"])
    if task is None:
        raise invalid("The referenced task was not found.")
    task.stop(StopOrder("UserInitiated", request.get("reason") or "Task stopped by user"))
    ecs.cloud.changed.ring()
    return {"task": shown(task, {})}


def describe_tasks(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    if not request["tasks"]:
        raise invalid("Tasks cannot be empty.")
    if len(request["tasks"]) > 100:
        raise invalid("Tasks cannot have more than 100 elements.")
    tasks: list[Raw] = []
    failures: list[Raw] = []
    for name in request["tasks"]:
        task = find_task(cluster, name)
        if task is None:
            failures.append(
                missing(name if name.startswith("arn:") else caller.arn("ecs", f"task/{cluster.name}/{name}"))
            )
        else:
            tasks.append(shown(task, request))
    return {"tasks": tasks, "failures": failures}


def list_tasks(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Without `desiredStatus`, the tasks that should run."""
    cluster = find_cluster(ecs.regions[caller], request)
    cluster.forget_stopped(ecs.now())
    wanted = request.get("desiredStatus") or "RUNNING"
    service = request.get("serviceName")
    if service and last_part(service) not in cluster.services:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    criteria = {
        "definition_family": request.get("family"),
        "started_by": request.get("startedBy"),
        "launch_type": request.get("launchType"),
        "group": f"service:{last_part(service)}" if service else None,
        "instance": last_part(request["containerInstance"]) if request.get("containerInstance") else None,
    }
    found = [task.arn for task in cluster.tasks.values() if task.desired_status == wanted and _matches(task, criteria)]
    arns, more = page(request, "tasks", found)
    return {"taskArns": arns, **more}


def _matches(task: Task, criteria: Mapping[str, str | None]) -> bool:
    values = {
        "definition_family": task.definition.family,
        "started_by": task.started_by,
        "launch_type": task.launch_type,
        "group": task.group,
        "instance": task.container_instance.id if task.container_instance else "",
    }
    return all(value is None or values[name] == value for name, value in criteria.items())


# ---- how a task looks


def shown(task: Task, request: Request) -> Raw:
    answer = {
        "taskArn": task.arn,
        "clusterArn": task.cluster,
        "taskDefinitionArn": task.definition.arn,
        "lastStatus": task.status,
        "desiredStatus": task.desired_status,
        "group": task.group,
        **_size(task),
        "version": task.version,
        "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture(task.definition.document)}],
        "attachments": _attachments(task),
        "containers": [_container(task, container) for container in task.containers],
        "connectivity": "CONNECTED",
        "enableExecuteCommand": bool(task.settings.get("enableExecuteCommand")),
        "healthStatus": task.health,
        "overrides": {
            "containerOverrides": [{"name": one.definition.name} for one in task.containers],
            "inferenceAcceleratorOverrides": [],
            **task.settings.get("overrides", {}),
        },
        **_platform(task),
        **({"startedBy": task.started_by} if task.started_by else {}),
        **_where(task),
        **({"stopCode": task.order.code, "stoppedReason": task.order.reason} if task.order else {}),
        **_times(task),
    }
    return with_tags(answer, task.tags, request)


def _times(task: Task) -> Raw:
    return stamps(
        createdAt=task.created_at,
        connectivityAt=task.started_at,
        pullStartedAt=task.pull_started_at,
        pullStoppedAt=task.pull_stopped_at,
        startedAt=task.started_at,
        stoppingAt=task.stopping_at,
        executionStoppedAt=task.execution_stopped_at,
        stoppedAt=task.stopped_at,
    )


def _size(task: Task) -> Raw:
    """`{cpu, memory}` as strings: what RunTask overrides, else the task's own, else its containers' together."""
    document, overrides = task.definition.document, task.settings.get("overrides", {})
    containers = document["containerDefinitions"]
    cpu = sum(raw["cpu"] for raw in containers)
    memory = sum(raw.get("memory") or raw.get("memoryReservation") or 0 for raw in containers)
    return {
        "cpu": overrides.get("cpu") or document.get("cpu") or str(cpu),
        "memory": overrides.get("memory") or document.get("memory") or str(memory),
    }


def _architecture(document: Raw) -> str:
    asked: str = document.get("runtimePlatform", {}).get("cpuArchitecture", "x86_64")
    return asked.lower()


def _where(task: Task) -> Raw:
    """The availability zone, and on EC2 the container instance."""
    if task.container_instance is not None:
        zone = {"availabilityZone": task.container_instance.zone} if task.container_instance.zone else {}
        return {"containerInstanceArn": task.container_instance.arn, **zone}
    return {"availabilityZone": task.interface.zone} if task.interface else {}


def _platform(task: Task) -> Raw:
    name = {"capacityProviderName": task.capacity_provider} if task.capacity_provider else {}
    if task.launch_type != "FARGATE":
        return {"launchType": task.launch_type, **name}
    return {
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "ephemeralStorage": {"sizeInGiB": 20, **_storage(task)},
        **name,
    }


def _storage(task: Task) -> Raw:
    """As it was asked for: the disk is this machine's."""
    overrides = task.settings.get("overrides") or {}
    asked: Raw = overrides.get("ephemeralStorage") or task.definition.document.get("ephemeralStorage") or {}
    return asked


def _attachments(task: Task) -> list[Raw]:
    interface = task.interface
    if interface is None:
        return []
    details = {
        "subnetId": interface.subnet,
        "networkInterfaceId": interface.eni,
        "macAddress": interface.mac,
        "privateIPv4Address": interface.ip,
    }
    return [
        {
            "id": interface.attachment_id,
            "type": "ElasticNetworkInterface",
            "status": "DELETED" if task.status == "STOPPED" else "ATTACHED",
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
    ]


def _container(task: Task, container: TaskContainer) -> Raw:
    definition, interface = container.definition, task.interface
    raw = next(one for one in task.definition.document["containerDefinitions"] if one["name"] == definition.name)
    override = container_override(task.settings, definition.name)
    answer: Raw = {
        "containerArn": container.arn,
        "taskArn": task.arn,
        "name": definition.name,
        "image": definition.image,
        "lastStatus": container.status,
        "networkBindings": _bindings(task, container),
        "networkInterfaces": [{"attachmentId": interface.attachment_id, "privateIpv4Address": interface.ip}]
        if interface
        else [],
        "healthStatus": container.health,
        "cpu": str(override.get("cpu", raw["cpu"])),
        **{name: str(override.get(name, raw[name])) for name in ("memory", "memoryReservation") if name in raw},
    }
    if container.container is not None:
        answer["runtimeId"] = container.runtime_id
    if container.exit_code is not None:
        answer["exitCode"] = container.exit_code
    return {**answer, "reason": container.reason} if container.reason else answer


def _bindings(task: Task, container: TaskContainer) -> list[Raw]:
    """Bridge and host mode: the ports of the container instance, once the container has started."""
    if container.container is None:
        return []
    return [
        {
            "bindIP": "0.0.0.0",
            "containerPort": port.container_port,
            "hostPort": port.host_port,
            "protocol": port.protocol,
        }
        for port in task.host_ports
        if port.container == container.definition.name
    ]
