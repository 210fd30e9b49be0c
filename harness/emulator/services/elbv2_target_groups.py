"""Target groups and their targets. Health is what the data plane reports (C.3, C.4)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from harness.emulator.alb.plane import HealthChange, Target
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request
from harness.emulator.services import elbv2_attributes as attributes
from harness.emulator.services.elbv2_base import HEALTH_CHECK, Base, check_quota, page, pairs_of, tags_of
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_rules import group_stickiness, invalid
from harness.emulator.services.elbv2_state import Elbv2State, TargetGroup, TargetHealth, new_id
from harness.emulator.services.elbv2_target_settings import DEFAULTS, check_settings

NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)")


class TargetGroups(Base):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        cloud.plane.on_health = self._heard

    # ---- target groups

    async def create_target_group(self, caller: Caller, request: Request) -> Answer:
        state, name = self.states[caller], request["Name"]
        if not NAME.fullmatch(name):
            raise AwsError(
                "ValidationError", f"Target group name '{name}' must be 1-32 letters, digits and inner hyphens"
            )
        if request.get("TargetType") == "lambda":
            raise AwsError("NotImplemented", "elbv2: target groups of type lambda are not emulated by rehearse", 501)
        given = {key: value for key, value in request.items() if key not in ("Name", "Tags")}
        settings = {
            **DEFAULTS,
            **{key: value for key, value in given.items() if value != ""},
        }  # as Terraform leaves out
        check_settings(settings)
        old = next((one for one in state.target_groups.values() if one.name == name), None)
        if old is not None:
            if old.settings != settings:
                raise AwsError(
                    "DuplicateTargetGroupName",
                    f"A target group with the same name '{name}' exists, but with different settings",
                )
            return {"TargetGroups": [self._render(state, old)]}
        check_quota("TooManyTargetGroups", "target groups", len(state.target_groups) + 1, LIMITS.target_groups)
        arn = caller.arn("elasticloadbalancing", f"targetgroup/{name}/{new_id()}")
        group = TargetGroup(arn, name, settings, tags=tags_of(request.get("Tags", [])))
        await self.put_target_group(group)
        state.target_groups[arn] = group
        return {"TargetGroups": [self._render(state, group)]}

    def describe_target_groups(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("TargetGroupArns"):
            found = [state.target_group(arn) for arn in arns]
        elif names := request.get("Names"):
            by_name = {one.name: one for one in state.target_groups.values()}
            if missing := [name for name in names if name not in by_name]:
                raise AwsError("TargetGroupNotFound", f"Target groups '[{', '.join(missing)}]' not found")
            found = [by_name[name] for name in names]
        else:
            found = list(state.target_groups.values())
        if balancer := request.get("LoadBalancerArn"):
            found = [one for one in found if balancer in state.load_balancers_of(one.arn)]
        return page([self._render(state, one) for one in found], request, "TargetGroups")

    async def modify_target_group(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        group = state.target_group(request["TargetGroupArn"])
        settings = {**group.settings, **{key: request[key] for key in HEALTH_CHECK if key in request}}
        check_settings(settings)
        group.settings = settings
        await self.put_target_group(group)
        return {"TargetGroups": [self._render(state, group)]}

    async def delete_target_group(self, caller: Caller, request: Request) -> Answer:
        state, arn = self.states[caller], request["TargetGroupArn"]
        if arn not in state.target_groups:
            return {}
        if next(state.users_of(arn), None) is not None:
            raise AwsError("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        del state.target_groups[arn]
        await self.cloud.plane.delete_target_group(arn)
        return {}

    def describe_target_group_attributes(self, caller: Caller, request: Request) -> Answer:
        return {"Attributes": pairs_of(self.states[caller].target_group(request["TargetGroupArn"]).attributes)}

    async def modify_target_group_attributes(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        group = state.target_group(request["TargetGroupArn"])
        changed = group.attributes | attributes.TARGET_GROUP.of(request["Attributes"])
        attributes.check_together(changed)
        if changed[attributes.STICKY] == "true":
            _check_group_stickiness(state, group.arn)
        group.attributes = changed
        await self.put_target_group(group)
        return {"Attributes": pairs_of(group.attributes)}

    # ---- targets

    async def register_targets(self, caller: Caller, request: Request) -> Answer:
        group = self.states[caller].target_group(request["TargetGroupArn"])
        targets, keys = [], [_checked(group, raw, self._key(group, raw)) for raw in request["Targets"]]
        check_quota("TooManyTargets", "targets", len({*group.targets, *keys}), LIMITS.targets)
        for raw, key in zip(request["Targets"], keys, strict=True):
            connect = self.cloud.addresses.locate(*key)
            old = group.targets.get(key)
            if old is None or old.state == "draining":
                group.targets[key] = TargetHealth(*key, zone=raw.get("AvailabilityZone", ""))
            zone = raw.get("AvailabilityZone") or self.cloud.addresses.zones.get(key, "")
            targets.append(Target(*key, connect=connect, zone=zone))
        await self.cloud.plane.register(group.arn, targets)
        self.cloud.changed.ring()
        return {}

    async def deregister_targets(self, caller: Caller, request: Request) -> Answer:
        group = self.states[caller].target_group(request["TargetGroupArn"])
        keys = [key for raw in request["Targets"] if (key := self._key(group, raw)) in group.targets]
        for key in keys:
            target = group.targets[key]
            target.state, target.reason = "draining", "Target.DeregistrationInProgress"
            target.description = "Target deregistration is in progress"
        await self.cloud.plane.deregister(group.arn, keys)
        self.cloud.changed.ring()
        return {}

    def _key(self, group: TargetGroup, raw: dict[str, Any]) -> tuple[str, int]:
        return raw["Id"], int(raw.get("Port") or group.settings["Port"])

    def describe_target_health(self, caller: Caller, request: Request) -> Answer:
        """Nothing registered is an empty list, not an error (C.3); a target that is asked for by name is `unused`."""
        group = self.states[caller].target_group(request["TargetGroupArn"])
        if asked := request.get("Targets"):
            found = [
                group.targets.get(key) or _not_registered(*key) for key in (self._key(group, raw) for raw in asked)
            ]
        else:
            found = list(group.targets.values())
        checked_at, more = group.settings["HealthCheckPort"], {}
        if {"AnomalyDetection", "All"} & set(request.get("Include", ())):
            more = {"AnomalyDetection": {"Result": "normal", "MitigationInEffect": "no"}}
        return {"TargetHealthDescriptions": [{**_render_health(one, checked_at), **more} for one in found]}

    def _heard(self, change: HealthChange) -> None:
        """The data plane's report; it is the only source of a target's state."""
        for _, state in self.states.items():
            if (group := state.target_groups.get(change.target_group)) is None:
                continue
            key = (change.id, change.port)
            if change.state == "gone":
                if key in group.targets and group.targets[key].state == "draining":
                    del group.targets[key]
            elif (target := group.targets.get(key)) is not None:
                target.state, target.reason, target.description = change.state, change.reason, change.description
        self.cloud.changed.ring()

    def _render(self, state: Elbv2State, group: TargetGroup) -> dict[str, Any]:
        return {
            **group.settings,
            "TargetGroupArn": group.arn,
            "TargetGroupName": group.name,
            "LoadBalancerArns": state.load_balancers_of(group.arn),
        }


def _check_group_stickiness(state: Elbv2State, arn: str) -> None:
    """Target stickiness in a weighted rule needs the rule's own (C.2). Raises AwsError."""
    rules = [rule for listener in state.users_of(arn) for rule in listener.rules if rule.forwards_to(arn)]
    for rule in rules:
        (action,) = (one for one in rule.actions if one["Type"] == "forward")
        if len(action["ForwardConfig"]["TargetGroups"]) > 1 and not group_stickiness(rule.actions):
            raise AwsError(
                "InvalidConfigurationRequest",
                f"This target group appears behind a rule with group stickiness disabled ({rule.arn}). "
                "You must enable group stickiness before enabling target stickiness",
            )


def _checked(group: TargetGroup, raw: dict[str, Any], key: tuple[str, int]) -> tuple[str, int]:
    if not 1 <= key[1] <= 65535:
        raise invalid(f"Port '{key[1]}' must be between 1 and 65535")
    if group.settings["TargetType"] == "ip":
        try:
            ipaddress.ip_address(raw["Id"])
        except ValueError as error:
            raise invalid(f"The IP address '{raw['Id']}' is not a valid IPv4 address") from error
    return key


def _not_registered(target_id: str, port: int) -> TargetHealth:
    return TargetHealth(
        target_id, port, "", "unused", "Target.NotRegistered", "Target is not registered to the target group"
    )


def _render_health(target: TargetHealth, checked_at: str) -> dict[str, Any]:
    health = {"State": target.state, "Reason": target.reason or None, "Description": target.description or None}
    zone = {"AvailabilityZone": target.zone} if target.zone else {}
    return {
        "Target": {"Id": target.id, "Port": target.port, **zone},
        "HealthCheckPort": str(target.port) if checked_at == "traffic-port" else checked_at,
        "TargetHealth": health,
    }
