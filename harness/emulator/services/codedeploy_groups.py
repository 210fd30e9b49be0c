"""Deployment groups. Creating one already edits the production listener (A.1.2)."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.deploy.port import Port, Service
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services import codedeploy_validation as validation
from harness.emulator.services.codedeploy_base import Base, page, tags_of
from harness.emulator.services.codedeploy_role import ServiceRole
from harness.emulator.services.codedeploy_state import DeploymentGroup

NOT_LOADED = (
    "Could not load ECS service information for cluster: {group.cluster}, service: {group.service}. Cause: {cause}"
)
NETWORK_LOAD_BALANCER = (
    "Only ALB supports gradual traffic routing, use AllAtOnce Traffic routing instead when you create/update "
    "Deployment group."
)
NO_BALANCER_OF_A_SERVER_GROUP = (
    "The specification for load balancing in the deployment group is invalid. The deploymentOption value is set to "
    "WITH_TRAFFIC_CONTROL, but either no load balancer was specified in elbInfoList or no target group was specified in "
    "targetGroupInfoList."
)


class Groups(Base):
    async def create_deployment_group(self, caller: Caller, request: Request) -> Answer:
        app = self.application(caller, request)
        name = validation.name(request.get("deploymentGroupName"), "DeploymentGroup")
        if name in app.groups:
            raise AwsError("DeploymentGroupAlreadyExistsException", f"Deployment group already exists for name: {name}")
        validation.room(app.groups, validation.GROUPS, "DeploymentGroupLimitExceededException", "deployment groups")
        raw: dict[str, Any] = {"deploymentConfigName": self.cloud.settings.default_deployment_config, **request}
        group = DeploymentGroup(name, app.name, raw, app.compute_platform, tags_of(request.get("tags", [])))
        await self._check_and_attach(caller, group)
        app.groups[name] = group
        return {"deploymentGroupId": group.id}

    async def update_deployment_group(self, caller: Caller, request: Request) -> Answer:
        """Members that are given replace the group's; the checks and the listener edit are those of creation."""
        old = self.group(caller, request, "currentDeploymentGroupName")
        app = self.application(caller, request)
        name = validation.name(request.get("newDeploymentGroupName") or old.name, "DeploymentGroup")
        if name != old.name and name in app.groups:
            raise AwsError("DeploymentGroupAlreadyExistsException", f"Deployment group already exists for name: {name}")
        changes = {
            k: v for k, v in request.items() if k not in ("currentDeploymentGroupName", "newDeploymentGroupName")
        }
        candidate = DeploymentGroup(name, app.name, {**old.raw, **changes}, app.compute_platform, old.tags, old.id)
        await self._check_and_attach(caller, candidate)
        app.groups.pop(old.name)
        old.name, old.raw, old.role_known = name, candidate.raw, candidate.role_known
        app.groups[name] = old
        return {"hooksNotCleanedUp": []}

    def get_deployment_group(self, caller: Caller, request: Request) -> Answer:
        group = self.group(caller, request)
        return {"deploymentGroupInfo": render.group(group, self.states[caller].deployments)}

    def batch_get_deployment_groups(self, caller: Caller, request: Request) -> Answer:
        app, records = self.application(caller, request), self.states[caller].deployments
        names = validation.batch(request.get("deploymentGroupNames", []), 100, "deployment groups")
        missing = [name for name in names if name not in app.groups]
        return {
            "deploymentGroupsInfo": [render.group(app.groups[name], records) for name in names if name in app.groups],
            "errorMessage": f"No Deployment Group found for name: {', '.join(missing)}" if missing else None,
        }

    def list_deployment_groups(self, caller: Caller, request: Request) -> Answer:
        app = self.application(caller, request)
        return {"applicationName": app.name, **page(sorted(app.groups), request, "deploymentGroups")}

    def delete_deployment_group(self, caller: Caller, request: Request) -> Answer:
        """Deleting what is not there succeeds, as on AWS (the model has no such error)."""
        name = validation.name(request.get("applicationName"), "Application")
        group_name = validation.name(request.get("deploymentGroupName"), "DeploymentGroup")
        if app := self.states[caller].applications.get(name):
            app.groups.pop(group_name, None)
        return {"hooksNotCleanedUp": []}

    # ---- checks that need ECS and ELBv2

    async def _check_and_attach(self, caller: Caller, group: DeploymentGroup) -> None:
        if group.compute_platform != "ECS":
            _refuse_other_platform(group)
        validation.group(group.raw)
        routing = self.states[caller].routing(group.raw["deploymentConfigName"])
        if routing is None:
            raise AwsError(
                "DeploymentConfigDoesNotExistException",
                f"No Deployment Configuration found for name: {group.raw['deploymentConfigName']}",
            )
        port = self.port(caller)
        await self._check_role(caller, group)
        service = await self._service(port, caller, group)
        live, idle = await self._live_and_idle(port, group, service, gradual=routing.gradual)
        if live and (routing.gradual or self.cloud.settings.attach_idle_at_group_create):
            await _attach_idle(port, group, live, idle)

    async def _check_role(self, caller: Caller, group: DeploymentGroup) -> None:
        """A role that IAM does not know may be anything; one that it knows needs a policy."""
        role = ServiceRole(self.cloud, caller, str(group.raw["serviceRoleArn"]))
        group.role_known = await role.exists()
        if group.role_known and not await role.policies():
            raise AwsError("InvalidECSServiceException", NOT_LOADED.format(group=group, cause=role.not_authorized))

    async def _service(self, port: Port, caller: Caller, group: DeploymentGroup) -> Service:
        service = await port.service(group.cluster, group.service)
        if service is None:
            raise AwsError(
                "InvalidECSServiceException",
                NOT_LOADED.format(group=group, cause="the service does not exist or is not active."),
            )
        if service.controller != "CODE_DEPLOY":
            raise AwsError(
                "InvalidECSServiceException",
                "Deployment group's ECS service must be configured for a CODE_DEPLOY deployment controller.",
            )
        for other in self._groups(caller):
            same = (_short(other.cluster), _short(other.service)) == (_short(group.cluster), _short(group.service))
            if same and other.id != group.id:
                raise AwsError(
                    "ECSServiceMappingLimitExceededException",
                    f"The ECS service {group.service} is already mapped to deployment group {other.name}.",
                )
        return service

    def _groups(self, caller: Caller) -> list[DeploymentGroup]:
        apps = self.states[caller].applications.values()
        return [group for app in apps for group in app.groups.values() if group.compute_platform == "ECS"]

    async def _live_and_idle(
        self, port: Port, group: DeploymentGroup, service: Service, *, gradual: bool
    ) -> tuple[str | None, str]:
        """(target group of the primary task set or None, the other one). All must sit on one load balancer."""
        pair = group.pair
        try:
            groups = await port.target_groups(pair.names)
            listeners = [pair.production_listener, *([pair.test_listener] if pair.test_listener else [])]
            balancers = {await port.load_balancer_of(listener) for listener in listeners}
        except AwsError as error:
            raise AwsError("InvalidTargetGroupPairException", f"{validation.PAIR_INVALID} {error}") from error
        balancers |= {arn for one in groups.values() for arn in one.load_balancers}
        if len(groups) != 2 or len(balancers) != 1:
            raise AwsError("InvalidTargetGroupPairException", validation.PAIR_INVALID)
        if gradual and any(":loadbalancer/net/" in arn for arn in balancers):
            raise AwsError("InvalidLoadBalancerInfoException", NETWORK_LOAD_BALANCER)
        primary = service.primary.target_group if service.primary else None
        arns = [groups[name].arn for name in pair.names]
        if primary not in arns:
            return None, arns[1]
        return primary, arns[1 - arns.index(primary)]


