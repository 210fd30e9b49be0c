"""The AppSpec of an ECS deployment, read from YAML or JSON (A.2). Keys are accepted in any case, as the clients do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

HOOKED_EVENTS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")
SERVICE_TYPE = "AWS::ECS::Service"


class AppSpecInvalid(ValueError):
    """What is wrong with an AppSpec, and what would be right."""


@dataclass(frozen=True, slots=True)
class AppSpec:
    """What to deploy. `network`, `platform_version` and `capacity_providers` are None where the service's own are kept."""

    task_definition: str
    container_name: str
    container_port: int
    platform_version: str | None = None
    network: dict[str, Any] | None = None
    capacity_providers: list[dict[str, Any]] | None = None
    hooks: Mapping[str, str] = field(default_factory=dict)


class _Node:
    """A mapping whose keys are found whatever their case; `where` names it in errors."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise AppSpecInvalid(f"{where} must be a mapping, not {_kind(value)}")
        self.where = where
        self._by_key = {str(key).lower(): item for key, item in value.items()}

    def get(self, key: str) -> Any:
        return self._by_key.get(key.lower())

    def need(self, key: str) -> Any:
        if (value := self.get(key)) is None:
            raise AppSpecInvalid(f"{self.where} must include property '{key}'")
        return value

    def node(self, key: str) -> _Node:
        return _Node(self.need(key), f"{self.where} {key}")


def parse(text: str) -> AppSpec:
    """The AppSpec in `text`. Raises AppSpecInvalid."""
    root = _Node(_tree(text), "AppSpec file")
    if str(root.need("version")) not in ("0.0", "0"):
        raise AppSpecInvalid(f"AppSpec file version is {root.get('version')}; it must be 0.0")
    properties = _service(root.need("Resources")).node("Properties")
    load_balancer = properties.node("LoadBalancerInfo")
    return AppSpec(
        task_definition=_text(properties, "TaskDefinition"),
        container_name=_text(load_balancer, "ContainerName"),
        container_port=_port(load_balancer),
        platform_version=_text(properties, "PlatformVersion") if properties.get("PlatformVersion") else None,
        network=_network(properties),
        capacity_providers=_capacity_providers(properties),
        hooks=_hooks(root.get("Hooks")),
    )


def _tree(text: str) -> object:
    """JSON, or YAML: a JSON text that is indented with tabs is no YAML."""
    try:
        with suppress(ValueError):
            return json.loads(text)
        return YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise AppSpecInvalid("The AppSpec file is nested too deeply") from error
    except (YAMLError, ValueError, TypeError) as error:
        raise AppSpecInvalid(f"The AppSpec file is neither YAML nor JSON: {' '.join(str(error).split())}") from error


def _service(resources: object) -> _Node:
    if not isinstance(resources, Sequence) or isinstance(resources, str):
        raise AppSpecInvalid(f"AppSpec file Resources must be a list, not {_kind(resources)}")
    if len(resources) != 1 or not isinstance(resources[0], Mapping) or len(resources[0]) != 1:
        raise AppSpecInvalid("AppSpec file Resources must name exactly one resource")
    ((name, value),) = resources[0].items()
    resource = _Node(value, f"Resource '{name}'")
    if (kind := resource.need("Type")) != SERVICE_TYPE:
        raise AppSpecInvalid(f"Resource '{name}' has Type {kind}; it must be {SERVICE_TYPE}")
    return resource


def _text(node: _Node, key: str) -> str:
    value = node.need(key)
    if not isinstance(value, str) or not value:
        raise AppSpecInvalid(f"{node.where} {key} must be text, not {_kind(value)}")
    return value


def _port(load_balancer: _Node) -> int:
    value = load_balancer.need("ContainerPort")
    if not str(value).isdigit() or not 1 <= int(value) <= 65535:
        raise AppSpecInvalid(f"{load_balancer.where} ContainerPort must be a number between 1 and 65535, not {value!r}")
    return int(value)


def _network(properties: _Node) -> dict[str, Any] | None:
    if properties.get("NetworkConfiguration") is None:
        return None
    awsvpc = properties.node("NetworkConfiguration").node("AwsvpcConfiguration")
    return {
        "awsvpcConfiguration": {
            "subnets": _texts(awsvpc, "Subnets"),
            "securityGroups": _texts(awsvpc, "SecurityGroups"),
            "assignPublicIp": _one_of(awsvpc, "AssignPublicIp", ("ENABLED", "DISABLED")),
        }
    }


def _capacity_providers(properties: _Node) -> list[dict[str, Any]] | None:
    if (strategy := properties.get("CapacityProviderStrategy")) is None:
        return None
    where = f"{properties.where} CapacityProviderStrategy"
    if not isinstance(strategy, Sequence) or isinstance(strategy, str):
        raise AppSpecInvalid(f"{where} must be a list, not {_kind(strategy)}")
    items = [_Node(item, where) for item in strategy]
    return [
        {
            "capacityProvider": _text(item, "CapacityProvider"),
            "base": _count(item, "Base"),
            "weight": _count(item, "Weight"),
        }
        for item in items
    ]


def _count(node: _Node, key: str) -> int:
    """A number that is 0 where it is not given."""
    value = node.get(key) or 0
    if not str(value).isdigit():
        raise AppSpecInvalid(f"{node.where} {key} must be a number of 0 or more, not {value!r}")
    return int(value)


def _texts(node: _Node, key: str) -> list[str]:
    value = node.need(key)
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise AppSpecInvalid(f"{node.where} {key} must be a list of text, not {_kind(value)}")
    return list(value)


def _one_of(node: _Node, key: str, words: tuple[str, ...]) -> str:
    if (value := node.need(key)) not in words:
        raise AppSpecInvalid(f"{node.where} {key} is {value!r}; it must be {' or '.join(words)}")
    return str(value)


def _hooks(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise AppSpecInvalid(f"AppSpec file Hooks must be a list of `event: function`, not {_kind(value)}")
    known = {name.lower(): name for name in HOOKED_EVENTS}
    hooks: dict[str, str] = {}
    for entry in value:
        if not isinstance(entry, Mapping):
            raise AppSpecInvalid(f"AppSpec file Hooks must be a list of `event: function`; {entry!r} is not one")
        for event, function in entry.items():
            if (name := known.get(str(event).lower())) is None:
                raise AppSpecInvalid(f"AppSpec file Hooks names {event}; it must be one of {', '.join(HOOKED_EVENTS)}")
            if not isinstance(function, str) or not function:
                raise AppSpecInvalid(f"AppSpec file Hooks {name} must name a function, not {_kind(function)}")
            hooks[name] = function
    return hooks


def _kind(value: object) -> str:
    names = {str: "text", int: "a number", float: "a number", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a list" if isinstance(value, Sequence) else type(value).__name__)
