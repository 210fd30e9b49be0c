"""Task definitions: register, describe, list, deregister, delete; and what ECS refuses to register.

A registered document is kept whole and given back whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.services import ecs_container_checks as container_checks
from harness.emulator.services.ecs_lookup import (
    Raw,
    caller_arn,
    client_error,
    find_definition,
    given,
    invalid,
    page,
    stamps,
    tags_in,
    tags_out,
)
from harness.emulator.services.ecs_state import ContainerDefinition, TaskDefinition
from harness.emulator.services.ecs_wishes import check_wishes

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

FAMILY = re.compile(r"[a-zA-Z0-9_-]{1,255}")
DEFAULT_STOP_TIMEOUT = 30.0
DEFAULT_START_TIMEOUT = 180.0  # the agent's
FARGATE_STOP_TIMEOUT_MAX = 120
GIB = 1024
FARGATE_MEMORY = {  # task cpu units -> allowed task memory in MiB
    256: (512, 1 * GIB, 2 * GIB),
    512: range(1 * GIB, 4 * GIB + 1, GIB),
    1024: range(2 * GIB, 8 * GIB + 1, GIB),
    2048: range(4 * GIB, 16 * GIB + 1, GIB),
    4096: range(8 * GIB, 30 * GIB + 1, GIB),
    8192: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
    16384: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
}
DEPENDENCIES = ("START", "COMPLETE", "SUCCESS", "HEALTHY")
REGISTERED = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes", "placementConstraints",
    "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration", "inferenceAccelerators",
    "ephemeralStorage", "runtimePlatform", "enableFaultInjection", "trustedExecutionConfiguration",
)  # fmt: skip


def register_task_definition(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    region = ecs.regions[caller]
    document = check(request)
    family = request["family"]
    revision = region.revisions[family] = region.revisions.get(family, 0) + 1
    definition = TaskDefinition(
        arn=caller.arn("ecs", f"task-definition/{family}:{revision}"),
        family=family,
        revision=revision,
        document=document,
        containers=tuple(read_container(raw, document) for raw in document["containerDefinitions"]),
        registered_at=ecs.now(),
        registered_by=caller_arn(caller),
        tags=tags_in(request),
    )
    region.families.setdefault(family, {})[revision] = definition
    return {"taskDefinition": shown(definition), "tags": tags_out(definition.tags)}


def describe_task_definition(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    definition = find_definition(ecs.regions[caller], request["taskDefinition"])
    if definition is None:
        raise client_error("Unable to describe task definition.")
    tags = {"tags": tags_out(definition.tags)} if "TAGS" in (request.get("include") or []) else {}
    return {"taskDefinition": shown(definition), **tags}


def deregister_task_definition(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    name = request["taskDefinition"]
    definition = find_definition(ecs.regions[caller], name) if ":" in name.rsplit("/", 1)[-1] else None
    if definition is None:
        raise client_error(
            f"The specified task definition does not exist. Specify a valid account, family, revision and try again. ({name})"
        )
    if definition.status == "ACTIVE":
        definition.status, definition.deregistered_at = "INACTIVE", ecs.now()
    return {"taskDefinition": shown(definition)}


def delete_task_definitions(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Only INACTIVE revisions; at most ten in a call. One that a task still uses stays DELETE_IN_PROGRESS."""
    region = ecs.regions[caller]
    names = request["taskDefinitions"]
    if len(names) > 10:
        raise invalid("Cannot delete more than 10 task definitions in one request.")
    deleted: list[Raw] = []
    failures: list[Raw] = []
    in_use = {task.definition.arn for task in region.tasks() if task.status != "STOPPED"}
    for name in names:
        definition = find_definition(region, name) if ":" in name.rsplit("/", 1)[-1] else None
        if definition is None:
            failures.append({"arn": name, "reason": "The specified task definition does not exist."})
        elif definition.status == "ACTIVE":
            failures.append(
                {
                    "arn": definition.arn,
                    "reason": "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
                }
            )
        else:
            definition.status, definition.delete_requested_at = "DELETE_IN_PROGRESS", ecs.now()
            deleted.append(shown(definition))
            if definition.arn not in in_use:
                del region.families[definition.family][definition.revision]
    return {"taskDefinitions": deleted, "failures": failures}


