"""Services: create, update, delete, describe, list (A.6). What a service runs is kept by scheduler.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.emulator.cloud import Answer, Caller, Request, not_emulated
from harness.emulator.rolling import THRESHOLDS, begin
from harness.emulator.services import ecs_checks as checks
from harness.emulator.services.ecs_lookup import (
    Raw,
    caller_arn,
    find_cluster,
    find_definition,
    find_service,
    given,
    invalid,
    last_part,
    missing,
    page,
    tags_in,
    usable_definition,
)
from harness.emulator.services.ecs_render import service as shown
from harness.emulator.services.ecs_state import Cluster, LoadBalancer, Service, TaskDefinition, TaskSet, new_task_set_id
from harness.emulator.services.ecs_task_definitions import FAMILY
from harness.emulator.services.ecs_wishes import check_wishes

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

CONTROLLERS = ("ECS", "CODE_DEPLOY", "EXTERNAL")
PLACING = ("platformVersion", "networkConfiguration", "placementConstraints", "placementStrategy")
FREE = (  # UpdateService takes these with every controller
    "deploymentConfiguration", "healthCheckGracePeriodSeconds", "placementConstraints", "placementStrategy",
    "enableECSManagedTags", "propagateTags", "enableExecuteCommand", "availabilityZoneRebalancing",
)  # fmt: skip
REFUSED = {  # with a CODE_DEPLOY or EXTERNAL controller (A.6; the last three texts are not known)
    "taskDefinition": "Unable to update task definition",
    "networkConfiguration": "Unable to update network parameters",
    "forceNewDeployment": "Cannot force a new deployment",
    "capacityProviderStrategy": "Cannot force a new deployment",
    "loadBalancers": "Unable to update load balancers",
    "platformVersion": "Unable to update platform version",
    "serviceRegistries": "Unable to update service registries",
}
INSTEAD = {
    "CODE_DEPLOY": "Use AWS CodeDeploy to trigger a new deployment.",
    "EXTERNAL": "Create a new task set instead.",
}
ROLLING_LACKS = (
    "bakeTimeInMinutes",
    "lifecycleHooks",
    "linearConfiguration",
    "canaryConfiguration",
    "earlySuccessCriteria",
)
REDEPLOYING = ("taskDefinition", "networkConfiguration", "platformVersion", "loadBalancers", "capacityProviderStrategy")


# ---- create


async def create_service(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Idempotent for the same request; a service that ended may be created again."""
    region = ecs.regions[caller]
    cluster = find_cluster(region, request)
    controller = _check(request)
    definition = usable_definition(region, request["taskDefinition"]) if request.get("taskDefinition") else None
    balancers = checks.read_load_balancers(request.get("loadBalancers"))
    settings = _settings(request, cluster)
    if definition is not None and controller != "EXTERNAL":
        await _check_tasks(ecs, caller, definition, balancers, settings)
    await checks.check_target_groups(ecs, caller, definition, balancers, behind=True)
    existing = _existing(cluster, request)
    if existing is not None:
        return {"service": shown(existing, {"include": ["TAGS"]})}
    service = Service(
        caller=Caller(caller.region, caller.account, "ecs.amazonaws.com"),
        name=request["serviceName"],
        arn=caller.arn("ecs", f"service/{cluster.name}/{request['serviceName']}"),
        cluster=cluster.arn,
        controller=controller,
        desired=request["desiredCount"],
        settings=settings,
        load_balancers=balancers,
        created_at=ecs.now(),
        created_by=caller_arn(caller),
        request=_comparable(request),
        tags=tags_in(request),
        definition=definition,
    )
    _give_first_task_set(ecs, service)
    cluster.services[service.name] = service
    ecs.fleet(caller).keep()
    ecs.scheduler.watch(service)
    ecs.cloud.changed.ring()
    return {"service": shown(service, {"include": ["TAGS"]})}


