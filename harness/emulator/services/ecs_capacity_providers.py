"""Capacity providers (D.5): FARGATE and FARGATE_SPOT are there, an auto scaling group becomes one. Scaling is in ecs_scaling.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.ecs_lookup import (
    Raw,
    client_error,
    invalid,
    last_part,
    missing,
    page,
    tags_in,
    with_tags,
)
from harness.emulator.services.ecs_scaling import auto_scaling_group
from harness.emulator.services.ecs_state import CapacityProvider, Cluster, Region

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
MANAGED_SCALING = {
    "status": "DISABLED",
    "targetCapacity": 100,
    "minimumScalingStepSize": 1,
    "maximumScalingStepSize": 10000,
    "instanceWarmupPeriod": 300,
}
RANGES = {
    "targetCapacity": (1, 100),
    "minimumScalingStepSize": (1, 10000),
    "maximumScalingStepSize": (1, 10000),
    "instanceWarmupPeriod": (0, 10000),
}
PROTECTION = (
    "The managed termination protection setting for the capacity provider is invalid. To enable managed termination protection "
    "for a capacity provider, the Auto Scaling group must have instance protection from scale in enabled."
)


async def create_capacity_provider(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    region, name = ecs.regions[caller], request["name"]
    if name.lower().startswith(("aws", "ecs", "fargate")):
        raise client_error(
            "The specified capacity provider name is invalid. The name cannot be prefixed with aws, ecs, or fargate."
        )
    raw = request.get("autoScalingGroupProvider")
    if not raw:
        raise invalid("An autoScalingGroupProvider must be specified.")
    settings = _settings({"managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED"}, raw)
    group = await _group(ecs, caller, settings)
    if name in region.providers:
        raise client_error(
            "A capacity provider with the specified name already exists. Specify a unique name and try again."
        )
    arn = caller.arn("ecs", f"capacity-provider/{name}")
    provider = CapacityProvider(name, arn, group["AutoScalingGroupName"], settings, tags_in(request))
    region.providers[name] = provider
    await ecs.fleet(caller).look()
    return {"capacityProvider": shown(provider, {"include": ["TAGS"]})}


async def update_capacity_provider(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    provider = ecs.regions[caller].providers.get(last_part(request["name"]))
    if provider is None:
        raise client_error(_not_found(request["name"]))
    settings = _settings(provider.settings, request.get("autoScalingGroupProvider") or {})
    await _group(ecs, caller, settings)
    provider.settings, provider.update_status = settings, "UPDATE_COMPLETE"
    ecs.cloud.changed.ring()
    return {"capacityProvider": shown(provider, {"include": ["TAGS"]})}


def delete_capacity_provider(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    region, name = ecs.regions[caller], last_part(request["capacityProvider"])
    if name in FARGATE_PROVIDERS:
        raise client_error("The FARGATE and FARGATE_SPOT capacity providers are reserved and cannot be deleted.")
    if name not in region.providers:
        raise client_error(_not_found(name))
    for cluster in region.clusters.values():
        if cluster.status == "ACTIVE" and name in cluster.settings.get("capacityProviders", ()):
            raise client_error(
                f"The capacity provider cannot be deleted because it is associated with cluster: {cluster.name}. "
                "Remove the capacity provider from the cluster and try again."
            )
    provider = region.providers.pop(name)
    provider.update_status = "DELETE_COMPLETE"
    return {"capacityProvider": {**shown(provider, {}), "status": "INACTIVE"}}


def describe_capacity_providers(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    region = ecs.regions[caller]
    names = [last_part(name) for name in request.get("capacityProviders") or (*FARGATE_PROVIDERS, *region.providers)]
    known = {**{name: _fargate(caller, name) for name in FARGATE_PROVIDERS}}
    known |= {name: shown(provider, request) for name, provider in region.providers.items()}
    found, more = page(request, "capacity-providers", [known[name] for name in names if name in known])
    failures = [missing(caller.arn("ecs", f"capacity-provider/{name}")) for name in names if name not in known]
    return {"capacityProviders": found, "failures": failures, **more}


def check_providers(region: Region, names: list[str], strategy: list[Raw]) -> None:
    """Raises InvalidParameterException for one that is not there, or is in the strategy alone."""
    names = [last_part(name) for name in names]
    for name in names:
        if name not in FARGATE_PROVIDERS and name not in region.providers:
            raise invalid(_not_found(name))
    check_strategy(names, strategy)


def check_strategy(names: list[str], strategy: list[Raw]) -> None:
    """The rules of a strategy over a cluster's capacity providers. Raises InvalidParameterException."""
    used = [last_part(one["capacityProvider"]) for one in strategy]
    if not set(used) <= set(names):
        raise invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. "
            "Associate the capacity provider with the cluster and try again."
        )
    if len({name in FARGATE_PROVIDERS for name in used}) > 1:
        raise invalid(
            "The specified capacity provider strategy cannot contain Fargate and Auto Scaling group capacity providers together."
        )
    if sum(one.get("base", 0) > 0 for one in strategy) > 1:
        raise invalid("Only one capacity provider in a capacity provider strategy can have a base defined.")
    if len(strategy) > 1 and not any(one.get("weight", 0) for one in strategy):
        raise invalid("A capacity provider strategy must contain at least one capacity provider with a weight above 0.")


