"""Hook functions: invoked with a deployment id and an execution id; only the callback decides (A.7)."""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

from harness.clock import Clock
from harness.emulator.cloud import AwsError
from harness.emulator.deploy.deployment import DeploymentFailed
from harness.emulator.deploy.port import Port
from harness.emulator.settings import Settings

FAILED = "The deployment failed because one or more of the lifecycle event validation functions failed."
NO_CALLBACK = (
    "The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one hour "
    "after a deployment hook is invoked."
)


@dataclass
class Execution:
    """One run of a hook function; `answer` becomes "Succeeded" or "Failed"."""

    id: str
    deployment_id: str
    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Hooks:
    """The executions of one region. `callback` is PutLifecycleEventHookExecutionStatus."""

    def __init__(self) -> None:
        self._executions: dict[str, Execution] = {}

    async def run(
        self, deployment_id: str, function: str, port: Port, clock: Clock, limit: float, settings: Settings
    ) -> None:
        """Invoke `function` and wait for its callback, at most `limit` real seconds. Raises DeploymentFailed."""
        execution = Execution(base64.b64encode(secrets.token_bytes(48)).decode(), deployment_id)
        self._executions[execution.id] = execution
        payload = {"DeploymentId": deployment_id, "LifecycleEventHookExecutionId": execution.id}
        invoked = asyncio.ensure_future(
            self._invoke(port, function, payload, execution, error_fails=settings.hook_error_fails)
        )
        timer = asyncio.ensure_future(clock.sleep(limit))
        try:
            waiting: list[asyncio.Future[Any]] = [execution.answer, timer]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not execution.answer.done():
                raise DeploymentFailed(settings.hook_timeout_code, NO_CALLBACK)
            if execution.answer.result() != "Succeeded":
                raise DeploymentFailed("HOOK_EXECUTION_FAILURE", FAILED)
        finally:
            execution.answer.cancel()
            for task in (invoked, timer):
                task.cancel()
            await asyncio.gather(invoked, timer, return_exceptions=True)

    async def _invoke(
        self, port: Port, function: str, payload: dict[str, str], execution: Execution, *, error_fails: bool
    ) -> None:
        try:
            error = await port.invoke(function, payload, wait=error_fails)
        except AwsError as refused:
            _settle(execution, DeploymentFailed("INVALID_LAMBDA_FUNCTION", f"{function}: {refused}"))
        else:
            if error is not None:
                _settle(execution, DeploymentFailed("HOOK_EXECUTION_FAILURE", FAILED))

    def callback(self, deployment_id: str, execution_id: str, status: str) -> None:
        """Settle an execution. Raises AwsError as A.7 says."""
        if status not in ("Succeeded", "Failed"):
            raise AwsError(
                "InvalidLifecycleEventHookExecutionStatusException",
                f"The status {status} is not valid: it must be Succeeded or Failed.",
            )
        execution = self._executions.get(execution_id)
        if execution is None or execution.deployment_id != deployment_id:
            raise AwsError(
                "InvalidLifecycleEventHookExecutionIdException",
                f"The lifecycle event hook execution ID {execution_id} is not valid.",
            )
        if execution.answer.done():
            raise AwsError("LifecycleEventAlreadyCompletedException", "The lifecycle event has already completed.")
        execution.answer.set_result(status)


def _settle(execution: Execution, error: DeploymentFailed) -> None:
    if not execution.answer.done():
        execution.answer.set_exception(error)
