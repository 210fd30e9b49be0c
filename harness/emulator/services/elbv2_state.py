"""What ELBv2 remembers in one region: load balancers, listeners with their rules, target groups with their targets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.alb.plane import Certificate
from harness.emulator.cloud import AwsError
from harness.emulator.services import elbv2_attributes

Action = dict[str, Any]
Condition = dict[str, Any]


def new_id() -> str:
    """Sixteen hexadecimal digits, as ELB ends its ARNs."""
    return secrets.token_hex(8)


@dataclass
class TargetHealth:
    """A registered target as the data plane last reported it (C.3)."""

    id: str
    port: int
    zone: str
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"


@dataclass
class TargetGroup:
    """`settings` are the members of CreateTargetGroup, health check included, with the defaults filled in."""

    arn: str
    name: str
    settings: dict[str, Any]
    attributes: dict[str, str] = field(default_factory=lambda: dict(elbv2_attributes.TARGET_GROUP.defaults))
    tags: dict[str, str] = field(default_factory=dict)
    targets: dict[tuple[str, int], TargetHealth] = field(default_factory=dict)

    @property
    def is_sticky(self) -> bool:
        return self.attributes["stickiness.enabled"] == "true"


@dataclass(frozen=True)
class Rule:
    """A change replaces the rule. Its forward actions always have a ForwardConfig."""

    arn: str
    priority: str  # "1" to "50000", or "default"
    conditions: list[Condition]
    actions: list[Action]
    tags: dict[str, str] = field(default_factory=dict)
    transforms: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_default(self) -> bool:
        return self.priority == "default"

    def forwards_to(self, target_group: str) -> bool:
        """Weight 0 counts: the group is in use (C.1)."""
        configs = (action["ForwardConfig"] for action in self.actions if action["Type"] == "forward")
        return any(target_group == group["TargetGroupArn"] for config in configs for group in config["TargetGroups"])


@dataclass(frozen=True)
class Security:
    """What makes a listener HTTPS: its policy, its certificates (the default one first), and what is only kept and shown."""

    policy: str
    certificates: tuple[Certificate, ...]
    mutual_authentication: Mapping[str, Any]
    alpn_policy: tuple[str, ...] = ()


@dataclass
class Listener:
    """`bound` is the port of 127.0.0.1 where the data plane really listens. The default rule is the last of `rules`."""

    arn: str
    load_balancer: str  # ARN
    port: int
    rules: list[Rule]
    security: Security | None = None
    attributes: dict[str, str] = field(default_factory=dict)  # those that were set
    tags: dict[str, str] = field(default_factory=dict)
    bound: int = 0

    @property
    def protocol(self) -> str:
        return "HTTP" if self.security is None else "HTTPS"

    @property
    def attribute_kinds(self) -> elbv2_attributes.Attributes:
        return elbv2_attributes.LISTENER if self.security is None else elbv2_attributes.HTTPS_LISTENER

    @property
    def all_attributes(self) -> dict[str, str]:
        """The defaults filled in."""
        kinds = self.attribute_kinds.defaults
        return {**kinds, **{key: value for key, value in self.attributes.items() if key in kinds}}

    @property
    def default(self) -> Rule:
        return next(rule for rule in self.rules if rule.is_default)


@dataclass(frozen=True, slots=True)
class Interface:
    """Of EC2: its id and private address."""

    id: str
    address: str


@dataclass
class LoadBalancer:
    """`interfaces` by subnet."""

    arn: str
    name: str
    scheme: str
    kind: str
    vpc: str
    zones: list[dict[str, str]]
    security_groups: list[str]
    created: float
    ip_address_type: str = "ipv4"
    attributes: dict[str, str] = field(default_factory=lambda: dict(elbv2_attributes.LOAD_BALANCER.defaults))
    tags: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """`app/<name>/<id>`: the LoadBalancer dimension of its metrics."""
        return self.arn.split(":loadbalancer/")[1]

    @property
    def dns_name(self) -> str:
        return f"{self.name}-{self.arn.rsplit('/', 1)[1]}.elb.localhost"


@dataclass
class Elbv2State:
    load_balancers: dict[str, LoadBalancer] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)

    # ---- looking up; each raises ELB's own error

    def load_balancer(self, arn: str) -> LoadBalancer:
        if (found := self.load_balancers.get(arn)) is None:
            raise AwsError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return found

    def listener(self, arn: str) -> Listener:
        if (found := self.listeners.get(arn)) is None:
            raise AwsError("ListenerNotFound", f"Listener '{arn}' not found")
        return found

    def target_group(self, arn: str) -> TargetGroup:
        if (found := self.target_groups.get(arn)) is None:
            raise AwsError("TargetGroupNotFound", f"Target group '{arn}' not found")
        return found

    def rule(self, arn: str) -> tuple[Listener, Rule]:
        for listener in self.listeners.values():
            for rule in listener.rules:
                if rule.arn == arn:
                    return listener, rule
        raise AwsError("RuleNotFound", f"Rule '{arn}' not found")

    def listeners_of(self, load_balancer: str) -> list[Listener]:
        return [listener for listener in self.listeners.values() if listener.load_balancer == load_balancer]

    def users_of(self, target_group: str) -> Iterator[Listener]:
        """Listeners with a rule that forwards to a group, weight 0 included."""
        for listener in self.listeners.values():
            if any(rule.forwards_to(target_group) for rule in listener.rules):
                yield listener

    def load_balancers_of(self, target_group: str) -> list[str]:
        return list(dict.fromkeys(listener.load_balancer for listener in self.users_of(target_group)))

    def tagged(self, arn: str) -> dict[str, str]:
        """The tags of any resource."""
        kind = arn.split(":")[-1].split("/")[0]
        match kind:
            case "loadbalancer":
                return self.load_balancer(arn).tags
            case "targetgroup":
                return self.target_group(arn).tags
            case "listener":
                return self.listener(arn).tags
            case "listener-rule":
                return self.rule(arn)[1].tags
        raise AwsError("ValidationError", f"'{arn}' is not a valid ARN")
