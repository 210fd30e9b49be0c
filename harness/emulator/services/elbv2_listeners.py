"""Listeners and rules (C.1). A modification answers when the data plane has acknowledged it."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.elbv2_base import Base, page, pairs_of, tags_of
from harness.emulator.services.elbv2_state import Action, Elbv2State, Listener, Rule, new_id, targets_of

HIGHEST_PRIORITY = 50000
NO_STICKINESS = {"Enabled": False}
ONCE_PER_RULE = {"host-header", "path-pattern", "http-request-method", "source-ip"}


class Listeners(Base):
    async def create_listener(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        balancer = state.load_balancer(request["LoadBalancerArn"])
        protocol, port = request.get("Protocol", "HTTP"), request.get("Port", 80)
        if protocol != "HTTP":
            raise AwsError(
                "NotImplemented", f"elbv2: {protocol} listeners are not emulated by rehearse yet: use HTTP", 501
            )
        if any(one.port == port for one in state.listeners_of(balancer.arn)):
            raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")
        actions = self._actions(state, request["DefaultActions"], balancer.arn)
        arn = balancer.arn.replace(":loadbalancer/", ":listener/") + "/" + new_id()
        default = Rule(f"{arn.replace(':listener/', ':listener-rule/')}/{new_id()}", "default", [], actions)
        listener = Listener(arn, balancer.arn, protocol, port, [default], tags=tags_of(request.get("Tags", [])))
        await self.put_listener(state, listener)
        state.listeners[arn] = listener
        return {"Listeners": [render_listener(listener)]}

    def describe_listeners(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("ListenerArns"):
            found = [state.listener(arn) for arn in arns]
        elif balancer := request.get("LoadBalancerArn"):
            found = state.listeners_of(state.load_balancer(balancer).arn)
        else:
            raise AwsError("ValidationError", "You must specify either listener ARNs or a load balancer ARN")
        return page([render_listener(one) for one in found], request, "Listeners")

    async def modify_listener(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener = state.listener(request["ListenerArn"])
        if request.get("Protocol", "HTTP") != "HTTP":
            raise AwsError(
                "NotImplemented",
                f"elbv2: {request['Protocol']} listeners are not emulated by rehearse yet: use HTTP",
                501,
            )
        port = request.get("Port", listener.port)
        if any(one.port == port and one is not listener for one in state.listeners_of(listener.load_balancer)):
            raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")
        old = listener.port, listener.default.actions
        listener.port = port
        if actions := request.get("DefaultActions"):
            listener.default.actions = self._actions(state, actions, listener.load_balancer)
        try:
            await self.put_listener(state, listener)
        except AwsError:
            listener.port, listener.default.actions = old
            raise
        return {"Listeners": [render_listener(listener)]}

    async def delete_listener(self, caller: Caller, request: Request) -> Answer:
        listener = self.states[caller].listener(request["ListenerArn"])
        del self.states[caller].listeners[listener.arn]
        await self.cloud.plane.delete_listener(listener.arn)
        self.cloud.changed.ring()
        return {}

    def describe_listener_attributes(self, caller: Caller, request: Request) -> Answer:
        return {"Attributes": pairs_of(self.states[caller].listener(request["ListenerArn"]).attributes)}

    def describe_listener_certificates(self, caller: Caller, request: Request) -> Answer:
        self.states[caller].listener(request["ListenerArn"])
        return {"Certificates": []}

    # ---- rules

    async def create_rule(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener = state.listener(request["ListenerArn"])
        self._free_priority(listener, request["Priority"])
        actions = self._actions(state, request["Actions"], listener.load_balancer)
        arn = f"{listener.arn.replace(':listener/', ':listener-rule/')}/{new_id()}"
        rule = Rule(
            arn, str(request["Priority"]), _conditions(request["Conditions"]), actions, tags_of(request.get("Tags", []))
        )
        await self._with_rules(state, listener, [*listener.rules, rule])
        return {"Rules": [render_rule(rule)]}

    def describe_rules(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("RuleArns"):
            found = [state.rule(arn)[1] for arn in arns]
        elif listener := request.get("ListenerArn"):
            found = in_order(state.listener(listener).rules)
        else:
            raise AwsError("ValidationError", "You must specify either listener rule ARNs or a listener ARN")
        return page([render_rule(one) for one in found], request, "Rules")

    async def modify_rule(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener, old = state.rule(request["RuleArn"])
        if old.is_default:
            raise AwsError("OperationNotPermitted", f"Default rule '{old.arn}' cannot be modified")
        actions = (
            self._actions(state, request["Actions"], listener.load_balancer) if request.get("Actions") else old.actions
        )
        conditions = _conditions(request["Conditions"]) if request.get("Conditions") else old.conditions
        new = Rule(old.arn, old.priority, conditions, actions, old.tags)
        await self._with_rules(state, listener, [new if one is old else one for one in listener.rules])
        return {"Rules": [render_rule(new)]}

    async def delete_rule(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener, rule = state.rule(request["RuleArn"])
        if rule.is_default:
            raise AwsError("OperationNotPermitted", f"Default rule '{rule.arn}' cannot be deleted")
        await self._with_rules(state, listener, [one for one in listener.rules if one is not rule])
        return {}

    async def set_rule_priorities(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        wanted = {one["RuleArn"]: one["Priority"] for one in request["RulePriorities"]}
        found = [state.rule(arn) for arn in wanted]
        listener = found[0][0]
        kept = {int(one.priority) for one in listener.rules if not one.is_default and one.arn not in wanted}
        if kept & set(wanted.values()) or len(set(wanted.values())) < len(wanted):
            raise AwsError("PriorityInUse", f"Priority '{sorted(wanted.values())}' is currently in use")
        for _, rule in found:
            rule.priority = str(wanted[rule.arn])
        await self.put_listener(state, listener)
        return {"Rules": [render_rule(rule) for _, rule in found]}

    async def _with_rules(self, state: Elbv2State, listener: Listener, rules: list[Rule]) -> None:
        """Put new rules in force; when the data plane refuses them, the old ones stay."""
        old, listener.rules = listener.rules, rules
        try:
            await self.put_listener(state, listener)
        except AwsError:
            listener.rules = old
            raise

    def _free_priority(self, listener: Listener, priority: int) -> None:
        if not 1 <= priority <= HIGHEST_PRIORITY:
            raise AwsError("ValidationError", f"Priority '{priority}' must be between 1 and {HIGHEST_PRIORITY}")
        if any(one.priority == str(priority) for one in listener.rules):
            raise AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")

    def _actions(self, state: Elbv2State, raw: list[Action], balancer: str) -> list[Action]:
        """Actions as they are kept: a forward always has its ForwardConfig. Raises AwsError."""
        actions = [_normal(action) for action in raw]
        for arn, weight in targets_of(actions).items():
            state.target_group(arn)
            if not 0 <= weight <= 999:
                raise AwsError(
                    "ValidationError", f"Weight '{weight}' of target group '{arn}' must be between 0 and 999"
                )
            if any(other != balancer for other in state.load_balancers_of(arn)):
                raise AwsError(
                    "TargetGroupAssociationLimit",
                    f"The following target groups cannot be associated with more than one load balancer: {arn}",
                )
        return actions


def _normal(action: Action) -> Action:
    """Exactly one of forward, redirect, fixed-response."""
    match action["Type"]:
        case "forward":
            return {**_forward(action), **({"Order": action["Order"]} if "Order" in action else {})}
        case "redirect" | "fixed-response":
            return action
        case other:
            raise AwsError("NotImplemented", f"elbv2: {other} actions are not emulated by rehearse yet", 501)


def _forward(action: Action) -> Action:
    config = action.get("ForwardConfig", {})
    groups = config.get("TargetGroups") or (
        [{"TargetGroupArn": action["TargetGroupArn"]}] if action.get("TargetGroupArn") else []
    )
    if not groups or len(groups) > 5:
        raise AwsError("InvalidLoadBalancerAction", "A forward action needs between one and five target groups")
    if action.get("TargetGroupArn") and [one["TargetGroupArn"] for one in groups] != [action["TargetGroupArn"]]:
        raise AwsError(
            "InvalidLoadBalancerAction",
            "TargetGroupArn and ForwardConfig of a forward action must name the same target group",
        )
    stickiness = config.get("TargetGroupStickinessConfig") or NO_STICKINESS
    if stickiness.get("Enabled"):
        raise AwsError("NotImplemented", "elbv2: target group stickiness is not emulated by rehearse yet", 501)
    weighted = [{"TargetGroupArn": one["TargetGroupArn"], "Weight": one.get("Weight", 1)} for one in groups]
    return {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": weighted, "TargetGroupStickinessConfig": dict(stickiness)},
    }


def _conditions(raw: list[dict[str, Any]]) -> list[dict[str, Any]]:
    fields = [one.get("Field", "") for one in raw]
    if not raw:
        raise AwsError("ValidationError", "A rule needs at least one condition")
    for field in ONCE_PER_RULE:
        if fields.count(field) > 1:
            raise AwsError(
                "InvalidConfigurationRequest", f"A rule can have at most one condition with the field '{field}'"
            )
    return raw


def in_order(rules: list[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: HIGHEST_PRIORITY + 1 if rule.is_default else int(rule.priority))


def render_actions(actions: list[Action]) -> list[Action]:
    """A forward to one group shows TargetGroupArn too, one to two groups does not (C.1)."""
    shown = []
    for action in actions:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        shown.append({**action, "TargetGroupArn": groups[0]["TargetGroupArn"]} if len(groups) == 1 else action)
    return shown


def render_listener(listener: Listener) -> dict[str, Any]:
    return {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.load_balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": render_actions(listener.default.actions),
    }


def render_rule(rule: Rule) -> dict[str, Any]:
    return {
        "RuleArn": rule.arn,
        "Priority": rule.priority,
        "Conditions": rule.conditions,
        "Actions": render_actions(rule.actions),
        "IsDefault": rule.is_default,
    }
