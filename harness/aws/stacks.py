"""CloudFormation stacks: made and changed through change sets that are shown first, followed by their events, deleted and waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from harness import clock
from harness.aws.found import Stack, pages, stack_of
from harness.driver import Session, error_code, until
from harness.driver.session import key_value
from harness.errors import HarnessError, StepFailed

TEMPLATES = Path(__file__).with_name("templates")
CHANGE_SET_WITHIN, WORK_WITHIN = 300.0, 1800.0
DELETE_WITHIN = 2400.0  # Lambda takes up to 20 minutes to give up a function's network interfaces
EVERY = 1.0
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
IN_REVIEW = "REVIEW_IN_PROGRESS"
# A stack that could not be made stays, empty or half empty, and can only be deleted.
HOPELESS = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", IN_REVIEW)
Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stack as it should be."""

    deployment: str
    concern: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"rehearsal-{self.deployment}-{self.concern}"

    @property
    def body(self) -> str:
        return template_body(self.template)


def template_body(name: str) -> str:
    return (TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8")


@dataclass
class Stacks:
    """The stacks of one account and region. `show` gets a line for each change and event; `every` is how often they are asked."""

    session: Session
    show: Show = print
    every: float = EVERY
    _seen: dict[str, set[str]] = field(default_factory=dict)

    def make(self, wanted: Wanted) -> Stack:
        """Create it, or change it where it is there: the stack with its outputs. Raises ClientError, HarnessError."""
        there = self._at_rest(self.find(wanted.name))
        if there is not None and there.status in HOPELESS:
            self.delete(there)
            there = None
        kind = "CREATE" if there is None else "UPDATE"
        change_set = self._change_set(wanted, kind)
        if change_set is None:
            self.show(f"{wanted.concern}: nothing to change")
        else:
            self._execute(wanted, change_set)
        made = self.find(wanted.name)
        if made is None:
            raise StepFailed(f"stack {wanted.name}", "it is gone")
        return made

    def find(self, name: str) -> Stack | None:
        """By name, or by id, which finds a deleted one too."""
        try:
            seen = self.session.call("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return stack_of(seen, seen["StackName"].split("-", 2)[-1])

    def _at_rest(self, stack: Stack | None) -> Stack | None:
        """What a command that was killed began, CloudFormation goes on with; a stack in review waits for nothing."""
        if stack is None or not stack.status.endswith("_IN_PROGRESS") or stack.status == IN_REVIEW:
            return stack
        self.show(f"{stack.concern}: waiting for the end of {stack.status}")
        return until(
            lambda: self.find(stack.name),
            within=WORK_WITHIN,
            waiting_for=f"stack {stack.name} to be at rest",
            done=lambda seen: seen is None or not seen.status.endswith("_IN_PROGRESS"),
            every=self.every,
        )

    # ---- making

    def _change_set(self, wanted: Wanted, kind: str) -> str | None:
        """Its id, once it is ready and has been shown; None where nothing would change."""
        made = self.session.call(
            "cloudformation",
            "create_change_set",
            StackName=wanted.name,
            ChangeSetName=f"rehearse-{int(clock.now() * 1000)}",
            ChangeSetType=kind,
            TemplateBody=wanted.body,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in wanted.parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=key_value(wanted.tags),
        )["Id"]
        seen = until(
            lambda: self.session.call("cloudformation", "describe_change_set", ChangeSetName=made),
            within=CHANGE_SET_WITHIN,
            waiting_for=f"the change set of {wanted.name}",
            done=lambda seen: seen["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"),
            every=self.every,
        )
        if seen["Status"] == "FAILED":
            reason = seen.get("StatusReason", "")
            if any(words in reason for words in NO_CHANGES):
                self.session.call("cloudformation", "delete_change_set", ChangeSetName=made)
                return None
            raise StepFailed(f"change set of {wanted.name}", reason)
        self._show_changes(wanted, seen)
        return str(made)

    def _show_changes(self, wanted: Wanted, seen: Mapping[str, Any]) -> None:
        for one in (change["ResourceChange"] for change in seen.get("Changes", [])):
            replaced = " (replaced)" if one.get("Replacement") == "True" else ""
            self.show(f"{wanted.concern}: {one['Action']} {one['LogicalResourceId']} {one['ResourceType']}{replaced}")

    def _execute(self, wanted: Wanted, change_set: str) -> None:
        """The stack's own events say when it is over: its status lags behind the call."""
        self._new_events(wanted.name)
        self.session.call("cloudformation", "execute_change_set", ChangeSetName=change_set)
        status = until(
            lambda: self._last_word(wanted.name, wanted.concern),
            within=WORK_WITHIN,
            waiting_for=f"stack {wanted.name} to be done",
            done=lambda status: status is not None and not status.endswith("_IN_PROGRESS"),
            every=self.every,
        )
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StepFailed(f"stack {wanted.name}", f"{status}: {self._why(wanted.name)}")

    def _last_word(self, stack: str, concern: str) -> str | None:
        """Show what has happened since; the stack's own last status among it."""
        last = None
        for event in self._new_events(stack):
            if not event["ResourceStatus"].endswith("_IN_PROGRESS"):
                reason = f": {event['ResourceStatusReason']}" if event.get("ResourceStatusReason") else ""
                self.show(f"{concern}: {event['ResourceStatus']} {event['LogicalResourceId']}{reason}")
            if event.get("PhysicalResourceId") == event["StackId"]:
                last = str(event["ResourceStatus"])
        return last

    def _new_events(self, stack: str) -> list[dict[str, Any]]:
        """Those that have not been seen yet, the oldest first; none of a stack that has none, or is gone."""
        seen = self._seen.setdefault(stack, set())
        new = []
        try:
            for event in pages(self.session, "cloudformation", "describe_stack_events", "StackEvents", StackName=stack):
                if event["EventId"] in seen:
                    break
                seen.add(event["EventId"])
                new.append(event)
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
        return new[::-1]

    def _why(self, stack: str) -> str:
        """The first thing that went wrong."""
        events = pages(self.session, "cloudformation", "describe_stack_events", "StackEvents", StackName=stack)
        failed = [one for one in events if one["ResourceStatus"].endswith("FAILED")]
        return (
            f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', '')}"
            if failed
            else "no reason given"
        )

    # ---- deleting

    def delete(self, stack: Stack, before_again: Callable[[], object] = lambda: None) -> None:
        """Delete it and wait until it is gone. A deletion that fails is tried again, `before_again` first: what is in the way is
        often only slow to go. Raises WaitTimedOut, StepFailed, ClientError."""
        deadline = clock.monotonic() + DELETE_WITHIN
        if stack.status.startswith("UPDATE_"):
            self._at_rest(stack)  # a deletion in the middle of an update is refused
        while True:
            self._new_events(stack.id)
            self.session.call("cloudformation", "delete_stack", StackName=stack.id)
            status = self._gone(stack)
            if status == "DELETE_COMPLETE":
                return
            if clock.monotonic() > deadline:
                raise StepFailed(f"deleting stack {stack.name}", f"{status}: {self._why(stack.id)}")
            before_again()
            clock.pause(self.every * 5)

    def _gone(self, stack: Stack) -> str:
        def look() -> str:
            self._last_word(stack.id, stack.concern)
            seen = self.find(stack.id)
            return "DELETE_COMPLETE" if seen is None else seen.status

        ended = ("DELETE_COMPLETE", "DELETE_FAILED")
        return until(
            look,
            within=DELETE_WITHIN,
            waiting_for=f"stack {stack.name} to be gone",
            done=lambda status: status in ended,
            every=self.every,
        )


def delete_all(
    stacks: Stacks, there: Mapping[str, Stack], order: Sequence[str], before_again: Callable[[], object]
) -> list[str]:
    """Delete in `order`, whatever is not named there first. One line for each that stays; nothing that fails stops the rest, but
    the last of `order`, the self-destruct, stays while anything else does."""
    unknown = [one for one in there if one not in order]
    left: list[str] = []
    for concern in [*unknown, *order]:
        stack = there.get(concern)
        if stack is None or (left and concern == order[-1]):
            continue
        try:
            stacks.delete(stack, before_again)
        except (ClientError, HarnessError) as error:
            left.append(f"stack {stack.name} ({error})")
    return left
