"""What the ELBv2 operations share: state by region, the data plane, tags, pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from harness.emulator.alb.plane import PlaneRefused
from harness.emulator.cloud import AwsError, Cloud, Regional
from harness.emulator.services.elbv2_state import Elbv2State, Listener, TargetGroup
from harness.emulator.services.elbv2_tls import settings_of

LARGEST_PAGE = 400
MOST_TAGS = 50
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
        self._change = asyncio.Lock()

    @asynccontextmanager
    async def changing(self, state: Elbv2State, listener: Listener) -> AsyncIterator[None]:
        """What is changed inside is in force at the end; where it is refused, all is as before. One change at a time."""
        async with self._change:
            before = listener.port, listener.rules, listener.security, listener.attributes
            try:
                yield
                await self.put_listener(state, listener)
            except BaseException:
                listener.port, listener.rules, listener.security, listener.attributes = before
                raise

    async def put_listener(self, state: Elbv2State, listener: Listener) -> None:
        """Bring a listener's rules into force in the data plane; returns when they are. Raises AwsError where it cannot."""
        balancer, security = state.load_balancer(listener.load_balancer), listener.security
        rules = [
            {
                "RuleArn": rule.arn,
                "Priority": rule.priority,
                "Conditions": rule.conditions,
                "Actions": rule.actions,
                "Transforms": rule.transforms,
            }
            for rule in listener.rules
        ]
        try:
            listener.bound = await self.cloud.plane.put_listener(
                listener.arn,
                load_balancer=balancer.path,
                protocol=listener.protocol,
                port=listener.port,
                attributes=balancer.attributes | listener.all_attributes,
                rules=rules,
                tls=settings_of(security.policy, security.certificates) if security is not None else None,
            )
        except PlaneRefused as error:
            raise AwsError("NotImplemented", f"elbv2: {error}", 501) from error
        self.cloud.changed.ring()

    async def put_target_group(self, group: TargetGroup) -> None:
        check = {key: group.settings[key] for key in HEALTH_CHECK if group.settings.get(key) is not None}
        await self.cloud.plane.put_target_group(group.arn, check, group.attributes, group.settings["Protocol"])


def tags_of(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Raises DuplicateTagKeys and TooManyTags."""
    tags = {pair["Key"]: pair.get("Value", "") for pair in pairs}
    if len(tags) < len(pairs):
        raise AwsError("DuplicateTagKeys", "Tag keys must be unique")
    check_quota("TooManyTags", "tags", len(tags), MOST_TAGS)
    return tags


def check_quota(code: str, what: str, number: int, most: int) -> None:
    if number > most:
        raise AwsError(code, f"The maximum number of {what} has been reached: {most}")


def pairs_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def page(items: Sequence[Any], request: Mapping[str, Any], key: str) -> dict[str, Any]:
    """One page of `items` by Marker and PageSize. Raises AwsError for a marker that is none of ours."""
    marker, size = request.get("Marker") or "0", request.get("PageSize", LARGEST_PAGE)
    if not marker.isdecimal():
        raise AwsError("ValidationError", f"The marker '{marker}' is not valid")
    start, following = int(marker), int(marker) + size
    return {key: list(items[start:following]), "NextMarker": str(following) if following < len(items) else None}
