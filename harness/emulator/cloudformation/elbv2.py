"""AWS::ElasticLoadBalancingV2::*. Attributes and targets are calls of their own in the API."""

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


class Balancing(Kind):
    """The API names a resource by `<key>Arn`; so does Ref."""

    key: ClassVar[str]
    attributes: ClassVar[str] = ""  # the property with the attributes, where there are any
    stack_tags = True

    async def change_attributes(self, at: At, arn: str, old: Properties, new: Properties) -> None:
        """Attributes that are no longer given keep their values: the API has no way to take one back."""
        before, after = ({one["Key"]: one["Value"] for one in side.get(self.attributes) or []} for side in (old, new))
        if gone := sorted(set(before) - set(after)):
            raise invalid(f"removing {gone[0]} from {self.attributes} of {self.type} is not emulated by rehearse")
        attributes = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
        if attributes:
            await at.send("elbv2", f"Modify{self.key}Attributes", {f"{self.key}Arn": arn, "Attributes": attributes})

    async def retag(self, at: At, arn: str, old: Properties, new: Properties) -> None:
        put, gone = tag_changes(old, new)
        if put:
            await at.call("elbv2", "AddTags", ResourceArns=[arn], Tags=put)
        if gone:
            await at.call("elbv2", "RemoveTags", ResourceArns=[arn], TagKeys=gone)

    async def drop(self, at: At, operation: str, **request: Any) -> None:
        """What is gone already (a listener, with its load balancer) is well deleted."""
        try:
            await at.call("elbv2", operation, **request)
        except AwsError as error:
            if not is_gone(error):
                raise

    async def undo(self, at: At, made: Made, properties: Properties, error: AwsError) -> AwsError:
        """Delete what was made before a second call failed, so that nothing is left that no stack knows."""
        await self.delete(at, made, properties)
        return error


