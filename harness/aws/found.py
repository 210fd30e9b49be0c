"""What is up, from tags alone: no file of this machine is asked, so another machine finds the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError

from harness import clock, proxies
from harness.driver import Session
from harness.errors import StepFailed

DEPLOYMENT, OWNER, EXPIRES, PROFILE, RUN = (
    f"rehearsal:{name}" for name in ("deployment", "owner", "expires", "profile", "run")
)
STACK = re.compile(r"rehearsal-(?P<deployment>[a-z0-9]{1,12})-(?P<concern>[a-z-]+)")


@dataclass(frozen=True, slots=True)
class Stack:
    """One of CloudFormation's, as it is now."""

    id: str
    name: str
    concern: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything of one `aws up`. `expires` is seconds since the epoch; `stacks` by concern; `arns` are what the tagging API names."""

    id: str
    owner: str = ""
    profile: str = ""
    expires: float | None = None
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    arns: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return bool(self.stacks) and all(one.status in READY for one in self.stacks.values())

    @property
    def outputs(self) -> dict[str, str]:
        """Of all its stacks."""
        return {name: value for stack in self.stacks.values() for name, value in stack.outputs.items()}

    def seconds_left(self) -> float:
        return 0.0 if self.expires is None else self.expires - clock.now()


READY = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def deployments(session: Session) -> list[Deployment]:
    """All of the account and region, the oldest first. Raises ClientError, StepFailed."""
    stacks, tags, arns = _stacks(session), dict[str, dict[str, str]](), defaultdict[str, list[str]](list)
    for arn, told in tagged(session, {DEPLOYMENT: None}):
        arns[told[DEPLOYMENT]].append(arn)
        tags.setdefault(told[DEPLOYMENT], {}).update(told)
    for identity, (
        _,
        told,
    ) in stacks.items():  # a stack's own tags are the last word: an extended time to live is there first
        tags.setdefault(identity, {}).update(told)
    return [
        Deployment(
            id=identity,
            owner=tags.get(identity, {}).get(OWNER, ""),
            profile=tags.get(identity, {}).get(PROFILE, ""),
            expires=_seconds(tags.get(identity, {}).get(EXPIRES)),
            stacks=stacks.get(identity, ({}, {}))[0],
            arns=tuple(sorted(arns.get(identity, ()))),
        )
        for identity in sorted({*stacks, *tags})
    ]


def _stacks(session: Session) -> dict[str, tuple[dict[str, Stack], dict[str, str]]]:
    """Deployment id to its stacks by concern, and the tags they bear."""
    found: dict[str, tuple[dict[str, Stack], dict[str, str]]] = {}
    for seen in pages(session, "cloudformation", "describe_stacks", "Stacks"):
        name = STACK.fullmatch(seen["StackName"])
        if name is None or seen["StackStatus"] == "DELETE_COMPLETE":
            continue
        stacks, tags = found.setdefault(name["deployment"], ({}, {}))
        stacks[name["concern"]] = stack_of(seen, name["concern"])
        told = _pairs(seen.get("Tags")) or _tags_to_come(session, seen)
        tags.update(told if name["concern"] == "self-destruct" else {**told, **tags})
    return found


def _tags_to_come(session: Session, seen: Mapping[str, Any]) -> dict[str, str]:
    """Of a stack that was only reviewed before its maker died: its change set has them, and so its owner."""
    if seen["StackStatus"] != "REVIEW_IN_PROGRESS":
        return {}
    told: dict[str, str] = {}
    for one in pages(session, "cloudformation", "list_change_sets", "Summaries", StackName=seen["StackId"]):
        told |= _pairs(
            session.call("cloudformation", "describe_change_set", ChangeSetName=one["ChangeSetId"]).get("Tags")
        )
    return told


def _pairs(listed: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in listed or ()}


def stack_of(seen: Mapping[str, Any], concern: str) -> Stack:
    return Stack(
        id=seen["StackId"],
        name=seen["StackName"],
        concern=concern,
        status=seen["StackStatus"],
        outputs={one["OutputKey"]: one["OutputValue"] for one in seen.get("Outputs", [])},
        parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in seen.get("Parameters", [])},
    )


def tagged(session: Session, wanted: Mapping[str, str | None]) -> Iterator[tuple[str, dict[str, str]]]:
    """(ARN, its tags) of everything the tagging API knows with these tags; a value of None is any."""
    filters = [{"Key": key, **({"Values": [value]} if value is not None else {})} for key, value in wanted.items()]
    for one in pages(
        session, "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=filters
    ):
        yield one["ResourceARN"], _pairs(one["Tags"])


def pages(session: Session, service: str, operation: str, member: str, /, **request: Any) -> Iterator[Any]:
    """Every element of `member` over all pages. Raises as Session.call does."""
    client = session.client(service)
    if not client.can_paginate(operation):
        yield from session.call(service, operation, **request).get(member) or ()
        return
    try:
        for page in client.get_paginator(operation).paginate(**request):
            yield from page.get(member) or ()
    except BotoCoreError as error:
        raise StepFailed(f"{service}:{operation}", proxies.masked(error)) from error


def _seconds(written: str | None) -> float | None:
    """Of ISO 8601; None for what is not."""
    try:
        return datetime.fromisoformat(written).timestamp() if written else None
    except ValueError:
        return None
