"""Quotas of an account in a region, as DescribeAccountLimits shows them and the operations keep them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    load_balancers: int = 50
    listeners: int = 50  # of a load balancer
    rules: int = 100  # of a load balancer, default rules not counted
    target_groups: int = 3000
    targets: int = 1000  # of a target group
    groups_per_action: int = 5
    groups_per_balancer: int = 100
    certificates: int = 25  # of a listener, the default one not counted

    def render(self) -> list[dict[str, str]]:
        named = {
            "application-load-balancers": self.load_balancers,
            "listeners-per-application-load-balancer": self.listeners,
            "rules-per-application-load-balancer": self.rules,
            "target-groups": self.target_groups,
            "target-groups-per-action-on-application-load-balancer": self.groups_per_action,
            "target-groups-per-application-load-balancer": self.groups_per_balancer,
            "targets-per-application-load-balancer": self.targets,
            "certificates-per-application-load-balancer": self.certificates,
        }
        return [{"Name": name, "Max": str(most)} for name, most in named.items()]


LIMITS = Limits()
