"""The ECS service under CodeDeploy's control: task definitions, the service, its task sets, tasks and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.driver.elbv2 import TEST_PORT
from harness.driver.network import LaunchType, Network
from harness.driver.session import Session, lower_key_value
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.scenario import Service, Version

CONTAINER = "app"
INACTIVE_WITHIN = 240.0  # a drain, a stop timeout and some patience
# Larger than anything Fargate's smallest sizes, or a container instance, can hold; still a size that Fargate sells.
TOO_MUCH = {"cpu": 16384, "memory": 122880}


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """`container_port` is the declared one; `app_spec_port` the one the AppSpec names, which can be wrong."""

    arn: str
    container_port: int
    app_spec_port: int


@dataclass(frozen=True, slots=True)
class TaskSet:
    """One of a service's task sets, as DescribeServices shows it; `target_group` is None where it has none."""

    id: str
    target_group: str | None
    status: str
    stability: str
    desired: int
    running: int
    pending: int


@dataclass(frozen=True, slots=True)
class ServiceView:
    status: str
    desired: int
    running: int
    task_sets: tuple[TaskSet, ...]
    events: tuple[Mapping[str, Any], ...]  # newest first, as AWS has them

    @property
    def primary(self) -> TaskSet | None:
        return next((one for one in self.task_sets if one.status == "PRIMARY"), None)


@dataclass(frozen=True, slots=True)
class LiveTask:
    """A task that has not stopped; `address` is its network interface's."""

    arn: str
    task_set: str | None
    task_definition: str
    status: str
    address: str | None


@dataclass(frozen=True, slots=True)
class StoppedTask:
    arn: str
    task_set: str | None
    task_definition: str
    stop_code: str
    reason: str
    exit_code: int | None


def image_of(service: Service, version: Version) -> str:
    """`sampleapp:v2`; an image fault is another tag, so that it spoils no other scenario's image."""
    kind = version.fault.kind if version.fault else None
    suffix = {"missing_tag": "-never-pushed", "wrong_architecture": "-wrong-architecture"}.get(kind or "", "")
    return f"{service.image}:{version.version}{suffix}"


def container_port(service: Service, version: Version) -> int:
    """The port the task definition declares; one that the image does not listen on is a fault of the task definition."""
    wrong = version.fault is not None and version.fault.kind == "wrong_container_port"
    return service.container_port + 1 if wrong else service.container_port


def environment(service: Service, version: Version) -> dict[str, str]:
    """What the sample app must know to tell test traffic and health checks from users, and how it shall break."""
    faults = version.fault.environment() if version.fault else {}
    health_path = service.health_check.path.partition("?")[0]
    return {"TEST_PORT": str(TEST_PORT), "HEALTH_PATH": health_path, **service.environment, **faults}


def register_task_definition(
    session: Session, undo: Undo, family: str, network: Network, service: Service, version: Version
) -> TaskDefinition:
    port, image = container_port(service, version), image_of(service, version)
    launch_type = network.launch_type(service)
    answer = session.call(
        "ecs",
        "register_task_definition",
        family=family,
        networkMode="awsvpc" if launch_type == "FARGATE" else "bridge",
        requiresCompatibilities=[launch_type],
        **_size(service, version),
        **_platform(network, launch_type),
        executionRoleArn=network.execution_role,
        containerDefinitions=[
            {
                "name": CONTAINER,
                "image": network.images.get(image, image),
                "essential": True,
                "portMappings": [_port_mapping(service, launch_type, port)],
                "environment": [{"name": k, "value": v} for k, v in environment(service, version).items()],
                "stopTimeout": round(service.stop_timeout),
            }
        ],
        tags=lower_key_value(session.tags),
    )
    arn = str(answer["taskDefinition"]["taskDefinitionArn"])
    undo.later(
        f"task definition {arn.rpartition('/')[2]}",
        lambda: session.call("ecs", "deregister_task_definition", taskDefinition=arn),
    )
    wrong_spec = version.fault is not None and version.fault.kind == "wrong_app_spec_port"
    return TaskDefinition(arn, port, port + 1 if wrong_spec else port)


def _port_mapping(service: Service, launch_type: LaunchType, port: int) -> dict[str, Any]:
    """On an instance port 0 lets the agent choose."""
    chosen = service.capacity.host_port if service.capacity is not None else 0
    return {"containerPort": port, "protocol": "tcp", **({"hostPort": chosen} if launch_type == "EC2" else {})}


def _platform(network: Network, launch_type: LaunchType) -> dict[str, Any]:
    """Fargate runs what it is told to; an instance is what it is."""
    if launch_type == "EC2" or network.architecture is None:
        return {}
    return {"runtimePlatform": {"cpuArchitecture": network.architecture, "operatingSystemFamily": "LINUX"}}


def _size(service: Service, version: Version) -> dict[str, str]:
    asked = {"cpu": service.cpu, "memory": service.memory}
    if version.fault is not None and version.fault.kind == "too_much_memory":
        asked = TOO_MUCH
    return {name: str(value) for name, value in asked.items()}


def create_service(
    session: Session,
    undo: Undo,
    name: str,
    network: Network,
    service: Service,
    task_definition: TaskDefinition,
    target_group: str,
) -> str:
    """The ARN of a service under a CODE_DEPLOY controller; its first task set is blue. `network` has the service's cluster."""
    launch_type = network.launch_type(service)
    undo.later(f"service {name}", lambda: delete_service(session, network.cluster, name))
    answer = session.call(
        "ecs",
        "create_service",
        cluster=network.cluster,
        serviceName=name,
        taskDefinition=task_definition.arn,
        desiredCount=service.desired_count,
        **_placed_by(network, service),
        healthCheckGracePeriodSeconds=round(service.grace_period),
        deploymentController={"type": "CODE_DEPLOY"},
        loadBalancers=[
            {
                "targetGroupArn": target_group,
                "containerName": CONTAINER,
                "containerPort": task_definition.container_port,
            }
        ],
        **({"networkConfiguration": _network_configuration(network)} if launch_type == "FARGATE" else {}),
        tags=lower_key_value(session.tags),
    )
    return str(answer["service"]["serviceArn"])


