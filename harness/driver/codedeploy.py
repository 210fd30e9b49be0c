"""CodeDeploy on the ECS compute platform: the deployment group with everything a scenario says, and its deployments."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from harness.driver.ecs import CONTAINER, TaskDefinition
from harness.driver.session import Session, error_code, key_value
from harness.driver.undo import Undo
from harness.scenario import Deploy, DeploymentConfig

FINISHED = ("Succeeded", "Failed", "Stopped")
NOT_STARTED = ("DeploymentNotStartedException", "DeploymentTargetDoesNotExistException")


@dataclass(frozen=True, slots=True)
class Group:
    """A deployment group, and the parts of it that a deployment is created with."""

    application: str
    name: str
    cluster: str
    service: str

    @property
    def target_id(self) -> str:
        """A.3.3"""
        return f"{self.cluster}:{self.service}"


@dataclass(frozen=True, slots=True)
class Routes:
    """What a deployment group shifts: two target groups by name, listeners by ARN."""

    target_groups: tuple[str, str]
    production_listener: str
    test_listener: str | None


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    name: str
    status: str
    started: float | None
    ended: float | None
    diagnostics: str | None


@dataclass(frozen=True, slots=True)
class DeploymentView:
    id: str
    status: str
    creator: str
    config: str
    error_code: str | None
    error_message: str | None
    rollback_id: str | None
    rollback_of: str | None
    created: float | None
    started: float | None
    completed: float | None

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


def create_application(session: Session, undo: Undo, name: str) -> str:
    undo.later(f"application {name}", lambda: session.call("codedeploy", "delete_application", applicationName=name))
    session.call(
        "codedeploy",
        "create_application",
        applicationName=name,
        computePlatform="ECS",
        tags=key_value(session.tags),
    )
    return name


def ensure_config(session: Session, undo: Undo, name: str, config: DeploymentConfig) -> str:
    """The name of the deployment configuration: a predefined one, or one made here as `name`."""
    if config.name is not None:
        return config.name
    undo.later(
        f"deployment config {name}",
        lambda: session.call("codedeploy", "delete_deployment_config", deploymentConfigName=name),
    )
    session.call(
        "codedeploy",
        "create_deployment_config",
        deploymentConfigName=name,
        computePlatform="ECS",
        trafficRoutingConfig=traffic_routing(config),
    )
    return name


def traffic_routing(config: DeploymentConfig) -> dict[str, Any]:
    """A.4; CodeDeploy counts whole minutes."""
    if config.canary is not None:
        step = {"canaryPercentage": config.canary.percent, "canaryInterval": minutes(config.canary.interval)}
        return {"type": "TimeBasedCanary", "timeBasedCanary": step}
    if config.linear is not None:
        step = {"linearPercentage": config.linear.percent, "linearInterval": minutes(config.linear.interval)}
        return {"type": "TimeBasedLinear", "timeBasedLinear": step}
    return {"type": "AllAtOnce"}


def minutes(seconds: float) -> int:
    """AWS's waits are whole minutes; a part of one counts as one."""
    return math.ceil(seconds / 60)


def create_group(
    session: Session,
    undo: Undo,
    group: Group,
    *,
    role: str,
    config: str,
    deploy: Deploy,
    routes: Routes,
    alarms: Sequence[str],
    tags: Mapping[str, str],
) -> Group:
    """`tags` are the compression's, beside the run's own."""
    undo.later(
        f"deployment group {group.name}",
        lambda: session.call(
            "codedeploy",
            "delete_deployment_group",
            applicationName=group.application,
            deploymentGroupName=group.name,
        ),
    )
    session.call(
        "codedeploy",
        "create_deployment_group",
        applicationName=group.application,
        deploymentGroupName=group.name,
        serviceRoleArn=role,
        deploymentConfigName=config,
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        blueGreenDeploymentConfiguration=_blue_green(deploy),
        loadBalancerInfo={"targetGroupPairInfoList": [_pair(routes)]},
        ecsServices=[{"clusterName": group.cluster, "serviceName": group.service}],
        alarmConfiguration={"enabled": bool(alarms), "alarms": [{"name": name} for name in alarms]},
        autoRollbackConfiguration={"enabled": bool(deploy.rollback_on), "events": list(deploy.rollback_on)},
        tags=key_value({**session.tags, **tags}),
    )
    return group


