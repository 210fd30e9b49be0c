"""Container instances and their attributes (D.5). Those of EC2 join by themselves (ecs_fleet.py); RegisterContainerInstance adds one."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.emulator.capacity import RESERVED_PORTS, ContainerInstance, Room
from harness.emulator.cloud import Answer, AwsError, Caller, Request, not_emulated
from harness.emulator.services.ecs_lookup import (
    Raw,
    client_error,
    find_cluster,
    given,
    invalid,
    last_part,
    missing,
    page,
    stamps,
    tags_in,
    with_tags,
)
from harness.emulator.services.ecs_state import Cluster, Region, StopOrder, Task
from harness.emulator.services.ecs_wishes import read_expression

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

AGENT = {"agentVersion": "1.99.0", "agentHash": "rehearse", "dockerVersion": "DockerVersion: 25.0.8"}
ATTRIBUTES_AT_MOST = 10  # of a user's, in one request
FORCED = "Container instance deregistration forced by user"


async def register_container_instance(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """As an agent calls it: an identity document with `instanceId`, and the resources that it offers."""
    cluster = find_cluster(ecs.regions[caller], request)
    identity = _identity(request.get("instanceIdentityDocument"))
    resources = {one["name"]: one for one in request.get("totalResources") or ()}
    if not {"CPU", "MEMORY"} <= resources.keys():
        raise invalid("totalResources must have CPU and MEMORY.")
    instance_id = secrets.token_hex(16)
    known = {
        "ecs.availability-zone": identity.get("availabilityZone"),
        "ecs.instance-type": identity.get("instanceType"),
    }
    instance = ContainerInstance(
        id=instance_id,
        arn=caller.arn("ecs", f"container-instance/{cluster.name}/{instance_id}"),
        ec2_id=identity["instanceId"],
        room=Room(
            resources["CPU"].get("integerValue", 0),
            resources["MEMORY"].get("integerValue", 0),
            await _interfaces(ecs, caller, identity.get("instanceType")),
        ),
        attributes={
            "ecs.os-type": "linux",
            **{name: value for name, value in known.items() if value},
            **{one["name"]: one.get("value") for one in request.get("attributes") or ()},
        },
        registered_at=ecs.now(),
        tags=tags_in(request),
    )
    cluster.instances[instance.id] = instance
    ecs.cloud.changed.ring()
    return {"containerInstance": shown(cluster, instance, {"include": ["TAGS"]}, ecs.regions[caller])}


def _identity(document: str | None) -> Raw:
    try:
        identity: Raw = json.loads(document or "")
        if identity["instanceId"]:
            return identity
    except (ValueError, KeyError, TypeError) as error:
        raise client_error("The instance identity document must be JSON with an instanceId.") from error
    raise client_error("The instance identity document must be JSON with an instanceId.")


async def _interfaces(ecs: Ecs, caller: Caller, kind: str | None) -> int:
    """Of its instance type; without one an instance has no interface for awsvpc tasks."""
    fleet = ecs.fleet(caller)
    return fleet.room(await fleet.type(kind)).interfaces if kind else 0


def deregister_container_instance(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """With `force` its tasks end and their service starts others elsewhere. Its agent does not register again."""
    region = ecs.regions[caller]
    cluster = find_cluster(region, request)
    instance = find_instance(cluster, request["containerInstance"])
    tasks = [task for task in _tasks(cluster, instance) if task.status != "STOPPED"]
    if tasks and not request.get("force"):
        raise invalid("Found running tasks on the instance.")
    for task in tasks:
        task.stop(StopOrder("UserInitiated", FORCED))
    answer = {**shown(cluster, instance, {}, region), "status": "INACTIVE"}
    del cluster.instances[instance.id]
    ecs.fleet(caller).forget(instance.ec2_id)
    ecs.cloud.changed.ring()
    return {"containerInstance": answer}


async def describe_container_instances(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    if not request["containerInstances"]:
        raise invalid("Container instances cannot be empty.")
    if "CONTAINER_INSTANCE_HEALTH" in (request.get("include") or ()):
        raise not_emulated("ecs", "DescribeContainerInstances with include CONTAINER_INSTANCE_HEALTH")
    await ecs.fleet(caller).look()
    region = ecs.regions[caller]
    cluster = find_cluster(region, request)
    return _each(cluster, caller, request, lambda instance: shown(cluster, instance, request, region))


def _each(cluster: Cluster, caller: Caller, request: Request, show: Any) -> Answer:
    found: list[Raw] = []
    failures: list[Raw] = []
    for name in request["containerInstances"]:
        instance = cluster.instances.get(last_part(name))
        if instance is None:
            arn = caller.arn("ecs", f"container-instance/{cluster.name}/{name}")
            failures.append(missing(name if name.startswith("arn:") else arn))
        else:
            found.append(show(instance))
    return {"containerInstances": found, "failures": failures}


async def list_container_instances(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """ACTIVE and DRAINING ones, unless `status` says which."""
    await ecs.fleet(caller).look()
    cluster = find_cluster(ecs.regions[caller], request)
    chosen = read_expression(request["filter"]) if request.get("filter") else lambda facts: True
    found = [
        instance.arn
        for instance in cluster.instances.values()
        if request.get("status") in (None, instance.status) and chosen(instance.facts())
    ]
    arns, more = page(request, "container-instances", found)
    return {"containerInstanceArns": arns, **more}


def update_container_instances_state(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """DRAINING: no new tasks, and services move theirs elsewhere; ACTIVE takes it back."""
    region, status = ecs.regions[caller], request["status"]
    cluster = find_cluster(region, request)
    if status not in ("ACTIVE", "DRAINING"):
        raise invalid("The container instance status must be ACTIVE or DRAINING.")

    def become(instance: ContainerInstance) -> Raw:
        instance.status = status
        instance.version += 1
        return shown(cluster, instance, request, region)

    answer = _each(cluster, caller, request, become)
    ecs.cloud.changed.ring()
    return answer


def update_container_agent(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    find_instance(find_cluster(ecs.regions[caller], request), request["containerInstance"])
    raise AwsError("NoUpdateAvailableException", "There is no update available for this container agent.")


def discover_poll_endpoint(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Where an agent would ask for work: here, and there the emulator says that it does not serve agents."""
    return {"endpoint": ecs.cloud.endpoint, "telemetryEndpoint": ecs.cloud.endpoint}


