"""What values come to, where other services must be asked: zones, SSM parameters, dynamic references."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.cloudformation.functions import DYNAMIC, Scope, invalid
from harness.emulator.cloudformation.state import Region, Stack
from harness.emulator.cloudformation.template import SSM_VALUE, Template, reference


async def scope_of(cloud: Cloud, region: Region, stack: Stack) -> Scope:
    """What the names of a stack's template mean, before its resources are made."""
    caller, template = stack.caller, stack.template
    declared = template.get("Parameters") or {}
    values = {**stack.given, **stack.resolved}
    return Scope(
        pseudo={
            "AWS::AccountId": caller.account,
            "AWS::NotificationARNs": stack.options.get("NotificationARNs", []),
            "AWS::Partition": "aws",
            "AWS::Region": caller.region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        },
        parameters={name: reference(declared[name]["Type"], text) for name, text in values.items()},
        mappings=template.get("Mappings") or {},
        conditions=template.get("Conditions") or {},
        exports={name: value for name, (_, value) in region.exports().items()},
        zones=await zones(cloud, caller) if "GetAZs" in json.dumps(template, default=str) else (),
    )


async def zones(cloud: Cloud, caller: Caller) -> tuple[str, ...]:
    answer = await cloud.call(caller, "ec2", "DescribeAvailabilityZones")
    return tuple(sorted(one["ZoneName"] for one in answer["AvailabilityZones"]))


async def from_ssm(cloud: Cloud, caller: Caller, template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """The values of the parameters whose type is AWS::SSM::Parameter::Value<...>. Raises ValidationError."""
    found = {}
    for name, one in (template.get("Parameters") or {}).items():
        if SSM_VALUE.fullmatch(one.get("Type", "")):
            try:
                answer = await cloud.call(caller, "ssm", "GetParameter", Name=given[name])
            except AwsError as error:
                raise invalid(
                    f"Unable to fetch parameters [{given[name]}] from parameter store for this account."
                ) from error
            found[name] = str(answer["Parameter"]["Value"])
    return found


async def resolved(cloud: Cloud, caller: Caller, scope: Scope, value: Any) -> Any:
    """`value` without functions and dynamic references. Raises ValidationError."""
    return await _dynamic(cloud, caller, scope.resolve(value))


async def _dynamic(cloud: Cloud, caller: Caller, value: Any) -> Any:
    if isinstance(value, list):
        return [await _dynamic(cloud, caller, item) for item in value]
    if isinstance(value, dict):
        return {key: await _dynamic(cloud, caller, item) for key, item in value.items()}
    if isinstance(value, str):
        for match in DYNAMIC.finditer(value):
            value = value.replace(match[0], await _referred(cloud, caller, match[1], match[2]))
    return value


async def _referred(cloud: Cloud, caller: Caller, service: str, spelled: str) -> str:
    """`name[:version]` of SSM, `id:SecretString:key:stage:version` of Secrets Manager (an id may be an ARN)."""
    try:
        if service != "secretsmanager":
            answer = await cloud.call(
                caller, "ssm", "GetParameter", Name=spelled, WithDecryption=service == "ssm-secure"
            )
            return str(answer["Parameter"]["Value"])
        identity, _, rest = spelled.partition(":SecretString")
        secret = (await cloud.call(caller, "secretsmanager", "GetSecretValue", SecretId=identity))["SecretString"]
        key = rest.strip(":").split(":")[0]
        return str(json.loads(secret)[key] if key else secret)
    except (AwsError, KeyError, ValueError) as error:
        raise invalid(
            f"Could not resolve the dynamic reference {{{{resolve:{service}:{spelled}}}}}: {error}"
        ) from error
