"""Deployment configurations, and the traffic shifts that each one means (A.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ALL_AT_ONCE = "CodeDeployDefault.ECSAllAtOnce"


@dataclass(frozen=True, slots=True)
class Routing:
    """A trafficRoutingConfig: `percent` per step and `interval` in minutes; neither means anything for AllAtOnce."""

    type: Literal["AllAtOnce", "TimeBasedCanary", "TimeBasedLinear"]
    percent: int = 100
    interval: int = 0

    def shifts(self) -> list[Shift]:
        """The weights green gets, each with the wait that follows it. The first one is applied at once (A.3.5)."""
        if self.type == "TimeBasedCanary":
            return [Shift(self.percent, self.interval * 60.0), Shift(100, 0.0)]
        weights = [*range(self.percent, 100, self.percent), 100] if self.type == "TimeBasedLinear" else [100]
        return [Shift(weight, 0.0 if weight == 100 else self.interval * 60.0) for weight in weights]

    @property
    def gradual(self) -> bool:
        return self.type != "AllAtOnce"

    def to_aws(self) -> dict[str, Any]:
        match self.type:
            case "TimeBasedCanary":
                return {
                    "type": self.type,
                    "timeBasedCanary": {"canaryPercentage": self.percent, "canaryInterval": self.interval},
                }
            case "TimeBasedLinear":
                return {
                    "type": self.type,
                    "timeBasedLinear": {"linearPercentage": self.percent, "linearInterval": self.interval},
                }
            case _:
                return {"type": self.type}


@dataclass(frozen=True, slots=True)
class Shift:
    """Give green `weight` percent of production, then wait `wait` seconds (declared)."""

    weight: int
    wait: float


class RoutingInvalid(ValueError):
    """A trafficRoutingConfig that CodeDeploy refuses; the message says what would be right."""


def from_aws(config: Mapping[str, Any], *, limited: bool = True) -> Routing:
    """The routing of an ECS trafficRoutingConfig, within the bounds that AWS documents for Lambda. Raises RoutingInvalid."""
    kind = config.get("type", "AllAtOnce")
    if kind == "AllAtOnce":
        return Routing("AllAtOnce")
    if kind not in ("TimeBasedCanary", "TimeBasedLinear"):
        raise RoutingInvalid(f"type is {kind}; it must be TimeBasedCanary, TimeBasedLinear or AllAtOnce")
    word = kind.removeprefix("TimeBased").lower()
    part = config.get(f"timeBased{word.title()}")
    if not part:
        raise RoutingInvalid(f"type is {kind} but timeBased{word.title()} is missing")
    percent, interval = part.get(f"{word}Percentage", 0), part.get(f"{word}Interval", 0)
    most = 99 if limited else 100
    if not 1 <= percent <= most:
        raise RoutingInvalid(f"{word}Percentage is {percent}; it must be between 1 and {most}")
    if interval < 1:
        raise RoutingInvalid(f"{word}Interval is {interval}; it must be at least 1 minute")
    routing = Routing(kind, percent, interval)
    if (total := sum(shift.wait for shift in routing.shifts()) / 60) > 2880 and limited:
        raise RoutingInvalid(f"the traffic shift takes {total:.0f} minutes; it must take at most 2880")
    return routing


ECS_CONFIGS: Mapping[str, Routing] = {
    ALL_AT_ONCE: Routing("AllAtOnce"),
    "CodeDeployDefault.ECSLinear10PercentEvery1Minutes": Routing("TimeBasedLinear", 10, 1),
    "CodeDeployDefault.ECSLinear10PercentEvery3Minutes": Routing("TimeBasedLinear", 10, 3),
    "CodeDeployDefault.ECSCanary10Percent5Minutes": Routing("TimeBasedCanary", 10, 5),
    "CodeDeployDefault.ECSCanary10Percent15Minutes": Routing("TimeBasedCanary", 10, 15),
}
# Listed by ListDeploymentConfigs and described by GetDeploymentConfig; nothing here executes them.
SERVER_CONFIGS: Mapping[str, dict[str, Any]] = {
    "CodeDeployDefault.OneAtATime": {"type": "HOST_COUNT", "value": 1},
    "CodeDeployDefault.HalfAtATime": {"type": "FLEET_PERCENT", "value": 50},
    "CodeDeployDefault.AllAtOnce": {"type": "HOST_COUNT", "value": 0},
}
LAMBDA_CONFIGS: Mapping[str, Routing] = {
    "CodeDeployDefault.LambdaAllAtOnce": Routing("AllAtOnce"),
    **{
        f"CodeDeployDefault.LambdaCanary10Percent{minutes}Minutes": Routing("TimeBasedCanary", 10, minutes)
        for minutes in (5, 10, 15, 30)
    },
    **{
        f"CodeDeployDefault.LambdaLinear10PercentEvery{minutes}Minute{'s' if minutes > 1 else ''}": Routing(
            "TimeBasedLinear", 10, minutes
        )
        for minutes in (1, 2, 3, 10)
    },
}
