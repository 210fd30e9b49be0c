"""The intrinsic functions: what a value refers to, and what it comes to."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import AwsError

PSEUDO = (
    "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName",
    "AWS::URLSuffix",
)  # fmt: skip
IN_TEXT = re.compile(r"\$\{(!?)([^}]*)\}")
DYNAMIC = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]*)\}\}")
NO_VALUE = object()  # AWS::NoValue: the property is not there


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message, 400)


# ---- what a value refers to


def references(value: Any) -> Iterator[tuple[str, str]]:
    """(name, attribute) of every Ref, GetAtt and Sub inside; the attribute of a Ref is empty."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if len(value) == 1:
            (key, inner), *_ = value.items()
            if key == "Ref" and isinstance(inner, str):
                yield inner, ""
                return
            if key == "Fn::GetAtt":
                yield from _attribute_references(inner)
                return
            if key == "Fn::Sub":
                yield from _text_references(inner)
                return
        for item in value.values():
            yield from references(item)


def _attribute_references(inner: Any) -> Iterator[tuple[str, str]]:
    name, attribute = inner.split(".", 1) if isinstance(inner, str) else inner
    if isinstance(attribute, dict):
        yield from references(attribute)
    yield name, attribute if isinstance(attribute, str) else ""


def _text_references(inner: Any) -> Iterator[tuple[str, str]]:
    text, own = (inner, {}) if isinstance(inner, str) else inner
    yield from references(own)
    for literal, name in IN_TEXT.findall(text):
        if not literal and name not in own:
            target, _, attribute = name.strip().partition(".")
            yield target, attribute


def conditions_in(value: Any) -> Iterator[str]:
    """Names of the conditions that Fn::If and Condition mention."""
    if isinstance(value, list):
        for item in value:
            yield from conditions_in(item)
    elif isinstance(value, dict):
        if "Fn::If" in value and isinstance(value["Fn::If"], list):
            yield value["Fn::If"][0]
        if set(value) == {"Condition"} and isinstance(value["Condition"], str):
            yield value["Condition"]
        for item in value.values():
            yield from conditions_in(item)


def dependencies(name: str, resources: Mapping[str, Any]) -> set[str]:
    """Logical ids that must be there before `name`."""
    resource = resources[name]
    explicit = resource.get("DependsOn") or []
    found = {one for one, _ in references(resource.get("Properties")) if one in resources}
    return (found | set([explicit] if isinstance(explicit, str) else explicit)) - {name}


