"""AWS::ECS::*."""

from __future__ import annotations

from typing import Any, ClassVar

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import (
    At,
    Kind,
    Made,
    Properties,
    changed,
    is_gone,
    only,
    tag_changes,
    without,
)

FAILED = ("TaskFailedToStart", "EssentialContainerExited")
LOOK = 0.25  # seconds between looks at a service that settles; real, because its tasks are


class Tagged(Kind):
    """ECS changes tags by ARN."""

    async def retag(self, at: At, arn: str, old: Properties, new: Properties) -> None:
        put, gone = tag_changes(old, new)
        if put:
            tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in put]
            await at.call("ecs", "TagResource", resourceArn=arn, tags=tags)
        if gone:
            await at.call("ecs", "UntagResource", resourceArn=arn, tagKeys=gone)


class Cluster(Tagged):
    type, name = "AWS::ECS::Cluster", "ClusterName"
    stack_tags = True
    RENAMED: ClassVar = {"ClusterSettings": "settings"}

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"ClusterName": at.name(255), **at.tagged(properties)}
        cluster = (await at.send("ecs", "CreateCluster", named, self.RENAMED))["cluster"]
        return Made(cluster["clusterName"], {"Arn": cluster["clusterArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        parts = only(new, "ClusterSettings", "Configuration", "ServiceConnectDefaults")
        await at.send("ecs", "UpdateCluster", {"Cluster": made.physical_id, **parts}, self.RENAMED)
        if changed(old, new) & {"CapacityProviders", "DefaultCapacityProviderStrategy"}:
            providers = {
                "Cluster": made.physical_id,
                "CapacityProviders": new.get("CapacityProviders", []),
                "DefaultCapacityProviderStrategy": new.get("DefaultCapacityProviderStrategy", []),
            }
            await at.send("ecs", "PutClusterCapacityProviders", providers)
        await self.retag(at, made.attributes["Arn"], old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("ecs", "DeleteCluster", cluster=made.physical_id)


class TaskDefinition(Tagged):
    """Its Ref is the ARN of a revision; every change but one of tags registers a new one."""

    type, name = "AWS::ECS::TaskDefinition", ""
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        family = "".join(part for part in at.name(200) if part.isalnum())
        definition = {"Family": family, **at.tagged(properties)}
        made = (await at.send("ecs", "RegisterTaskDefinition", definition))["taskDefinition"]
        return Made(made["taskDefinitionArn"], {"TaskDefinitionArn": made["taskDefinitionArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await self.retag(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("ecs", "DeregisterTaskDefinition", taskDefinition=made.physical_id)


class Service(Tagged):
    type, name = "AWS::ECS::Service", "ServiceName"
    stack_tags = True
    RENAMED: ClassVar = {"PlacementStrategies": "placementStrategy"}
    FIXED = ("Cluster", "ServiceName", "Tags", "LaunchType", "Role", "SchedulingStrategy", "DeploymentController")

    async def create(self, at: At, properties: Properties) -> Made:
        """Where DesiredCount is not given, it is 1 (REPLICA)."""
        given = without(properties, "ForceNewDeployment")
        named = {"ServiceName": at.name(255), "DesiredCount": 1, **at.tagged(given)}
        service = (await at.send("ecs", "CreateService", named, self.RENAMED))["service"]
        return Made(service["serviceArn"], {"Name": service["serviceName"], "ServiceArn": service["serviceArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        """What changed, or with the setting all of it, as AWS is reported to send (A.6)."""
        fixed = changed(old, new) & {"LaunchType", "DeploymentController"}
        if fixed:
            raise invalid(f"updating {sorted(fixed)[0]} of {self.type} is not emulated by rehearse")
        parts = without(new, *self.FIXED) if at.cloud.settings.cloudformation_resends else self._changes(old, new)
        target = {"Cluster": cluster_of(made), "Service": made.attributes["Name"]}
        if parts:
            await at.send("ecs", "UpdateService", {**target, **parts}, self.RENAMED)
        await self.retag(at, made.physical_id, old, new)
        return made

    def _changes(self, old: Properties, new: Properties) -> dict[str, Any]:
        names = changed(old, new) - {*self.FIXED, "ForceNewDeployment"}
        if gone := sorted(name for name in names if name not in new):
            raise invalid(f"removing {gone[0]} of {self.type} is not emulated by rehearse")
        parts = only(new, *names)
        force = new.get("ForceNewDeployment")
        return {**parts, "ForceNewDeployment": True} if force != old.get("ForceNewDeployment") else parts

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        """Until its last task has drained and stopped."""
        target = {"cluster": cluster_of(made), "service": made.attributes["Name"]}
        await at.call("ecs", "DeleteService", **target, force=True)
        while (await self._described(at, made))["status"] != "INACTIVE":
            await at.cloud.clock.sleep(LOOK)

    async def settle(self, at: At, made: Made, properties: Properties) -> None:
        """Steady: as many tasks as wanted run. A service whose tasks keep failing fails, and so does one that takes too long."""
        clock, settings, began = at.cloud.clock, at.cloud.settings, at.cloud.clock.now()
        name, most = made.attributes["Name"], settings.cloudformation_service_failures
        while True:
            service = await self._described(at, made)
            if service["deploymentController"]["type"] == "EXTERNAL" or is_steady(service):
                return
            failed = await failed_tasks(at, made, began)
            if 0 < most <= len(failed):
                raise stuck(f"{len(failed)} tasks of the service {name} could not run; the last one: {failed[-1]}")
            if clock.now() > began + settings.cloudformation_service_seconds:
                said = service["events"][0]["message"] if service["events"] else "it had no event"
                raise stuck(
                    f"{self.type} {name} did not stabilize within {settings.cloudformation_service_seconds:.0f} s: {said}"
                )
            await clock.sleep(LOOK)

    async def _described(self, at: At, made: Made) -> Any:
        request = {"cluster": cluster_of(made), "services": [made.attributes["Name"]]}
        answer = await at.call("ecs", "DescribeServices", **request)
        if not answer["services"]:
            raise stuck(f"the service {made.physical_id} is not there any more")
        return answer["services"][0]


def stuck(message: str) -> AwsError:
    return AwsError("NotStabilized", message)


def cluster_of(made: Made) -> str:
    """`arn:aws:ecs:region:account:service/cluster/name`."""
    return made.physical_id.split("/")[1]


def is_steady(service: Any) -> bool:
    """A.6: a service of the ECS controller has deployments, one under CODE_DEPLOY task sets. A completed deployment stays so."""
    if service["runningCount"] != service["desiredCount"] or service["pendingCount"]:
        return False
    if service["deploymentController"]["type"] == "ECS":
        return len(service["deployments"]) == 1 and service["deployments"][0]["rolloutState"] == "COMPLETED"
    primary = [one for one in service["taskSets"] if one["status"] == "PRIMARY"]
    return bool(primary) and primary[0]["stabilityStatus"] == "STEADY_STATE"


async def failed_tasks(at: At, made: Made, since: float) -> list[str]:
    """Why each task that was made after `since` ended by itself or was found unhealthy, the oldest first."""
    target = {"cluster": cluster_of(made)}
    listed = await at.call("ecs", "ListTasks", **target, serviceName=made.attributes["Name"], desiredStatus="STOPPED")
    if not listed["taskArns"]:
        return []
    tasks = (await at.call("ecs", "DescribeTasks", **target, tasks=listed["taskArns"]))["tasks"]
    ended = [one for one in tasks if one["createdAt"].timestamp() >= since - LOOK and one.get("stoppedReason")]
    failed = [one for one in ended if one.get("stopCode") in FAILED or "failed" in one["stoppedReason"]]
    return [one["stoppedReason"] for one in sorted(failed, key=lambda one: one["createdAt"])]


class TaskSet(Tagged):
    type = "AWS::ECS::TaskSet"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        made = (await at.send("ecs", "CreateTaskSet", at.tagged(properties)))["taskSet"]
        return Made(made["id"], {"Id": made["id"], "Arn": made["taskSetArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if "Scale" in changed(old, new):
            given = {**only(new, "Cluster", "Service", "Scale"), "TaskSet": made.physical_id}
            await at.send("ecs", "UpdateTaskSet", given)
        await self.retag(at, made.attributes["Arn"], old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        target = only(properties, "Cluster", "Service")
        await at.send("ecs", "DeleteTaskSet", {**target, "TaskSet": made.physical_id, "Force": True})
        describe = {**target, "TaskSets": [made.physical_id]}
        while (await at.send("ecs", "DescribeTaskSets", describe))["taskSets"]:
            await at.cloud.clock.sleep(LOOK)


class PrimaryTaskSet(Kind):
    """Not a thing of its own: which task set of a service is primary. Deleting it changes nothing, as on AWS."""

    type = "AWS::ECS::PrimaryTaskSet"

    async def create(self, at: At, properties: Properties) -> Made:
        await at.send("ecs", "UpdateServicePrimaryTaskSet", properties, {"TaskSetId": "primaryTaskSet"})
        return Made(f"{properties['Cluster']}|{properties['Service']}")

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await self.create(at, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        return


class CapacityProvider(Tagged):
    type, name = "AWS::ECS::CapacityProvider", "Name"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        given = {"Name": at.name(255), **at.tagged(properties)}
        made = (await at.send("ecs", "CreateCapacityProvider", given))["capacityProvider"]
        return Made(made["name"], {"Arn": made["capacityProviderArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if "AutoScalingGroupProvider" in changed(old, new):
            provider = without(new["AutoScalingGroupProvider"], "AutoScalingGroupArn")
            given = {"Name": made.physical_id, "AutoScalingGroupProvider": provider}
            await at.send("ecs", "UpdateCapacityProvider", given)
        await self.retag(at, made.attributes["Arn"], old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("ecs", "DeleteCapacityProvider", capacityProvider=made.physical_id)


class ClusterCapacityProviderAssociations(Kind):
    type = "AWS::ECS::ClusterCapacityProviderAssociations"

    async def create(self, at: At, properties: Properties) -> Made:
        given = {"CapacityProviders": [], **properties}
        await at.send("ecs", "PutClusterCapacityProviders", given)
        return Made(properties["Cluster"])

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        return await self.create(at, new)

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        nothing = {"Cluster": properties["Cluster"], "CapacityProviders": [], "DefaultCapacityProviderStrategy": []}
        try:
            await at.send("ecs", "PutClusterCapacityProviders", nothing)
        except AwsError as error:
            if not is_gone(error):
                raise


KINDS = (
    Cluster(), TaskDefinition(), Service(), TaskSet(), PrimaryTaskSet(), CapacityProvider(), ClusterCapacityProviderAssociations(),
)  # fmt: skip
