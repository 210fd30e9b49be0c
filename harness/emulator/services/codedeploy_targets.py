"""The target of a deployment: one ECS service with its task sets (A.3.3)."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services.codedeploy_base import Base, page
from harness.emulator.services.codedeploy_state import DeploymentGroup, Record

STATUSES = ("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Unknown", "Ready")


class Targets(Base):
    def list_deployment_targets(self, caller: Caller, request: Request) -> Answer:
        record = self._started(caller, request)
        filters = request.get("targetFilters", {})
        if unknown := [name for name in filters if name != "TargetStatus"]:
            raise AwsError(
                "InvalidTargetFilterNameException", f"{unknown[0]} filters the targets of EC2 deployments only."
            )
        wanted = filters.get("TargetStatus", STATUSES)
        if wrong := [status for status in wanted if status not in STATUSES]:
            raise AwsError("InvalidDeploymentStatusException", f"{wrong[0]} is none of {', '.join(STATUSES)}.")
        shown = [target_id(record.group)] if render.target_status(record.deployment) in wanted else []
        return page(shown, request, "targetIds")

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
        if ":" not in asked:
            raise AwsError("InvalidDeploymentTargetIdException", f"{asked} is not of the form <cluster>:<service>.")
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
        rules = await port.rules(group.pair.production_listener)
        weights = next((rule.weights for rule in rules if names.keys() & rule.weights.keys()), {})
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


def target_id(group: DeploymentGroup) -> str:
    """`<cluster>:<service>`, names even where the group was given ARNs (A.3.3)."""
    return f"{group.cluster.rsplit('/', 1)[-1]}:{group.service.rsplit('/', 1)[-1]}"
