"""What ECS refuses before it runs anything: launch type, network, load balancers, containers (A.2.1, A.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.emulator.cloud import AwsError, Caller, Request, not_emulated
from harness.emulator.services.ecs_capacity_providers import check_strategy
from harness.emulator.services.ecs_lookup import Raw, invalid
from harness.emulator.services.ecs_state import Cluster, LoadBalancer, TaskDefinition
from harness.emulator.services.ecs_wishes import check_wishes

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs


def refuse_unemulated(operation: str, request: Request) -> None:
    """Raises NotImplemented naming what would have no effect here, and is not refused as a member (members/ecs.py)."""
    if request.get("serviceRegistries"):
        raise not_emulated("ecs", f"{operation} with serviceRegistries")
    if request.get("availabilityZoneRebalancing") == "ENABLED":
        raise not_emulated("ecs", f"{operation} with availabilityZoneRebalancing ENABLED")


def infrastructure(request: Request, cluster: Cluster) -> Raw:
    """`{launchType}` or `{capacityProviderStrategy}`: as asked for, else the cluster's default strategy, else EC2 (AWS's default)."""
    launch_type, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
    if launch_type and strategy:
        raise invalid("Specify either a launchType or a capacityProviderStrategy, but not both.")
    if launch_type:
        if launch_type not in ("EC2", "FARGATE"):
            raise not_emulated("ecs", f"launchType {launch_type}")
        return {"launchType": launch_type}
    if strategy:
        check_strategy(cluster.settings.get("capacityProviders", []), strategy)
    strategy = strategy or cluster.settings.get("defaultCapacityProviderStrategy")
    return {"capacityProviderStrategy": list(strategy)} if strategy else {"launchType": "EC2"}


def launch_type_of(settings: Mapping[str, Any]) -> str:
    """FARGATE or EC2, through the capacity provider where there is one."""
    if "launchType" in settings:
        return str(settings["launchType"])
    providers = [one["capacityProvider"] for one in settings.get("capacityProviderStrategy", ())]
    return "FARGATE" if providers and all(name.startswith("FARGATE") for name in providers) else "EC2"


def network(configuration: Raw) -> Raw:
    """A networkConfiguration with ECS's defaults."""
    defaults = {"securityGroups": [], "assignPublicIp": "DISABLED"}
    return {"awsvpcConfiguration": {**defaults, **configuration.get("awsvpcConfiguration", {})}}


async def check_placement(ecs: Ecs, caller: Caller, definition: TaskDefinition, settings: Mapping[str, Any]) -> None:
    """Whether tasks of `definition` can run with this launch type and network. Raises InvalidParameterException."""
    launch_type = launch_type_of(settings)
    if launch_type not in definition.document["compatibilities"]:
        raise invalid(f"Task definition does not support launch_type {launch_type}.")
    if launch_type == "FARGATE":
        for member, word in (("placementStrategy", "strategies"), ("placementConstraints", "constraints")):
            if settings.get(member):
                raise invalid(f"Placement {word} are not supported with FARGATE launch type.")
    elif settings.get("platformVersion"):
        raise invalid("The platform version must be null when specifying an EC2 launch type.")
    check_wishes(settings)
    given = settings.get("networkConfiguration")
    if definition.network_mode == "awsvpc":
        if not given or not given.get("awsvpcConfiguration", {}).get("subnets"):
            raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        await ecs.interfaces.subnets(caller, given["awsvpcConfiguration"]["subnets"])
    elif given:
        raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")


def read_load_balancers(raws: Sequence[Raw] | None) -> tuple[LoadBalancer, ...]:
    balancers = []
    for raw in raws or ():
        if not raw.get("targetGroupArn"):
            raise invalid("A load balancer needs a targetGroupArn.")
        balancers.append(LoadBalancer(raw["targetGroupArn"], raw.get("containerName", ""), raw.get("containerPort", 0)))
    return tuple(balancers)


def check_containers(definition: TaskDefinition, balancers: Sequence[LoadBalancer]) -> None:
    """Each container of `balancers` is in the task definition, with its port. Raises InvalidParameterException (A.2.1)."""
    for balancer in balancers:
        container = definition.container(balancer.container)
        if container is None:
            raise invalid("The container does not exist in the task definition.")
        if balancer.port not in container.ports:
            raise invalid(f"The container {balancer.container} did not have a container port {balancer.port} defined.")


async def check_target_groups(
    ecs: Ecs,
    caller: Caller,
    definition: TaskDefinition | None,
    balancers: Sequence[LoadBalancer],
    *,
    behind: bool,
) -> None:
    """They exist and suit the network mode; with `behind`, each is behind a load balancer (A.6). Raises InvalidParameterException."""
    for balancer in balancers:
        arn = balancer.target_group
        try:
            answer = await ecs.cloud.call(caller, "elbv2", "DescribeTargetGroups", TargetGroupArns=[arn])
        except AwsError as error:
            if error.code != "TargetGroupNotFound":
                raise
            raise invalid(f"The target group {arn} does not exist.") from error
        group = answer["TargetGroups"][0]
        if definition is not None:
            _check_target_type(definition, arn, group.get("TargetType", "instance"))
        if behind and not group.get("LoadBalancerArns"):
            raise invalid(f"The target group with targetGroupArn {arn} does not have an associated load balancer.")


def _check_target_type(definition: TaskDefinition, arn: str, kind: str) -> None:
    """Addresses for awsvpc tasks, instances for bridge and host; a task without network is no target (D.5)."""
    mode = definition.network_mode
    if mode == "none":
        raise invalid("Load balancers cannot be used with the none network mode.")
    if kind != ("ip" if mode == "awsvpc" else "instance"):
        raise invalid(
            f"The provided target group {arn} has target type {kind}, which is incompatible "
            f"with the {mode} network mode specified in the task definition."
        )
