"""Task sets of CODE_DEPLOY and EXTERNAL services (A.6): create, describe, scale, make primary, delete.

On a CODE_DEPLOY service they are CodeDeploy's; what AWS answers a user who tries is not known, here it is a refusal that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.services import ecs_checks as checks
from harness.emulator.services.ecs_lookup import (
    Raw,
    find_service,
    find_task_set,
    given,
    invalid,
    missing,
    tags_in,
    usable_definition,
)
from harness.emulator.services.ecs_render import task_set as shown
from harness.emulator.services.ecs_services import PLACING, new_task_set
from harness.emulator.services.ecs_state import Service, TaskSet

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

CODE_DEPLOY_CALLER = "codedeploy.amazonaws.com"


async def create_task_set(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """ACTIVE, at `scale` percent of the service's desired count. Its target group need not be in use yet (A.3.4)."""
    region, token = ecs.regions[caller], request.get("clientToken")
    service = _service_for(ecs, caller, request)
    if token and (made := region.made.get(token)) is not None:
        return _made_before(service, request, *made)
    checks.refuse_unemulated("CreateTaskSet", request)
    scale = _scale(request.get("scale") or {"value": 100.0, "unit": "PERCENT"})
    definition = usable_definition(region, request["taskDefinition"])
    balancers = checks.read_load_balancers(request.get("loadBalancers"))
    cluster = region.clusters[service.cluster.rsplit("/", 1)[-1]]
    settings = _settings({**checks.infrastructure(request, cluster), **given(request, PLACING)})
    checks.check_containers(definition, balancers)
    await checks.check_placement(ecs, caller, definition, settings)
    await checks.check_target_groups(ecs, caller, definition, balancers, behind=False)
    if checks.launch_type_of(settings) == "EC2":
        await ecs.fleet(caller).look()
    service = _service_for(ecs, caller, request)  # it may have been deleted meanwhile
    task_set = new_task_set(ecs, service, definition, balancers, settings, status="ACTIVE")
    task_set.scale, task_set.tags = scale, tags_in(request)
    task_set.external_id = request.get("externalId") or ""
    task_set.started_by = "CODE_DEPLOY" if caller.access_key == CODE_DEPLOY_CALLER else ""  # no member of the request
    service.task_sets.append(task_set)
    if token:
        region.made[token] = (dict(request), task_set)
    ecs.cloud.changed.ring()
    return {"taskSet": shown(task_set, service, {"include": ["TAGS"]})}


def _made_before(service: Service, request: Request, before: Raw, task_set: TaskSet) -> Answer:
    """The same request with the same client token makes nothing again."""
    if before != request:
        raise invalid("The client token was used with different parameters.")
    return {"taskSet": shown(task_set, service, {"include": ["TAGS"]})}


def _settings(settings: Raw) -> Raw:
    """With ECS's defaults."""
    if settings.get("networkConfiguration"):
        settings["networkConfiguration"] = checks.network(settings["networkConfiguration"])
    if checks.launch_type_of(settings) == "FARGATE":
        settings.setdefault("platformVersion", "LATEST")
    return settings


def describe_task_sets(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    service = find_service(ecs.regions[caller], request)
    names = request.get("taskSets") or [one.id for one in service.task_sets]
    found = {name: service.task_set(name) for name in names}
    prefix = service.arn.replace(":service/", ":task-set/", 1)
    return {
        "taskSets": [shown(one, service, request) for one in found.values() if one],
        "failures": [
            missing(name if name.startswith("arn:") else f"{prefix}/{name}") for name, one in found.items() if not one
        ],
    }


def update_task_set(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    service = _service_for(ecs, caller, request)
    task_set = find_task_set(service, request["taskSet"])
    if task_set.status == "DRAINING":
        raise invalid("The task set is draining.")
    task_set.scale, task_set.updated_at = _scale(request["scale"]), ecs.now()
    ecs.cloud.changed.ring()
    return {"taskSet": shown(task_set, service, {})}


def update_service_primary_task_set(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """PRIMARY and ACTIVE change places; the service takes over what the primary task set runs, and where (A.9)."""
    service = _service_for(ecs, caller, request)
    primary = find_task_set(service, request["primaryTaskSet"])
    if primary.status == "DRAINING":
        raise invalid("The task set is draining.")
    for one in service.task_sets:
        if one.status == "PRIMARY":
            one.status, one.updated_at = "ACTIVE", ecs.now()
    primary.status, primary.updated_at = "PRIMARY", ecs.now()
    service.definition, service.load_balancers = primary.definition, primary.load_balancers
    for member in ("launchType", "capacityProviderStrategy"):
        service.settings.pop(member, None)
    service.settings.update(primary.settings)
    ecs.cloud.changed.ring()
    return {"taskSet": shown(primary, service, {})}


def delete_task_set(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Scale 0 and DRAINING; it is gone when its last target has drained and its last task has stopped."""
    service = _service_for(ecs, caller, request)
    task_set = find_task_set(service, request["taskSet"])
    if task_set.computed_desired and not request.get("force"):
        raise invalid("The task set cannot be deleted while it is scaled above 0.")
    task_set.scale, task_set.status, task_set.updated_at = 0.0, "DRAINING", ecs.now()
    ecs.cloud.changed.ring()
    return {"taskSet": shown(task_set, service, {})}


def _service_for(ecs: Ecs, caller: Caller, request: Request) -> Service:
    """The service, where the caller may change its task sets. Raises InvalidParameterException."""
    service = find_service(ecs.regions[caller], request)
    if service.controller == "ECS":
        raise invalid("Task sets are only supported on services with an EXTERNAL or CODE_DEPLOY deployment controller.")
    allowed = caller.access_key == CODE_DEPLOY_CALLER or ecs.cloud.settings.user_task_sets_on_codedeploy
    if service.controller == "CODE_DEPLOY" and not allowed:
        raise invalid(
            "The task sets of services with a CODE_DEPLOY deployment controller are changed by AWS CodeDeploy only. "
            "Use AWS CodeDeploy to trigger a new deployment."
        )
    return service


def _scale(raw: Raw) -> float:
    value, unit = raw.get("value", 100.0), raw.get("unit", "PERCENT")
    if unit != "PERCENT" or not 0 <= value <= 100:
        raise invalid("The scale of a task set is a PERCENT between 0 and 100.")
    return float(value)
