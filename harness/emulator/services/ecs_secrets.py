"""The `secrets` of a container definition: read from SSM or Secrets Manager before its container starts, as the agent does."""

from __future__ import annotations

import json

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.runtime.base import CannotStart
from harness.emulator.services.ecs_state import ContainerDefinition

FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from "
)
SECRET_ARN_PARTS = 7  # arn:aws:secretsmanager:region:account:secret:name, then json key, version stage, version id


async def read_secrets(cloud: Cloud, caller: Caller, definition: ContainerDefinition) -> dict[str, str]:
    """Variable to value. Raises CannotStart with ECS's text."""
    return {name: await _read(cloud, caller, source) for name, source in definition.secrets.items()}


async def _read(cloud: Cloud, caller: Caller, source: str) -> str:
    if source.startswith("arn:") and source.split(":")[2] == "secretsmanager":
        return await _secret(cloud, caller, source)
    return await _parameter(cloud, caller, source)


async def _parameter(cloud: Cloud, caller: Caller, source: str) -> str:
    """An SSM parameter, by name or ARN."""
    name = source.partition(":parameter")[2] if source.startswith("arn:") else source
    if source.startswith("arn:") and name.count("/") == 1:
        name = name.removeprefix("/")  # the ARN of `db` ends in `parameter/db`, that of `/app/db` in `parameter/app/db`
    try:
        answer = await cloud.call(caller, "ssm", "GetParameters", Names=[name], WithDecryption=True)
    except AwsError as error:
        raise CannotStart(f"{FAILED}ssm: {error.code}: {error.message}") from error
    if not answer.get("Parameters"):
        raise CannotStart(f"{FAILED}ssm: invalid ssm parameters: {name}")
    return str(answer["Parameters"][0]["Value"])


async def _secret(cloud: Cloud, caller: Caller, source: str) -> str:
    """A secret, or with `:key` after its ARN one member of its JSON."""
    parts = source.split(":")
    key, stage, version = (*parts[SECRET_ARN_PARTS:], "", "", "")[:3]
    request = {"SecretId": ":".join(parts[:SECRET_ARN_PARTS])}
    request |= ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
    try:
        text = str((await cloud.call(caller, "secretsmanager", "GetSecretValue", **request))["SecretString"])
    except AwsError as error:
        raise CannotStart(f"{FAILED}asm: {error.code}: {error.message}") from error
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError) as error:
        raise CannotStart(
            f"{FAILED}asm: retrieved secret from Secrets Manager did not contain json key {key}"
        ) from error
