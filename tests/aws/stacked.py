"""The stacks of one deployment, made by change sets as `rehearse aws up` makes them, with the stock boto3."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import aws as package

TEMPLATES = Path(package.__file__).parent / "templates"


def until(condition: Callable[[], Any], within: float, what: str) -> Any:
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {within} s for {what}; last seen: {value!r}"
        time.sleep(0.1)
    return value


class Deployment:
    """`outputs` has those of every stack, as one stack's are the next one's parameters."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.client, self.id = client, secrets.token_hex(3)
        self.api = client("cloudformation")
        self.outputs: dict[str, str] = {}
        self.tags = {
            "rehearsal:deployment": self.id,
            "rehearsal:owner": "tests",
            "rehearsal:expires": "2099-01-01T00:00:00Z",
        }
        self.made: list[str] = []

    def name(self, concern: str) -> str:
        return f"rehearsal-{self.id}-{concern}"

    def plan(self, concern: str, template: str, kind: str = "CREATE", **parameters: Any) -> dict[str, Any]:
        """DescribeChangeSet of a new change set."""
        given = {"Deployment": self.id, **parameters}
        self.api.create_change_set(
            StackName=self.name(concern),
            ChangeSetName="plan",
            ChangeSetType=kind,
            TemplateBody=(TEMPLATES / f"{template}.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in self.tags.items()],
        )
        described: dict[str, Any] = self.api.describe_change_set(StackName=self.name(concern), ChangeSetName="plan")
        return described

    def execute(self, concern: str) -> dict[str, Any]:
        """The stack once it has settled, its outputs taken."""
        self.api.execute_change_set(StackName=self.name(concern), ChangeSetName="plan")
        stack = self.settled(self.name(concern))
        self.outputs |= {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        return stack

    def settled(self, stack: str, within: float = 120) -> dict[str, Any]:
        def seen() -> Any:
            found = self.api.describe_stacks(StackName=stack)["Stacks"][0]
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

        found: dict[str, Any] = until(seen, within, f"{stack} to settle")
        return found

    def make(self, concern: str, template: str | None = None, **parameters: Any) -> None:
        """A stack by its plan, which must say that everything is new."""
        plan = self.plan(concern, template or concern, **parameters)
        assert plan["Status"] == "CREATE_COMPLETE", plan
        assert {one["ResourceChange"]["Action"] for one in plan["Changes"]} == {"Add"}
        self.made.append(concern)
        stack = self.execute(concern)
        assert stack["StackStatus"] == "CREATE_COMPLETE", self.failures(concern)

    def update(self, concern: str, template: str | None = None, **parameters: Any) -> list[tuple[str, str, str]]:
        """(logical id, action, replacement) of what the plan says, once it is done."""
        plan = self.plan(concern, template or concern, "UPDATE", **parameters)
        assert plan["Status"] == "CREATE_COMPLETE", plan
        assert self.execute(concern)["StackStatus"] == "UPDATE_COMPLETE", self.failures(concern)
        changes = [one["ResourceChange"] for one in plan["Changes"]]
        return sorted((one["LogicalResourceId"], one["Action"], one.get("Replacement", "")) for one in changes)

    def taking(self, *names: str) -> dict[str, str]:
        return {name: self.outputs[name] for name in names}

    def delete(self) -> None:
        """The last one first; each must be gone wholly."""
        for concern in reversed(self.made):
            identity = self.api.describe_stacks(StackName=self.name(concern))["Stacks"][0]["StackId"]
            self.api.delete_stack(StackName=identity)
            assert self.settled(identity)["StackStatus"] == "DELETE_COMPLETE", self.failures(identity)

    def failures(self, concern: str) -> dict[str, str]:
        name = concern if concern.startswith("arn:") else self.name(concern)
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
        return {one["LogicalResourceId"]: one.get("ResourceStatusReason", "") for one in failed}

    def physical(self, concern: str, logical: str) -> str:
        answer = self.api.describe_stack_resource(StackName=self.name(concern), LogicalResourceId=logical)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def left(self) -> list[str]:
        """ARNs of everything that bears the deployment's tag."""
        pages = self.client("resourcegroupstaggingapi").get_paginator("get_resources")
        filters = [{"Key": "rehearsal:deployment", "Values": [self.id]}]
        found = pages.paginate(TagFilters=filters, ResourcesPerPage=20)
        return [one["ResourceARN"] for page in found for one in page["ResourceTagMappingList"]]
