"""Tasks: run, stop, describe, list. A task's states are written by task.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request, not_emulated
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
from harness.emulator.services.ecs_state import (
    Cluster,
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
MOST_AT_ONCE = 10


async def run_task(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Start `count` tasks outside any service; they are not replaced."""
    refuse_unemulated("RunTask", request)
    region = ecs.regions[caller]
    cluster, definition = find_cluster(region, request), usable_definition(region, request["taskDefinition"])
    count = request.get("count") or 1
    if not 1 <= count <= MOST_AT_ONCE:
        raise invalid("Count must be between 1 and 10.")
    settings = {**infrastructure(request, cluster), **given(request, RUN_SETTINGS)}
    check_overrides(definition, settings)
    await check_placement(ecs, caller, definition, settings)
    tags = {**(definition.tags if request.get("propagateTags") == "TASK_DEFINITION" else {}), **tags_in(request)}
    group = request.get("group") or f"family:{definition.family}"
    tasks = [
        start_task(
            ecs,
            caller,
            cluster,
            definition,
            settings,
            group=group,
            started_by=request.get("startedBy") or "",
            tags=tags,
        )
        for _ in range(count)
    ]
    return {"tasks": [shown(task, {"include": ["TAGS"]}) for task in tasks], "failures": []}


def check_overrides(definition: TaskDefinition, settings: Mapping[str, Any]) -> None:
    for override in settings.get("overrides", {}).get("containerOverrides", []):
        name = override.get("name")
        if definition.container(name) is None:
            raise invalid(f"Override for container named {name} is not a container in the TaskDefinition.")
        if override.get("environmentFiles"):
            raise not_emulated("ecs", "containerOverrides[].environmentFiles")


def start_task(
    ecs: Ecs,
    caller: Caller,
    cluster: Cluster,
    definition: TaskDefinition,
    settings: Mapping[str, Any],
    *,
    group: str,
    started_by: str,
    tags: Tags,
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
                one, caller.arn("ecs", f"container/{cluster.name}/{task_id}/{uuid.uuid4()}"), f"{task_id}-{index:010d}"
            )
            for index, one in enumerate(definition.containers)
        ),
        group=group,
        started_by=started_by,
        launch_type=launch_type_of(settings),
        settings=settings,
        created_at=ecs.now(),
        tags=dict(tags),
    )
    cluster.forget_stopped(ecs.now())
    cluster.tasks[task.id] = task
    ecs.cloud.spawn(TaskLife(ecs.cloud, ecs.interfaces, ecs.starts, task).run(), f"task {task.arn}")
    return task


def start_service_task(ecs: Ecs, service: Service, task_set: TaskSet) -> Task:
    """One more task of a task set."""
    cluster = ecs.regions[service.caller].clusters[last_part(service.cluster)]
    source = {"SERVICE": service.tags, "TASK_DEFINITION": task_set.definition.tags}
    tags = dict(source.get(service.settings.get("propagateTags", "NONE"), {}))
    if service.settings.get("enableECSManagedTags"):
        tags |= {"aws:ecs:clusterName": cluster.name, "aws:ecs:serviceName": service.name}
    settings = {**task_set.settings, **given(service.settings, ("enableExecuteCommand",))}
    return start_task(
        ecs,
        service.caller,
        cluster,
        task_set.definition,
        settings,
        group=f"service:{service.name}",
        started_by=task_set.id,
        tags=tags,
    )


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
    if request.get("containerInstance"):
        raise not_emulated("ecs", "ListTasks by containerInstance")
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
    }
    return all(value is None or values[name] == value for name, value in criteria.items())


# ---- how a task looks


def shown(task: Task, request: Request) -> Raw:
    document = task.definition.document
    overrides = task.settings.get("overrides", {})
    answer = {
        "taskArn": task.arn,
        "clusterArn": task.cluster,
        "taskDefinitionArn": task.definition.arn,
        "lastStatus": task.status,
        "desiredStatus": task.desired_status,
        "group": task.group,
        "cpu": overrides.get("cpu")
        or document.get("cpu")
        or str(sum(raw["cpu"] for raw in document["containerDefinitions"])),
        "memory": overrides.get("memory") or document.get("memory") or str(_memory(document)),
        "version": task.version,
        "attributes": [
            {
                "name": "ecs.cpu-architecture",
                "value": document.get("runtimePlatform", {}).get("cpuArchitecture", "x86_64").lower(),
            }
        ],
        "attachments": _attachments(task),
        "containers": [_container(task, container) for container in task.containers],
        "connectivity": "CONNECTED",
        "enableExecuteCommand": bool(task.settings.get("enableExecuteCommand")),
        "healthStatus": "UNKNOWN",
        "overrides": {
            "containerOverrides": [{"name": one.definition.name} for one in task.containers],
            "inferenceAcceleratorOverrides": [],
            **overrides,
        },
        **_platform(task),
        **({"startedBy": task.started_by} if task.started_by else {}),
        **({"availabilityZone": task.interface.zone} if task.interface else {}),
        **({"stopCode": task.order.code, "stoppedReason": task.order.reason} if task.order else {}),
        **stamps(
            createdAt=task.created_at,
            connectivityAt=task.started_at,
            pullStartedAt=task.pull_started_at,
            pullStoppedAt=task.pull_stopped_at,
            startedAt=task.started_at,
            stoppingAt=task.stopping_at,
            executionStoppedAt=task.execution_stopped_at,
            stoppedAt=task.stopped_at,
        ),
    }
    return with_tags(answer, task.tags, request)


def _memory(document: Raw) -> int:
    return sum(raw.get("memory") or raw.get("memoryReservation") or 0 for raw in document["containerDefinitions"])


def _platform(task: Task) -> Raw:
    provider = next((one["capacityProvider"] for one in task.settings.get("capacityProviderStrategy", ())), None)
    name = {"capacityProviderName": provider} if provider else {}
    if task.launch_type != "FARGATE":
        return {"launchType": task.launch_type, **name}
    return {
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "ephemeralStorage": {"sizeInGiB": 20},
        **name,
    }


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
        "networkBindings": [] if interface else _bindings(container),
        "networkInterfaces": [{"attachmentId": interface.attachment_id, "privateIpv4Address": interface.ip}]
        if interface
        else [],
        "healthStatus": "UNKNOWN",  # container health checks are recorded; they are not run yet
        "cpu": str(override.get("cpu", raw["cpu"])),
        **{name: str(override.get(name, raw[name])) for name in ("memory", "memoryReservation") if name in raw},
    }
    if container.container is not None:
        answer["runtimeId"] = container.runtime_id
    if container.exit_code is not None:
        answer["exitCode"] = container.exit_code
    return {**answer, "reason": container.reason} if container.reason else answer


def _bindings(container: TaskContainer) -> list[Raw]:
    """Bridge and host mode: where the container really listens."""
    if container.container is None:
        return []
    return [
        {"bindIP": host, "containerPort": port, "hostPort": host_port, "protocol": "tcp"}
        for port, (host, host_port) in container.container.addresses.items()
    ]
