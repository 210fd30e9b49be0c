"""Reading requests: what they may not ask for, what a template asks of its user."""

from __future__ import annotations

import re
from typing import Any

from harness.emulator.cloud import AwsError, Request, not_emulated
from harness.emulator.cloudformation.state import Stack
from harness.emulator.cloudformation.template import Template
from harness.emulator.cloudformation.updating import Wanted

IAM = re.compile(r"AWS::IAM::(AccessKey|Group|InstanceProfile|ManagedPolicy|Policy|Role|User|UserToGroupAddition)")


def refuse(request: Request, operation: str) -> None:
    """Raises NotImplemented for a deployment mode; members that are refused as such are in members/cloudformation.py."""
    mode = request.get("DeploymentConfig", {}).get("Mode", "STANDARD")
    if mode != "STANDARD":
        raise not_emulated("cloudformation", f"{operation} with the deployment mode {mode}")


def keeps(request: Request) -> bool:
    """Whether what fails is left as it is; the request has two places to say so."""
    return bool(request.get("DisableRollback") or request.get("DeploymentConfig", {}).get("DisableRollback"))


def capabilities(template: Template) -> list[str]:
    """What the template's IAM resources ask its user to acknowledge."""
    iam = [one for one in template["Resources"].values() if IAM.fullmatch(one["Type"])]
    if not iam:
        return []
    names = ("RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName")
    named = any(name in (one.get("Properties") or {}) for one in iam for name in names)
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]


def check_capabilities(template: Template, given: list[str]) -> None:
    needed = capabilities(template)
    enough = (
        {"CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}}.get(needed[0], set(needed)) if needed else set()
    )
    if needed and not enough & set(given):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed[0]}]", 400)


def declared(template: Template) -> list[dict[str, Any]]:
    return [
        {
            "ParameterKey": name,
            "ParameterType": one["Type"],
            "NoEcho": str(one.get("NoEcho", False)).lower() == "true",
            **({"DefaultValue": str(one["Default"])} if "Default" in one else {}),
            **({"Description": one["Description"]} if "Description" in one else {}),
        }
        for name, one in (template.get("Parameters") or {}).items()
    ]


def same(stack: Stack, wanted: Wanted) -> bool:
    """Whether outputs and tags stay as they are too."""
    return stack.template.get("Outputs") == wanted.template.get("Outputs") and dict(stack.tags) == dict(wanted.tags)


def bucket_in(host: str) -> tuple[str, bool]:
    """(bucket of a virtual-hosted name or empty, whether the host may be S3's)."""
    found = re.fullmatch(r"(?:(.+)\.)?s3[.-][a-z0-9.-]*amazonaws\.com", host)
    if found:
        return found[1] or "", True
    return "", host in ("127.0.0.1", "localhost") or host.endswith(".localhost")
