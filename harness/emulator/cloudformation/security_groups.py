"""AWS::EC2::SecurityGroup and its rules: the API takes rules in calls of their own."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import At, Kind, Made, Properties, changed, is_gone, only, retag_in_ec2

SIDES = {"Ingress": "Source", "Egress": "Destination"}  # how the other side's properties begin
KNOWN = {"CidrIp", "CidrIpv6", "Description", "FromPort", "GroupId", "IpProtocol", "ToPort"}
EVERYWHERE = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}  # the egress rule that EC2 gives every new group


class SecurityGroup(Kind):
    type, name = "AWS::EC2::SecurityGroup", "GroupName"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        group = {
            "GroupName": properties.get("GroupName") or at.name(255),
            "Description": properties["GroupDescription"],
        }
        if "VpcId" in properties:
            group["VpcId"] = properties["VpcId"]
        if tags := at.tagged(properties).get("Tags"):
            group["TagSpecifications"] = [{"ResourceType": "security-group", "Tags": tags}]
        group_id = (await at.call("ec2", "CreateSecurityGroup", **group))["GroupId"]
        made = Made(group_id, {"GroupId": group_id, "Id": group_id, **only(properties, "VpcId")})
        try:
            await self._rules(at, made, {}, properties)
        except AwsError:
            await self.delete(at, made, properties)
            raise
        return made

    async def _rules(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        """With egress rules given, the one for everywhere goes."""
        for direction, side in SIDES.items():
            before, after = (one.get(f"SecurityGroup{direction}") or [] for one in (old, new))
            if direction == "Egress" and after and not before:
                before = [EVERYWHERE]
            elif direction == "Egress" and before and not after:
                after = [EVERYWHERE]
            for rule in [one for one in before if one not in after]:
                request = rule_of({"GroupId": made.physical_id, **rule}, side)
                await revoke(at, f"RevokeSecurityGroup{direction}", request)
            for rule in [one for one in after if one not in before]:
                request = rule_of({"GroupId": made.physical_id, **rule}, side)
                await at.call("ec2", f"AuthorizeSecurityGroup{direction}", **request)

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if other := sorted(changed(old, new) - {"SecurityGroupIngress", "SecurityGroupEgress", "Tags"}):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        await self._rules(at, made, old, new)
        await retag_in_ec2(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await revoke(at, "DeleteSecurityGroup", {"GroupId": made.physical_id})


class Rule(Kind):
    """A rule of a group that is somewhere else. Every change but of its description makes a new one."""

    def __init__(self, direction: str) -> None:
        self.type = f"AWS::EC2::SecurityGroup{direction}"  # type: ignore[misc]
        self._direction, self._side = direction, SIDES[direction]

    async def create(self, at: At, properties: Properties) -> Made:
        answer = await at.call("ec2", f"AuthorizeSecurityGroup{self._direction}", **rule_of(properties, self._side))
        rules = answer.get("SecurityGroupRules") or [{}]
        return Made(rules[0].get("SecurityGroupRuleId") or at.name(), {"Id": rules[0].get("SecurityGroupRuleId", "")})

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await revoke(at, f"RevokeSecurityGroup{self._direction}", rule_of(properties, self._side))


async def revoke(at: At, operation: str, rule: dict[str, Any]) -> None:
    try:
        await at.call("ec2", operation, **rule)
    except AwsError as error:
        if not is_gone(error):
            raise


def rule_of(properties: Properties, side: str) -> dict[str, Any]:
    """The API's request for one rule of a security group; `side` is Source or Destination, as the template's property begins."""
    known = KNOWN | {f"{side}SecurityGroupId", f"{side}PrefixListId"}
    if extra := sorted(set(properties) - known):
        raise invalid(f"{extra[0]} of a security group's rule is not emulated by rehearse")
    permission: dict[str, Any] = {"IpProtocol": str(properties["IpProtocol"])}
    permission |= {key: int(properties[key]) for key in ("FromPort", "ToPort") if key in properties}
    described = {"Description": properties["Description"]} if "Description" in properties else {}
    for key, ranges, member in (
        ("CidrIp", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        (f"{side}SecurityGroupId", "UserIdGroupPairs", "GroupId"),
        (f"{side}PrefixListId", "PrefixListIds", "PrefixListId"),
    ):
        if key in properties:
            permission[ranges] = [{member: properties[key], **described}]
    return {"GroupId": properties["GroupId"], "IpPermissions": [permission]}


KINDS = (SecurityGroup(), Rule("Ingress"), Rule("Egress"))