# ---- attributes


def put_attributes(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    if len(request["attributes"]) > ATTRIBUTES_AT_MOST:
        raise invalid(f"Cannot put more than {ATTRIBUTES_AT_MOST} attributes in one request.")
    for raw, instance in [(raw, _target(cluster, raw)) for raw in request["attributes"]]:
        if raw["name"].startswith(("ecs.", "com.amazonaws.")):
            raise invalid(f"The attribute name {raw['name']} is reserved.")
        instance.attributes[raw["name"]] = raw.get("value")
    ecs.cloud.changed.ring()
    return {"attributes": request["attributes"]}


def delete_attributes(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    deleted = []
    for raw, instance in [(raw, _target(cluster, raw)) for raw in request["attributes"]]:
        if raw["name"] in instance.attributes:
            value = instance.attributes.pop(raw["name"])
            deleted.append(_attribute(instance, raw["name"], value))
    ecs.cloud.changed.ring()
    return {"attributes": deleted}


def list_attributes(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    name, wanted = request.get("attributeName"), request.get("attributeValue")
    if wanted is not None and name is None:
        raise invalid("attributeValue needs an attributeName.")
    found = [
        _attribute(instance, key, value)
        for instance in cluster.instances.values()
        for key, value in sorted(instance.attributes.items())
        if name in (None, key) and wanted in (None, value)
    ]
    shown_here, more = page(request, "attributes", found)
    return {"attributes": shown_here, **more}


def _target(cluster: Cluster, raw: Raw) -> ContainerInstance:
    instance = cluster.instances.get(last_part(raw.get("targetId") or ""))
    if instance is None:
        raise AwsError("TargetNotFoundException", f"The target {raw.get('targetId')} was not found.")
    return instance


def _attribute(instance: ContainerInstance, name: str, value: str | None) -> Raw:
    return {
        "name": name,
        **given({"value": value}, ("value",)),
        "targetType": "container-instance",
        "targetId": instance.arn,
    }


# ---- finding and showing


def find_instance(cluster: Cluster, name: str) -> ContainerInstance:
    """Raises InvalidParameterException."""
    instance = cluster.instances.get(last_part(name))
    if instance is None:
        raise invalid("The referenced container instance was not found.")
    return instance


def _tasks(cluster: Cluster, instance: ContainerInstance) -> list[Task]:
    return [task for task in cluster.tasks.values() if task.container_instance is instance]


def shown(cluster: Cluster, instance: ContainerInstance, request: Request, region: Region) -> Raw:
    counts = Counter(
        "running" if task.running else "pending" if task.pending else "" for task in _tasks(cluster, instance)
    )
    of_group = (one.name for one in region.providers.values() if one.group == instance.auto_scaling_group)
    provider = next((name for name in of_group if name in cluster.settings.get("capacityProviders", ())), None)
    used = {protocol: sorted(instance.ports_used(protocol)) for protocol in ("tcp", "udp")}
    answer = {
        "containerInstanceArn": instance.arn,
        "ec2InstanceId": instance.ec2_id,
        "version": instance.version,
        "versionInfo": AGENT,
        "registeredResources": _resources(instance.room.cpu, instance.room.memory, sorted(RESERVED_PORTS), []),
        "remainingResources": _resources(instance.cpu_left, instance.memory_left, used["tcp"], used["udp"]),
        "status": instance.status,
        "agentConnected": instance.agent_connected,
        "runningTasksCount": counts["running"],
        "pendingTasksCount": counts["pending"],
        "attributes": [
            {"name": name, **({} if value is None else {"value": value})} for name, value in instance.attributes.items()
        ],
        "attachments": [],
        **given({"capacityProviderName": provider}, ("capacityProviderName",)),
        **stamps(registeredAt=instance.registered_at),
    }
    return with_tags(answer, instance.tags, request)


def _resources(cpu: int, memory: int, tcp: list[int], udp: list[int]) -> list[Raw]:
    """PORTS are the ones in use, as AWS shows them."""
    integers = [
        {"name": name, "type": "INTEGER", "integerValue": value} for name, value in (("CPU", cpu), ("MEMORY", memory))
    ]
    sets = [
        {"name": name, "type": "STRINGSET", "stringSetValue": [str(port) for port in ports]}
        for name, ports in (("PORTS", tcp), ("PORTS_UDP", udp))
    ]
    return [*integers, *sets]
