"""How services, task sets and deployments look in the API (A.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import clock
from harness.emulator.cloud import Request
from harness.emulator.services.ecs_lookup import Raw, given, with_tags
from harness.emulator.services.ecs_state import LoadBalancer, Service, TaskSet

SHOWN = (
    "launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration", "deploymentConfiguration",
    "placementConstraints", "placementStrategy", "healthCheckGracePeriodSeconds", "schedulingStrategy",
    "enableECSManagedTags", "propagateTags", "enableExecuteCommand", "availabilityZoneRebalancing",
)  # fmt: skip
PLACED = ("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration")


def service(service: Service, request: Request) -> Raw:
    """`deployments` belongs to the ECS controller, `taskSets` to the two others."""
    rolling = service.controller == "ECS"
    answer = {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.cluster,
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": sum(one.running_count for one in service.task_sets),
        "pendingCount": sum(one.pending for one in service.task_sets),
        "loadBalancers": load_balancers(service.load_balancers),
        "serviceRegistries": [],
        "deployments": [deployment(one, service) for one in service.task_sets] if rolling else [],
        "events": [{"id": key, "createdAt": clock.utc(at), "message": message} for key, at, message in service.events],
        "createdAt": clock.utc(service.created_at),
        "createdBy": service.created_by,
        "roleArn": f"arn:aws:iam::{service.caller.account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "deploymentController": {"type": service.controller},
        **given(service.settings, SHOWN),
        **_platform(service.settings),
    }
    if not rolling:
        answer["taskSets"] = [task_set(one, service, {}) for one in service.task_sets]
    if service.history:
        answer["currentServiceDeployment"] = service.history[0].arn
        answer["currentServiceRevisions"] = [revision_summary(one, service) for one in service.task_sets]
    if service.definition is not None:
        answer["taskDefinition"] = service.definition.arn
    return with_tags(answer, service.tags, request)


def task_set(one: TaskSet, service: Service, request: Request) -> Raw:
    answer = {
        "id": one.id,
        "taskSetArn": one.arn,
        "serviceArn": service.arn,
        "clusterArn": service.cluster,
        "status": one.status,
        "taskDefinition": one.definition.arn,
        "computedDesiredCount": one.computed_desired,
        "pendingCount": one.pending,
        "runningCount": one.running_count,
        "createdAt": clock.utc(one.created_at),
        "updatedAt": clock.utc(one.updated_at),
        "loadBalancers": load_balancers(one.load_balancers),
        "serviceRegistries": [],
        "scale": {"value": one.scale, "unit": "PERCENT"},
        "stabilityStatus": "STEADY_STATE" if one.stable else "STABILIZING",
        "stabilityStatusAt": clock.utc(one.stable_at),
        **given(one.settings, PLACED),
        **_platform(one.settings),
    }
    if one.started_by:
        answer["startedBy"] = one.started_by
    if one.external_id:
        answer["externalId"] = one.external_id
    return with_tags(answer, one.tags, request)


def deployment(one: TaskSet, service: Service) -> Raw:
    """A rolling deployment; an older one is ACTIVE until its last task is gone."""
    primary = one.status == "PRIMARY"
    return {
        "id": one.id,
        "status": "PRIMARY" if primary else "ACTIVE",
        "taskDefinition": one.definition.arn,
        "desiredCount": 0 if one.roll.state == "FAILED" else service.desired if primary else one.computed_desired,
        "pendingCount": one.pending,
        "runningCount": one.running_count,
        "failedTasks": one.roll.failed_tasks,
        "createdAt": clock.utc(one.created_at),
        "updatedAt": clock.utc(one.updated_at),
        "rolloutState": one.roll.state,
        "rolloutStateReason": one.roll.reason
        or f"ECS deployment {one.id} {'completed' if one.roll.completed else 'in progress'}.",
        **given(one.settings, PLACED),
        **_platform(one.settings),
    }


def revision_arn(one: TaskSet, service: Service) -> str:
    """Each rolling deployment is a service revision of its own."""
    return f"{service.arn.replace(':service/', ':service-revision/', 1)}/{one.id.rpartition('/')[2]}"


def revision_summary(one: TaskSet, service: Service) -> Raw:
    return {
        "arn": revision_arn(one, service),
        "requestedTaskCount": one.computed_desired,
        "runningTaskCount": one.running_count,
        "pendingTaskCount": one.pending,
    }


def load_balancers(balancers: tuple[LoadBalancer, ...]) -> list[Raw]:
    return [
        {"targetGroupArn": one.target_group, "containerName": one.container, "containerPort": one.port}
        for one in balancers
    ]


def _platform(settings: Mapping[str, Any]) -> Raw:
    return {"platformFamily": "Linux"} if settings.get("platformVersion") else {}
