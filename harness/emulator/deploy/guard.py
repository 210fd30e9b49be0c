"""What a deployment must be allowed to do beyond ECS and ELBv2. This one allows everything; CodeDeploy's own looks into IAM."""

from __future__ import annotations


class Guard:
    """Asked before a step; raises DeploymentFailed where it may not be taken (A.5.4)."""

    async def start(self) -> None:
        """Before anything happens: is what the deployment was created with still there?"""

    async def invoke(self, function: str) -> None:
        """Before a hook function, by name or ARN, is invoked."""
