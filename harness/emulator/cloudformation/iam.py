"""AWS::IAM::*: a role's policies are calls of their own, and must go before it does."""

from __future__ import annotations

import json
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

OWNERS = {"Roles": "Role", "Users": "User", "Groups": "Group"}  # property of a policy: what the API calls one of them


async def drop(at: At, operation: str, **request: Any) -> None:
    try:
        await at.call("iam", operation, **request)
    except AwsError as error:
        if not is_gone(error):
            raise


class Role(Kind):
    type, name = "AWS::IAM::Role", "RoleName"
    stack_tags = True
    LATER = ("Policies", "ManagedPolicyArns")

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"RoleName": at.name(64), **at.tagged(without(properties, *self.LATER))}
        role = (await at.send("iam", "CreateRole", named))["Role"]
        made = Made(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})
        try:
            await self._policies(at, made, {}, properties)
        except AwsError:
            await self.delete(at, made, properties)
            raise
        return made

    async def _policies(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        role = {"RoleName": made.physical_id}
        before, after = (
            {one["PolicyName"]: one["PolicyDocument"] for one in side.get("Policies") or []} for side in (old, new)
        )
        for name in [name for name in before if name not in after]:
            await drop(at, "DeleteRolePolicy", **role, PolicyName=name)
        for name, document in after.items():
            if before.get(name) != document:
                await at.call("iam", "PutRolePolicy", **role, PolicyName=name, PolicyDocument=json.dumps(document))
        attached, wanted = (side.get("ManagedPolicyArns") or [] for side in (old, new))
        for arn in [arn for arn in attached if arn not in wanted]:
            await drop(at, "DetachRolePolicy", **role, PolicyArn=arn)
        for arn in [arn for arn in wanted if arn not in attached]:
            await at.call("iam", "AttachRolePolicy", **role, PolicyArn=arn)

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        role, names = {"RoleName": made.physical_id}, changed(old, new)
        if other := sorted(
            names - {*self.LATER, "AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Tags"}
        ):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        if "AssumeRolePolicyDocument" in names:
            document = json.dumps(new["AssumeRolePolicyDocument"])
            await at.call("iam", "UpdateAssumeRolePolicy", **role, PolicyDocument=document)
        if names & {"Description", "MaxSessionDuration"}:
            given = only(new, "Description", "MaxSessionDuration")
            await at.send("iam", "UpdateRole", {**role, "Description": "", **given})
        await self._policies(at, made, old, new)
        put, gone = tag_changes(old, new)
        if put:
            await at.call("iam", "TagRole", **role, Tags=put)
        if gone:
            await at.call("iam", "UntagRole", **role, TagKeys=gone)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self._policies(at, made, properties, {})
        await drop(at, "DeleteRole", RoleName=made.physical_id)


class Policy(Kind):
    """An inline policy of roles, users and groups."""

    type, name = "AWS::IAM::Policy", ""

    async def create(self, at: At, properties: Properties) -> Made:
        await self._put(at, {}, properties)
        return Made(at.name())

    async def _put(self, at: At, old: Properties, new: Properties) -> None:
        for owners, one in OWNERS.items():
            for owner in [name for name in old.get(owners) or [] if name not in (new.get(owners) or [])]:
                await drop(at, f"Delete{one}Policy", **{f"{one}Name": owner, "PolicyName": old["PolicyName"]})
            for owner in new.get(owners) or []:
                document = json.dumps(new["PolicyDocument"])
                request = {f"{one}Name": owner, "PolicyName": new["PolicyName"], "PolicyDocument": document}
                await at.call("iam", f"Put{one}Policy", **request)

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if old["PolicyName"] != new["PolicyName"]:
            await self._put(at, old, {})
        await self._put(at, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self._put(at, properties, {})


class ManagedPolicy(Kind):
    type, name = "AWS::IAM::ManagedPolicy", "ManagedPolicyName"

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"ManagedPolicyName": at.name(128), **at.tagged(without(properties, *OWNERS))}
        renamed = {"ManagedPolicyName": "PolicyName"}
        policy = (await at.send("iam", "CreatePolicy", named, renamed))["Policy"]
        await self._attach(at, policy["Arn"], {}, properties)
        return Made(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})

    async def _attach(self, at: At, arn: str, old: Properties, new: Properties) -> None:
        for owners, one in OWNERS.items():
            before, after = old.get(owners) or [], new.get(owners) or []
            for owner in [name for name in before if name not in after]:
                await drop(at, f"Detach{one}Policy", **{f"{one}Name": owner, "PolicyArn": arn})
            for owner in [name for name in after if name not in before]:
                await at.call("iam", f"Attach{one}Policy", **{f"{one}Name": owner, "PolicyArn": arn})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if other := sorted(changed(old, new) - {*OWNERS, "PolicyDocument"}):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        if "PolicyDocument" in changed(old, new):
            document = json.dumps(new["PolicyDocument"])
            given = {"PolicyArn": made.physical_id, "PolicyDocument": document, "SetAsDefault": True}
            await at.call("iam", "CreatePolicyVersion", **given)
        await self._attach(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self._attach(at, made.physical_id, properties, {})
        versions = (await at.call("iam", "ListPolicyVersions", PolicyArn=made.physical_id))["Versions"]
        for version in [one["VersionId"] for one in versions if not one["IsDefaultVersion"]]:
            await drop(at, "DeletePolicyVersion", PolicyArn=made.physical_id, VersionId=version)
        await drop(at, "DeletePolicy", PolicyArn=made.physical_id)


class InstanceProfile(Kind):
    type, name = "AWS::IAM::InstanceProfile", "InstanceProfileName"
    operations: ClassVar = ("RemoveRoleFromInstanceProfile", "AddRoleToInstanceProfile")

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"InstanceProfileName": at.name(128), **without(properties, "Roles")}
        profile = (await at.send("iam", "CreateInstanceProfile", named))["InstanceProfile"]
        await self._roles(at, profile["InstanceProfileName"], [], properties["Roles"])
        return Made(profile["InstanceProfileName"], {"Arn": profile["Arn"]})

    async def _roles(self, at: At, name: str, old: list[str], new: list[str]) -> None:
        for operation, some, others in zip(self.operations, (old, new), (new, old), strict=True):
            for role in [one for one in some if one not in others]:
                await at.call("iam", operation, InstanceProfileName=name, RoleName=role)

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await self._roles(at, made.physical_id, old["Roles"], new["Roles"])
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await self._roles(at, made.physical_id, properties["Roles"], [])
        await drop(at, "DeleteInstanceProfile", InstanceProfileName=made.physical_id)


