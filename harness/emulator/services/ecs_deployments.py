"""Service deployments and service revisions of rolling services, to read (B.4). They are written by rolling.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.rolling import Breaker
from harness.emulator.services.ecs_lookup import Raw, find_service, given, invalid, missing, page, stamps
from harness.emulator.services.ecs_render import load_balancers, revision_arn, revision_summary
from harness.emulator.services.ecs_state import Region, Service, ServiceDeployment, TaskSet

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

AT_MOST = 20
PLACED = ("launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration")


def list_service_deployments(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    service = find_service(ecs.regions[caller], request, active=False)
    wanted, created = request.get("status") or (), request.get("createdAt") or {}
    after, before = (created[name].timestamp() if created.get(name) else None for name in ("after", "before"))
    found = [
        _brief(one, service)
        for one in service.history
        if (not wanted or one.status in wanted)
        and (after is None or one.created_at > after)
        and (before is None or one.created_at < before)
    ]
    deployments, more = page(request, "service-deployments", found)
    return {"serviceDeployments": deployments, **more}


def describe_service_deployments(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    arns = _asked(request["serviceDeploymentArns"])
    region = ecs.regions[caller]
    known = {one.arn: (one, service) for service in region.services() for one in service.history}
    return {
        "serviceDeployments": [_deployment(*known[arn]) for arn in arns if arn in known],
        "failures": [missing(arn) for arn in arns if arn not in known],
    }


def describe_service_revisions(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    arns = _asked(request["serviceRevisionArns"])
    known = dict(_revisions(ecs.regions[caller]))
    return {
        "serviceRevisions": [known[arn] for arn in arns if arn in known],
        "failures": [missing(arn) for arn in arns if arn not in known],
    }


def _asked(arns: list[str]) -> list[str]:
    if not 1 <= len(arns) <= AT_MOST:
        raise invalid(f"Between 1 and {AT_MOST} ARNs can be described in one request.")
    return arns


def _revisions(region: Region) -> Iterator[tuple[str, Raw]]:
    for service in region.services():
        for record in service.history:
            for one in (record.target, *record.sources, *([record.rollback] if record.rollback else [])):
                yield revision_arn(one, service), _revision(one, service)


def _revision(one: TaskSet, service: Service) -> Raw:
    return {
        "serviceRevisionArn": revision_arn(one, service),
        "serviceArn": service.arn,
        "clusterArn": service.cluster,
        "taskDefinition": one.definition.arn,
        "loadBalancers": load_balancers(one.load_balancers),
        "containerImages": [
            {"containerName": container.name, "image": container.image} for container in one.definition.containers
        ],
        **given(one.settings, PLACED),
        **stamps(createdAt=one.created_at),
    }


def _brief(one: ServiceDeployment, service: Service) -> Raw:
    return {
        "serviceDeploymentArn": one.arn,
        "serviceArn": service.arn,
        "clusterArn": service.cluster,
        "targetServiceRevisionArn": revision_arn(one.target, service),
        "status": one.status,
        **given({"statusReason": one.reason or None}, ("statusReason",)),
        **stamps(createdAt=one.created_at, startedAt=one.created_at, finishedAt=one.finished_at),
    }


def _deployment(one: ServiceDeployment, service: Service) -> Raw:
    brief = _brief(one, service)
    del brief["targetServiceRevisionArn"]
    stopped = one.finished_at if one.status == "STOPPED" else None
    return {
        **brief,
        "sourceServiceRevisions": [revision_summary(source, service) for source in one.sources],
        "targetServiceRevision": revision_summary(one.target, service),
        "deploymentConfiguration": dict(one.configuration),
        "deploymentCircuitBreaker": _breaker(one, service),
        "alarms": _alarms(one),
        **_rollback(one, service),
        **stamps(stoppedAt=stopped, updatedAt=one.finished_at or one.rollback_at or one.created_at),
    }


def _rollback(one: ServiceDeployment, service: Service) -> Raw:
    if one.rollback is None:
        return {}
    details = {"reason": one.reason, "serviceRevisionArn": revision_arn(one.rollback, service)}
    return {"rollback": {**details, **stamps(startedAt=one.rollback_at)}}


def _breaker(one: ServiceDeployment, service: Service) -> Raw:
    breaker, ended = Breaker.of(service), one.finished_at is not None
    threshold = breaker.threshold(service.desired)
    failures = max(one.failed_tasks, one.target.roll.failed_tasks)
    triggered = one.target.roll.state == "FAILED" and not one.triggered_alarms
    return {"status": _watch(breaker.enable, triggered, ended), "failureCount": failures, "threshold": threshold}


def _alarms(one: ServiceDeployment) -> Raw:
    alarms: dict[str, Any] = dict(one.configuration.get("alarms") or {})
    return {
        "status": _watch(alarms.get("enable", False), bool(one.triggered_alarms), one.finished_at is not None),
        "alarmNames": alarms.get("alarmNames", []),
        "triggeredAlarmNames": list(one.triggered_alarms),
    }


def _watch(enabled: bool, triggered: bool, ended: bool) -> str:
    if not enabled:
        return "DISABLED"
    return "TRIGGERED" if triggered else "MONITORING_COMPLETE" if ended else "MONITORING"
