"""Operations on listener rules (C.1). A modification answers when the data plane has acknowledged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.elbv2_base import Base, check_quota, page, tags_of
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_rules import (
    HIGHEST_PRIORITY,
    check_listener,
    checked_actions,
    conditions_of,
    in_order,
    invalid,
    render_rule,
    transforms_of,
)
from harness.emulator.services.elbv2_state import Elbv2State, Listener, Rule, new_id


class Rules(Base):
    async def create_rule(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        listener, priority = state.listener(request["ListenerArn"]), request["Priority"]
        transforms = transforms_of(request.get("Transforms", []))
        conditions = conditions_of(request["Conditions"])
        tags = tags_of(request.get("Tags", []))
        async with self.changing(state, listener):
            actions = checked_actions(state, request["Actions"], listener.load_balancer)
            _check_priorities({priority: ""}, listener.rules)
            rule = Rule(_rule_arn(listener.arn), str(priority), conditions, actions, tags, transforms)
            listener.rules = [*listener.rules, rule]
            _check_number(state, listener)
            check_listener(listener)
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
        if request.get("Transforms") and request.get("ResetTransforms"):
            raise invalid("You can specify either Transforms or ResetTransforms, not both")
        async with self.changing(state, listener):
            _, old = state.rule(arn)
            if old.is_default:
                raise AwsError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")
            new = old
            if given := request.get("Actions"):
                new = replace(new, actions=checked_actions(state, given, listener.load_balancer))
            if "Conditions" in request:
                new = replace(new, conditions=conditions_of(request["Conditions"]))
            if request.get("Transforms") or request.get("ResetTransforms"):
                new = replace(new, transforms=transforms_of(request.get("Transforms", [])))
            listener.rules = [new if one is old else one for one in listener.rules]
            check_listener(listener)
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


def _check_number(state: Elbv2State, listener: Listener) -> None:
    """Default rules are not counted."""
    rules = [rule for one in state.listeners_of(listener.load_balancer) for rule in one.rules if not rule.is_default]
    check_quota("TooManyRules", "rules", len(rules), LIMITS.rules)


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