def check_unused(cluster: Cluster, names: list[str]) -> None:
    left = {last_part(name) for name in names}
    for service in cluster.services.values():
        used = [one["capacityProvider"] for one in service.settings.get("capacityProviderStrategy") or ()]
        if service.status != "INACTIVE" and not left.issuperset(map(last_part, used)):
            raise AwsError(
                "ResourceInUseException",
                "The specified capacity provider is in use and cannot be removed from the cluster.",
            )


def _settings(before: Raw, raw: Raw) -> Raw:
    scaling = {**MANAGED_SCALING, **before.get("managedScaling", {}), **(raw.get("managedScaling") or {})}
    if (
        raw.get("managedScaling") is not None
        and "status" not in raw["managedScaling"]
        and not before.get("managedScaling")
    ):
        scaling["status"] = "ENABLED"
    for member, (low, high) in RANGES.items():
        if not low <= scaling[member] <= high:
            raise invalid(f"managedScaling.{member} must be between {low} and {high}.")
    return {**before, **raw, "managedScaling": scaling}


async def _group(ecs: Ecs, caller: Caller, settings: Raw) -> Raw:
    """The auto scaling group, by ARN or name. Raises ClientException."""
    arn = settings["autoScalingGroupArn"]
    group = await auto_scaling_group(ecs, caller, arn.rpartition("autoScalingGroupName/")[2])
    if group is None:
        raise client_error(
            "The specified Auto Scaling group does not exist. Verify the Auto Scaling group ARN and try again."
        )
    protectable = settings["managedScaling"]["status"] == "ENABLED" and group["NewInstancesProtectedFromScaleIn"]
    if settings["managedTerminationProtection"] == "ENABLED" and not protectable:
        raise client_error(PROTECTION)
    return group


def _not_found(name: str) -> str:
    return f"The specified capacity provider '{name}' was not found. Specify a valid name or ARN and try again."


def _fargate(caller: Caller, name: str) -> Raw:
    arn = caller.arn("ecs", f"capacity-provider/{name}")
    return {"capacityProviderArn": arn, "name": name, "status": "ACTIVE", "type": name}


def shown(provider: CapacityProvider, request: Request) -> Raw:
    answer = {
        "capacityProviderArn": provider.arn,
        "name": provider.name,
        "status": "ACTIVE",
        "type": "EC2_AUTOSCALING",
        "autoScalingGroupProvider": provider.settings,
        "updateStatus": provider.update_status,
    }
    return with_tags(answer, provider.tags, request)
