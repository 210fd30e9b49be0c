"""What the ELBv2 operations share: state by region, the data plane, tags, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.alb.plane import PlaneRefused
from harness.emulator.cloud import AwsError, Cloud, Regional
from harness.emulator.services.elbv2_state import Elbv2State, Listener, TargetGroup

HEALTH_CHECK = (
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckEnabled",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)


class Base:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.states: Regional[Elbv2State] = Regional(Elbv2State)

    async def put_listener(self, state: Elbv2State, listener: Listener) -> None:
        """Bring a listener's rules into force in the data plane; answers when they are. Raises AwsError where it cannot."""
        balancer = state.load_balancer(listener.load_balancer)
        rules = [
            {"RuleArn": rule.arn, "Priority": rule.priority, "Conditions": rule.conditions, "Actions": rule.actions}
            for rule in listener.rules
        ]
        try:
            listener.bound = await self.cloud.plane.put_listener(
                listener.arn,
                load_balancer=balancer.path,
                protocol=listener.protocol,
                port=listener.port,
                attributes=balancer.attributes,
                rules=rules,
            )
        except PlaneRefused as error:
            raise AwsError("NotImplemented", f"elbv2: {error}", 501) from error
        self.cloud.changed.ring()

    async def put_target_group(self, group: TargetGroup) -> None:
        check = {key: group.settings[key] for key in HEALTH_CHECK if group.settings.get(key) is not None}
        await self.cloud.plane.put_target_group(group.arn, check, group.attributes)


def tags_of(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair.get("Value", "") for pair in pairs}


def pairs_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def attributes_of(pairs: Sequence[Mapping[str, str]], known: Mapping[str, str]) -> dict[str, str]:
    """Attributes that a Modify call gives. Raises AwsError for one that does not exist."""
    for pair in pairs:
        if pair["Key"] not in known:
            raise AwsError("InvalidConfigurationRequest", f"Attribute key '{pair['Key']}' is not recognized")
    return {pair["Key"]: pair.get("Value", "") for pair in pairs}


def page(items: Sequence[Any], request: Mapping[str, Any], key: str) -> dict[str, Any]:
    """One page of `items` by Marker and PageSize."""
    start, size = int(request.get("Marker") or 0), request.get("PageSize", 400)
    following = start + size
    return {key: list(items[start:following]), "NextMarker": str(following) if following < len(items) else None}