def _placed_by(network: Network, service: Service) -> dict[str, Any]:
    """A capacity provider that scales counts only what it placed itself, so its strategy is named rather than EC2."""
    provider = network.provider_of(service)
    if provider is None:
        return {"launchType": network.launch_type(service)}
    return {"capacityProviderStrategy": [{"capacityProvider": provider, "base": 0, "weight": 1}]}


def _network_configuration(network: Network) -> dict[str, Any]:
    return {
        "awsvpcConfiguration": {
            "subnets": list(network.task_subnets),
            "securityGroups": [network.task_security_group],
            "assignPublicIp": "ENABLED" if network.public_tasks else "DISABLED",
        }
    }


def describe(session: Session, cluster: str, name: str) -> ServiceView | None:
    """None where there is no such service."""
    answer = session.call("ecs", "describe_services", cluster=cluster, services=[name])
    if not answer["services"]:
        return None
    seen = answer["services"][0]
    return ServiceView(
        status=seen["status"],
        desired=seen["desiredCount"],
        running=seen["runningCount"],
        task_sets=tuple(_task_set(one) for one in seen.get("taskSets", [])),
        events=tuple(seen.get("events", [])),
    )


def _task_set(seen: Mapping[str, Any]) -> TaskSet:
    balanced: Sequence[Mapping[str, Any]] = seen.get("loadBalancers") or [{}]
    return TaskSet(
        id=seen["id"],
        target_group=balanced[0].get("targetGroupArn"),
        status=seen["status"],
        stability=seen.get("stabilityStatus", "STABILIZING"),
        desired=seen["computedDesiredCount"],
        running=seen["runningCount"],
        pending=seen["pendingCount"],
    )


def scale(session: Session, cluster: str, name: str, desired: int) -> None:
    session.call("ecs", "update_service", cluster=cluster, service=name, desiredCount=desired)


def tasks_of(session: Session, cluster: str, name: str, task_definition: str) -> list[str]:
    """ARNs of a service's running tasks of one task definition."""
    listed = session.call("ecs", "list_tasks", cluster=cluster, serviceName=name, desiredStatus="RUNNING")["taskArns"]
    if not listed:
        return []
    tasks = session.call("ecs", "describe_tasks", cluster=cluster, tasks=listed[:100])["tasks"]
    return [one["taskArn"] for one in tasks if one["taskDefinitionArn"] == task_definition]


def live_tasks(session: Session, cluster: str, name: str) -> list[LiveTask]:
    """The service's tasks that are meant to run, and how far each has come."""
    listed = session.call("ecs", "list_tasks", cluster=cluster, serviceName=name, desiredStatus="RUNNING")["taskArns"]
    if not listed:
        return []
    tasks = session.call("ecs", "describe_tasks", cluster=cluster, tasks=listed[:100])["tasks"]
    return [
        LiveTask(one["taskArn"], _task_set_of(one), one["taskDefinitionArn"], one["lastStatus"], _address(one))
        for one in tasks
    ]


def _address(seen: Mapping[str, Any]) -> str | None:
    details = [detail for one in seen.get("attachments", []) for detail in one.get("details", [])]
    return next((detail["value"] for detail in details if detail["name"] == "privateIPv4Address"), None)


def _task_set_of(seen: Mapping[str, Any]) -> str | None:
    started_by = str(seen.get("startedBy", ""))
    return started_by if started_by.startswith("ecs-svc/") else None


def kill_task(session: Session, cluster: str, task: str) -> None:
    session.call("ecs", "stop_task", cluster=cluster, task=task, reason="killed by the rehearsal")


def stopped_tasks(session: Session, cluster: str, name: str, known: set[str]) -> list[StoppedTask]:
    """Tasks of the service that have stopped and are not in `known`."""
    listed = session.call("ecs", "list_tasks", cluster=cluster, serviceName=name, desiredStatus="STOPPED")["taskArns"]
    new = [arn for arn in listed if arn not in known]
    if not new:
        return []
    tasks = session.call("ecs", "describe_tasks", cluster=cluster, tasks=new[:100])["tasks"]
    return [_stopped(one) for one in tasks if one["lastStatus"] == "STOPPED"]


def _stopped(seen: Mapping[str, Any]) -> StoppedTask:
    containers: Sequence[Mapping[str, Any]] = seen.get("containers") or [{}]
    return StoppedTask(
        arn=seen["taskArn"],
        task_set=_task_set_of(seen),
        task_definition=seen["taskDefinitionArn"],
        stop_code=seen.get("stopCode", ""),
        reason=containers[0].get("reason") or seen.get("stoppedReason", ""),
        exit_code=containers[0].get("exitCode"),
    )


def delete_service(session: Session, cluster: str, name: str) -> None:
    """Scale in, delete, and wait until it is INACTIVE. Raises WaitTimedOut, ClientError."""
    session.call("ecs", "delete_service", cluster=cluster, service=name, force=True)
    until(
        lambda: describe(session, cluster, name),
        within=INACTIVE_WITHIN,
        waiting_for=f"service {name} to be inactive",
        done=lambda seen: seen is None or seen.status == "INACTIVE",
        every=0.5,
    )
