"""Locust's master and workers as tasks of ECS: started with RunTask, seen with DescribeTasks, heard by the master's log stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from harness.driver.session import Session, error_code, lower_key_value
from harness.errors import UsageError

CONTAINER = "locust"
PORT = 5557
AT_ONCE = 10  # tasks of one RunTask
OVERRIDES_AT_MOST = 8192  # characters of a RunTask's overrides, JSON included
Way = Callable[[str, int], tuple[str, int]]
"""Where a task reaches what has a private address in the VPC: address and port to host and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadGround:
    """What the stack `locust` has for a scenario with `engine: locust`; `most` workers are what it was made for."""

    task_definition: str
    log_group: str
    most: int
    cluster: str
    subnets: tuple[str, ...]
    security_group: str
    public: bool
    way: Way


@dataclass(frozen=True, slots=True)
class LoadTask:
    """`why` is what ECS says of one that has stopped."""

    arn: str
    status: str
    address: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Page:
    """The next lines of a log, and the time of the answer in whole seconds, as its Date says."""

    lines: tuple[str, ...]
    token: str | None
    date: float | None


def run(
    session: Session, ground: LoadGround, count: int, environment: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """(ARNs of at most AT_ONCE tasks that were started, why others were not). Raises ClientError, UsageError."""
    override = {"name": CONTAINER, "environment": [{"name": k, "value": v} for k, v in environment.items()]}
    if len(str(override)) > OVERRIDES_AT_MOST:
        raise UsageError(
            f"the traffic is {len(str(override))} characters long, and RunTask takes {OVERRIDES_AT_MOST}: "
            "ask for less in traffic.requests, or make the stack without --load-workers"
        )
    network = {
        "subnets": list(ground.subnets),
        "securityGroups": [ground.security_group],
        "assignPublicIp": "ENABLED" if ground.public else "DISABLED",
    }
    answer = session.call(
        "ecs",
        "run_task",
        cluster=ground.cluster,
        taskDefinition=ground.task_definition,
        count=min(count, AT_ONCE),
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        overrides={"containerOverrides": [override]},
        startedBy="rehearse",
        tags=lower_key_value(session.tags),
    )
    failures = [str(one.get("reason") or one.get("detail") or one) for one in answer.get("failures", [])]
    return [one["taskArn"] for one in answer["tasks"]], failures


def look(session: Session, ground: LoadGround, arns: Sequence[str]) -> list[LoadTask]:
    """At most a hundred. One that ECS has forgotten is not among them. Raises ClientError."""
    answer = session.call("ecs", "describe_tasks", cluster=ground.cluster, tasks=list(arns))
    return [_task(one) for one in answer["tasks"]]


def _task(raw: Mapping[str, Any]) -> LoadTask:
    details = [pair for one in raw.get("attachments", ()) for pair in one.get("details", ())]
    address = next((pair["value"] for pair in details if pair["name"] == "privateIPv4Address"), None)
    exits = [f"exit code {one['exitCode']}" for one in raw["containers"] if one.get("exitCode") is not None]
    reasons = [one["reason"] for one in raw["containers"] if one.get("reason")]
    why = "; ".join([str(raw.get("stoppedReason") or raw["lastStatus"]), *reasons, *exits])
    return LoadTask(raw["taskArn"], raw["lastStatus"], address, why)


def stop(session: Session, ground: LoadGround, arn: str, reason: str) -> None:
    """SIGTERM, and no error where it is gone already. Raises ClientError."""
    try:
        session.call("ecs", "stop_task", cluster=ground.cluster, task=arn, reason=reason)
    except ClientError as error:
        if error_code(error) != "InvalidParameterException" or "was not found" not in str(error):
            raise


def log_page(session: Session, ground: LoadGround, arn: str, token: str | None) -> Page:
    """What the task has printed since `token`; nothing before its stream is there. Raises ClientError."""
    stream = f"locust/{CONTAINER}/{arn.rpartition('/')[2]}"
    more = {"nextToken": token} if token else {}
    try:
        answer = session.call(
            "logs",
            "get_log_events",
            logGroupName=ground.log_group,
            logStreamName=stream,
            startFromHead=True,
            **more,
        )
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return Page((), None, None)
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    date = parsedate_to_datetime(said).timestamp() if said else None
    return Page(tuple(one["message"] for one in answer["events"]), answer["nextForwardToken"], date)
