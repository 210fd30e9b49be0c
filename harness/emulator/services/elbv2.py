"""Elastic Load Balancing v2, application load balancers (C). Balancers, listeners and target groups have files of their own."""

from __future__ import annotations

from typing import Any

from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.metrics import Metrics
from harness.emulator.cloud import Answer, Caller, Cloud, Request
from harness.emulator.services.elbv2_balancers import Balancers
from harness.emulator.services.elbv2_base import pairs_of, tags_of
from harness.emulator.services.elbv2_listeners import Listeners
from harness.emulator.services.elbv2_target_groups import TargetGroups

LIMITS = {
    "application-load-balancers": "50",
    "listeners-per-application-load-balancer": "50",
    "rules-per-application-load-balancer": "100",
    "target-groups": "3000",
    "target-groups-per-action-on-application-load-balancer": "5",
    "targets-per-application-load-balancer": "1000",
}


class Elbv2(Balancers, Listeners, TargetGroups):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._metrics = Metrics(cloud, self._owner)
        cloud.plane.on_access = self._metrics.add

    def _owner(self, row: AccessRow) -> Caller:
        """Whose load balancer a request went through; one that is deleted by now was the default account's."""
        for caller, state in self.states.items():
            if any(arn.endswith(f":loadbalancer/{row.load_balancer}") for arn in state.load_balancers):
                return caller
        return Caller()

    def describe_account_limits(self, caller: Caller, request: Request) -> Answer:
        return {"Limits": [{"Name": name, "Max": most} for name, most in LIMITS.items()]}

    # ---- tags

    def add_tags(self, caller: Caller, request: Request) -> Answer:
        for arn in request["ResourceArns"]:
            self.states[caller].tagged(arn).update(tags_of(request["Tags"]))
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
                    {"port": one.port, "arn": one.arn, "url": f"http://127.0.0.1:{one.bound}"}
                    for one in state.listeners_of(balancer.arn)
                ],
            }
            for _, state in self.states.items()
            for balancer in state.load_balancers.values()
        ]
