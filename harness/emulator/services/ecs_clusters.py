"""Clusters. Their container instances are in ecs_instances.py, capacity providers in ecs_capacity_providers.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.ecs_capacity_providers import check_providers, check_unused
from harness.emulator.services.ecs_checks import launch_type_of
from harness.emulator.services.ecs_lookup import (
    Raw,
    find_cluster,
    given,
    invalid,
    last_part,
    missing,
    page,
    tags_in,
    with_tags,
)
from harness.emulator.services.ecs_state import Cluster

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

CLUSTER_NAME = re.compile(r"[a-zA-Z0-9\-_]{1,255}")
SETTINGS = (
    "settings",
    "configuration",
    "capacityProviders",
    "defaultCapacityProviderStrategy",
    "serviceConnectDefaults",
)


def create_cluster(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Idempotent: an active cluster of that name is given back."""
    name = request.get("clusterName") or "default"
    if not CLUSTER_NAME.fullmatch(name):
        raise invalid(f"Cluster must match ^{CLUSTER_NAME.pattern}$, but was {name}")
    region = ecs.regions[caller]
    providers, strategy = request.get("capacityProviders") or [], request.get("defaultCapacityProviderStrategy") or []
    check_providers(region, providers, strategy)
    cluster = region.clusters.get(name)
    if cluster is None or cluster.status != "ACTIVE":
        cluster = region.clusters[name] = Cluster(
            name, caller.arn("ecs", f"cluster/{name}"), given(request, SETTINGS), tags_in(request)
        )
    return {"cluster": shown(cluster, {"include": ["TAGS", "SETTINGS", "CONFIGURATIONS"]})}


def describe_clusters(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    names = request.get("clusters") or ["default"]
    found = {name: ecs.regions[caller].clusters.get(last_part(name)) for name in names}
    return {
        "clusters": [shown(cluster, request) for cluster in found.values() if cluster],
        "failures": [
            missing(name if name.startswith("arn:") else caller.arn("ecs", f"cluster/{name}"))
            for name, cluster in found.items()
            if not cluster
        ],
    }


def list_clusters(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    active = [cluster.arn for cluster in ecs.regions[caller].clusters.values() if cluster.status == "ACTIVE"]
    arns, more = page(request, "clusters", active)
    return {"clusterArns": arns, **more}


async def delete_cluster(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Instances that were terminated a moment ago are looked for first: their auto scaling group may be just gone."""
    cluster = find_cluster(ecs.regions[caller], request)
    if any(instance.from_ec2 for instance in cluster.instances.values()):
        await ecs.fleet(caller).look()
    if any(service.status != "INACTIVE" for service in cluster.services.values()):
        raise AwsError("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
    if any(task.status != "STOPPED" for task in cluster.tasks.values()):
        raise AwsError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    if cluster.instances:
        raise AwsError(
            "ClusterContainsContainerInstancesException",
            "The Cluster cannot be deleted while Container Instances are active or draining.",
        )
    cluster.status = "INACTIVE"
    ecs.cloud.changed.ring()
    return {"cluster": shown(cluster, request)}


def update_cluster(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    cluster.settings.update(given(request, ("settings", "configuration", "serviceConnectDefaults")))
    return {"cluster": shown(cluster, {"include": ["TAGS", "SETTINGS", "CONFIGURATIONS"]})}


def update_cluster_settings(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    return update_cluster(ecs, caller, given(request, ("cluster", "settings")))


async def put_cluster_capacity_providers(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    region = ecs.regions[caller]
    cluster = find_cluster(region, request)
    names, strategy = request["capacityProviders"], request["defaultCapacityProviderStrategy"]
    check_providers(region, names, strategy)
    check_unused(cluster, names)
    cluster.settings.update(
        capacityProviders=[last_part(name) for name in names], defaultCapacityProviderStrategy=strategy
    )
    if any(last_part(name) in region.providers for name in names):
        await ecs.fleet(caller).look()
    return {"cluster": shown(cluster, {"include": ["TAGS"]})}


def shown(cluster: Cluster, request: Request) -> Raw:
    include = request.get("include") or []
    optional = {"SETTINGS": "settings", "CONFIGURATIONS": "configuration"}
    answer = {
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": len(cluster.instances),
        "runningTasksCount": sum(task.status == "RUNNING" for task in cluster.tasks.values()),
        "pendingTasksCount": sum(task.pending for task in cluster.tasks.values()),
        "activeServicesCount": sum(service.status == "ACTIVE" for service in cluster.services.values()),
        "statistics": _statistics(cluster) if "STATISTICS" in include else [],
        "settings": [],
        "capacityProviders": cluster.settings.get("capacityProviders", []),
        "defaultCapacityProviderStrategy": cluster.settings.get("defaultCapacityProviderStrategy", []),
        **given(cluster.settings, ("serviceConnectDefaults",)),
        **given(cluster.settings, [member for name, member in optional.items() if name in include]),
    }
    return with_tags(answer, cluster.tags, request)


def _statistics(cluster: Cluster) -> list[Raw]:
    """Tasks and services by launch type, as strings."""
    counts: dict[str, int] = {}
    for kind, name in (("EC2", "EC2"), ("FARGATE", "Fargate")):
        tasks = [task for task in cluster.tasks.values() if task.launch_type == kind]
        services = [one.status for one in cluster.services.values() if launch_type_of(one.settings) == kind]
        counts |= {
            f"running{name}TasksCount": sum(task.status == "RUNNING" for task in tasks),
            f"pending{name}TasksCount": sum(task.pending for task in tasks),
            f"active{name}ServiceCount": services.count("ACTIVE"),
            f"draining{name}ServiceCount": services.count("DRAINING"),
        }
    return [{"name": name, "value": str(value)} for name, value in counts.items()]
