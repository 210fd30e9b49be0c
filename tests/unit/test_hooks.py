"""The callback of a hook function: it decides once, and only for the deployment and the execution it names (A.7)."""

import json
from typing import Any

import pytest

from harness.emulator.cloud import AwsError
from tests.unit.test_deploy_lifecycle import Account, rehearsal, story


class Recording(Account):
    """Remembers what each function was given, and answers nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[dict[str, str]] = []

    def Invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> dict[str, Any]:
        self.given.append(json.loads(Payload))
        return {}


def refusal(account: Account, deployment: str, execution: str, status: str = "Succeeded") -> str:
    with pytest.raises(AwsError) as refused:
        account.hooks.callback(deployment, execution, status)
    return refused.value.code


@story
async def test_hook_function_is_given_two_ids_and_its_first_callback_decides():
    account = Recording()
    async with rehearsal(account, hooks={"BeforeInstall": "check"}) as one:
        await one.clock.advance(1)
        (event,) = account.given
        assert event.keys() == {"DeploymentId", "LifecycleEventHookExecutionId"}
        deployment, execution = event["DeploymentId"], event["LifecycleEventHookExecutionId"]
        assert refusal(account, "d-OTHER0001", execution) == "InvalidLifecycleEventHookExecutionIdException"
        assert refusal(account, deployment, "other") == "InvalidLifecycleEventHookExecutionIdException"
        bad_status = refusal(account, deployment, execution, "InProgress")
        assert bad_status == "InvalidLifecycleEventHookExecutionStatusException"
        assert one.statuses()["BeforeInstall"] == "InProgress"
        account.hooks.callback(deployment, execution, "Succeeded")
        assert refusal(account, deployment, execution, "Failed") == "LifecycleEventAlreadyCompletedException"
        await one.clock.advance(1)
        assert one.statuses()["BeforeInstall"] == "Succeeded"


@story
async def test_callback_after_its_hour_is_too_late():
    account = Recording()
    async with rehearsal(account, hooks={"BeforeInstall": "check"}) as one:
        await one.clock.advance(3602)
    assert one.ended_with == ("Failed", "HOOK_EXECUTION_FAILURE")
    (event,) = account.given
    late = refusal(account, event["DeploymentId"], event["LifecycleEventHookExecutionId"])
    assert late == "LifecycleEventAlreadyCompletedException"