async def _check_tasks(
    ecs: Ecs, caller: Caller, definition: TaskDefinition, balancers: tuple[LoadBalancer, ...], settings: Raw
) -> None:
    """Whether its tasks could run. On EC2 the instances of now are looked for, to be there for the first of them."""
    checks.check_containers(definition, balancers)
    await checks.check_placement(ecs, caller, definition, settings)
    if checks.launch_type_of(settings) == "EC2":
        await ecs.fleet(caller).look()


def _give_first_task_set(ecs: Ecs, service: Service) -> None:
    """The PRIMARY one; a service with the EXTERNAL controller gets its task sets from its user."""
    if service.definition is None or service.controller == "EXTERNAL":
        return
    service.task_sets.append(
        new_task_set(ecs, service, service.definition, service.load_balancers, service.settings, status="PRIMARY")
    )
    if service.controller == "ECS":
        begin(service, ecs.now())


def new_task_set(
    ecs: Ecs,
    service: Service,
    definition: TaskDefinition,
    balancers: tuple[LoadBalancer, ...],
    settings: Raw,
    *,
    status: str,
) -> TaskSet:
    now, task_set_id = ecs.now(), new_task_set_id()
    return TaskSet(
        id=task_set_id,
        arn=f"{service.arn.replace(':service/', ':task-set/', 1)}/{task_set_id}",
        definition=definition,
        settings=given(settings, ("launchType", "capacityProviderStrategy", *PLACING)),
        load_balancers=balancers,
        created_at=now,
        updated_at=now,
        stable_at=now,
        status=status,
    )


def _check(request: Request) -> str:
    """The controller. Raises InvalidParameterException, and NotImplemented for what would have no effect."""
    if not FAMILY.fullmatch(request["serviceName"]):
        raise invalid("Service name contains invalid characters.")
    checks.refuse_unemulated("CreateService", request)
    controller = (request.get("deploymentController") or {}).get("type") or "ECS"
    if controller not in CONTROLLERS:
        raise invalid(f"The deployment controller type {controller} is not valid.")
    if request.get("schedulingStrategy") == "DAEMON":
        if controller != "ECS":
            raise invalid(f"The {controller} deployment controller does not support the DAEMON scheduling strategy.")
        raise not_emulated("ecs", "CreateService with schedulingStrategy DAEMON")
    if controller != "EXTERNAL" and not request.get("taskDefinition"):
        raise invalid("TaskDefinition can not be blank.")
    if controller == "CODE_DEPLOY" and not request.get("loadBalancers"):
        raise invalid("A load balancer must be specified for services with a CODE_DEPLOY deployment controller.")
    if request.get("desiredCount") is None:
        raise invalid("The desired count is required for the REPLICA scheduling strategy.")
    if request["desiredCount"] < 0:
        raise invalid("The desired count must not be negative.")
    grace = request.get("healthCheckGracePeriodSeconds")
    if grace is not None and controller != "EXTERNAL" and not request.get("loadBalancers"):
        raise invalid("Health check grace period is only valid for services configured to use load balancers")
    _check_deployment_configuration(request.get("deploymentConfiguration") or {}, controller)
    return controller


def _check_deployment_configuration(configuration: Raw, controller: str) -> None:
    """Raises InvalidParameterException, and NotImplemented for what only other strategies have."""
    if configuration.get("strategy", "ROLLING") != "ROLLING":
        raise not_emulated("ecs", f"deploymentConfiguration.strategy {configuration['strategy']}")
    for member in ROLLING_LACKS:
        if configuration.get(member):
            raise not_emulated("ecs", f"deploymentConfiguration.{member} with the ROLLING strategy")
    at_least, at_most = configuration.get("minimumHealthyPercent", 100), configuration.get("maximumPercent", 200)
    if at_least < 0 or at_most < 1 or at_least > at_most or at_least == at_most == 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
    breaker, alarms = configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {}
    if controller != "ECS" and (breaker.get("enable") or alarms.get("enable")):
        raise invalid(f"Circuit breaker and alarms are not supported with a {controller} deployment controller.")
    if alarms.get("enable") and not alarms.get("alarmNames"):
        raise invalid("Deployment alarms that are enabled need at least one alarm name.")
    threshold = breaker.get("thresholdConfiguration")
    if threshold and (threshold["type"] not in THRESHOLDS or threshold["value"] < 1):
        raise invalid(f"The circuit breaker threshold {threshold['type']} {threshold['value']} is not valid.")


