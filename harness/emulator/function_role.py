"""What the execution role of a Lambda function allows, for the one call that decides about a deployment (F.16, A.7).

A function's session token names its role, as on AWS. Only actions are looked at: resources and conditions of a policy are taken to
fit. A role that IAM does not know is taken to allow everything, as CodeDeploy's own is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.iam_policies import names_action, own_documents, statements_of

TOKEN = "rehearse-function"  # a token is this, the role's ARN and the function's name


def token_of(role: str, function: str) -> str:
    """AWS_SESSION_TOKEN of a function."""
    return f"{TOKEN}|{role}|{function}"


def session_of(token: str) -> tuple[str, str]:
    """The role and the function that a security token names; empty for any other."""
    kind, _, rest = token.partition("|")
    role, _, function = rest.partition("|")
    return (role, function) if kind == TOKEN else ("", "")


async def need(cloud: Cloud, caller: Caller, action: str) -> None:
    """Raises AwsError AccessDeniedException where the caller is a function whose role does not allow `action`."""
    role, function = caller.session
    if not role or not cloud.settings.service_role_check or not cloud.fallback_in_use():
        return
    name = role.rsplit("/", 1)[-1]
    try:
        documents = [one async for one in _documents(cloud, caller, name)]
    except AwsError as error:
        if error.code == "NoSuchEntity":
            return
        raise
    if not allows(documents, action):
        who = f"arn:aws:sts::{caller.account}:assumed-role/{name}/{function}"
        raise AwsError(
            "AccessDeniedException",
            f"User: {who} is not authorized to perform: {action} because no identity-based policy allows the {action} action",
            400,
        )


async def _documents(cloud: Cloud, caller: Caller, role: str) -> AsyncIterator[Any]:
    async def iam(operation: str, **request: str) -> dict[str, Any]:
        return await cloud.call(caller, "iam", operation, **request)

    async for own in own_documents(cloud, caller, role):
        yield own
    for one in (await iam("ListAttachedRolePolicies", RoleName=role))["AttachedPolicies"]:
        arn = one["PolicyArn"]
        version = (await iam("GetPolicy", PolicyArn=arn))["Policy"]["DefaultVersionId"]
        yield (await iam("GetPolicyVersion", PolicyArn=arn, VersionId=version))["PolicyVersion"]["Document"]


def allows(documents: Iterable[Any], action: str) -> bool:
    """An explicit Deny wins over every Allow; without either the answer is no."""
    statements = [statement for document in documents for statement in statements_of(document)]
    effects = {statement["Effect"] for statement in statements if _speaks_of(statement, action)}
    return "Allow" in effects and "Deny" not in effects


def _speaks_of(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not names_action(statement["NotAction"], action)
    return names_action(statement.get("Action"), action)
