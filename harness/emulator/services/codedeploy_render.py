"""CodeDeploy's answers, as AWS shapes them (A.1.1, A.3.2, A.3.3, A.5.1)."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from harness import clock
from harness.emulator.deploy import routing
from harness.emulator.deploy.deployment import Deployment, LifecycleEvent
from harness.emulator.services.codedeploy_state import Application, CustomConfig, DeploymentGroup, Record, Revision

ALWAYS_EMPTY = ("ec2TagFilters", "onPremisesInstanceTagFilters", "autoScalingGroups", "triggerConfigurations")


def application(app: Application) -> dict[str, Any]:
    return {
        "applicationId": app.id,
        "applicationName": app.name,
        "createTime": clock.utc(app.created),
        "linkedToGitHub": False,
        "computePlatform": app.compute_platform,
    }


def blue_green(raw: dict[str, Any]) -> dict[str, Any]:
    """Both wait minutes are always there: clients add them up unchecked (A.1.1)."""
    out = copy.deepcopy(raw)
    terminate = out.setdefault("terminateBlueInstancesOnDeploymentSuccess", {})
    terminate.setdefault("action", "TERMINATE")
    terminate.setdefault("terminationWaitTimeInMinutes", 0)
    ready = out.setdefault("deploymentReadyOption", {})
    ready.setdefault("actionOnTimeout", "CONTINUE_DEPLOYMENT")
    ready.setdefault("waitTimeInMinutes", 0)
    return out


def group(one: DeploymentGroup, records: dict[str, Record]) -> dict[str, Any]:
    """deploymentGroupInfo; for ECS too the empty EC2 lists are there."""
    raw = {
        key: value
        for key, value in one.raw.items()
        if key not in ("tags", "deploymentGroupName", "currentDeploymentGroupName")
    }
    return {
        **{key: [] for key in ALWAYS_EMPTY},
        "outdatedInstancesStrategy": "UPDATE",
        **raw,
        "blueGreenDeploymentConfiguration": blue_green(one.raw["blueGreenDeploymentConfiguration"]),
        "applicationName": one.application,
        "deploymentGroupName": one.name,
        "deploymentGroupId": one.id,
        "computePlatform": one.compute_platform,
        "terminationHookEnabled": False,
        "targetRevision": one.target_revision,
        "lastAttemptedDeployment": _last(records.get(one.last_attempted or "")),
        "lastSuccessfulDeployment": _last(records.get(one.last_successful or "")),
    }


def _last(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    deployment = record.deployment
    return {
        "deploymentId": deployment.id,
        "status": deployment.status,
        "createTime": clock.utc(deployment.created),
        "endTime": clock.utc(deployment.completed) if deployment.completed else None,
    }


def config(one: CustomConfig) -> dict[str, Any]:
    return {
        "deploymentConfigId": one.id,
        "deploymentConfigName": one.name,
        "createTime": clock.utc(one.created),
        "computePlatform": one.compute_platform,
        "trafficRoutingConfig": one.routing.to_aws(),
    }


def predefined_config(name: str) -> dict[str, Any] | None:
    """deploymentConfigInfo of a CodeDeployDefault configuration; None where there is no such one."""
    base = {"deploymentConfigId": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "deploymentConfigName": name}
    if name in routing.ECS_CONFIGS:
        return {**base, "computePlatform": "ECS", "trafficRoutingConfig": routing.ECS_CONFIGS[name].to_aws()}
    if name in routing.LAMBDA_CONFIGS:
        return {**base, "computePlatform": "Lambda", "trafficRoutingConfig": routing.LAMBDA_CONFIGS[name].to_aws()}
    if name in routing.SERVER_CONFIGS:
        return {**base, "computePlatform": "Server", "minimumHealthyHosts": routing.SERVER_CONFIGS[name]}
    return None


def location(revision: dict[str, Any] | None) -> dict[str, Any] | None:
    """A revision as GetDeployment shows it: never the AppSpec's text, only its hash (section 0)."""
    if revision is None or "appSpecContent" not in revision:
        return revision
    return {**revision, "appSpecContent": {"sha256": revision["appSpecContent"]["sha256"]}}


