"""Reading IAM's policy documents, as far as two decisions need it: which functions CodeDeploy's role may invoke, and whether a hook
function's role lets it report (A.5.4, A.7, F.16)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from harness.emulator.cloud import Caller, Cloud


async def own_documents(cloud: Cloud, caller: Caller, role: str) -> AsyncIterator[Any]:
    """The policies that are part of the role itself. Raises AwsError NoSuchEntity."""
    for name in (await cloud.call(caller, "iam", "ListRolePolicies", RoleName=role))["PolicyNames"]:
        yield (await cloud.call(caller, "iam", "GetRolePolicy", RoleName=role, PolicyName=name))["PolicyDocument"]


def statements_of(document: Any) -> list[Mapping[str, Any]]:
    """A policy document's, which may be text; a single one need not be in a list."""
    return listed((json.loads(document) if isinstance(document, str) else document).get("Statement"))


def names_action(patterns: Any, action: str) -> bool:
    """Whether one of a statement's patterns, or its only one, is for the action. Actions are read in any case of letters."""
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in listed(patterns))


def names_resource(patterns: Any, resource: str) -> bool:
    return any(fnmatchcase(resource, str(one)) for one in listed(patterns))


def listed(value: Any) -> list[Any]:
    """What may be one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