def _settings(request: Request, cluster: Cluster) -> Raw:
    """The members that are kept and shown, with ECS's defaults."""
    controller = (request.get("deploymentController") or {}).get("type")
    network = request.get("networkConfiguration")
    own = controller != "EXTERNAL" or request.get("launchType") or request.get("capacityProviderStrategy")
    where = checks.infrastructure(request, cluster) if own else {}
    fargate = checks.launch_type_of(where) == "FARGATE"
    return {
        "schedulingStrategy": "REPLICA",
        "propagateTags": "NONE",
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "placementConstraints": [],
        "placementStrategy": [],
        "healthCheckGracePeriodSeconds": 0 if request.get("loadBalancers") else None,
        "platformVersion": "LATEST" if fargate else None,
        **given(request, FREE),
        **given(request, PLACING),
        **where,
        **({"networkConfiguration": checks.network(network)} if network else {}),
        "deploymentConfiguration": {
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            **(request.get("deploymentConfiguration") or {}),
        },
    }


def _existing(cluster: Cluster, request: Request) -> Service | None:
    """The service of that name where the request repeats the one that made it. Raises InvalidParameterException where not."""
    service = cluster.services.get(request["serviceName"])
    if service is None or service.status == "INACTIVE":
        return None
    if service.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if service.request != _comparable(request):
        raise invalid("Creation of service was not idempotent.")
    return service


def _comparable(request: Request) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != "clientToken" and value is not None}


# ---- update


