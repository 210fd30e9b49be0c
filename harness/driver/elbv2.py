"""A load balancer with its two listeners and two target groups, and what a run reads of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.driver.network import Network
from harness.driver.session import Session, key_value
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.scenario import Service

PRODUCTION_PORT, TEST_PORT = 80, 8080
LOOK_EVERY = 0.5  # seconds; on AWS a load balancer takes some minutes


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    arn: str
    dns_name: str

    @property
    def dimension(self) -> str:
        """The value of CloudWatch's LoadBalancer dimension: `app/<name>/<id>` (C.9)."""
        return self.arn.partition(":loadbalancer/")[2]


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Of one target group: how many targets are in each state, the reasons given, and each target's (`address:port`) state."""

    states: Mapping[str, int]
    reasons: tuple[str, ...]
    targets: Mapping[str, str]

    @property
    def healthy(self) -> int:
        return self.states.get("healthy", 0)


def create_load_balancer(session: Session, undo: Undo, name: str, network: Network) -> LoadBalancer:
    answer = session.call(
        "elbv2",
        "create_load_balancer",
        Name=name,
        Type="application",
        Scheme="internet-facing",
        Subnets=list(network.subnets),
        SecurityGroups=[network.security_group],
        Tags=key_value(session.tags),
    )["LoadBalancers"][0]
    made = LoadBalancer(answer["LoadBalancerArn"], answer["DNSName"])
    undo.later(f"load balancer {name}", lambda: session.call("elbv2", "delete_load_balancer", LoadBalancerArn=made.arn))
    until(
        lambda: session.call("elbv2", "describe_load_balancers", LoadBalancerArns=[made.arn])["LoadBalancers"][0],
        within=300,
        waiting_for=f"load balancer {name} to be active",
        done=lambda seen: seen["State"]["Code"] == "active",
        every=LOOK_EVERY,
    )
    return made


def private_addresses(session: Session, load_balancer: LoadBalancer) -> list[str]:
    """Of its network interfaces, one in each zone; they are there a moment after the load balancer. Raises WaitTimedOut."""
    wanted = [{"Name": "description", "Values": [f"ELB {load_balancer.dimension}"]}]
    found = until(
        lambda: session.call("ec2", "describe_network_interfaces", Filters=wanted)["NetworkInterfaces"],
        within=120,
        waiting_for=f"network interfaces of {load_balancer.dimension}",
        every=LOOK_EVERY,
    )
    return sorted(one["PrivateIpAddress"] for one in found)


def create_target_group(session: Session, undo: Undo, name: str, network: Network, service: Service) -> str:
    """The ARN of a target group of addresses, or of instances where tasks run on them; with health check and delay."""
    check = service.health_check
    answer = session.call(
        "elbv2",
        "create_target_group",
        Name=name,
        Protocol="HTTP",
        Port=service.container_port,
        VpcId=network.vpc,
        TargetType="ip" if network.launch_type(service) == "FARGATE" else "instance",
        HealthCheckProtocol="HTTP",
        HealthCheckPort="traffic-port",
        HealthCheckPath=check.path,
        HealthCheckIntervalSeconds=round(check.interval),
        HealthCheckTimeoutSeconds=round(check.timeout),
        HealthyThresholdCount=check.healthy,
        UnhealthyThresholdCount=check.unhealthy,
        Matcher={"HttpCode": check.matcher},
        Tags=key_value(session.tags),
    )
    arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
    undo.later(f"target group {name}", lambda: session.call("elbv2", "delete_target_group", TargetGroupArn=arn))
    session.call(
        "elbv2",
        "modify_target_group_attributes",
        TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(round(service.deregistration_delay))}],
    )
    return arn


def create_listener(
    session: Session,
    undo: Undo,
    load_balancer: LoadBalancer,
    port: int,
    target_groups: Sequence[str],
    sticky: float | None = None,
) -> str:
    """All to the first target group; the others are on it with weight 0. `sticky`: seconds a user stays with a group."""
    answer = session.call(
        "elbv2",
        "create_listener",
        LoadBalancerArn=load_balancer.arn,
        Protocol="HTTP",
        Port=port,
        DefaultActions=[_forward(target_groups, sticky)],
        Tags=key_value(session.tags),
    )
    arn = str(answer["Listeners"][0]["ListenerArn"])
    undo.later(f"listener {port}", lambda: session.call("elbv2", "delete_listener", ListenerArn=arn))
    return arn


def _forward(target_groups: Sequence[str], sticky: float | None) -> dict[str, Any]:
    if len(target_groups) == 1 and sticky is None:
        return {"Type": "forward", "TargetGroupArn": target_groups[0]}
    first, *others = target_groups
    weighted = [{"TargetGroupArn": first, "Weight": 100}, *({"TargetGroupArn": one, "Weight": 0} for one in others)]
    stays = {"Enabled": True, "DurationSeconds": round(sticky)} if sticky is not None else {"Enabled": False}
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted, "TargetGroupStickinessConfig": stays}}


def repoint(session: Session, listener: str, target_group: str) -> None:
    """ModifyListener by a stranger: everything to one target group."""
    session.call(
        "elbv2",
        "modify_listener",
        ListenerArn=listener,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
    )


def weights(session: Session, listeners: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each listener: target group ARN to its percentage of the default action's total weight."""
    answer = session.call("elbv2", "describe_listeners", ListenerArns=list(listeners))
    return {one["ListenerArn"]: _percentages(one.get("DefaultActions", [])) for one in answer["Listeners"]}


def _percentages(actions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    forward = next((action for action in actions if action["Type"] == "forward"), None)
    if forward is None:
        return {}
    groups = forward.get("ForwardConfig", {}).get("TargetGroups") or [
        {"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}
    ]
    total = sum(group.get("Weight", 1) for group in groups)
    if not total:
        return {}
    return {group["TargetGroupArn"]: round(100 * group.get("Weight", 1) / total, 3) for group in groups}


def target_health(session: Session, target_group: str) -> TargetHealth:
    answer = session.call("elbv2", "describe_target_health", TargetGroupArn=target_group)
    seen = [one["TargetHealth"] for one in answer["TargetHealthDescriptions"]]
    reasons = sorted({one["Reason"] for one in seen if one.get("Reason")})
    targets = {
        f"{one['Target']['Id']}:{one['Target'].get('Port', '')}": one["TargetHealth"]["State"]
        for one in answer["TargetHealthDescriptions"]
    }
    return TargetHealth(
        dict(sorted(Counter(one["State"] for one in seen).items())), tuple(reasons), dict(sorted(targets.items()))
    )
