"""Making, changing and deleting a stack: each a coroutine beside the requests. The story of one operation on one stack."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.cloudformation import functions
from harness.emulator.cloudformation.every import kind_of
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import At, Kind, Made
from harness.emulator.cloudformation.resolving import resolved, scope_of
from harness.emulator.cloudformation.state import Output, Region, Resource, Stack
from harness.emulator.cloudformation.template import Template, text_of

log = logging.getLogger("rehearse.cloudformation")
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
CANCELLED = {"CREATE": "Resource creation cancelled", "UPDATE": "Resource update cancelled"}
Act = Callable[[str], Awaitable[bool]]


class Stopped(Exception):
    """Something else failed meanwhile, or somebody cancelled: what still settles gives up."""


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
class Work:
    """One operation. `before` is what each resource was when it began."""

    cloud: Cloud
    region: Region
    stack: Stack
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""  # of the stop
    before: dict[str, Resource] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    attempted: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # properties that were asked for
    scope: functions.Scope = field(default_factory=lambda: functions.Scope({}))

    # ---- create

    async def create(self, on_failure: str = "ROLLBACK") -> None:
        """To CREATE_COMPLETE; or, as `on_failure` (ROLLBACK, DELETE, DO_NOTHING) has it, back."""
        stack = self.stack
        stack.become("CREATE_IN_PROGRESS", "User Initiated")
        failed = await self._begin_and_make()
        if not failed:
            stack.become("CREATE_COMPLETE")
            return
        for name, one in stack.resources.items():
            one.retained &= stack.template["Resources"][name].get("DeletionPolicy") == "Retain"
        said = f"{failed} Rollback requested by user."
        if on_failure == "DO_NOTHING":
            stack.become("CREATE_FAILED", failed)
        elif on_failure == "DELETE":
            stack.become("DELETE_IN_PROGRESS", failed.replace("Rollback", "Delete"))
            await self._end("DELETE", await self._remove(list(stack.resources)))
        else:
            stack.become("ROLLBACK_IN_PROGRESS", said)
            await self._end("ROLLBACK", await self._remove(list(stack.resources)))

    async def _begin_and_make(self) -> str:
        """Why it failed; empty where everything is made."""
        stack, template = self.stack, self.stack.template
        try:
            self.scope = await scope_of(self.cloud, self.region, stack)
            stack.resources = self._declared(template)
        except AwsError as error:
            return error.message
        needs = {name: one.needs for name, one in stack.resources.items()}
        failed = await self._in_parallel(list(stack.resources), needs, self._make)
        if failed or self.why:
            return self.why or f"The following resource(s) failed to create: [{', '.join(failed)}]."
        return await self._outputs()

    def _declared(self, template: Template) -> dict[str, Resource]:
        """The template's resources whose condition holds, each after those it needs."""
        declared = template["Resources"]
        wanted = [
            name
            for name in functions.in_order(declared)
            if "Condition" not in declared[name] or self.scope.condition(declared[name]["Condition"])
        ]
        return {
            name: Resource(
                name,
                declared[name]["Type"],
                needs=frozenset(functions.dependencies(name, declared) & set(wanted)),
                retained=declared[name].get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate"),
                retained_if_replaced=declared[name].get("UpdateReplacePolicy") == "Retain",
            )
            for name in wanted
        }

    async def _make(self, name: str) -> bool:
        """Create one resource, and wait until it works."""
        resource = self.stack.resources[name]
        self.stack.mark(resource, "CREATE_IN_PROGRESS")

        async def work() -> None:
            kind, at = kind_of(resource.type), self.at(resource)
            resource.properties = await self._properties(name)
            kind.check(resource.properties)
            await self._create(kind, at, resource)

        return await self._tried(resource, "CREATE", work)

    async def _create(self, kind: Kind, at: At, resource: Resource, verb: str = "CREATE") -> None:
        resource.made = await kind.create(at, resource.properties)
        self.stack.mark(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated")
        await self._settled(kind, at, resource)
        self._known(resource)

    def _known(self, resource: Resource) -> None:
        assert resource.made is not None
        self.scope.made[resource.logical_id] = (resource.made.physical_id, resource.made.attributes)

    async def _tried(self, resource: Resource, verb: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether `work` succeeded; the resource's status says so."""
        try:
            await work()
        except AwsError as error:
            self.stack.mark(resource, f"{verb}_FAILED", reason_of(error))
        except Stopped:
            self.stack.mark(resource, f"{verb}_FAILED", CANCELLED.get(verb, ""))
        except Exception:
            log.exception("%s of %s", verb, resource.logical_id)
            self.stack.mark(resource, f"{verb}_FAILED", "rehearse met a bug of its own; its log has the traceback")
        else:
            self.stack.mark(resource, f"{verb}_COMPLETE")
            return True
        return False

    async def _properties(self, name: str) -> dict[str, Any]:
        raw = self.stack.template["Resources"][name].get("Properties") or {}
        for target, attribute in functions.references(raw):
            if attribute and target in self.stack.resources:
                await self._refresh(self.stack.resources[target])
        properties: dict[str, Any] = await resolved(self.cloud, self.stack.caller, self.scope, raw)
        return properties

    async def _refresh(self, resource: Resource) -> None:
        if resource.made is not None:
            resource.made = await kind_of(resource.type).refresh(self.at(resource), resource.made)
            self._known(resource)

    async def _settled(self, kind: Kind, at: At, resource: Resource) -> None:
        """Raises Stopped as soon as the operation is to stop."""
        assert resource.made is not None
        settling = asyncio.ensure_future(kind.settle(at, resource.made, resource.properties))
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({settling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not settling.done():
                raise Stopped
            settling.result()
        finally:
            for task in (settling, stopping):
                task.cancel()
            await asyncio.gather(settling, stopping, return_exceptions=True)

    def at(self, resource: Resource) -> At:
        stack = self.stack
        return At(self.cloud, stack.caller, stack.name, resource.logical_id, resource.type, stack.tags)

    async def _in_parallel(self, names: Collection[str], needs: Mapping[str, Collection[str]], act: Act) -> list[str]:
        """`act` for each name once those that it needs are done. After a failure none begins, and what settles stops."""
        waiting, failed = list(names), list[str]()
        running: dict[asyncio.Future[bool], str] = {}
        try:
            while True:
                open_names = {*waiting, *running.values()}
                ready = [] if self.stop.is_set() else [one for one in waiting if not open_names & set(needs[one])]
                for name in ready:
                    waiting.remove(name)
                    running[asyncio.ensure_future(act(name))] = name
                if not running:
                    return failed
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    name = running.pop(task)
                    if not task.result():
                        failed.append(name)
                        self.stop.set()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _outputs(self) -> str:
        """Why they cannot be worked out; empty where they can."""
        stack, outputs = self.stack, list[Output]()
        exports = self.region.exports()
        try:
            for key, one in (stack.template.get("Outputs") or {}).items():
                if "Condition" in one and not self.scope.condition(one["Condition"]):
                    continue
                for target, attribute in functions.references(one.get("Value")):
                    if attribute and target in stack.resources:
                        await self._refresh(stack.resources[target])
                value = await resolved(self.cloud, stack.caller, self.scope, one.get("Value"))
                if isinstance(value, list | dict):
                    raise invalid(f"Template format error: Output {key} is malformed. The Value field must be a String")
                export = str(self.scope.resolve((one.get("Export") or {}).get("Name", "")))
                if export and exports.get(export, (stack.id, ""))[0] != stack.id:
                    raise invalid(f"Export with name {export} is already exported by stack {exports[export][0]}")
                outputs.append(Output(key, text_of(value), one.get("Description", ""), export))
            self._check_exports_in_use(outputs)
        except AwsError as error:
            return error.message
        stack.outputs, stack.imports = outputs, frozenset(self.scope.imported)
        return ""

    def _check_exports_in_use(self, outputs: list[Output]) -> None:
        """An export that another stack imports neither goes nor changes."""
        now = {one.export: one.value for one in outputs if one.export}
        for old in self.stack.outputs:
            users = self.region.importers(old.export) if old.export else []
            if users and now.get(old.export) != old.value:
                raise invalid(f"Cannot update export {old.export} as it is in use by {', '.join(users)}")

    # ---- delete

    async def delete(self, retain: Collection[str] = ()) -> None:
        """To DELETE_COMPLETE; DELETE_FAILED where a resource stays."""
        self.stack.become("DELETE_IN_PROGRESS", "User Initiated")
        for name in retain:
            self.stack.resources[name].retained = True
        await self._end("DELETE", await self._remove(list(self.stack.resources)))

    async def _end(self, verb: str, failed: list[str]) -> None:
        if failed:
            self.stack.become(f"{verb}_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
            return
        if verb == "DELETE":
            self.stack.deleted, self.stack.outputs, self.stack.imports = self.cloud.clock.now(), [], frozenset()
        self.stack.become(f"{verb}_COMPLETE")

    async def _remove(self, names: Collection[str]) -> list[str]:
        """Delete resources, each after those that need it; the names of those that stay."""
        self.stop = asyncio.Event()
        users: dict[str, set[str]] = {name: set() for name in self.stack.resources}
        for user, one in self.stack.resources.items():
            for needed in one.needs:
                users.setdefault(needed, set()).add(user)
        return await self._in_parallel(list(names), users, self._delete)

    async def _delete(self, name: str) -> bool:
        resource = self.stack.resources[name]
        if resource.made is None or resource.status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            return True
        if resource.retained:
            self.stack.mark(resource, "DELETE_SKIPPED")
            return True
        self.stack.mark(resource, "DELETE_IN_PROGRESS")

        async def work() -> None:
            assert resource.made is not None
            await kind_of(resource.type).delete(self.at(resource), resource.made, resource.properties)

        return await self._tried(resource, "DELETE", work)

    # ---- update

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
            declared = self._declared(stack.template)
        except AwsError as error:
            return error.message
        for name, one in self.before.items():
            if name in declared and one.made is not None:
                self.scope.made[name] = (one.made.physical_id, one.made.attributes)
        self._adopt(declared)
        needs = {name: one.needs for name, one in declared.items()}
        failed = await self._in_parallel(list(declared), needs, self._change)
        if failed or self.why:
            return self.why or f"The following resource(s) failed to update: [{', '.join(failed)}]."
        return await self._outputs()

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
            return await self._make(name)
        declared = self.stack.template["Resources"][name]["Type"]
        if declared != resource.type:
            return self._refused(
                resource, f"Update of resource type is not permitted. The new template modifies resource type of {name}"
            )
        try:
            new = await self._properties(name)
            kind = kind_of(resource.type)
            kind.check(new)
        except AwsError as error:
            return self._refused(resource, error.message)
        if new == old.properties:
            return True
        self.touched.append(name)
        self.attempted[name] = new
        return await self._tried(resource, "UPDATE", lambda: self._applied(kind, resource, old, new))

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
            await self._create(kind, at, resource, "UPDATE")
            self.leftovers.append(leftover)
            return
        self.stack.mark(resource, "UPDATE_IN_PROGRESS")
        resource.made = await kind.update(at, old.made, old.properties, new)
        resource.properties = new
        await self._settled(kind, at, resource)
        self._known(resource)

    async def _clean_up(self) -> None:
        """Delete what the update did away with; what cannot be deleted stays, and an event says so, as on AWS."""
        stack = self.stack
        gone = [name for name in stack.resources if name not in stack.template["Resources"] or self._unwanted(name)]
        for leftover in reversed(self.leftovers):
            await self._drop(leftover)
        await self._remove(gone)
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
        await self._tried(shown, "DELETE", lambda: kind.delete(self.at(resource), leftover.made, leftover.properties))
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
        await self._remove(new)
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
            await self._settled(kind, at, resource)

        return await self._tried(resource, "UPDATE", work)


def reason_of(error: AwsError) -> str:
    return error.message if error.code == "ValidationError" else f"{error.message} ({error.code})"
