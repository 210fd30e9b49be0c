"""Elastic Load Balancing v2, application load balancers (C). Balancers, listeners and target groups have files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.emulator.by_host import NoListener
from harness.emulator.cloud import Answer, Caller, Cloud, Request
from harness.emulator.services.elbv2_balancers import Balancers
from harness.emulator.services.elbv2_base import MOST_TAGS, check_quota, pairs_of, tags_of
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_listeners import Listeners
from harness.emulator.services.elbv2_metrics import Metrics
from harness.emulator.services.elbv2_rules_operations import Rules
from harness.emulator.services.elbv2_state import Listener
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

    # ---- for the API port, and for `rehearse status`

    def url_of(self, dns_name: str, port: int | None) -> str:
        """Where a listener is really reached; without a port that of port 80, or the only one. Raises NoListener."""
        for _, state in self.states.items():
            for balancer in state.load_balancers.values():
                if balancer.dns_name.lower() == dns_name:
                    return _url(_named(state.listeners_of(balancer.arn), balancer.name, port))
        raise NoListener(f"no load balancer has the name {dns_name}")

    def way_to(self, address: str, port: int) -> int | None:
        """Where on this machine the listener of a load balancer with this private address is; 0 where it has none on the port.

        None where no load balancer has the address.
        """
        for _, state in self.states.items():
            for balancer in state.load_balancers.values():
                if any(one.address == address for one in balancer.interfaces.values()):
                    bound = (one.bound for one in state.listeners_of(balancer.arn) if one.port == port)
                    return next(bound, 0)
        return None

    def reachable(self) -> list[dict[str, Any]]:
        """Every load balancer with the URL where each of its listeners is really reached."""
        return [
            {
                "name": balancer.name,
                "arn": balancer.arn,
                "dns_name": balancer.dns_name,
                "listeners": [
                    {"port": one.port, "arn": one.arn, "url": _url(one)} for one in state.listeners_of(balancer.arn)
                ],
            }
            for _, state in self.states.items()
            for balancer in state.load_balancers.values()
        ]


def _url(listener: Listener) -> str:
    return f"{listener.protocol.lower()}://127.0.0.1:{listener.bound}"


def _named(listeners: Sequence[Listener], balancer: str, port: int | None) -> Listener:
    by_port = {one.port: one for one in listeners}
    found = by_port.get(80 if port is None else port)
    if found is None and port is None and len(listeners) == 1:
        found = listeners[0]
    if found is None:
        there = ", ".join(map(str, sorted(by_port))) or "none"
        raise NoListener(f"{balancer} has no listener on port {port or 80} (there are: {there})")
    return found