class LoadBalancer(Balancing):
    type, name, key, attributes = (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Name",
        "LoadBalancer",
        "LoadBalancerAttributes",
    )

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"Name": at.name(32), **at.tagged(without(properties, self.attributes))}
        balancer = (await at.send("elbv2", "CreateLoadBalancer", named))["LoadBalancers"][0]
        arn = balancer["LoadBalancerArn"]
        made = Made(
            arn,
            {
                "LoadBalancerArn": arn,
                "DNSName": balancer["DNSName"],
                "CanonicalHostedZoneID": balancer["CanonicalHostedZoneId"],
                "LoadBalancerFullName": arn.split(":loadbalancer/")[1],
                "LoadBalancerName": balancer["LoadBalancerName"],
                "SecurityGroups": balancer.get("SecurityGroups", []),
            },
        )
        try:
            await self.change_attributes(at, arn, {}, properties)
        except AwsError as error:
            raise await self.undo(at, made, properties, error) from error
        return made

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        arn, names = {"LoadBalancerArn": made.physical_id}, changed(old, new)
        for operation, properties in (
            ("SetSubnets", ("Subnets", "SubnetMappings")),
            ("SetSecurityGroups", ("SecurityGroups",)),
            ("SetIpAddressType", ("IpAddressType",)),
        ):
            if names & set(properties):
                await at.send("elbv2", operation, {**arn, **only(new, *properties)})
        if other := sorted(
            names - {"Subnets", "SubnetMappings", "SecurityGroups", "IpAddressType", "Tags", self.attributes}
        ):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        await self.change_attributes(at, made.physical_id, old, new)
        await self.retag(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self.drop(at, "DeleteLoadBalancer", LoadBalancerArn=made.physical_id)


class TargetGroup(Balancing):
    type, name, key, attributes = (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Name",
        "TargetGroup",
        "TargetGroupAttributes",
    )
    CHECK = (
        "HealthCheckProtocol", "HealthCheckPort", "HealthCheckPath", "HealthCheckEnabled", "HealthCheckIntervalSeconds",
        "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount", "Matcher",
    )  # fmt: skip

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"Name": at.name(32), **at.tagged(without(properties, self.attributes, "Targets"))}
        group = (await at.send("elbv2", "CreateTargetGroup", named))["TargetGroups"][0]
        made = self._made(group["TargetGroupArn"])
        try:
            await self.change_attributes(at, made.physical_id, {}, properties)
            await self._targets(at, made, {}, properties)
        except AwsError as error:
            raise await self.undo(at, made, properties, error) from error
        return made

    def _made(self, arn: str) -> Made:
        full = arn.rpartition(":")[2]
        attributes = {"TargetGroupArn": arn, "TargetGroupFullName": full, "TargetGroupName": full.split("/")[1]}
        return Made(arn, attributes)

    async def refresh(self, at: At, made: Made) -> Made:
        """LoadBalancerArns, which grow as listeners come."""
        groups = await at.call("elbv2", "DescribeTargetGroups", TargetGroupArns=[made.physical_id])
        arns = groups["TargetGroups"][0].get("LoadBalancerArns", [])
        return Made(made.physical_id, {**made.attributes, "LoadBalancerArns": arns})

    async def _targets(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        arn, before, after = {"TargetGroupArn": made.physical_id}, old.get("Targets") or [], new.get("Targets") or []
        for operation, some, others in (("RegisterTargets", after, before), ("DeregisterTargets", before, after)):
            if targets := [one for one in some if one not in others]:
                await at.send("elbv2", operation, {**arn, "Targets": targets})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if names := changed(old, new) & set(self.CHECK):
            if gone := sorted(name for name in names if name not in new):
                raise invalid(f"removing {gone[0]} of {self.type} is not emulated by rehearse")
            await at.send("elbv2", "ModifyTargetGroup", {"TargetGroupArn": made.physical_id, **only(new, *self.CHECK)})
        await self.change_attributes(at, made.physical_id, old, new)
        await self._targets(at, made, old, new)
        await self.retag(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self.drop(at, "DeleteTargetGroup", TargetGroupArn=made.physical_id)


class Listener(Balancing):
    type, key, attributes = "AWS::ElasticLoadBalancingV2::Listener", "Listener", "ListenerAttributes"

    async def create(self, at: At, properties: Properties) -> Made:
        given = at.tagged(without(properties, self.attributes))
        arn = (await at.send("elbv2", "CreateListener", given))["Listeners"][0]["ListenerArn"]
        made = Made(arn, {"ListenerArn": arn})
        try:
            await self.change_attributes(at, arn, {}, properties)
        except AwsError as error:
            raise await self.undo(at, made, properties, error) from error
        return made

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        """Only what changed: CodeDeploy owns the weights of an action that the template leaves as it was."""
        names = changed(old, new) - {"Tags", self.attributes, "LoadBalancerArn"}
        if names:
            await at.send("elbv2", "ModifyListener", {"ListenerArn": made.physical_id, **only(new, *names)})
        await self.change_attributes(at, made.physical_id, old, new)
        await self.retag(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self.drop(at, "DeleteListener", ListenerArn=made.physical_id)


class ListenerRule(Balancing):
    type, key = "AWS::ElasticLoadBalancingV2::ListenerRule", "Rule"

    async def create(self, at: At, properties: Properties) -> Made:
        arn = (await at.send("elbv2", "CreateRule", at.tagged(properties)))["Rules"][0]["RuleArn"]
        return Made(arn, {"RuleArn": arn, "IsDefault": False})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        names = changed(old, new)
        if names & {"Actions", "Conditions", "Transforms"}:
            parts = only(new, *names & {"Actions", "Conditions", "Transforms"})
            if "Transforms" in names and not new.get("Transforms"):
                parts = {**without(parts, "Transforms"), "ResetTransforms": True}
            await at.send("elbv2", "ModifyRule", {"RuleArn": made.physical_id, **parts})
        if "Priority" in names:
            wanted = [{"RuleArn": made.physical_id, "Priority": new["Priority"]}]
            await at.send("elbv2", "SetRulePriorities", {"RulePriorities": wanted})
        await self.retag(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self.drop(at, "DeleteRule", RuleArn=made.physical_id)


class ListenerCertificate(Balancing):
    type = "AWS::ElasticLoadBalancingV2::ListenerCertificate"
    stack_tags = False

    async def create(self, at: At, properties: Properties) -> Made:
        await at.send("elbv2", "AddListenerCertificates", properties)
        return Made(at.name(), {"Id": at.logical_id})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        before, after = old["Certificates"], new["Certificates"]
        for operation, some, others in (
            ("AddListenerCertificates", after, before),
            ("RemoveListenerCertificates", before, after),
        ):
            if certificates := [one for one in some if one not in others]:
                given = {"ListenerArn": new["ListenerArn"], "Certificates": certificates}
                await at.send("elbv2", operation, given)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self.drop(at, "RemoveListenerCertificates", **properties)


KINDS = (LoadBalancer(), TargetGroup(), Listener(), ListenerRule(), ListenerCertificate())