async def _attach_idle(port: Port, group: DeploymentGroup, live: str, idle: str) -> None:
    """Put the idle group at weight 0 on every production rule that forwards to the live one (A.1.2)."""
    for rule in await port.rules(group.pair.production_listener):
        if live in rule.weights and idle not in rule.weights:  # else a deployment may be shifting it
            await port.forward(rule, {idle: 0, live: 100})


def _refuse_other_platform(group: DeploymentGroup) -> None:
    """The errors of people who forgot computePlatform=ECS; no other platform is emulated (A.1.4)."""
    if group.raw.get("ecsServices"):
        raise AwsError(
            "InvalidECSServiceException",
            f"Should not specify ECS services parameter for {group.compute_platform} deployment group",
        )
    balanced = group.raw.get("deploymentStyle", {}).get("deploymentOption") == "WITH_TRAFFIC_CONTROL"
    info = group.raw.get("loadBalancerInfo", {})
    if (
        group.compute_platform == "Server"
        and balanced
        and not (info.get("elbInfoList") or info.get("targetGroupInfoList"))
    ):
        raise AwsError("InvalidLoadBalancerInfoException", NO_BALANCER_OF_A_SERVER_GROUP)
    raise AwsError(
        "NotImplemented",
        f"codedeploy: deployment groups of the {group.compute_platform} platform are not emulated by rehearse",
        501,
    )


def _short(name_or_arn: str) -> str:
    return name_or_arn.rsplit("/", 1)[-1]
