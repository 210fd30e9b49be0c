"""How ECS operations find what a request names, and the errors they share (A.6)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.ecs_state import Cluster, Region, Service, Tags, Task, TaskDefinition, TaskSet

T = TypeVar("T")
Raw = dict[str, Any]


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def client_error(message: str) -> AwsError:
    return AwsError("ClientException", message)


def last_part(name_or_arn: str) -> str:
    """`a/b/c` of an ARN is c; a name is itself."""
    return name_or_arn.rsplit("/", 1)[-1] if name_or_arn.startswith("arn:") else name_or_arn


def missing(arn: str) -> Raw:
    """An entry of `failures`."""
    return {"arn": arn, "reason": "MISSING"}


def find_cluster(region: Region, request: Request) -> Cluster:
    """The active cluster that `request` names (default: `default`). Raises ClusterNotFoundException."""
    cluster = region.clusters.get(last_part(request.get("cluster") or "default"))
    if cluster is None or cluster.status != "ACTIVE":
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    return cluster


def find_service(region: Region, request: Request, *, active: bool = True) -> Service:
    """Raises ServiceNotFoundException, and ServiceNotActiveException for one that is draining or gone."""
    service = find_cluster(region, request).services.get(last_part(request["service"]))
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    if active and service.status != "ACTIVE":
        raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
    return service


def find_task_set(service: Service, name: str) -> TaskSet:
    """By id or ARN. Raises TaskSetNotFoundException."""
    task_set = service.task_set(name)
    if task_set is None:
        raise AwsError("TaskSetNotFoundException", "The specified task set does not exist.")
    return task_set


def find_task(cluster: Cluster, name: str) -> Task | None:
    return cluster.tasks.get(last_part(name))


def find_definition(region: Region, name: str) -> TaskDefinition | None:
    """By ARN, `family:revision`, or `family` (its newest ACTIVE revision). Raises ClientException for `family:latest`."""
    family, _, revision = last_part(name).partition(":")
    revisions = region.families.get(family, {})
    if not revision:
        active = [one for one in revisions.values() if one.status == "ACTIVE"]
        return active[-1] if active else None
    if not revision.isdigit():
        raise client_error(f"Invalid revision number. Number: {revision}")
    return revisions.get(int(revision))


def usable_definition(region: Region, name: str) -> TaskDefinition:
    """One that new tasks may use. Raises ClientException (A.2.1)."""
    definition = find_definition(region, name)
    if definition is None:
        raise client_error("TaskDefinition not found.")
    if definition.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return definition


def page(request: Request, key: str, items: Sequence[T], at_most: int = 100) -> tuple[list[T], Answer]:
    """The page of `items` that `request` asks for, and `{nextToken}` where more follow. `key` keeps tokens of lists apart."""
    size = request.get("maxResults") or at_most
    if not 1 <= size <= 100:
        raise invalid("maxResults should be between 1 and 100")
    start = _offset(request.get("nextToken"), key)
    token = base64.b64encode(f"{key}:{start + size}".encode()).decode()
    return list(items[start : start + size]), {"nextToken": token} if start + size < len(items) else {}


def _offset(token: str | None, key: str) -> int:
    if not token:
        return 0
    try:
        name, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if name == key:
            return int(offset)
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid token") from error
    raise invalid("Invalid token")


def tags_in(request: Request) -> Tags:
    return {tag["key"]: tag.get("value", "") for tag in request.get("tags") or []}


def tags_out(tags: Tags) -> list[Raw]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def with_tags(answer: Raw, tags: Tags, request: Request) -> Raw:
    """`answer` with its tags where `include` asks for TAGS."""
    return {**answer, "tags": tags_out(tags)} if "TAGS" in (request.get("include") or []) else answer


def caller_arn(caller: Caller) -> str:
    return f"arn:aws:iam::{caller.account}:root"


def stamps(**times: float | None) -> Raw:
    """The given moments as aware datetimes, without those that have not come."""
    return {name: clock.utc(at) for name, at in times.items() if at is not None}


def given(raw: Mapping[str, Any], names: Iterable[str]) -> Raw:
    """The members of `raw` that are there."""
    return {name: raw[name] for name in names if raw.get(name) is not None}