class OIDCProvider(Kind):
    """An account has one for a URL: a second one fails by its ARN."""

    type = "AWS::IAM::OIDCProvider"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        given = {"ThumbprintList": [], **at.tagged(properties)}
        arn = (await at.send("iam", "CreateOpenIDConnectProvider", given))["OpenIDConnectProviderArn"]
        return Made(arn, {"Arn": arn})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        arn = {"OpenIDConnectProviderArn": made.physical_id}
        if "ThumbprintList" in changed(old, new):
            thumbprints = new.get("ThumbprintList") or []
            await at.call("iam", "UpdateOpenIDConnectProviderThumbprint", **arn, ThumbprintList=thumbprints)
        before, after = (side.get("ClientIdList") or [] for side in (old, new))
        for client in [one for one in after if one not in before]:
            await at.call("iam", "AddClientIDToOpenIDConnectProvider", **arn, ClientID=client)
        for client in [one for one in before if one not in after]:
            await at.call("iam", "RemoveClientIDFromOpenIDConnectProvider", **arn, ClientID=client)
        put, gone = tag_changes(old, new)
        if put:
            await at.call("iam", "TagOpenIDConnectProvider", **arn, Tags=put)
        if gone:
            await at.call("iam", "UntagOpenIDConnectProvider", **arn, TagKeys=gone)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=made.physical_id)


KINDS = (Role(), Policy(), ManagedPolicy(), InstanceProfile(), OIDCProvider())