async def update_service(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """A new desired count scales every task set; the ECS controller also deploys what changed."""
    service = find_service(ecs.regions[caller], request)
    if service.controller != "ECS":
        _refuse(ecs, service, request)
    checks.refuse_unemulated("UpdateService", request)
    controller = (request.get("deploymentController") or {}).get("type", service.controller)
    if controller != service.controller:
        raise not_emulated("ecs", "UpdateService with another deploymentController")
    configuration = {**service.settings["deploymentConfiguration"], **(request.get("deploymentConfiguration") or {})}
    _check_deployment_configuration(configuration, service.controller)
    if service.controller == "ECS":
        await _deploy(ecs, service, request)
    if (count := request.get("desiredCount")) is not None:
        if count < 0:
            raise invalid("The desired count must not be negative.")
        service.desired = count
    check_wishes(request)
    service.settings.update({**given(request, FREE), "deploymentConfiguration": configuration})
    ecs.cloud.changed.ring()
    return {"service": shown(service, {"include": ["TAGS"]})}


def _refuse(ecs: Ecs, service: Service, request: Request) -> None:
    """What only CodeDeploy or a new task set can change (A.6)."""
    for member, text in REFUSED.items():
        if member == "taskDefinition" and _is_the_same(ecs, service, request.get(member)):
            continue
        if request.get(member):
            raise invalid(
                f"{text} on services with a {service.controller} deployment controller. {INSTEAD[service.controller]}"
            )


def _is_the_same(ecs: Ecs, service: Service, name: str | None) -> bool:
    """Not known whether AWS takes it (H.12): a setting."""
    if not name or not ecs.cloud.settings.accept_identical_task_definition:
        return False
    return find_definition(ecs.regions[service.caller], name) is service.definition


async def _deploy(ecs: Ecs, service: Service, request: Request) -> None:
    """A new deployment of a rolling service, where the request changes what runs or forces one."""
    if not request.get("forceNewDeployment") and not any(request.get(member) is not None for member in REDEPLOYING):
        return
    region, caller = ecs.regions[service.caller], service.caller
    definition = (
        usable_definition(region, request["taskDefinition"]) if request.get("taskDefinition") else service.definition
    )
    assert definition is not None  # a rolling service has one
    balancers = (
        checks.read_load_balancers(request["loadBalancers"])
        if request.get("loadBalancers") is not None
        else service.load_balancers
    )
    settings = _changed_settings(region.clusters[last_part(service.cluster)], service, request)
    unchanged = (definition, balancers, settings) == (service.definition, service.load_balancers, service.settings)
    if unchanged and not request.get("forceNewDeployment"):
        return
    await _check_tasks(ecs, caller, definition, balancers, settings)
    await checks.check_target_groups(ecs, caller, definition, balancers, behind=True)
    for older in service.task_sets:
        older.status = "DRAINING" if older.status == "DRAINING" else "ACTIVE"
    task_set = new_task_set(ecs, service, definition, balancers, settings, status="PRIMARY")
    task_set.fixed = 0  # the scheduler gives it its share of the room (rolling.py)
    service.task_sets.insert(0, task_set)
    service.definition, service.load_balancers, service.settings = definition, balancers, settings
    begin(service, ecs.now())


def _changed_settings(cluster: Cluster, service: Service, request: Request) -> Raw:
    """The service's settings with what the request says of where its tasks run. Raises InvalidParameterException."""
    settings = {**service.settings, **given(request, (*PLACING, "capacityProviderStrategy"))}
    if request.get("capacityProviderStrategy"):
        checks.infrastructure({"capacityProviderStrategy": request["capacityProviderStrategy"]}, cluster)
        settings.pop("launchType", None)
    if request.get("networkConfiguration"):
        settings["networkConfiguration"] = checks.network(request["networkConfiguration"])
    return settings


# ---- delete


def delete_service(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """DRAINING until its last task has drained and stopped, then INACTIVE."""
    service = find_service(ecs.regions[caller], request, active=False)
    if service.status == "ACTIVE":
        if service.desired and service.task_sets and not request.get("force"):
            raise invalid("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired = "DRAINING", 0
        for task_set in service.task_sets:
            task_set.status, task_set.scale, task_set.fixed, task_set.updated_at = "DRAINING", 0.0, None, ecs.now()
        ecs.cloud.changed.ring()
    return {"service": shown(service, {"include": ["TAGS"]})}


# ---- read


def describe_services(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    cluster = find_cluster(ecs.regions[caller], request)
    names = request["services"]
    if not names:
        raise invalid("Services cannot be empty.")
    if len(names) > 10:
        raise invalid("Services cannot have more than 10 elements.")
    services: list[Raw] = []
    failures: list[Raw] = []
    for name in names:
        service = cluster.services.get(last_part(name))
        if service is None:
            arn = name if name.startswith("arn:") else caller.arn("ecs", f"service/{cluster.name}/{name}")
            failures.append(missing(arn))
        else:
            services.append(shown(service, request))
    return {"services": services, "failures": failures}


def list_services(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Ten to a page, unless `maxResults` says more."""
    cluster = find_cluster(ecs.regions[caller], request)
    launch_type, strategy = request.get("launchType"), request.get("schedulingStrategy")
    found = [
        service.arn
        for service in cluster.services.values()
        if service.status != "INACTIVE"
        and (not launch_type or service.settings.get("launchType") == launch_type)
        and (not strategy or service.settings["schedulingStrategy"] == strategy)
        and request.get("resourceManagementType") != "ECS"  # what ECS makes and manages for itself: Express services
    ]
    arns, more = page(request, "services", found, at_most=10)
    return {"serviceArns": arns, **more}


def list_services_by_namespace(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """No service here has a Service Connect namespace: CreateService refuses it."""
    return {"serviceArns": []}
