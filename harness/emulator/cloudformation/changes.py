"""What a change set says: resources added, modified and removed, and which modifications make a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.cloudformation import functions
from harness.emulator.cloudformation.every import kind_of
from harness.emulator.cloudformation.kinds import changed, tagged
from harness.emulator.cloudformation.resolving import resolved, scope_of
from harness.emulator.cloudformation.state import Region, Resource, Stack

Change = dict[str, Any]
POLICY = {True: "Retain", False: "Delete"}


async def changes_of(cloud: Cloud, region: Region, stack: Stack, wanted: Stack) -> list[Change]:
    """From `stack` to `wanted`, which has the new template and parameters. ResourceChange members, AWS's spelling.

    A property that comes from a resource that is itself replaced, or from an attribute that an update moves, is told as Dynamic: its
    value is known only then. `uncertain` has those: a logical id, or `id.attribute`.
    """
    scope = await scope_of(cloud, region, wanted)
    declared = wanted.template["Resources"]
    names = [name for name in functions.in_order(declared) if _holds(scope, declared[name])]
    for name, one in stack.resources.items():
        if one.made is not None:
            scope.made[name] = (one.made.physical_id, one.made.attributes)
    answer: list[Change] = []
    uncertain: set[str] = set()
    for name in names:
        old, raw = stack.resources.get(name), declared[name].get("Properties") or {}
        if old is None:
            uncertain.add(name)
            answer.append(_resource("Add", name, declared[name]["Type"]))
            continue
        change = await _modification(cloud, wanted, scope, old, raw, uncertain)
        if change is not None:
            answer.append(change)
    answer += [_removal(one) for name, one in stack.resources.items() if name not in names]
    return answer


def _holds(scope: functions.Scope, resource: Mapping[str, Any]) -> bool:
    return "Condition" not in resource or scope.condition(resource["Condition"])


def _resource(action: str, name: str, kind: str, physical_id: str = "") -> Change:
    physical = {"PhysicalResourceId": physical_id} if physical_id else {}
    return {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **physical, "Scope": [], "Details": []}


def _removal(one: Resource) -> Change:
    change = _resource("Remove", one.logical_id, one.type, one.physical_id)
    return {**change, "PolicyAction": POLICY[one.retained]}


async def _modification(
    cloud: Cloud, wanted: Stack, scope: functions.Scope, old: Resource, raw: Mapping[str, Any], uncertain: set[str]
) -> Change | None:
    """None where nothing changes. Adds to `uncertain` what the resource makes so."""
    kind, static, dynamic = kind_of(old.type), dict[str, Any](), set[str]()
    for name, value in raw.items():
        if any({target, f"{target}.{attribute}"} & uncertain for target, attribute in functions.references(value)):
            dynamic.add(name)
            continue
        try:
            settled = await resolved(cloud, wanted.caller, scope, {name: value})
        except AwsError:
            dynamic.add(name)
        else:
            static.update(settled)
    if kind.stack_tags and "Tags" not in dynamic:
        static = tagged(static, wanted.tags)
    names = changed(old.properties, static) - dynamic
    if not names and not dynamic:
        return None
    recreating = kind.replaced_by(old.properties, {**old.properties, **static, **dict.fromkeys(dynamic)})
    certain = kind.replaced_by({name: old.properties.get(name) for name in names}, static_only(static, names))
    replacement = "True" if certain else "Conditional" if recreating else "False"
    if replacement != "False":
        uncertain.add(old.logical_id)
    uncertain |= {f"{old.logical_id}.{attribute}" for attribute in kind.moving}
    details = [
        _detail(name, name in recreating, "Dynamic" if name in dynamic else "Static")
        for name in sorted(names | dynamic)
    ]
    scopes = ["Tags" if detail["Target"]["Attribute"] == "Tags" else "Properties" for detail in details]
    change = _resource("Modify", old.logical_id, old.type, old.physical_id)
    return {**change, "Replacement": replacement, "Scope": sorted(set(scopes)), "Details": details}


def static_only(static: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: static[name] for name in names if name in static}


def _detail(name: str, recreates: bool, evaluation: str) -> Change:
    always = "Conditionally" if evaluation == "Dynamic" else "Always"
    target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": always if recreates else "Never"}
    if name == "Tags":
        target = {"Attribute": "Tags", "RequiresRecreation": "Never"}
    source = "ResourceReference" if evaluation == "Dynamic" else "DirectModification"
    return {"Target": target, "Evaluation": evaluation, "ChangeSource": source}