def revision_info(one: Revision) -> dict[str, Any]:
    return {
        "description": one.description,
        "deploymentGroups": one.groups,
        "firstUsedTime": clock.utc(one.first_used) if one.first_used else None,
        "lastUsedTime": clock.utc(one.last_used) if one.last_used else None,
        "registerTime": clock.utc(one.registered),
    }


def deployment(record: Record) -> dict[str, Any]:
    """deploymentInfo. Lifecycle events are never in it, only on the target."""
    one, request, group_settings = record.deployment, record.request, record.snapshot
    return {
        "applicationName": one.application,
        "deploymentGroupName": one.group,
        "deploymentConfigName": one.config_name,
        "deploymentId": one.id,
        "previousRevision": location(record.previous_revision),
        "revision": location(record.revision),
        "status": one.status,
        "errorInformation": {"code": one.error.code, "message": one.error.message} if one.error else None,
        "createTime": clock.utc(one.created),
        "startTime": clock.utc(one.started) if one.started else None,
        "completeTime": clock.utc(one.completed) if one.completed else None,
        "deploymentOverview": overview(one),
        "description": one.description or None,
        "creator": one.creator,
        "ignoreApplicationStopFailures": request.get("ignoreApplicationStopFailures", False),
        "autoRollbackConfiguration": request.get("autoRollbackConfiguration")
        or group_settings.get("autoRollbackConfiguration"),
        "updateOutdatedInstancesOnly": False,
        "rollbackInfo": rollback_info(one),
        "deploymentStyle": group_settings.get("deploymentStyle"),
        "instanceTerminationWaitTimeStarted": one.termination_wait_started,
        "blueGreenDeploymentConfiguration": blue_green(group_settings["blueGreenDeploymentConfiguration"]),
        "loadBalancerInfo": group_settings.get("loadBalancerInfo"),
        "fileExistsBehavior": request.get("fileExistsBehavior", "DISALLOW"),
        "deploymentStatusMessages": record.messages,
        "computePlatform": "ECS",
        "overrideAlarmConfiguration": request.get("overrideAlarmConfiguration"),
    }


def rollback_info(one: Deployment) -> dict[str, str]:
    if one.rollback_of:
        return {
            "rollbackTriggeringDeploymentId": one.rollback_of,
            "rollbackMessage": f"Deployment {one.id} is triggered to roll back deployment {one.rollback_of}.",
        }
    if one.rollback_id:
        return {
            "rollbackDeploymentId": one.rollback_id,
            "rollbackMessage": f"Deployment {one.id} terminated. Automatic rollback is triggered with a DeploymentId {one.rollback_id}.",
        }
    return {}


def overview(one: Deployment) -> dict[str, int] | None:
    """Counts targets, always one; null while it runs. A failure after the shift still counts as Succeeded (A.3.2)."""
    if not one.ended:
        return None
    counts = dict.fromkeys(("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready"), 0)
    counts[target_status(one)] += 1
    return counts


def target_status(one: Deployment) -> str:
    if one.status == "Created":
        return "Pending"
    if not one.ended:
        return one.status
    return "Succeeded" if one.events["AllowTraffic"].status == "Succeeded" else "Failed"


def target(one: Deployment, target_id: str, task_sets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": {
            "deploymentId": one.id,
            "targetId": target_id,
            "targetArn": one.target_arn,
            "lastUpdatedAt": clock.utc(one.updated),
            "lifecycleEvents": [_event(event) for event in one.events.values()],
            "status": target_status(one),
            "taskSetsInfo": task_sets,
        },
    }


def _event(event: LifecycleEvent) -> dict[str, Any]:
    return {
        "lifecycleEventName": event.name,
        "status": event.status,
        "startTime": clock.utc(event.started) if event.started else None,
        "endTime": clock.utc(event.ended) if event.ended else None,
        "diagnostics": {"errorCode": "UnknownError", "message": event.diagnostics} if event.diagnostics else None,
    }
