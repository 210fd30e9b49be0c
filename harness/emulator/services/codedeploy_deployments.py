"""Deployments: creating, watching, stopping and continuing them (A.3, A.5)."""

from __future__ import annotations

import hashlib
from typing import Any

from harness.clock import Compressed, Waited
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request, not_emulated
from harness.emulator.deploy import appspec
from harness.emulator.deploy.deployment import Deployment, DeploymentStopped, events_of, new_id
from harness.emulator.deploy.lifecycle import BlueGreen
from harness.emulator.deploy.routing import ALL_AT_ONCE, Routing
from harness.emulator.deploy.supervisor import Supervisor
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services import codedeploy_validation as validation
from harness.emulator.services.codedeploy_base import Base, page
from harness.emulator.services.codedeploy_state import DeploymentGroup, Record, Revision, plan_of

STOPPED_BY_HAND = "The deployment was stopped by a request."


class Deployments(Base):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.waits: list[dict[str, Any]] = []  # every compressed wait, oldest first, for /_rehearsal/waits

    async def create_deployment(self, caller: Caller, request: Request) -> Answer:
        group = self.group(caller, request)
        validation.alarms(request.get("overrideAlarmConfiguration"))
        validation.rollback(request.get("autoRollbackConfiguration"))
        config, routing = self._routing(caller, group, request)
        revision, spec = await self._revision(caller, group, request)
        if active := self.states[caller].active(group):
            raise AwsError(
                "DeploymentLimitExceededException",
                f"The Deployment Group '{group.name}' is already deploying deployment '{active.deployment.id}'.",
            )
        now = self.cloud.clock.now()
        deployment = Deployment(
            id=new_id(),
            application=group.application,
            group=group.name,
            config_name=config,
            created=now,
            updated=now,
            plan=plan_of(group, request, spec, routing, self.cloud.compression),
            description=request.get("description", ""),
            events=events_of(group.pair),
        )
        record = self._remember(caller, deployment, group, request, revision)
        self.cloud.spawn(self._run(caller, record), f"deployment {deployment.id}")
        return {"deploymentId": deployment.id}

    def get_deployment(self, caller: Caller, request: Request) -> Answer:
        return {"deploymentInfo": render.deployment(self.record(caller, request.get("deploymentId")))}

    def batch_get_deployments(self, caller: Caller, request: Request) -> Answer:
        ids = request.get("deploymentIds", [])
        if len(ids) > 25:
            raise AwsError("BatchLimitExceededException", "The maximum number of deployments in one call is 25.")
        return {"deploymentsInfo": [render.deployment(self.record(caller, one)) for one in ids]}

    def list_deployments(self, caller: Caller, request: Request) -> Answer:
        """Newest first: clients take the first one for the current (A.8)."""
        group = self.group(caller, request) if request.get("deploymentGroupName") else None
        application = self.application(caller, request).name if request.get("applicationName") else None
        wanted, span = request.get("includeOnlyStatuses"), request.get("createTimeRange", {})
        found = [
            record.deployment.id
            for record in reversed(self.states[caller].deployments.values())
            if (group is None or record.group is group)
            and (application is None or record.deployment.application == application)
            and (not wanted or record.deployment.status in wanted)
            and _within(span, record.deployment.created)
        ]
        return page(found, request, "deployments")

    def stop_deployment(self, caller: Caller, request: Request) -> Answer:
        """A.5.2. autoRollbackEnabled true or false decides; left out, the group's events do."""
        deployment = self._running(caller, request)
        if not deployment.stop.done():
            deployment.stop.set_result(
                DeploymentStopped(
                    self.cloud.settings.manual_stop_code,
                    STOPPED_BY_HAND,
                    "DEPLOYMENT_STOP_ON_REQUEST",
                    roll_back=request.get("autoRollbackEnabled"),
                )
            )
        return {"status": "Pending", "statusMessage": f"Stop request sent to deployment {deployment.id}."}

    def continue_deployment(self, caller: Caller, request: Request) -> Answer:
        """A.5.3."""
        deployment = self._running(caller, request)
        match request.get("deploymentWaitType", "READY_WAIT"):
            case "READY_WAIT":
                if deployment.status != "Ready":
                    raise AwsError(
                        "DeploymentIsNotInReadyStateException", f"Deployment {deployment.id} is not in the Ready state."
                    )
                deployment.continue_ready.set()
            case "TERMINATION_WAIT":
                if not deployment.termination_wait_started:
                    raise AwsError(
                        "InvalidDeploymentStatusException",
                        f"Deployment {deployment.id} is not waiting to terminate the original task set.",
                    )
                deployment.continue_termination.set()
            case other:
                raise AwsError(
                    "InvalidDeploymentWaitTypeException", f"{other} is neither READY_WAIT nor TERMINATION_WAIT."
                )
        return {}

    def skip_wait_time_for_instance_termination(self, caller: Caller, request: Request) -> Answer:
        """The older form of ContinueDeployment(TERMINATION_WAIT)."""
        return self.continue_deployment(caller, {**request, "deploymentWaitType": "TERMINATION_WAIT"})

    def put_lifecycle_event_hook_execution_status(self, caller: Caller, request: Request) -> Answer:
        record = self.record(caller, request.get("deploymentId"))
        execution = request.get("lifecycleEventHookExecutionId", "")
        self.states[caller].hooks.callback(record.deployment.id, execution, request.get("status", ""))
        return {"lifecycleEventHookExecutionId": execution}

    # ---- targets

    def list_deployment_targets(self, caller: Caller, request: Request) -> Answer:
        record = self._started(caller, request)
        return page([target_id(record.group)], request, "targetIds")

    async def get_deployment_target(self, caller: Caller, request: Request) -> Answer:
        record = self._started(caller, request)
        return {"deploymentTarget": await self._target(caller, record, request.get("targetId"))}

    async def batch_get_deployment_targets(self, caller: Caller, request: Request) -> Answer:
        record = self._started(caller, request)
        ids = request.get("targetIds", [])
        if len(ids) > 25:
            raise AwsError(
                "DeploymentTargetListSizeExceededException", "The maximum number of targets in one call is 25."
            )
        return {"deploymentTargets": [await self._target(caller, record, one) for one in ids]}

    def _started(self, caller: Caller, request: Request) -> Record:
        record = self.record(caller, request.get("deploymentId"))
        if record.deployment.status == "Created":
            raise AwsError("DeploymentNotStartedException", f"The deployment {record.deployment.id} has not started.")
        return record

    async def _target(self, caller: Caller, record: Record, asked: str | None) -> dict[str, Any]:
        if not asked:
            raise AwsError("DeploymentTargetIdRequiredException", "A deployment target ID is required.")
        if asked != (known := target_id(record.group)):
            raise AwsError(
                "DeploymentTargetDoesNotExistException",
                f"The deployment target {asked} does not exist; the target is {known}",
            )
        if not record.settled:
            record.task_sets = await self._task_sets(caller, record)
        return render.target(record.deployment, known, record.task_sets)

    async def _task_sets(self, caller: Caller, record: Record) -> list[dict[str, Any]]:
        """taskSetsInfo as it is now; `identifer` is AWS's own spelling (A.3.3)."""
        group, port = record.group, self.port(caller)
        service = await port.service(group.cluster, group.service)
        if service is None:
            return record.task_sets
        record.deployment.target_arn = service.arn
        names = {one.arn: one.name for one in (await port.target_groups(group.pair.names)).values()}
        weights = next((rule.weights for rule in await port.rules(group.pair.production_listener) if rule.weights), {})
        total = sum(weights.values()) or 1
        return [
            {
                "identifer": one.id,
                "desiredCount": one.desired,
                "pendingCount": one.pending,
                "runningCount": one.running,
                "status": one.status,
                "trafficWeight": 100.0 * weights.get(one.target_group or "", 0) / total,
                "targetGroup": {"name": names.get(one.target_group or "", "")},
                "taskSetLabel": "Green" if one.id == record.deployment.green_id else "Blue",
            }
            for one in service.task_sets
        ]

    # ---- parts of create_deployment

    def _routing(self, caller: Caller, group: DeploymentGroup, request: Request) -> tuple[str, Routing]:
        name = str(request.get("deploymentConfigName") or group.raw["deploymentConfigName"])
        if (routing := self.states[caller].routing(name)) is None:
            raise AwsError(
                "DeploymentConfigDoesNotExistException", f"No ECS Deployment Configuration found for name: {name}"
            )
        return name, routing

    async def _revision(
        self, caller: Caller, group: DeploymentGroup, request: Request
    ) -> tuple[dict[str, Any], appspec.AppSpec]:
        """The revision, registered with the application, and its AppSpec. Raises AwsError InvalidRevisionException."""
        if not (given := request.get("revision")):
            raise AwsError("RevisionRequiredException", "The revision is required.")
        text = await self.app_spec_text(caller, given)
        try:
            spec = appspec.parse(text)
        except appspec.AppSpecInvalid as error:
            raise AwsError("InvalidRevisionException", str(error)) from error
        revision = self.register(caller, group.application, given, text)
        now = self.cloud.clock.now()
        revision.first_used = revision.first_used or now
        revision.last_used = now
        if group.name not in revision.groups:
            revision.groups.append(group.name)
        return revision.location, spec

    async def app_spec_text(self, caller: Caller, revision: dict[str, Any]) -> str:
        """The AppSpec that a revision location points at."""
        match revision.get("revisionType"):
            case "AppSpecContent":
                content = revision.get("appSpecContent", {})
            case "String":
                content = revision.get("string", {})
            case "S3":
                return await self._from_s3(caller, revision.get("s3Location", {}))
            case other:
                raise AwsError(
                    "InvalidRevisionException", f"An ECS deployment takes AppSpecContent or S3 revisions, not {other}."
                )
        text, claimed = content.get("content"), content.get("sha256")
        if not text:
            raise AwsError(
                "InvalidRevisionException", "An AppSpec file is required, but could not be found in the revision"
            )
        if claimed and claimed != hashlib.sha256(text.encode()).hexdigest():
            raise AwsError("InvalidRevisionException", "The sha256 of the revision is not that of its content.")
        return str(text)

    async def _from_s3(self, caller: Caller, location: dict[str, Any]) -> str:
        if location.get("bundleType") not in ("YAML", "JSON"):
            raise AwsError("InvalidRevisionException", "BundleType must be either YAML or JSON")
        version = {"VersionId": location["version"]} if location.get("version") else {}
        try:
            answer = await self.cloud.call(
                caller, "s3", "GetObject", Bucket=location["bucket"], Key=location["key"], **version
            )
        except AwsError as error:
            raise AwsError(
                "InvalidRevisionException", f"s3://{location.get('bucket')}/{location.get('key')}: {error}"
            ) from error
        body = answer["Body"]
        return (body if isinstance(body, bytes) else body.read()).decode()

    def register(self, caller: Caller, application: str, given: dict[str, Any], text: str) -> Revision:
        """The application's revision for this location, made on first use."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        location = dict(given)
        if location["revisionType"] == "AppSpecContent":
            location["appSpecContent"] = {"content": text, "sha256": digest}
        revisions = self.states[caller].applications[application].revisions
        return revisions.setdefault(revision_key(location), Revision(location, self.cloud.clock.now()))

    def _remember(
        self,
        caller: Caller,
        deployment: Deployment,
        group: DeploymentGroup,
        request: Request,
        revision: dict[str, Any] | None,
    ) -> Record:
        record = Record(deployment, group, request, dict(group.raw), revision, group.target_revision)
        self.states[caller].deployments[deployment.id] = record
        group.last_attempted = deployment.id
        return record

    async def _run(self, caller: Caller, record: Record) -> None:
        deployment, plan = record.deployment, record.deployment.plan
        assert plan is not None

        def journal(waited: Waited) -> None:
            self.waits.append(
                {
                    "n": len(self.waits),
                    "deployment": deployment.id,
                    "deployment_group": deployment.group,
                    **_wait(waited),
                }
            )

        work = BlueGreen(
            deployment,
            plan,
            self.port(caller, plan.compression),
            Compressed(self.cloud.clock, plan.compression, journal),
            self.states[caller].hooks,
            self.cloud.settings,
        )
        rollbacks: list[Record] = []

        def new_rollback(failed: Deployment) -> Deployment:
            rollbacks.append(self._rollback_of(caller, record))
            return rollbacks[0].deployment

        await Supervisor(work, new_rollback, self.cloud.changed.ring).run()
        for one in (record, *rollbacks):
            one.task_sets = await self._task_sets(caller, one)
            one.settled = True
        if deployment.status == "Succeeded":
            record.group.last_successful, record.group.target_revision = deployment.id, record.revision

    def _rollback_of(self, caller: Caller, failed: Record) -> Record:
        """The rollback deployment of A.5.1, linked both ways."""
        old, now = failed.deployment, self.cloud.clock.now()
        rollback = Deployment(
            id=new_id(),
            application=old.application,
            group=old.group,
            config_name=ALL_AT_ONCE,
            created=now,
            updated=now,
            plan=old.plan,
            creator="codeDeployRollback",
            events=events_of(failed.group.pair),
            rollback_of=old.id,
            target_arn=old.target_arn,
            blue_id=old.blue_id,
            green_id=old.green_id,
        )
        old.rollback_id = rollback.id
        return self._remember(caller, rollback, failed.group, {}, failed.previous_revision)

    def _running(self, caller: Caller, request: Request) -> Deployment:
        deployment = self.record(caller, request.get("deploymentId")).deployment
        if deployment.ended or deployment.finishing:
            raise AwsError(
                "DeploymentAlreadyCompletedException", f"The deployment {deployment.id} is already completed"
            )
        if deployment.rollback_of:
            raise not_emulated("codedeploy", "StopDeployment of a rollback deployment")
        return deployment


def target_id(group: DeploymentGroup) -> str:
    """`<cluster>:<service>`, names even where the group was given ARNs (A.3.3)."""
    return f"{group.cluster.rsplit('/', 1)[-1]}:{group.service.rsplit('/', 1)[-1]}"


def revision_key(location: dict[str, Any]) -> str:
    """What makes two revisions the same one."""
    if location.get("revisionType") == "S3":
        s3 = location.get("s3Location", {})
        return "s3:" + "/".join(str(s3.get(key, "")) for key in ("bucket", "key", "version", "eTag"))
    content = location.get("appSpecContent") or location.get("string") or {}
    return "sha256:" + (content.get("sha256") or hashlib.sha256((content.get("content") or "").encode()).hexdigest())


def _within(span: dict[str, Any], created: float) -> bool:
    start, end = span.get("start"), span.get("end")
    return (start is None or start.timestamp() <= created) and (end is None or created <= end.timestamp())


def _wait(waited: Waited) -> dict[str, Any]:
    return {"why": waited.why, "declared": waited.declared, "effective": waited.effective, "since": waited.since}
