"""Deployments: creating, watching, stopping and continuing them (A.3, A.5)."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness.clock import Compressed, Waited
from harness.emulator import function_role
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request, not_emulated
from harness.emulator.deploy import appspec
from harness.emulator.deploy.deployment import Deployment, DeploymentStopped, events_of, events_of_rollback, new_id
from harness.emulator.deploy.lifecycle import BlueGreen
from harness.emulator.deploy.routing import ALL_AT_ONCE, Routing
from harness.emulator.deploy.supervisor import Supervisor
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services import codedeploy_triggers as triggers
from harness.emulator.services import codedeploy_validation as validation
from harness.emulator.services.codedeploy_base import page
from harness.emulator.services.codedeploy_revisions import Revisions
from harness.emulator.services.codedeploy_role import RoleGuard
from harness.emulator.services.codedeploy_state import DeploymentGroup, Record, plan_of
from harness.emulator.services.codedeploy_targets import Targets

STATUSES = ("Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready")
STOPPED_BY_HAND = "The deployment was stopped by a request."


class Deployments(Targets, Revisions):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.waits: list[dict[str, Any]] = []  # every compressed wait, oldest first, for /_rehearsal/waits

    async def create_deployment(self, caller: Caller, request: Request) -> Answer:
        group = self.group(caller, request)
        validation.deployment(request, self.cloud.settings)
        config, routing = self._routing(caller, group, request)
        text, spec = await self._app_spec(caller, request)
        self._refuse_another(caller, group)
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
        revision = self._used(caller, group, request["revision"], text)
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
        group = self._asked_group(caller, request)
        wanted, span = request.get("includeOnlyStatuses"), request.get("createTimeRange", {})
        if wrong := [one for one in wanted or [] if one not in STATUSES]:
            raise AwsError("InvalidDeploymentStatusException", f"{wrong[0]} is none of {', '.join(STATUSES)}.")
        if span.get("start") and span.get("end") and span["start"] > span["end"]:
            raise AwsError("InvalidTimeRangeException", "The time range ends before it starts.")
        if request.get("externalId"):
            raise AwsError(
                "InvalidExternalIdException", "Deployments of an external deployment platform do not exist here."
            )
        found = [
            record.deployment.id
            for record in reversed(self.states[caller].deployments.values())
            if (group is None or record.group is group)
            and (not wanted or record.deployment.status in wanted)
            and _within(span, record.deployment.created)
        ]
        return page(found, request, "deployments")

    def _asked_group(self, caller: Caller, request: Request) -> DeploymentGroup | None:
        """Application and group are named together, or neither is (the model's own words)."""
        if not request.get("applicationName") and not request.get("deploymentGroupName"):
            return None
        return self.group(caller, request)

    def stop_deployment(self, caller: Caller, request: Request) -> Answer:
        """A.5.2. autoRollbackEnabled true or false decides; left out, the group's events do."""
        deployment = self._running(caller, request)
        if deployment.stop.done():
            return {"status": "Succeeded", "statusMessage": f"Deployment {deployment.id} is being stopped already."}
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

    async def put_lifecycle_event_hook_execution_status(self, caller: Caller, request: Request) -> Answer:
        await function_role.need(self.cloud, caller, "codedeploy:PutLifecycleEventHookExecutionStatus")
        record = self.record(caller, request.get("deploymentId"))
        execution = request.get("lifecycleEventHookExecutionId", "")
        self.states[caller].hooks.callback(record.deployment.id, execution, request.get("status", ""))
        return {"lifecycleEventHookExecutionId": execution}

    # ---- parts of create_deployment

    def _routing(self, caller: Caller, group: DeploymentGroup, request: Request) -> tuple[str, Routing]:
        name = str(request.get("deploymentConfigName") or group.raw["deploymentConfigName"])
        if (routing := self.states[caller].routing(name)) is None:
            raise AwsError(
                "DeploymentConfigDoesNotExistException", f"No ECS Deployment Configuration found for name: {name}"
            )
        return name, routing

    async def _app_spec(self, caller: Caller, request: Request) -> tuple[str, appspec.AppSpec]:
        """The revision's AppSpec, as text and read. Raises AwsError InvalidRevisionException."""
        if not (given := request.get("revision")):
            raise AwsError("RevisionRequiredException", "The revision is required.")
        text = await self.app_spec_text(caller, given)
        try:
            return text, appspec.parse(text)
        except appspec.AppSpecInvalid as error:
            raise AwsError("InvalidRevisionException", str(error)) from error

    def _refuse_another(self, caller: Caller, group: DeploymentGroup) -> None:
        """A.5.5, A.1.3"""
        if active := self.states[caller].active(group):
            raise AwsError(
                "DeploymentLimitExceededException",
                f"The Deployment Group '{group.name}' is already deploying deployment '{active.deployment.id}'.",
            )
        if self.states[caller].running() >= validation.DEPLOYMENTS:
            raise AwsError(
                "DeploymentLimitExceededException",
                f"The account runs {validation.DEPLOYMENTS} deployments in this region already.",
            )

    def _used(self, caller: Caller, group: DeploymentGroup, given: dict[str, Any], text: str) -> dict[str, Any]:
        """The location of the revision, which `group` now uses."""
        revision, now = self.register(caller, group.application, given, text), self.cloud.clock.now()
        revision.first_used, revision.last_used = revision.first_used or now, now
        if group.name not in revision.groups:
            revision.groups.append(group.name)
        return revision.location

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
        deployment.told = partial(self._tell, caller, record)
        deployment.told(deployment.status)
        return record

    def _tell(self, caller: Caller, record: Record, status: str) -> None:
        for trigger in triggers.heard_by(record, status):
            message = triggers.message(caller, record, trigger["triggerName"])
            sending = triggers.send(self.cloud, self.states[caller].triggers, caller, record, trigger, message)
            self.cloud.spawn(sending, f"trigger {trigger['triggerName']}")

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
            RoleGuard(self.cloud, caller, record.group, lambda: self._missing(caller, record)),
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

    def _missing(self, caller: Caller, record: Record) -> str | None:
        """`application` or `deployment group`, where it was deleted since the deployment was created."""
        names = record.deployment
        app = self.states[caller].applications.get(record.group.application)
        if app is None:
            return f"application {names.application}"
        return None if record.group in app.groups.values() else f"deployment group {names.group}"

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
            events=events_of_rollback(failed.group.pair, listed=self.cloud.settings.rollback_lists_events),
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


def _within(span: dict[str, Any], created: float) -> bool:
    start, end = span.get("start"), span.get("end")
    return (start is None or start.timestamp() <= created) and (end is None or created <= end.timestamp())


def _wait(waited: Waited) -> dict[str, Any]:
    return {"why": waited.why, "declared": waited.declared, "effective": waited.effective, "since": waited.since}