def check_references(template: Mapping[str, Any]) -> None:
    """Every name that is referred to exists, and nothing depends on itself. Raises ValidationError."""
    resources, parameters = template["Resources"], template.get("Parameters") or {}
    for name, resource in resources.items():
        known = {*resources, *parameters, *PSEUDO}
        unknown = sorted({one for one, _ in references(resource.get("Properties"))} - known)
        depends = dependencies(name, resources) - set(resources)
        if unknown or depends:
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{', '.join(unknown or sorted(depends))}] in the "
                "Resources block of the template"
            )
    for output in (template.get("Outputs") or {}).values():
        unknown = sorted({one for one, _ in references(output)} - {*resources, *parameters, *PSEUDO})
        if unknown:
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{', '.join(unknown)}] in the Outputs block of the template"
            )
    mentioned = set(conditions_in({key: template.get(key) for key in ("Conditions", "Resources", "Outputs")}))
    mentioned |= {one["Condition"] for one in resources.values() if "Condition" in one}
    if missing := sorted(mentioned - set(template.get("Conditions") or {})):
        raise invalid(f"Template format error: Unresolved condition dependency {missing[0]} in the template")
    in_order(resources)


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Logical ids, each after what it depends on. Raises ValidationError for a circle."""
    waiting = {name: dependencies(name, resources) for name in resources}
    order: list[str] = []
    while waiting:
        ready = [name for name, needed in waiting.items() if not needed & set(waiting)]
        if not ready:
            raise invalid(f"Circular dependency between resources: [{', '.join(waiting)}]")
        order += ready
        for name in ready:
            del waiting[name]
    return order


# ---- what a value comes to


@dataclass
class Scope:
    """What names mean in one stack. `made` grows as its resources are made: logical id to (Ref, attributes)."""

    pseudo: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)
    zones: tuple[str, ...] = ()
    made: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)  # exports that were asked for

    def condition(self, name: str) -> bool:
        return bool(self.resolve(self.conditions[name]))

    def resolve(self, value: Any) -> Any:
        """`value` without functions; NO_VALUE members are left out. Raises ValidationError."""
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, inner), *_ = value.items()
            if key == "Ref":
                return self.ref(inner)
            if key == "Condition" and isinstance(inner, str) and inner in self.conditions:
                return self.condition(inner)
            if key.startswith("Fn::"):
                return self._function(key, inner)
        members = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in members.items() if item is not NO_VALUE}

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        for known in (self.pseudo, self.parameters):
            if name in known:
                return known[name]
        if name in self.made:
            return self.made[name][0]
        raise invalid(f"Template error: {name} is referred to, and was not created (its condition is false)")

    def attribute(self, name: str, attribute: str) -> Any:
        if name not in self.made:
            raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
        attributes = self.made[name][1]
        if attribute not in attributes:
            raise invalid(f"Requested attribute {attribute} does not exist in schema for {name}")
        return attributes[attribute]

    def _function(self, key: str, inner: Any) -> Any:
        if key == "Fn::If":
            name, yes, no = inner
            return self.resolve(yes if self.condition(name) else no)
        if key == "Fn::Sub":
            return self._sub(inner)
        work = FUNCTIONS.get(key)
        if work is None:
            raise invalid(f"Template error: {key} is not emulated by rehearse")
        return work(self, self.resolve(inner))

    def _sub(self, inner: Any) -> str:
        text, own = (inner, {}) if isinstance(inner, str) else inner
        own = self.resolve(own)

        def found(match: re.Match[str]) -> str:
            name = match[2].strip()
            if match[1]:
                return "${" + match[2] + "}"
            if name in own:
                return str(own[name])
            target, _, attribute = name.partition(".")
            return str(self.attribute(target, attribute) if attribute else self.ref(target))

        return IN_TEXT.sub(found, text)


def _get_att(scope: Scope, given: Any) -> Any:
    name, attribute = given.split(".", 1) if isinstance(given, str) else given
    return scope.attribute(name, attribute)


def _find_in_map(scope: Scope, given: Any) -> Any:
    if len(given) == 4 and isinstance(given[3], dict):
        raise invalid(
            "Template error: DefaultValue of Fn::FindInMap is not emulated by rehearse (AWS::LanguageExtensions)"
        )
    name, first, second = given
    try:
        return scope.mappings[name][str(first)][second]
    except KeyError:
        raise invalid(f"Template error: Unable to get mapping for {name}::{first}::{second}") from None


def _select(_: Scope, given: Any) -> Any:
    index, items = int(given[0]), given[1]
    if not 0 <= index < len(items):
        raise invalid(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
    return items[index]


def _import(scope: Scope, name: Any) -> str:
    if name not in scope.exports:
        raise invalid(f"No export named {name} found.")
    scope.imported.add(name)
    return scope.exports[name]


def _cidr(_: Scope, given: Any) -> list[str]:
    block, count, *bits = given
    network = ipaddress.ip_network(block)
    smaller = network.subnets(new_prefix=network.max_prefixlen - int(bits[0] if bits else 8))
    return [str(one) for one, _ in zip(smaller, range(int(count)), strict=False)]


FUNCTIONS: dict[str, Any] = {
    "Fn::GetAtt": _get_att,
    "Fn::FindInMap": _find_in_map,
    "Fn::Join": lambda scope, given: given[0].join(str(one) for one in given[1]),
    "Fn::Split": lambda scope, given: given[1].split(given[0]),
    "Fn::Select": _select,
    "Fn::ImportValue": _import,
    "Fn::GetAZs": lambda scope, given: list(scope.zones),
    "Fn::Base64": lambda scope, given: base64.b64encode(str(given).encode()).decode(),
    "Fn::Cidr": _cidr,
    "Fn::Equals": lambda scope, given: (
        str(given[0]).lower() == str(given[1]).lower()
        if isinstance(given[0], bool) or isinstance(given[1], bool)
        else str(given[0]) == str(given[1])
    ),
    "Fn::Not": lambda scope, given: not given[0],
    "Fn::And": lambda scope, given: all(given),
    "Fn::Or": lambda scope, given: any(given),
}
