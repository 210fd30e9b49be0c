"""Managed scaling of capacity providers (D.5): the auto scaling group follows `CapacityProviderReservation`.

With M instances needed (those that run tasks, and those that the waiting tasks need) and N that there are, the reservation is
M / N * 100. The group's desired capacity is raised when it is over the target, and lowered when it is long under it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.emulator.capacity import ContainerInstance, Demand, Room, Unplaced, Wishes, place
from harness.emulator.cloud import Caller
from harness.emulator.services.ecs_lookup import Raw
from harness.emulator.services.ecs_placing import demand_of
from harness.emulator.services.ecs_state import CapacityProvider, Region

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs


async def scale(ecs: Ecs, caller: Caller, region: Region) -> bool:
    """Move each auto scaling group towards what is needed; whether one was changed. Raises AwsError."""
    changed = False
    for provider in [one for one in region.providers.values() if one.managed]:
        changed |= await _scale(ecs, caller, region, provider)
    return changed


async def _scale(ecs: Ecs, caller: Caller, region: Region, provider: CapacityProvider) -> bool:
    """AWS waits for its alarms first: a minute to scale out, fifteen to scale in; these waits are compressed."""
    group = await auto_scaling_group(ecs, caller, provider.group)
    if group is None:
        return False
    instances = [one for one in region.instances() if one.auto_scaling_group == provider.group]
    if provider.settings["managedTerminationProtection"] == "ENABLED":
        await _protect(ecs, caller, group, instances)
    now, settings, have = ecs.now(), ecs.cloud.settings, group["DesiredCapacity"]
    want = _wanted(provider, await _needed(ecs, caller, region, provider, group, instances), group)
    provider.short_since = (provider.short_since or now) if want > have else None
    provider.spare_since = (provider.spare_since or now) if want < have else None
    if provider.short_since and now >= provider.short_since + settings.scale_out_seconds / ecs.cloud.compression:
        step = _step(provider, want - have)
        await _set(ecs, caller, provider, min(have + step, group["MaxSize"]))
    elif provider.spare_since and now >= provider.spare_since + settings.scale_in_seconds / ecs.cloud.compression:
        if provider.settings["managedDraining"] == "ENABLED":  # AWS drains what it takes away: here it takes idle ones
            await _protect(ecs, caller, group, instances)
        await _set(ecs, caller, provider, max(have - _step(provider, have - want), group["MinSize"]))
    else:
        return False
    return True


def _wanted(provider: CapacityProvider, needed: int, group: Raw) -> int:
    """Desired capacity at the target, within the group's bounds."""
    target: int = provider.settings["managedScaling"]["targetCapacity"]
    return int(max(group["MinSize"], min(group["MaxSize"], math.ceil(needed * 100 / target))))


def _step(provider: CapacityProvider, difference: int) -> int:
    scaling = provider.settings["managedScaling"]
    return int(max(scaling["minimumScalingStepSize"], min(scaling["maximumScalingStepSize"], difference)))


async def _needed(
    ecs: Ecs,
    caller: Caller,
    region: Region,
    provider: CapacityProvider,
    group: Raw,
    instances: Sequence[ContainerInstance],
) -> int:
    """Instances with tasks, and as many new ones as the waiting tasks fill."""
    waiting = [
        demand_of(task.definition, task.settings)
        for task in region.tasks()
        if task.awaits_capacity and task.capacity_provider == provider.name
    ]
    busy = sum(bool(instance.claims) for instance in instances)
    if not waiting:
        return busy
    fleet = ecs.fleet(caller)
    return busy + new_instances(waiting, fleet.room(await fleet.type(await _type_of(ecs, caller, group))))


def new_instances(waiting: Sequence[Demand], room: Room) -> int:
    """How many empty instances with this room the tasks need; a task that fits no empty one asks for none."""
    made: list[ContainerInstance] = []
    for number, demand in enumerate(waiting):
        bare = Demand(demand.cpu, demand.memory, demand.ports, demand.interface)
        found = place(made, bare, Wishes(), "")
        if isinstance(found, Unplaced):
            found = ContainerInstance(f"new-{number}", "", "", room, {}, 0.0)
            if isinstance(place([found], bare, Wishes(), ""), Unplaced):
                continue
            made.append(found)
        found.claim(str(number), bare, "")
    return len(made)


async def auto_scaling_group(ecs: Ecs, caller: Caller, name: str) -> Raw | None:
    answer = await ecs.cloud.call(caller, "autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
    groups: list[Raw] = answer.get("AutoScalingGroups", [])
    return groups[0] if groups else None


async def _type_of(ecs: Ecs, caller: Caller, group: Raw) -> str:
    """The instance type that the group would launch."""
    if group.get("Instances"):
        return str(group["Instances"][0]["InstanceType"])
    if name := group.get("LaunchConfigurationName"):
        answer = await ecs.cloud.call(
            caller, "autoscaling", "DescribeLaunchConfigurations", LaunchConfigurationNames=[name]
        )
        return str(answer["LaunchConfigurations"][0]["InstanceType"])
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    if overrides := [one["InstanceType"] for one in mixed.get("Overrides", ()) if "InstanceType" in one]:
        return str(overrides[0])
    template = group.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"]
    answer = await ecs.cloud.call(
        caller,
        "ec2",
        "DescribeLaunchTemplateVersions",
        LaunchTemplateId=template["LaunchTemplateId"],
        Versions=[template.get("Version") or "$Default"],
    )
    return str(answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]["InstanceType"])


async def _set(ecs: Ecs, caller: Caller, provider: CapacityProvider, desired: int) -> None:
    provider.short_since = provider.spare_since = None
    await ecs.cloud.call(
        caller, "autoscaling", "SetDesiredCapacity", AutoScalingGroupName=provider.group, DesiredCapacity=desired
    )


async def _protect(ecs: Ecs, caller: Caller, group: Raw, instances: Sequence[ContainerInstance]) -> None:
    """Instances with tasks are protected from scale in, the others are not."""
    busy = {instance.ec2_id for instance in instances if instance.claims}
    for wanted in (True, False):
        differing = [
            one["InstanceId"]
            for one in group["Instances"]
            if (one["InstanceId"] in busy) is wanted and one["ProtectedFromScaleIn"] is not wanted
        ]
        if differing:
            request: dict[str, Any] = {"InstanceIds": differing, "ProtectedFromScaleIn": wanted}
            name = group["AutoScalingGroupName"]
            await ecs.cloud.call(caller, "autoscaling", "SetInstanceProtection", AutoScalingGroupName=name, **request)
