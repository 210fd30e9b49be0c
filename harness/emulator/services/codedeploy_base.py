"""What the CodeDeploy operations share: state by region, looking resources up, and the port the engine works through."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud, Regional, Request
from harness.emulator.deploy.port import Port
from harness.emulator.services import codedeploy_validation as validation
from harness.emulator.services.codedeploy_state import Application, CodeDeployState, DeploymentGroup, Record

ROLE = "codedeploy.amazonaws.com"  # the access key of the engine's own calls


class Base:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.states: Regional[CodeDeployState] = Regional(CodeDeployState)

    def application(self, caller: Caller, request: Request) -> Application:
        """Raises AwsError when it is not named, badly named, or not there."""
        name = validation.name(request.get("applicationName"), "Application")
        if (app := self.states[caller].applications.get(name)) is None:
            raise AwsError("ApplicationDoesNotExistException", f"No application found for name: {name}")
        return app

    def group(self, caller: Caller, request: Request, key: str = "deploymentGroupName") -> DeploymentGroup:
        app = self.application(caller, request)
        name = validation.name(request.get(key), "DeploymentGroup")
        if (group := app.groups.get(name)) is None:
            raise AwsError("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
        return group

    def record(self, caller: Caller, deployment_id: str | None) -> Record:
        if not deployment_id:
            raise AwsError("DeploymentIdRequiredException", "The deployment ID is required.")
        if not deployment_id.startswith("d-"):
            raise AwsError("InvalidDeploymentIdException", f"The deployment ID {deployment_id} must begin with d-")
        if (record := self.states[caller].deployments.get(deployment_id)) is None:
            raise AwsError("DeploymentDoesNotExistException", f"The deployment {deployment_id} could not be found")
        return record

    def port(self, caller: Caller, compression: float = 1.0) -> Port:
        role = Caller(caller.region, caller.account, ROLE)

        async def call(service: str, operation: str, /, **request: Any) -> dict[str, Any]:
            return await self.cloud.call(role, service, operation, **request)

        async def changed(at_most: float) -> None:
            await self.cloud.changed.wait(self.cloud.clock, at_most)

        return Port(call, changed, compression)


def tags_of(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair.get("Value", "") for pair in pairs}


def page(items: list[Any], request: Request, key: str, size: int = 100) -> dict[str, Any]:
    """One page of `items` under `key`; CodeDeploy pages on nextToken alone (section 0)."""
    token = request.get("nextToken") or "0"
    if not token.isdigit():
        raise AwsError("InvalidNextTokenException", "The next token is not valid.")
    start = int(token)
    following = start + size
    return {key: items[start:following], "nextToken": str(following) if following < len(items) else None}
