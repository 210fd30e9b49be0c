"""Making and deleting a stack: each a coroutine beside the requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.cloudformation import functions
from harness.emulator.cloudformation.every import kind_of
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import At, Kind, tagged
from harness.emulator.cloudformation.resolving import resolved, scope_of
from harness.emulator.cloudformation.state import Output, Region, Resource, Stack
from harness.emulator.cloudformation.template import text_of

log = logging.getLogger("rehearse.cloudformation")
CANCELLED = {"CREATE": "Resource creation cancelled", "UPDATE": "Resource update cancelled"}
Act = Callable[[str], Awaitable[bool]]


class Stopped(Exception):
    """Something else failed meanwhile, or somebody cancelled: what still settles gives up."""


@dataclass
class Work:
    """One operation on one stack: making and deleting it. `stop` ends it early; updating.py changes it."""

    cloud: Cloud
    region: Region
    stack: Stack
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""  # of the stop
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
        if on_failure == "DO_NOTHING":
            stack.become("CREATE_FAILED", failed)
            return
        back = "DELETE" if on_failure == "DELETE" else "ROLLBACK"
        stack.become(f"{back}_IN_PROGRESS", f"{failed.rstrip('.')}. {back.capitalize()} requested by user.")
        await self._end(back, await self.remove(list(stack.resources)))

    async def _begin_and_make(self) -> str:
        """Why it failed; empty where everything is made."""
        stack, template = self.stack, self.stack.template
        try:
            self.scope = await scope_of(self.cloud, self.region, stack)
            stack.resources = self.declared(template)
        except AwsError as error:
            return error.message
        needs = {name: one.needs for name, one in stack.resources.items()}
        failed = await self.in_parallel(list(stack.resources), needs, self.make)
        if failed or self.why:
            return self.why or f"The following resource(s) failed to create: [{', '.join(failed)}]."
        return await self.work_out_outputs()

    def declared(self, template: Mapping[str, Any]) -> dict[str, Resource]:
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

    async def make(self, name: str) -> bool:
        """Create one resource, and wait until it works."""
        resource = self.stack.resources[name]
        self.stack.mark(resource, "CREATE_IN_PROGRESS")

        async def work() -> None:
            kind, at = kind_of(resource.type), self.at(resource)
            resource.properties = await self.properties(name)
            kind.check(resource.properties)
            await self.create_resource(kind, at, resource)

        return await self.tried(resource, "CREATE", work)

    async def create_resource(self, kind: Kind, at: At, resource: Resource, verb: str = "CREATE") -> None:
        resource.made = await kind.create(at, resource.properties)
        self.stack.mark(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated")
        await self.settled(kind, at, resource)
        self.known(resource)

    def known(self, resource: Resource) -> None:
        assert resource.made is not None
        self.scope.made[resource.logical_id] = (resource.made.physical_id, resource.made.attributes)

    async def tried(self, resource: Resource, verb: str, work: Callable[[], Awaitable[None]]) -> bool:
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

    async def properties(self, name: str) -> dict[str, Any]:
        raw = self.stack.template["Resources"][name].get("Properties") or {}
        for target, attribute in functions.references(raw):
            if attribute and target in self.stack.resources:
                await self._refresh(self.stack.resources[target])
        properties: dict[str, Any] = await resolved(self.cloud, self.stack.caller, self.scope, raw)
        takes_tags = kind_of(self.stack.template["Resources"][name]["Type"]).stack_tags
        return tagged(properties, self.stack.tags) if takes_tags else properties

    async def _refresh(self, resource: Resource) -> None:
        if resource.made is not None:
            resource.made = await kind_of(resource.type).refresh(self.at(resource), resource.made)
            self.known(resource)

    async def settled(self, kind: Kind, at: At, resource: Resource) -> None:
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

    async def in_parallel(self, names: Collection[str], needs: Mapping[str, Collection[str]], act: Act) -> list[str]:
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

    async def work_out_outputs(self) -> str:
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
        await self._end("DELETE", await self.remove(list(self.stack.resources)))

    async def _end(self, verb: str, failed: list[str]) -> None:
        if failed:
            self.stack.become(f"{verb}_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
            return
        if verb == "DELETE":
            self.stack.deleted, self.stack.outputs, self.stack.imports = self.cloud.clock.now(), [], frozenset()
        self.stack.become(f"{verb}_COMPLETE")

    async def remove(self, names: Collection[str]) -> list[str]:
        """Delete resources, each after those that need it; the names of those that stay."""
        self.stop = asyncio.Event()
        users: dict[str, set[str]] = {name: set() for name in self.stack.resources}
        for user, one in self.stack.resources.items():
            for needed in one.needs:
                users.setdefault(needed, set()).add(user)
        return await self.in_parallel(list(names), users, self._delete)

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

        return await self.tried(resource, "DELETE", work)


def reason_of(error: AwsError) -> str:
    return error.message if error.code == "ValidationError" else f"{error.message} ({error.code})"
