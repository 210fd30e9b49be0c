"""AWS::EC2::LaunchTemplate and AWS::AutoScaling::AutoScalingGroup: what a cluster's instances are made from, and how many."""

from __future__ import annotations

from typing import Any, ClassVar

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import At, Kind, Made, Properties, changed, is_gone, only, without

LOOK = 0.25  # seconds between looks at a group that settles


class LaunchTemplate(Kind):
    """Every change of its data is a version of the same template. Its own tags are TagSpecifications; stack tags do not reach it."""

    type, name = "AWS::EC2::LaunchTemplate", "LaunchTemplateName"
    moving = frozenset({"LatestVersionNumber"})

    async def create(self, at: At, properties: Properties) -> Made:
        template = {"LaunchTemplateName": at.name(128), **properties}
        answer = (await at.send("ec2", "CreateLaunchTemplate", template))["LaunchTemplate"]
        return _made(answer["LaunchTemplateId"], answer["DefaultVersionNumber"], answer["LatestVersionNumber"])

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if other := sorted(changed(old, new) - {"LaunchTemplateData", "VersionDescription"}):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        given = {"LaunchTemplateId": made.physical_id, **only(new, "LaunchTemplateData", "VersionDescription")}
        version = (await at.send("ec2", "CreateLaunchTemplateVersion", given))["LaunchTemplateVersion"]
        return _made(made.physical_id, made.attributes["DefaultVersionNumber"], version["VersionNumber"])

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "ec2", "DeleteLaunchTemplate", LaunchTemplateId=made.physical_id)


def _made(identity: str, default: Any, latest: Any) -> Made:
    numbers = {"DefaultVersionNumber": str(default), "LatestVersionNumber": str(latest)}
    return Made(identity, {"LaunchTemplateId": identity, **numbers})


class AutoScalingGroup(Kind):
    """Instances that run already stay as they are when the launch template changes, as without an UpdatePolicy on AWS."""

    type, name = "AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName"
    stack_tags = True
    SIZES: ClassVar = ("MinSize", "MaxSize", "DesiredCapacity")

    async def create(self, at: At, properties: Properties) -> Made:
        name = properties.get("AutoScalingGroupName") or at.name(255)
        await at.send("autoscaling", "CreateAutoScalingGroup", self._request(name, at.tagged(properties)))
        group = await self._described(at, name)
        return Made(name, {"AutoScalingGroupARN": group["AutoScalingGroupARN"] if group else ""})

    def _request(self, name: str, properties: Properties) -> dict[str, Any]:
        """Subnets are one text in the API; a tag of the stack goes to the instances, too."""
        request = {**without(properties, "Tags", "VPCZoneIdentifier"), "AutoScalingGroupName": name}
        if "VPCZoneIdentifier" in properties:
            request["VPCZoneIdentifier"] = ",".join(properties["VPCZoneIdentifier"])
        if "Tags" in properties:
            request["Tags"] = [_tag(name, tag) for tag in properties["Tags"]]
        return request

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        names = changed(old, new) - {"Tags", "AutoScalingGroupName"}
        if gone := sorted(name for name in names if name not in new):
            raise invalid(f"removing {gone[0]} of {self.type} is not emulated by rehearse")
        if names:
            request = self._request(made.physical_id, only(new, *names, *self.SIZES))
            await at.send("autoscaling", "UpdateAutoScalingGroup", request)
        await self._retag(at, made.physical_id, old, new)
        return made

    async def _retag(self, at: At, name: str, old: Properties, new: Properties) -> None:
        before, after = ({tag["Key"]: tag for tag in side.get("Tags") or []} for side in (old, new))
        if put := [_tag(name, tag) for key, tag in after.items() if before.get(key) != tag]:
            await at.call("autoscaling", "CreateOrUpdateTags", Tags=put)
        if gone := [_tag(name, tag) for key, tag in before.items() if key not in after]:
            await at.call("autoscaling", "DeleteTags", Tags=gone)

    async def settle(self, at: At, made: Made, properties: Properties) -> None:
        """Until as many instances as wanted are in service."""
        while (group := await self._described(at, made.physical_id)) is not None:
            ready = [one for one in group.get("Instances", ()) if one["LifecycleState"] == "InService"]
            if len(ready) >= group["DesiredCapacity"]:
                return
            await at.cloud.clock.sleep(LOOK)

    async def _described(self, at: At, name: str) -> Any:
        answer = await at.call("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
        return next(iter(answer["AutoScalingGroups"]), None)

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        """With its instances."""
        await drop(at, "autoscaling", "DeleteAutoScalingGroup", AutoScalingGroupName=made.physical_id, ForceDelete=True)


def _tag(group: str, tag: Properties) -> dict[str, Any]:
    propagated = str(tag.get("PropagateAtLaunch", True)).lower() == "true"
    return {
        "Key": tag["Key"],
        "Value": tag["Value"],
        "PropagateAtLaunch": propagated,
        "ResourceId": group,
        "ResourceType": "auto-scaling-group",
    }


async def drop(at: At, service: str, operation: str, /, **request: Any) -> None:
    """What is gone already is well deleted."""
    try:
        await at.call(service, operation, **request)
    except AwsError as error:
        if not is_gone(error) and "not found" not in error.message.lower():
            raise


KINDS = (LaunchTemplate(), AutoScalingGroup())