def _blue_green(deploy: Deploy) -> dict[str, Any]:
    ready: dict[str, Any] = {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0}
    if deploy.ready_wait:
        ready = {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": minutes(deploy.ready_wait)}
    return {
        "deploymentReadyOption": ready,
        "terminateBlueInstancesOnDeploymentSuccess": {
            "action": "TERMINATE",
            "terminationWaitTimeInMinutes": minutes(deploy.terminate_blue_after),
        },
    }


def _pair(routes: Routes) -> dict[str, Any]:
    pair: dict[str, Any] = {
        "targetGroups": [{"name": name} for name in routes.target_groups],
        "prodTrafficRoute": {"listenerArns": [routes.production_listener]},
    }
    if routes.test_listener is not None:
        pair["testTrafficRoute"] = {"listenerArns": [routes.test_listener]}
    return pair


def app_spec(task_definition: TaskDefinition, hooks: Mapping[str, str], capacity_provider: str | None = None) -> str:
    """The AppSpec (A.2) as JSON; `hooks` is lifecycle event to function name."""
    properties: dict[str, Any] = {
        "TaskDefinition": task_definition.arn,
        "LoadBalancerInfo": {"ContainerName": CONTAINER, "ContainerPort": task_definition.app_spec_port},
    }
    if capacity_provider is not None:
        properties["CapacityProviderStrategy"] = [{"CapacityProvider": capacity_provider, "Base": 0, "Weight": 1}]
    content: dict[str, Any] = {
        "version": 0.0,
        "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
    }
    if hooks:
        content["Hooks"] = [{event: function} for event, function in hooks.items()]
    return json.dumps(content)


def create_deployment(session: Session, group: Group, content: str, description: str) -> str:
    """The id of a new deployment."""
    answer = session.call(
        "codedeploy",
        "create_deployment",
        applicationName=group.application,
        deploymentGroupName=group.name,
        description=description[:256],
        revision={
            "revisionType": "AppSpecContent",
            "appSpecContent": {"content": content, "sha256": hashlib.sha256(content.encode()).hexdigest()},
        },
    )
    return str(answer["deploymentId"])


def get_deployment(session: Session, deployment: str) -> DeploymentView:
    info = session.call("codedeploy", "get_deployment", deploymentId=deployment)["deploymentInfo"]
    error = info.get("errorInformation") or {}
    rollback = info.get("rollbackInfo") or {}
    return DeploymentView(
        id=deployment,
        status=info["status"],
        creator=info.get("creator", ""),
        config=info.get("deploymentConfigName", ""),
        error_code=error.get("code"),
        error_message=error.get("message"),
        rollback_id=rollback.get("rollbackDeploymentId"),
        rollback_of=rollback.get("rollbackTriggeringDeploymentId"),
        created=_seconds(info.get("createTime")),
        started=_seconds(info.get("startTime")),
        completed=_seconds(info.get("completeTime")),
    )


def lifecycle_events(session: Session, group: Group, deployment: str) -> tuple[LifecycleEvent, ...]:
    """Of the deployment's one target; empty before there is one (A.3.3)."""
    try:
        answer = session.call("codedeploy", "get_deployment_target", deploymentId=deployment, targetId=group.target_id)
    except ClientError as error:
        if error_code(error) in NOT_STARTED:
            return ()
        raise
    seen = answer["deploymentTarget"]["ecsTarget"]["lifecycleEvents"]
    return tuple(_lifecycle_event(one) for one in seen)


def _lifecycle_event(seen: Mapping[str, Any]) -> LifecycleEvent:
    return LifecycleEvent(
        name=seen["lifecycleEventName"],
        status=seen["status"],
        started=_seconds(seen.get("startTime")),
        ended=_seconds(seen.get("endTime")),
        diagnostics=(seen.get("diagnostics") or {}).get("message"),
    )


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None


def stop_deployment(session: Session, deployment: str, rollback: bool | None) -> str:
    """Pending or Succeeded; `rollback` None leaves it to the deployment group."""
    flag = {} if rollback is None else {"autoRollbackEnabled": rollback}
    return str(session.call("codedeploy", "stop_deployment", deploymentId=deployment, **flag)["status"])


def continue_deployment(session: Session, deployment: str, wait_type: str) -> None:
    session.call("codedeploy", "continue_deployment", deploymentId=deployment, deploymentWaitType=wait_type)


def active_deployments(session: Session, group: Group) -> list[str]:
    answer = session.call(
        "codedeploy",
        "list_deployments",
        applicationName=group.application,
        deploymentGroupName=group.name,
        includeOnlyStatuses=["Created", "Queued", "InProgress", "Baking", "Ready"],
    )
    return list(answer["deployments"])
