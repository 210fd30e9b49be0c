"""SNS triggers of a deployment group: which of them hear a status, and what they are told (A.1.5).

A trigger that cannot be sent never hurts its deployment: it is logged, and named in the deployment's deploymentStatusMessages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services.codedeploy_state import Record

EVENT_OF: Mapping[str, str] = {
    "Created": "DeploymentStart",
    "InProgress": "DeploymentStart",
    "Ready": "DeploymentReady",
    "Succeeded": "DeploymentSuccess",
    "Failed": "DeploymentFailure",
    "Stopped": "DeploymentStop",
}
LONGEST_SUBJECT = 100  # SNS's own limit
log = logging.getLogger("rehearse.deploy")


def heard_by(record: Record, status: str) -> list[dict[str, Any]]:
    """The triggers that a deployment's new status sets off, each once. A rollback is also its group's DeploymentRollback."""
    events = {EVENT_OF[status]} | ({"DeploymentRollback"} if record.deployment.rollback_of else set())
    continued = status == "InProgress" and record.deployment.continue_ready.is_set()
    triggers = [] if continued else record.snapshot.get("triggerConfigurations", [])
    return [trigger for trigger in triggers if events & set(trigger["triggerEvents"])]


def message(caller: Caller, record: Record, trigger: str) -> tuple[str, str]:
    """Subject and body, as things stand now. What is nested is JSON text inside the JSON."""
    one = record.deployment
    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one.status).upper()
    body: dict[str, Any] = {
        "region": caller.region,
        "accountId": caller.account,
        "eventTriggerName": trigger,
        "applicationName": one.application,
        "deploymentId": one.id,
        "deploymentGroupName": one.group,
        "createTime": _date(one.created),
        "completeTime": _date(one.completed) if one.completed else None,
    }
    if (counts := render.overview(one)) is not None:
        body["deploymentOverview"] = json.dumps(counts)
    body["status"] = status
    if one.error is not None:
        body["errorInformation"] = json.dumps({"ErrorCode": one.error.code, "ErrorMessage": one.error.message})
    if one.ended or one.rollback_of:
        body["rollbackInformation"] = json.dumps(
            {key[0].upper() + key[1:]: value for key, value in render.rollback_info(one).items()}
        )
    subject = f"{status}: AWS CodeDeploy {one.id} in {caller.region} to {one.application}"
    return subject[:LONGEST_SUBJECT], json.dumps(body)


def _date(at: float) -> str:
    """`Thu Oct 13 15:50:45 UTC 2022`"""
    return datetime.fromtimestamp(at, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")


async def send(
    cloud: Cloud, turn: asyncio.Lock, caller: Caller, record: Record, trigger: dict[str, Any], told: tuple[str, str]
) -> None:
    """Publish to the trigger's topic, one message after the other."""
    subject, body = told
    topic = trigger["triggerTargetArn"]
    publisher = Caller(topic.split(":")[3], caller.account, caller.access_key)
    async with turn:
        try:
            await cloud.call(publisher, "sns", "Publish", TopicArn=topic, Subject=subject, Message=body)
        except AwsError as error:
            problem = f"The trigger {trigger['triggerName']} could not be sent to {topic}: {error.code}: {error}"
            log.warning("deployment %s: %s", record.deployment.id, problem)
            record.messages.append(problem)
