"""The service role of a deployment group, as far as it can be seen without evaluating whole policies (A.5.4, A.7).

What is looked at is which functions it may invoke: by the managed policy for ECS that is limited, and by policies of its own. Their
conditions are taken to hold; of every other managed policy it is taken that it allows it.

A role that IAM does not know when the group is written is taken to allow everything: most rehearsals name one that never existed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.deploy.deployment import DeploymentFailed
from harness.emulator.deploy.guard import Guard
from harness.emulator.iam_policies import names_action, names_resource, own_documents, statements_of
from harness.emulator.services.codedeploy_state import DeploymentGroup

LIMITED, PREFIX, INVOKE = "AWSCodeDeployRoleForECSLimited", "CodeDeployHook_", "lambda:InvokeFunction"
NOT_PERMITTED = (
    "The IAM role {arn} does not give you permission to perform operations in the following AWS service: {service}."
)


@dataclass(frozen=True, slots=True)
class ServiceRole:
    cloud: Cloud
    caller: Caller
    arn: str

    @property
    def not_authorized(self) -> str:
        return f"User: {self.arn} is not authorized to perform: ecs:DescribeServices"

    async def exists(self) -> bool:
        """Where nothing was asked of the delegate yet, no role can be in it: that keeps moto unloaded."""
        if not self.cloud.settings.service_role_check or not self.cloud.fallback_in_use():
            return False
        try:
            await self._iam("GetRole")
        except AwsError as error:
            if error.code == "NoSuchEntity":
                return False
            raise
        return True

    async def policies(self) -> set[str]:
        """Names of its policies, managed and its own."""
        attached = (await self._iam("ListAttachedRolePolicies"))["AttachedPolicies"]
        return {one["PolicyName"] for one in attached} | set((await self._iam("ListRolePolicies"))["PolicyNames"])

    async def may_invoke(self, function: str) -> bool:
        """By its managed policies, or by one of its own. `function` is an ARN."""
        attached = (await self._iam("ListAttachedRolePolicies"))["AttachedPolicies"]
        if any(one["PolicyName"] != LIMITED for one in attached):
            return True
        named = function.rpartition(":function:")[2]
        statements = [
            statement
            async for document in own_documents(self.cloud, self.caller, self._name)
            for statement in statements_of(document)
        ]
        concerned = [one for one in statements if concerns(one, INVOKE, function)]
        if any(one["Effect"] == "Deny" for one in concerned):
            return False
        return bool(concerned) or (bool(attached) and named.startswith(PREFIX))

    @property
    def _name(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    async def _iam(self, operation: str) -> dict[str, Any]:
        return await self.cloud.call(self.caller, "iam", operation, RoleName=self._name)


def concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether the statement is about this action on this resource."""
    return names_action(statement.get("Action"), action) and names_resource(statement.get("Resource"), resource)


class RoleGuard(Guard):
    """What a deployment may do: `missing` names what of it was deleted; the role must be there and allow its hooks."""

    def __init__(self, cloud: Cloud, caller: Caller, group: DeploymentGroup, missing: Callable[[], str | None]) -> None:
        self._role = ServiceRole(cloud, caller, str(group.raw["serviceRoleArn"]))
        self._group, self._missing = group, missing

    async def start(self) -> None:
        if missing := self._missing():
            code = "APPLICATION_MISSING" if missing.startswith("application") else "DEPLOYMENT_GROUP_MISSING"
            raise DeploymentFailed(code, f"The {missing} was deleted.")
        if self._group.role_known and not await self._role.exists():
            raise DeploymentFailed("IAM_ROLE_MISSING", f"The IAM role {self._role.arn} does not exist.")
        await self._need("AmazonECS")

    async def invoke(self, function: str) -> None:
        """The managed policy for ECS that is limited lets CodeDeploy invoke `CodeDeployHook_` functions alone."""
        if not await self._need("AWSLambda"):
            return
        name = function.partition(":function:")[2].partition(":")[0] or function
        if not await self._role.may_invoke(self._role.caller.arn("lambda", f"function:{name}")):
            raise DeploymentFailed(
                "IAM_ROLE_PERMISSIONS", NOT_PERMITTED.format(arn=self._role.arn, service="AWSLambda")
            )

    async def _need(self, service: str) -> set[str]:
        """The role's policies: without any it may do nothing. Empty for a role that IAM does not know."""
        if not self._group.role_known:
            return set()
        try:
            policies = await self._role.policies()
        except AwsError as error:
            raise DeploymentFailed(
                "IAM_ROLE_MISSING", f"The IAM role {self._role.arn} could not be read: {error}"
            ) from error
        if not policies:
            raise DeploymentFailed("IAM_ROLE_PERMISSIONS", NOT_PERMITTED.format(arn=self._role.arn, service=service))
        return policies
