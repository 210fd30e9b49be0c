"""Stacks, their resources, events and change sets. `become` is the only writer of a status, and tells the events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.clock import Clock
from harness.emulator.cloud import Caller
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import Made
from harness.emulator.cloudformation.template import Template

STACK = "AWS::CloudFormation::Stack"
LIVE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")  # a stack that can be updated
ENDINGS = ("_COMPLETE", "_FAILED")


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    at: float
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    token: str


@dataclass
class Resource:
    """`properties` are as resolved when it was last made or changed; `needs` are logical ids that must outlive it."""

    logical_id: str
    type: str
    needs: frozenset[str] = frozenset()
    retained: bool = False  # by its DeletionPolicy
    retained_if_replaced: bool = False  # by its UpdateReplacePolicy
    properties: Mapping[str, Any] = field(default_factory=dict)
    made: Made | None = None
    status: str = ""
    reason: str = ""
    at: float = 0.0

    @property
    def physical_id(self) -> str:
        return self.made.physical_id if self.made else ""


@dataclass
class ChangeSet:
    id: str
    name: str
    type: str  # CREATE | UPDATE
    body: str
    template: Template
    given: Mapping[str, str]
    tags: Mapping[str, str]
    created: float
    request: Mapping[str, Any]
    changes: list[dict[str, Any]] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    execution: str = "AVAILABLE"


@dataclass(frozen=True, slots=True)
class Output:
    key: str
    value: str
    description: str
    export: str


@dataclass
class Stack:
    """`given` are the parameters' texts, `resolved` what SSM holds for those that name a parameter there."""

    id: str
    name: str
    caller: Caller
    clock: Clock
    created: float
    body: str = ""
    template: Template = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # members of the request that are kept and shown
    status: str = ""
    reason: str = ""
    updated: float | None = None
    deleted: float | None = None
    token: str = ""
    resources: dict[str, Resource] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    imports: frozenset[str] = frozenset()
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def become(self, status: str, reason: str = "") -> None:
        self.status, self.reason = status, reason
        self._tell(self.name, self.id, STACK, status, reason)

    def mark(self, resource: Resource, status: str, reason: str = "", physical_id: str | None = None) -> None:
        """`physical_id` where the event is about one that the resource had before."""
        resource.status, resource.reason, resource.at = status, reason, self.clock.now()
        known = resource.physical_id if physical_id is None else physical_id
        self._tell(resource.logical_id, known, resource.type, status, reason)

    def _tell(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str) -> None:
        event = Event(str(uuid.uuid4()), self.clock.now(), logical_id, physical_id, kind, status, reason, self.token)
        self.events.append(event)


@dataclass
class Region:
    """Of one account. A deleted stack is found by its id alone."""

    stacks: dict[str, Stack] = field(default_factory=dict)

    def live(self) -> Iterator[Stack]:
        return (one for one in self.stacks.values() if one.status != "DELETE_COMPLETE")

    def find(self, name: str) -> Stack | None:
        """By name or id."""
        if name in self.stacks:
            return self.stacks[name]
        return next((one for one in self.live() if one.name == name), None)

    def stack(self, name: str) -> Stack:
        """Raises ValidationError."""
        found = self.find(name)
        if found is None:
            raise invalid(f"Stack with id {name} does not exist")
        return found

    def exports(self) -> dict[str, tuple[str, str]]:
        """Name to (id of the exporting stack, value)."""
        return {out.export: (one.id, out.value) for one in self.live() for out in one.outputs if out.export}

    def importers(self, export: str) -> list[str]:
        return [one.name for one in self.live() if export in one.imports]
