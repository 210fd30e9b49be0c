"""Listeners and rules (C.1). A modification answers when the data plane has acknowledged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services import elbv2_attributes as attributes
from harness.emulator.services.elbv2_base import Base, page, pairs_of, tags_of
from harness.emulator.services.elbv2_rules import (
    HIGHEST_PRIORITY,
    actions_of,
    conditions_of,
    groups_of,
    in_order,
    invalid,
    render_listener,
    render_rule,
)
from harness.emulator.services.elbv2_state import Action, Elbv2State, Listener, Rule, new_id


class Listeners(Base):
    async def create_listener(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        balancer = state.load_balancer(request["LoadBalancerArn"])
        _check_protocol(request.get("Protocol"))
        if "Port" not in request:
            raise invalid("A listener port must be specified")
        _free_port(state, balancer.arn, request["Port"])
        actions = _actions(state, request["DefaultActions"], balancer.arn)
        arn = f"{balancer.arn.replace(':loadbalancer/', ':listener/')}/{new_id()}"
        rules = [Rule(_rule_arn(arn), "default", [], actions)]
        listener = Listener(arn, balancer.arn, "HTTP", request["Port"], rules, tags=tags_of(request.get("Tags", [])))
        state.listeners[arn] = listener
        try:
            async with self.changing(state, listener):
                pass
        except AwsError:
            del state.listeners[arn]
            raise
        return {"Listeners": [render_listener(listener)]}

    def describe_listeners(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("ListenerArns"):
            found = [state.listener(arn) for arn in arns]
        elif balancer := request.get("LoadBalancerArn"):
            found = state.listeners_of(state.load_balancer(balancer).arn)
        else:
            raise invalid("You must specify either listener ARNs or a load balancer ARN")
        return page([render_listener(one) for one in found], request, "Listeners")

    async def modify_listener(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener = state.listener(request["ListenerArn"])
        _check_protocol(request.get("Protocol"))
        async with self.changing(state, listener):
            if request.get("Port", listener.port) != listener.port:
                _free_port(state, listener.load_balancer, request["Port"])
                listener.port = request["Port"]
            if given := request.get("DefaultActions"):
                changed = replace(listener.default, actions=_actions(state, given, listener.load_balancer))
                listener.rules = [changed if rule.is_default else rule for rule in listener.rules]
        return {"Listeners": [render_listener(listener)]}

    async def delete_listener(self, caller: Caller, request: Request) -> Answer:
        listener = self.states[caller].listener(request["ListenerArn"])
        del self.states[caller].listeners[listener.arn]
        await self.cloud.plane.delete_listener(listener.arn)
        self.cloud.changed.ring()
        return {}

    def describe_listener_attributes(self, caller: Caller, request: Request) -> Answer:
        return {"Attributes": pairs_of(self.states[caller].listener(request["ListenerArn"]).attributes)}

    def modify_listener_attributes(self, caller: Caller, request: Request) -> Answer:
        listener = self.states[caller].listener(request["ListenerArn"])
        listener.attributes |= attributes.LISTENER.of(request["Attributes"])
        return {"Attributes": pairs_of(listener.attributes)}

    def describe_listener_certificates(self, caller: Caller, request: Request) -> Answer:
        """None: there are no HTTPS listeners here."""
        self.states[caller].listener(request["ListenerArn"])
        return {"Certificates": []}

    # ---- rules

    async def create_rule(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener, priority = state.listener(request["ListenerArn"]), request["Priority"]
        _refuse_transforms(request)
        conditions = conditions_of(request["Conditions"])
        tags = tags_of(request.get("Tags", []))
        async with self.changing(state, listener):
            actions = _actions(state, request["Actions"], listener.load_balancer)
            _check_priorities({priority: ""}, listener.rules)
            rule = Rule(_rule_arn(listener.arn), str(priority), conditions, actions, tags)
            listener.rules = [*listener.rules, rule]
        return {"Rules": [render_rule(rule)]}

    def describe_rules(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("RuleArns"):
            found = [state.rule(arn)[1] for arn in arns]
        elif listener := request.get("ListenerArn"):
            found = in_order(state.listener(listener).rules)
        else:
            raise invalid("You must specify either listener rule ARNs or a listener ARN")
        return page([render_rule(one) for one in found], request, "Rules")

    async def modify_rule(self, caller: Caller, request: Request) -> Answer:
        state, arn = self.states[caller], request["RuleArn"]
        listener, _ = state.rule(arn)
        _refuse_transforms(request)
        async with self.changing(state, listener):
            _, old = state.rule(arn)
            if old.is_default:
                raise AwsError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")
            new = old
            if given := request.get("Actions"):
                new = replace(new, actions=_actions(state, given, listener.load_balancer))
            if "Conditions" in request:
                new = replace(new, conditions=conditions_of(request["Conditions"]))
            listener.rules = [new if one is old else one for one in listener.rules]
        return {"Rules": [render_rule(new)]}

    async def delete_rule(self, caller: Caller, request: Request) -> Answer:
        state, arn = self.states[caller], request["RuleArn"]
        listener, rule = state.rule(arn)
        if rule.is_default:
            raise AwsError("OperationNotPermitted", f"Default rule '{arn}' cannot be deleted")
        async with self.changing(state, listener):
            listener.rules = [one for one in listener.rules if one.arn != arn]
        return {}

    async def set_rule_priorities(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        wanted = {one["RuleArn"]: one["Priority"] for one in request["RulePriorities"]}
        found = [state.rule(arn) for arn in wanted]
        listener = found[0][0]
        if any(other is not listener for other, _ in found):
            raise invalid("The rules must be of the same listener")
        if any(rule.is_default for _, rule in found):
            raise AwsError("OperationNotPermitted", "The priority of a default rule cannot be set")
        async with self.changing(state, listener):
            _check_priorities(_by_priority(wanted), [one for one in listener.rules if one.arn not in wanted])
            listener.rules = [
                replace(one, priority=str(wanted[one.arn])) if one.arn in wanted else one for one in listener.rules
            ]
        return {"Rules": [render_rule(one) for one in in_order(listener.rules) if one.arn in wanted]}


def _rule_arn(listener: str) -> str:
    return f"{listener.replace(':listener/', ':listener-rule/')}/{new_id()}"


def _check_protocol(protocol: str | None) -> None:
    if protocol not in (None, "HTTP"):
        said = f"elbv2: {protocol} listeners are not emulated by rehearse yet: use HTTP"
        raise AwsError("NotImplemented", said, 501)


def _refuse_transforms(request: Request) -> None:
    if request.get("Transforms"):
        raise AwsError("NotImplemented", "elbv2: Transforms of a rule are not emulated by rehearse yet", 501)


def _free_port(state: Elbv2State, balancer: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise invalid(f"Port '{port}' must be between 1 and 65535")
    if any(one.port == port for one in state.listeners_of(balancer)):
        raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")


def _actions(state: Elbv2State, raw: Sequence[Action], balancer: str) -> list[Action]:
    """Checked actions, whose target groups exist and are free for this load balancer. Raises AwsError."""
    actions = actions_of(raw)
    for arn in groups_of(actions):
        state.target_group(arn)
        if any(other != balancer for other in state.load_balancers_of(arn)):
            raise AwsError(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {arn}",
            )
    return actions


def _by_priority(wanted: Mapping[str, int]) -> dict[int, str]:
    """Raises AwsError where two rules want the same priority."""
    by_priority: dict[int, str] = {}
    for arn, priority in wanted.items():
        if by_priority.setdefault(priority, arn) != arn:
            raise AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")
    return by_priority


def _check_priorities(wanted: Mapping[int, str], others: Sequence[Rule]) -> None:
    taken = {rule.priority for rule in others}
    for priority in wanted:
        if not 1 <= priority <= HIGHEST_PRIORITY:
            raise invalid(f"Priority '{priority}' must be between 1 and {HIGHEST_PRIORITY}")
        if str(priority) in taken:
            raise AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")
