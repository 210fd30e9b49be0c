"""Elastic Load Balancing v2, application load balancers (C). Balancers, listeners and target groups have files of their own."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import Answer, Caller, Cloud, Request
from harness.emulator.services.elbv2_balancers import Balancers
from harness.emulator.services.elbv2_base import MOST_TAGS, check_quota, pairs_of, tags_of
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_listeners import Listeners
from harness.emulator.services.elbv2_metrics import Metrics
from harness.emulator.services.elbv2_rules_operations import Rules
from harness.emulator.services.elbv2_target_groups import TargetGroups


class Elbv2(Balancers, Listeners, Rules, TargetGroups):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        cloud.plane.on_metrics = Metrics(cloud, self.states).publish

    def describe_account_limits(self, caller: Caller, request: Request) -> Answer:
        return {"Limits": LIMITS.render()}

    # ---- tags

    def add_tags(self, caller: Caller, request: Request) -> Answer:
        for arn in request["ResourceArns"]:
            tags, given = self.states[caller].tagged(arn), tags_of(request["Tags"])
            check_quota("TooManyTags", "tags", len({**tags, **given}), MOST_TAGS)
            tags.update(given)
        return {}

    def remove_tags(self, caller: Caller, request: Request) -> Answer:
        for arn in request["ResourceArns"]:
            for key in request["TagKeys"]:
                self.states[caller].tagged(arn).pop(key, None)
        return {}

    def describe_tags(self, caller: Caller, request: Request) -> Answer:
        described = [
            {"ResourceArn": arn, "Tags": pairs_of(self.states[caller].tagged(arn))} for arn in request["ResourceArns"]
        ]
        return {"TagDescriptions": described}

    # ---- for `rehearse status`

    def reachable(self) -> list[dict[str, Any]]:
        """Every load balancer with the URL where each of its listeners is really reached."""
        return [
            {
                "name": balancer.name,
                "arn": balancer.arn,
                "dns_name": balancer.dns_name,
                "listeners": [
                    {"port": one.port, "arn": one.arn, "url": f"{one.protocol.lower()}://127.0.0.1:{one.bound}"}
                    for one in state.listeners_of(balancer.arn)
                ],
            }
            for _, state in self.states.items()
            for balancer in state.load_balancers.values()
        ]