def list_task_definitions(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    status, prefix = request.get("status") or "ACTIVE", request.get("familyPrefix")
    found = [
        one
        for one in ecs.regions[caller].definitions()
        if one.status == status and (prefix is None or one.family == prefix)
    ]
    found.sort(key=lambda one: (one.family, one.revision), reverse=request.get("sort") == "DESC")
    arns, more = page(request, "task-definitions", [one.arn for one in found])
    return {"taskDefinitionArns": arns, **more}


def list_task_definition_families(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    prefix, wanted = request.get("familyPrefix") or "", request.get("status") or "ACTIVE"
    names = sorted(
        family
        for family, revisions in ecs.regions[caller].families.items()
        if family.startswith(prefix) and revisions and (wanted == "ALL" or wanted == _family_status(revisions.values()))
    )
    families, more = page(request, "families", names)
    return {"families": families, **more}


def _family_status(revisions: Iterable[TaskDefinition]) -> str:
    return "ACTIVE" if any(one.status == "ACTIVE" for one in revisions) else "INACTIVE"


def shown(definition: TaskDefinition) -> Raw:
    return {
        "taskDefinitionArn": definition.arn,
        **definition.document,
        "revision": definition.revision,
        "status": definition.status,
        "registeredBy": definition.registered_by,
        **stamps(
            registeredAt=definition.registered_at,
            deregisteredAt=definition.deregistered_at,
            deleteRequestedAt=definition.delete_requested_at,
        ),
    }


def read_container(raw: Raw, document: Raw) -> ContainerDefinition:
    """A container without a limit of its own is held to the task's (Fargate)."""
    task_memory = memory_mib(document["memory"]) if document.get("memory") else None
    return ContainerDefinition(
        name=raw["name"],
        image=raw["image"],
        essential=raw["essential"],
        ports=tuple(mapping["containerPort"] for mapping in raw["portMappings"] if "containerPort" in mapping),
        environment={variable["name"]: variable.get("value", "") for variable in raw["environment"]},
        command=(*raw.get("entryPoint", ()), *raw.get("command", ())),
        stop_timeout=float(raw.get("stopTimeout", DEFAULT_STOP_TIMEOUT)),
        memory_mib=raw.get("memory", task_memory),
        labels=raw.get("dockerLabels", {}),
        depends_on=tuple((one["containerName"], one["condition"]) for one in raw.get("dependsOn", ())),
        secrets={secret["name"]: secret["valueFrom"] for secret in raw.get("secrets", ())},
        start_timeout=float(raw.get("startTimeout", DEFAULT_START_TIMEOUT)),
        health_check=container_checks.health_check(raw),
        logs=container_checks.log_options(raw),
        ulimits=container_checks.limits(raw),
    )


# ---- what is checked, and what is filled in


def check(request: Request) -> Raw:
    """The document as ECS keeps it. Raises ClientException or InvalidParameterException in ECS's words where they are known."""
    if not FAMILY.fullmatch(request["family"]):
        raise client_error("Family contains invalid characters.")
    if not request["containerDefinitions"]:
        raise client_error("Container list cannot be empty.")
    document = {"volumes": [], "placementConstraints": [], **given(request, REGISTERED)}
    if "networkMode" not in document:
        document["networkMode"] = "bridge"
    document["containerDefinitions"] = [_container(raw, document) for raw in request["containerDefinitions"]]
    _check_containers(document)
    container_checks.refuse_unemulated(document)
    check_wishes(document)
    refusal = fargate_refusal(document)
    if refusal and "FARGATE" in document.get("requiresCompatibilities", ()):
        raise client_error(refusal)
    document["compatibilities"] = ["EC2"] if refusal else ["EC2", "FARGATE"]
    document["requiresAttributes"] = required_attributes(document)
    return document


def _container(raw: Raw, document: Raw) -> Raw:
    if not raw.get("name"):
        raise client_error("Container.name should not be null or empty.")
    if not raw.get("image"):
        raise client_error("Container.image should not be null or empty.")
    if not FAMILY.fullmatch(raw["name"]):
        raise client_error("Container.name contains invalid characters.")
    defaults = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    ports = [_port_mapping(mapping, document["networkMode"]) for mapping in raw.get("portMappings", ())]
    return {**defaults, **raw, "portMappings": ports}


def _port_mapping(mapping: Raw, network_mode: str) -> Raw:
    """hostPort of an awsvpc task is its containerPort; of a bridge task 0, chosen when it starts (D.5)."""
    port = mapping.get("containerPort", 0)
    if not 1 <= port <= 65535:
        raise client_error("Container port must be between 1 and 65535.")
    host = mapping.get("hostPort") or (0 if network_mode == "bridge" else port)
    if network_mode in ("awsvpc", "host") and host != port:
        raise client_error(
            f"When networkMode={network_mode}, the host ports and container ports in port mappings must match."
        )
    return {"protocol": "tcp", **mapping, "hostPort": host}


def _check_containers(document: Raw) -> None:
    containers = document["containerDefinitions"]
    names = [raw["name"] for raw in containers]
    if len(set(names)) != len(names):
        raise client_error("Container names must be unique within a task definition.")
    if not any(raw["essential"] for raw in containers):
        raise client_error("A task definition must have at least one essential container.")
    ports = [mapping.get("containerPort") for raw in containers for mapping in raw["portMappings"]]
    if document["networkMode"] == "awsvpc" and len(set(ports)) != len(ports):
        raise client_error("When networkMode=awsvpc, each container port can be used by one container only.")
    for raw in containers:
        _check_memory(raw, document)
        container_checks.check_container(raw)
        for dependency in raw.get("dependsOn", ()):
            _check_dependency(raw["name"], dependency, names)
            _check_condition(dependency, containers)
    _check_acyclic({raw["name"]: [one["containerName"] for one in raw.get("dependsOn", ())] for raw in containers})


def _check_memory(raw: Raw, document: Raw) -> None:
    """A limit at the container or at the task, and none of a container's above the task's."""
    limits = [raw[member] for member in ("memory", "memoryReservation") if member in raw]
    if not document.get("memory"):
        if not limits:
            raise client_error(
                f"Invalid setting for container '{raw['name']}'. At least one of 'memory' or 'memoryReservation' must be specified."
            )
    elif any(limit > memory_mib(document["memory"]) for limit in limits):
        raise client_error(f"The 'memory' setting for container '{raw['name']}' is greater than for the task.")


def _check_dependency(name: str, dependency: Raw, names: list[str]) -> None:
    if dependency["containerName"] not in names:
        raise client_error(
            f"Container '{name}' depends on container '{dependency['containerName']}', which is not in the task definition."
        )
    if dependency["condition"] not in DEPENDENCIES:
        raise client_error(f"The dependsOn condition {dependency['condition']} is not valid.")


def _check_condition(dependency: Raw, containers: list[Raw]) -> None:
    """HEALTHY needs a health check; the other end of COMPLETE and SUCCESS must be allowed to end."""
    other = next(raw for raw in containers if raw["name"] == dependency["containerName"])
    if dependency["condition"] == "HEALTHY" and container_checks.health_check(other) is None:
        raise client_error(f"The container '{other['name']}' must have a health check to be depended on as HEALTHY.")
    if dependency["condition"] in ("COMPLETE", "SUCCESS") and other["essential"]:
        raise client_error(
            f"The container '{other['name']}' is essential: a dependency on its {dependency['condition']} could never hold."
        )


def _check_acyclic(depends_on: dict[str, list[str]]) -> None:
    left = dict(depends_on)
    while left:
        free = [name for name, others in left.items() if not any(other in left for other in others)]
        if not free:
            raise client_error(f"There is a circular dependency between the containers {', '.join(sorted(left))}.")
        for name in free:
            del left[name]


def fargate_refusal(document: Raw) -> str:
    """Why Fargate would not run it; empty where it would."""
    if document["networkMode"] != "awsvpc":
        return "Fargate only supports network mode ‘awsvpc’."
    for member in ("cpu", "memory"):
        if not document.get(member):
            return f"Fargate requires that '{member}' be defined at the task level."
    cpu, memory = cpu_units(document["cpu"]), memory_mib(document["memory"])
    if memory not in FARGATE_MEMORY.get(cpu, ()):
        return (
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    for raw in document["containerDefinitions"]:
        if raw.get("stopTimeout", 0) > FARGATE_STOP_TIMEOUT_MAX:
            return f"Fargate supports a stopTimeout of at most {FARGATE_STOP_TIMEOUT_MAX} seconds."
        if raw.get("logConfiguration", {}).get("logDriver") == "awslogs" and not document.get("executionRoleArn"):
            return "Fargate requires task definition to have execution role ARN to support log driver awslogs."
    return ""


def cpu_units(text: str) -> int:
    """`256`, `.25 vCPU` -> CPU units. Raises ClientException."""
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(vcpu)?\s*", text, re.IGNORECASE)
    if not found:
        raise client_error("Invalid 'cpu' setting for task.")
    return round(float(found[1]) * 1024) if found[2] else int(float(found[1]))


def memory_mib(text: str) -> int:
    """`512`, `1 GB`, `1GB` -> MiB. Raises ClientException."""
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(gb)?\s*", text, re.IGNORECASE)
    if not found:
        raise client_error("Invalid 'memory' setting for task.")
    return round(float(found[1]) * GIB) if found[2] else int(float(found[1]))


def required_attributes(document: Raw) -> list[Raw]:
    """What a container instance must offer, the common part of ECS's list."""
    names = {"com.amazonaws.ecs.capability.docker-remote-api.1.18"}
    if document["networkMode"] == "awsvpc":
        names.add("ecs.capability.task-eni")
    if document.get("taskRoleArn"):
        names.add("com.amazonaws.ecs.capability.task-iam-role")
    for raw in document["containerDefinitions"]:
        if driver := raw.get("logConfiguration", {}).get("logDriver"):
            names.add(f"com.amazonaws.ecs.capability.logging-driver.{driver}")
        if ".dkr.ecr." in raw["image"]:
            names.add("com.amazonaws.ecs.capability.ecr-auth")
        if raw.get("healthCheck"):
            names.add("ecs.capability.container-health-check")
        if raw.get("dependsOn"):
            names.add("ecs.capability.container-ordering")
    return [{"name": name} for name in sorted(names)]
