"""AWS::CodeDeploy::*."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import At, Kind, Made, Properties, changed, only, tag_changes


async def retag(at: At, resource: str, old: Properties, new: Properties) -> None:
    arn, (put, gone) = at.caller.arn("codedeploy", resource), tag_changes(old, new)
    if put:
        await at.call("codedeploy", "TagResource", ResourceArn=arn, Tags=put)
    if gone:
        await at.call("codedeploy", "UntagResource", ResourceArn=arn, TagKeys=gone)


class Application(Kind):
    type, name = "AWS::CodeDeploy::Application", "ApplicationName"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"ApplicationName": at.name(100), **at.tagged(properties)}
        await at.send("codedeploy", "CreateApplication", named)
        return Made(named["ApplicationName"])

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await retag(at, f"application:{made.physical_id}", old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("codedeploy", "DeleteApplication", applicationName=made.physical_id)


class DeploymentConfig(Kind):
    """Every change makes a new one."""

    type, name = "AWS::CodeDeploy::DeploymentConfig", "DeploymentConfigName"

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"DeploymentConfigName": at.name(100), **properties}
        await at.send("codedeploy", "CreateDeploymentConfig", named)
        return Made(named["DeploymentConfigName"])

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("codedeploy", "DeleteDeploymentConfig", deploymentConfigName=made.physical_id)


class DeploymentGroup(Kind):
    """Its Ref is its name, as AWS has it."""

    type, name = "AWS::CodeDeploy::DeploymentGroup", "DeploymentGroupName"
    stack_tags = True
    KEPT = ("ApplicationName", "DeploymentGroupName", "Tags", "Deployment")

    def check(self, properties: Properties) -> None:
        super().check(properties)
        if "Deployment" in properties:
            raise invalid(f"Deployment of {self.type} is not emulated by rehearse: it is for the Server platform")

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"DeploymentGroupName": at.name(100), **at.tagged(properties)}
        await at.send("codedeploy", "CreateDeploymentGroup", named)
        return Made(named["DeploymentGroupName"])

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        names = changed(old, new) - set(self.KEPT)
        if gone := sorted(name for name in names if name not in new):
            raise invalid(f"removing {gone[0]} of {self.type} is not emulated by rehearse")
        application: dict[str, Any] = only(new, "ApplicationName")
        if names:
            given = {**application, "currentDeploymentGroupName": made.physical_id, **only(new, *names)}
            await at.send("codedeploy", "UpdateDeploymentGroup", given)
        await retag(at, f"deploymentgroup:{application['ApplicationName']}/{made.physical_id}", old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        given = {**only(properties, "ApplicationName"), "DeploymentGroupName": made.physical_id}
        await at.send("codedeploy", "DeleteDeploymentGroup", given)


KINDS = (Application(), DeploymentConfig(), DeploymentGroup())
