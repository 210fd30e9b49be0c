"""AWS CloudFormation: stacks and change sets. An operation answers at once; its work goes on beside the requests."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Regional, Request, not_emulated
from harness.emulator.cloudformation import render
from harness.emulator.cloudformation.changes import changes_of
from harness.emulator.cloudformation.every import kind_of
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.requests import (
    bucket_in,
    capabilities,
    check_capabilities,
    declared,
    keeps,
    refuse,
    same,
)
from harness.emulator.cloudformation.resolving import from_ssm
from harness.emulator.cloudformation.state import LIVE, ChangeSet, Region, Stack
from harness.emulator.cloudformation.template import given_values, parameter_values, read
from harness.emulator.cloudformation.updating import Update, Wanted

NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
LARGEST_BODY = 51200
UNCHANGED = "The submitted information didn't contain changes. Submit different information to create a change set."
KEPT = (
    "RoleARN", "NotificationARNs", "Capabilities", "TimeoutInMinutes", "DisableRollback", "EnableTerminationProtection", "OnFailure",
)  # fmt: skip
EVENTS = 100  # to a page


class CloudFormation:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.regions: Regional[Region] = Regional(Region)
        self.working: dict[str, Update] = {}  # by stack id

    # ---- stacks

    async def create_stack(self, caller: Caller, request: Request) -> Answer:
        refuse(request, "CreateStack")
        region, name = self.regions[caller], request["StackName"]
        if not NAME.fullmatch(name):
            raise invalid(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {NAME.pattern}"
            )
        wanted = await self._wanted(caller, request, None)
        if region.find(name) is not None:
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists", 400)
        stack = self._new_stack(caller, name)
        self._take(stack, wanted, request)
        on_failure = request.get("OnFailure") or ("DO_NOTHING" if keeps(request) else "ROLLBACK")
        self._work(stack, lambda work: work.create(on_failure))
        return {"StackId": stack.id}

    def _new_stack(self, caller: Caller, name: str) -> Stack:
        identity = caller.arn("cloudformation", f"stack/{name}/{uuid.uuid4()}")
        clock = self.cloud.clock
        stack = self.regions[caller].stacks[identity] = Stack(identity, name, caller, clock, clock.now())
        return stack

    def _take(self, stack: Stack, wanted: Wanted, request: Request) -> None:
        stack.body, stack.template, stack.tags = wanted.body, wanted.template, wanted.tags
        stack.given, stack.resolved = wanted.given, wanted.resolved
        self._keep(stack, request)

    def _keep(self, stack: Stack, request: Request) -> None:
        stack.options |= {name: request[name] for name in KEPT if name in request}
        stack.token = request.get("ClientRequestToken", "")

    def _work(self, stack: Stack, begin: Any) -> None:
        """`begin(work)` is the coroutine that runs beside the requests. The stack is in progress when this returns."""
        work = self.working[stack.id] = Update(self.cloud, self.regions[stack.caller], stack)
        timeout = stack.options.get("TimeoutInMinutes")

        async def run(story: Coroutine[Any, Any, None]) -> None:
            try:
                await story
            finally:
                self.working.pop(stack.id, None)

        self.cloud.spawn(run(begin(work)), f"stack {stack.name}")
        if timeout and not stack.updated:
            self.cloud.spawn(self._time_out(work, timeout * 60.0), f"time-out of stack {stack.name}")

    async def _time_out(self, work: Update, seconds: float) -> None:
        await self.cloud.clock.sleep(seconds)
        if self.working.get(work.stack.id) is work and work.stack.status == "CREATE_IN_PROGRESS":
            work.why = "Stack creation time exceeded the specified timeout."
            work.stop.set()

    async def update_stack(self, caller: Caller, request: Request) -> Answer:
        refuse(request, "UpdateStack")
        stack = self._idle(self.regions[caller].stack(request["StackName"]), "updated", (*LIVE, "UPDATE_FAILED"))
        wanted = await self._wanted(caller, request, stack)
        if not await self._changes(stack, wanted) and same(stack, wanted):
            raise invalid("No updates are to be performed.")
        self._idle(stack, "updated", (*LIVE, "UPDATE_FAILED"))  # the changes took their time
        self._keep(stack, request)
        self._work(stack, lambda work: work.update(wanted, keep=keeps(request)))
        return {"StackId": stack.id}

    async def delete_stack(self, caller: Caller, request: Request) -> Answer:
        """What is not there is well deleted."""
        refuse(request, "DeleteStack")
        if request.get("DeletionMode", "STANDARD") != "STANDARD":
            raise not_emulated("cloudformation", "DeleteStack with DeletionMode FORCE_DELETE_STACK")
        stack = self.regions[caller].find(request["StackName"])
        if stack is None or stack.status == "DELETE_COMPLETE":
            return {}
        if stack.options.get("EnableTerminationProtection"):
            raise invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        for output in stack.outputs:
            users = self.regions[caller].importers(output.export) if output.export else []
            if users:
                raise invalid(f"Export {output.export} cannot be deleted as it is in use by {', '.join(users)}")
        if stack.status == "DELETE_IN_PROGRESS":
            return {}
        retain = request.get("RetainResources") or []
        if retain and stack.status != "DELETE_FAILED":
            raise invalid("Invalid operation on stack. RetainResources is for stacks whose deletion failed.")
        if unknown := sorted(set(retain) - set(stack.resources)):
            raise invalid(f"The stack {stack.name} has no resource {unknown[0]}")
        await self._broken_off(stack)
        stack.token = request.get("ClientRequestToken", "")
        self._work(stack, lambda work: work.delete(retain))
        return {}

    async def _broken_off(self, stack: Stack) -> None:
        """A stack that is still being made is deleted once what is under way has stopped."""
        work = self.working.get(stack.id)
        if work is not None:
            work.why = "Stack deletion was requested."
            work.stop.set()
        while stack.id in self.working:
            await self.cloud.clock.sleep(0.05)

    def cancel_update_stack(self, caller: Caller, request: Request) -> Answer:
        stack = self.regions[caller].stack(request["StackName"])
        work = self.working.get(stack.id)
        if work is None or stack.status != "UPDATE_IN_PROGRESS":
            raise invalid(f"CancelUpdateStack cannot be called from current stack status {stack.status}")
        work.why = "User Initiated"
        work.stop.set()
        return {}

    def update_termination_protection(self, caller: Caller, request: Request) -> Answer:
        stack = self.regions[caller].stack(request["StackName"])
        stack.options["EnableTerminationProtection"] = request["EnableTerminationProtection"]
        return {"StackId": stack.id}

    def _idle(self, stack: Stack, verb: str, allowed: tuple[str, ...]) -> Stack:
        if stack.id in self.working or stack.status not in allowed:
            raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be {verb}.")
        return stack

    # ---- what a request wants

    async def _wanted(self, caller: Caller, request: Request, stack: Stack | None) -> Wanted:
        """The template with its parameters, checked as far as can be before anything is made. Raises AwsError."""
        body = await self._body(caller, request, stack)
        template = read(body)
        for resource in template["Resources"].values():
            kind_of(resource["Type"])
        check_capabilities(template, request.get("Capabilities") or [])
        given = parameter_values(template, given_values(request.get("Parameters") or [], stack.given if stack else {}))
        tags = (
            {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            if "Tags" in request
            else dict(stack.tags)
            if stack
            else {}
        )
        return Wanted(body, template, given, await from_ssm(self.cloud, caller, template, given), tags)

    async def _body(self, caller: Caller, request: Request, stack: Stack | None) -> str:
        body, url = request.get("TemplateBody"), request.get("TemplateURL")
        if request.get("UsePreviousTemplate") and stack is not None:
            if body or url:
                raise invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
            return stack.body
        if bool(body) == bool(url):
            raise invalid("Either Template URL or Template Body must be specified.")
        if body and len(body.encode()) > LARGEST_BODY:
            raise invalid(
                f"1 validation error detected: templateBody must have length less than or equal to {LARGEST_BODY}"
            )
        return str(body) if body else await self._from_s3(caller, str(url))

    async def _from_s3(self, caller: Caller, url: str) -> str:
        """`https://bucket.s3.region.amazonaws.com/key`, or with the bucket as the path's first part."""
        parts = urlsplit(url)
        bucket, host = bucket_in(parts.hostname or "")
        key = unquote(parts.path.lstrip("/"))
        if not bucket:
            bucket, _, key = key.partition("/")
        if not host or not bucket or not key:
            raise invalid("TemplateURL must be a supported URL.")
        try:
            body: bytes = (await self.cloud.call(caller, "s3", "GetObject", Bucket=bucket, Key=key))["Body"]
        except AwsError as error:
            raise invalid(f"S3 error: {error.message}") from error
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise invalid(f"Template format error: the template at {url} is not UTF-8: {error}") from error

    def _preview(self, stack: Stack, wanted: Wanted) -> Stack:
        return Stack(
            stack.id, stack.name, stack.caller, stack.clock, stack.created, wanted.body, wanted.template, wanted.given,
            wanted.resolved, wanted.tags, stack.options,
        )  # fmt: skip

    async def _changes(self, stack: Stack, wanted: Wanted) -> list[dict[str, Any]]:
        return await changes_of(self.cloud, self.regions[stack.caller], stack, self._preview(stack, wanted))

    # ---- change sets

    async def create_change_set(self, caller: Caller, request: Request) -> Answer:
        """There are no nested stacks to include; a resource that exists is not imported: making it fails by its name."""
        refuse(request, "CreateChangeSet")
        region, kind = self.regions[caller], request.get("ChangeSetType", "UPDATE")
        if kind == "IMPORT":
            raise not_emulated("cloudformation", "CreateChangeSet of type IMPORT")
        stack = region.find(request["StackName"])
        new = stack is None or stack.status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")
        if kind == "CREATE" and not new:
            raise invalid(
                f"Stack [{stack.name if stack else ''}] already exists and cannot be created again with a change set."
            )
        if kind == "UPDATE" and (stack is None or new):
            raise invalid(f"Stack [{request['StackName']}] does not exist")
        wanted = await self._wanted(caller, request, None if kind == "CREATE" else stack)
        if stack is None or stack.status == "DELETE_COMPLETE":
            stack = self._new_stack(caller, request["StackName"])
            stack.become("REVIEW_IN_PROGRESS", "User Initiated")
        name = request["ChangeSetName"]
        if name in stack.change_sets:
            raise AwsError("AlreadyExistsException", f"ChangeSet {name} already exists", 400)
        identity = caller.arn("cloudformation", f"changeSet/{name}/{uuid.uuid4()}")
        made = ChangeSet(
            identity, name, kind, wanted.body, wanted.template, wanted.given, wanted.tags, self.cloud.clock.now(), dict(request),
            await self._changes(stack, wanted),
        )  # fmt: skip
        if kind == "UPDATE" and not made.changes and same(stack, wanted):
            made.status, made.reason, made.execution = "FAILED", UNCHANGED, "UNAVAILABLE"
        stack.change_sets[name] = made
        return {"Id": identity, "StackId": stack.id}

    def _change_set(self, caller: Caller, request: Request) -> tuple[Stack, ChangeSet]:
        """By its ARN, or by its name and its stack's. Raises ChangeSetNotFoundException."""
        region, spelled = self.regions[caller], request["ChangeSetName"]
        named = request.get("StackName")
        stacks = [region.stack(named)] if named else list(region.stacks.values())
        for stack in stacks:
            for one in stack.change_sets.values():
                if spelled == one.id or (named and spelled == one.name):
                    return stack, one
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{spelled}] does not exist", 404)

    def describe_change_set(self, caller: Caller, request: Request) -> Answer:
        return render.change_set(*self._change_set(caller, request))

    def list_change_sets(self, caller: Caller, request: Request) -> Answer:
        stack = self.regions[caller].stack(request["StackName"])
        return {"Summaries": [render.change_set_summary(stack, one) for one in stack.change_sets.values()]}

    def delete_change_set(self, caller: Caller, request: Request) -> Answer:
        """One that is not there is well deleted, as long as its stack is there."""
        try:
            stack, one = self._change_set(caller, request)
        except AwsError as error:
            if error.code != "ChangeSetNotFound":
                raise
            return {}
        del stack.change_sets[one.name]
        return {}

    async def execute_change_set(self, caller: Caller, request: Request) -> Answer:
        refuse(request, "ExecuteChangeSet")
        stack, one = self._change_set(caller, request)
        if one.execution != "AVAILABLE":
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{one.id}] cannot be executed in its current status of [{one.status}]",
                400,
            )
        self._idle(stack, "updated", ("REVIEW_IN_PROGRESS",) if one.type == "CREATE" else (*LIVE, "UPDATE_FAILED"))
        resolved = await from_ssm(self.cloud, caller, one.template, one.given)
        wanted = Wanted(one.body, one.template, one.given, resolved, one.tags)
        chosen: Request = {key: request[key] for key in ("DisableRollback", "ClientRequestToken") if key in request}
        options: Request = {**one.request, **chosen}
        self._idle(stack, "updated", ("REVIEW_IN_PROGRESS",) if one.type == "CREATE" else (*LIVE, "UPDATE_FAILED"))
        stack.change_sets.clear()
        if one.type == "UPDATE":
            self._keep(stack, options)
            self._work(stack, lambda work: work.update(wanted, keep=keeps(options)))
            return {}
        self._take(stack, wanted, options)
        on_failure = "DO_NOTHING" if keeps(options) else options.get("OnStackFailure", "ROLLBACK")
        self._work(stack, lambda work: work.create(on_failure))
        return {}

    # ---- reads

    def describe_stacks(self, caller: Caller, request: Request) -> Answer:
        region = self.regions[caller]
        stacks = [region.stack(request["StackName"])] if request.get("StackName") else list(region.live())
        return {"Stacks": [render.stack(one) for one in stacks]}

    def list_stacks(self, caller: Caller, request: Request) -> Answer:
        wanted = request.get("StackStatusFilter")
        found = [one for one in self.regions[caller].stacks.values() if not wanted or one.status in wanted]
        return {"StackSummaries": [render.summary(one) for one in found]}

    def describe_stack_events(self, caller: Caller, request: Request) -> Answer:
        """The newest first, a hundred to a page."""
        stack = self.regions[caller].stack(request["StackName"])
        begin = int(request.get("NextToken") or 0)
        events = stack.events[::-1]
        more = {"NextToken": str(begin + EVENTS)} if len(events) > begin + EVENTS else {}
        return {"StackEvents": [render.event(stack, one) for one in events[begin : begin + EVENTS]], **more}

    def describe_stack_resources(self, caller: Caller, request: Request) -> Answer:
        region, physical = self.regions[caller], request.get("PhysicalResourceId")
        stacks = [region.stack(request["StackName"])] if request.get("StackName") else list(region.live())
        logical = request.get("LogicalResourceId")
        found = [
            render.resource(stack, one)
            for stack in stacks
            for one in stack.resources.values()
            if one.status and logical in (None, one.logical_id) and physical in (None, one.physical_id)
        ]
        if physical and not found:
            raise invalid(f"Stack for {physical} does not exist")
        return {"StackResources": found}

    def describe_stack_resource(self, caller: Caller, request: Request) -> Answer:
        stack = self.regions[caller].stack(request["StackName"])
        one = stack.resources.get(request["LogicalResourceId"])
        if one is None or not one.status:
            raise invalid(f"Resource {request['LogicalResourceId']} does not exist for stack {stack.name}")
        shown = render.resource(stack, one)
        shown["LastUpdatedTimestamp"] = shown.pop("Timestamp")
        metadata = stack.template["Resources"].get(one.logical_id, {}).get("Metadata")
        return {"StackResourceDetail": {**shown, **({"Metadata": json.dumps(metadata)} if metadata else {})}}

    def list_stack_resources(self, caller: Caller, request: Request) -> Answer:
        stack = self.regions[caller].stack(request["StackName"])
        shown = [render.resource(stack, one) for one in stack.resources.values() if one.status]
        names = (
            "LogicalResourceId",
            "PhysicalResourceId",
            "ResourceType",
            "ResourceStatus",
            "ResourceStatusReason",
            "DriftInformation",
        )
        summaries = [
            {**{name: one[name] for name in names if name in one}, "LastUpdatedTimestamp": one["Timestamp"]}
            for one in shown
        ]
        return {"StackResourceSummaries": summaries}

    def list_exports(self, caller: Caller, request: Request) -> Answer:
        exports = self.regions[caller].exports()
        return {
            "Exports": [{"ExportingStackId": by, "Name": name, "Value": value} for name, (by, value) in exports.items()]
        }

    def list_imports(self, caller: Caller, request: Request) -> Answer:
        importers = self.regions[caller].importers(request["ExportName"])
        if not importers:
            raise invalid(f"Export '{request['ExportName']}' is not imported by any stack.")
        return {"Imports": importers}

    def get_template(self, caller: Caller, request: Request) -> Answer:
        if request.get("ChangeSetName"):
            return {
                "TemplateBody": self._change_set(caller, request)[1].body,
                "StagesAvailable": ["Original", "Processed"],
            }
        stack = self.regions[caller].stack(request["StackName"])
        return {"TemplateBody": stack.body, "StagesAvailable": ["Original", "Processed"]}

    async def get_template_summary(self, caller: Caller, request: Request) -> Answer:
        named = request.get("StackName")
        body = self.regions[caller].stack(named).body if named else await self._body(caller, request, None)
        template = read(body)
        types = sorted({one["Type"] for one in template["Resources"].values()})
        described = {key: template[key] for key in ("Description",) if key in template}
        needed = capabilities(template)
        reason = {"CapabilitiesReason": "The following resource(s) require capabilities: [AWS::IAM]"} if needed else {}
        return {
            **described, **reason, "Capabilities": needed, "ResourceTypes": types, "DeclaredTransforms": [],
            "Parameters": [{**one, "ParameterConstraints": {}} for one in declared(template)],
        }  # fmt: skip

    async def validate_template(self, caller: Caller, request: Request) -> Answer:
        template = read(await self._body(caller, request, None))
        known = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
        parameters = [{key: one[key] for key in known if key in one} for one in declared(template)]
        described = {key: template[key] for key in ("Description",) if key in template}
        return {**described, "Parameters": parameters, "Capabilities": capabilities(template), "DeclaredTransforms": []}
