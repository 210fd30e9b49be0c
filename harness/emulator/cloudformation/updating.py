"""Changing a stack: what the new template changes, replaces, adds and removes; and back, when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.every import kind_of
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import Kind, Made
from harness.emulator.cloudformation.resolving import scope_of
from harness.emulator.cloudformation.state import Resource
from harness.emulator.cloudformation.template import Template
from harness.emulator.cloudformation.work import Work, reason_of

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stack is to become."""

    body: str
    template: Template
    given: Mapping[str, str]
    resolved: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass
class Leftover:
    """A physical resource that an update has done away with, deleted once the update is through."""

    resource: Resource
    made: Made
    properties: Mapping[str, Any]
    keep: bool


@dataclass
class Update(Work):
    """`before` is what each resource was when it began, `attempted` the properties that were asked for, by logical id."""

    before: dict[str, Resource] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    attempted: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def update(self, wanted: Wanted, *, keep: bool = False) -> None:
        """To UPDATE_COMPLETE, or back to what was (UPDATE_ROLLBACK_COMPLETE); `keep` leaves what failed (UPDATE_FAILED)."""
        stack = self.stack
        old = Wanted(stack.body, stack.template, stack.given, stack.resolved, stack.tags)
        self.before = {name: replace(one) for name, one in stack.resources.items()}
        outputs, imports = stack.outputs, stack.imports
        stack.updated = self.cloud.clock.now()
        stack.become("UPDATE_IN_PROGRESS", "User Initiated")
        failed = await self._begin_and_change(wanted)
        if not failed:
            stack.become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            await self._clean_up()
            stack.become("UPDATE_COMPLETE")
        elif keep:
            stack.become("UPDATE_FAILED", failed)
        else:
            await self._roll_back(old, failed)
            stack.outputs, stack.imports = outputs, imports

    def _take(self, wanted: Wanted) -> None:
        stack = self.stack
        stack.body, stack.template, stack.tags = wanted.body, wanted.template, wanted.tags
        stack.given, stack.resolved = wanted.given, wanted.resolved

    async def _begin_and_change(self, wanted: Wanted) -> str:
        self._take(wanted)
        stack = self.stack
        try:
            self.scope = await scope_of(self.cloud, self.region, stack)
            declared = self.declared(stack.template)
        except AwsError as error:
            return error.message
        for name, one in self.before.items():
            if name in declared and one.made is not None:
                self.scope.made[name] = (one.made.physical_id, one.made.attributes)
        self._adopt(declared)
        needs = {name: one.needs for name, one in declared.items()}
        failed = await self.in_parallel(list(declared), needs, self._change)
        if failed or self.why:
            return self.why or f"The following resource(s) failed to update: [{', '.join(failed)}]."
        return await self.work_out_outputs()

    def _adopt(self, declared: Mapping[str, Resource]) -> None:
        """The stack's resources, as the new template has them; those it lacks are left over."""
        for name, new in declared.items():
            if old := self.stack.resources.get(name):
                old.needs, old.retained, old.retained_if_replaced = new.needs, new.retained, new.retained_if_replaced
            else:
                self.stack.resources[name] = new

    async def _change(self, name: str) -> bool:
        resource, old = self.stack.resources[name], self.before.get(name)
        if old is None or old.made is None:
            self.touched.append(name)
            return await self.make(name)
        declared = self.stack.template["Resources"][name]["Type"]
        if declared != resource.type:
            return self._refused(
                resource, f"Update of resource type is not permitted. The new template modifies resource type of {name}"
            )
        try:
            new = await self.properties(name)
            kind = kind_of(resource.type)
            kind.check(new)
        except AwsError as error:
            return self._refused(resource, error.message)
        if new == old.properties:
            return True
        self.touched.append(name)
        self.attempted[name] = new
        return await self.tried(resource, "UPDATE", lambda: self._applied(kind, resource, old, new))

    def _refused(self, resource: Resource, reason: str) -> bool:
        self.stack.mark(resource, "UPDATE_FAILED", reason)
        return False

    async def _applied(self, kind: Kind, resource: Resource, old: Resource, new: Mapping[str, Any]) -> None:
        """Change the resource itself, or make its successor."""
        assert old.made is not None
        at = self.at(resource)
        if kind.replaced_by(old.properties, new):
            if kind.name and kind.name in new and new[kind.name] == old.properties.get(kind.name):
                raise invalid(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
                    f"{new[kind.name]} and update the stack again."
                )
            self.stack.mark(resource, "UPDATE_IN_PROGRESS", REPLACING)
            resource.properties = new
            leftover = Leftover(replace(resource), old.made, old.properties, resource.retained_if_replaced)
            await self.create_resource(kind, at, resource, "UPDATE")
            self.leftovers.append(leftover)
            return
        self.stack.mark(resource, "UPDATE_IN_PROGRESS")
        resource.made = await kind.update(at, old.made, old.properties, new)
        resource.properties = new
        await self.settled(kind, at, resource)
        self.known(resource)

    async def _clean_up(self) -> None:
        """Delete what the update did away with; what cannot be deleted stays, and an event says so, as on AWS."""
        stack = self.stack
        gone = [name for name in stack.resources if name not in stack.template["Resources"] or self._unwanted(name)]
        for leftover in reversed(self.leftovers):
            await self._drop(leftover)
        await self.remove(gone)
        for name in gone:
            del stack.resources[name]

    def _unwanted(self, name: str) -> bool:
        condition = self.stack.template["Resources"][name].get("Condition")
        return condition is not None and not self.scope.condition(condition)

    async def _drop(self, leftover: Leftover) -> None:
        """Events carry the old physical id; the resource's own status is its successor's."""
        resource = leftover.resource
        status, reason = resource.status, resource.reason
        shown = replace(resource, made=leftover.made)
        if leftover.keep:
            self.stack.mark(shown, "DELETE_SKIPPED")
            return
        self.stack.mark(shown, "DELETE_IN_PROGRESS")
        kind = kind_of(resource.type)
        await self.tried(shown, "DELETE", lambda: kind.delete(self.at(resource), leftover.made, leftover.properties))
        resource.status, resource.reason = status, reason

    async def _roll_back(self, old: Wanted, failed: str) -> None:
        """What was changed is changed back, the last one first; then what was made new is deleted."""
        stack, self.stop = self.stack, asyncio.Event()
        stack.become("UPDATE_ROLLBACK_IN_PROGRESS", failed)
        self._take(old)
        unmade, stuck = list[Leftover](), list[str]()
        for name in reversed(self.touched):
            resource, before = stack.resources[name], self.before.get(name)
            if before is None or before.made is None:
                continue
            if resource.made is not None and resource.made.physical_id != before.made.physical_id:
                unmade.append(Leftover(replace(resource), resource.made, resource.properties, keep=False))
                resource.made, resource.properties = before.made, before.properties
                stack.mark(resource, "UPDATE_COMPLETE")
            elif not await self._restored(resource, before):
                stuck.append(name)
        if stuck:
            stack.become("UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{', '.join(stuck)}].")
            return
        stack.become("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        for leftover in unmade:
            await self._drop(leftover)
        new = [name for name in stack.resources if name not in self.before]
        await self.remove(new)
        for name in new:
            del stack.resources[name]
        for name, before in self.before.items():
            one = stack.resources[name]
            one.needs, one.retained, one.retained_if_replaced = (
                before.needs,
                before.retained,
                before.retained_if_replaced,
            )
        stack.become("UPDATE_ROLLBACK_COMPLETE")

    async def _restored(self, resource: Resource, before: Resource) -> bool:
        """A change that was refused, and whose way back is refused alike, has changed nothing."""
        assert before.made is not None
        made, kind, at, refusal = before.made, kind_of(resource.type), self.at(resource), resource.reason
        attempted = self.attempted.get(resource.logical_id, resource.properties)
        self.stack.mark(resource, "UPDATE_IN_PROGRESS")

        async def work() -> None:
            try:
                resource.made = await kind.update(at, made, attempted, before.properties)
            except AwsError as error:
                if reason_of(error) != refusal:
                    raise
            resource.properties = before.properties
            await self.settled(kind, at, resource)

        return await self.tried(resource, "UPDATE", work)
