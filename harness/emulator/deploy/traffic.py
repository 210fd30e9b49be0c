"""The listeners of a deployment group: what must hold before work starts, and moving weights between two target groups."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from harness.emulator.deploy.deployment import DeploymentFailed
from harness.emulator.deploy.port import Port

log = logging.getLogger("rehearse.deploy")


@dataclass(frozen=True, slots=True)
class Traffic:
    """`live` and `idle` are target group ARNs as they were when the deployment began."""

    port: Port
    production: str
    test: str | None
    live: str
    idle: str

    async def check(self, *, test_must_match: bool) -> None:
        """A.3.6: raises DeploymentFailed before anything was changed. A test listener elsewhere is only logged, unless it must match."""
        problem = await self._problem(self.production)
        if (
            problem is None
            and self.test is not None
            and (astray := await self._problem(self.test, test=True)) is not None
        ):
            if test_must_match:
                problem = astray
            else:
                log.info("%s; carried on, as observed on AWS", astray)
        if problem is not None:
            raise DeploymentFailed(
                "ELASTIC_LOAD_BALANCING_INVALID", f"The ELB could not be updated due to the following error: {problem}"
            )

    async def _problem(self, listener: str, *, test: bool = False) -> str | None:
        rules = await self.port.rules(listener)
        serving = [rule for rule in rules if self.live in rule.weights]
        if not serving:
            return f"Primary taskset target group must be behind listener {listener}"
        for rule in serving:
            if set(rule.weights) - {self.live, self.idle}:
                return f"Only target group in ECS deployment group ({self.live}, {self.idle}) can be set on listener {rule.arn}"
            if rule.weights.get(self.idle, 0) > 0 and not test:
                return f"Green taskset target group cannot have non-zero weight prior to traffic shifting on listener {rule.arn}"
        return None

    async def shift(self, green: int) -> None:
        """Give green `green` percent on every production rule that forwards to the live group, and on no other (A.3.5)."""
        await self._weigh(self.production, green, {self.live})

    async def show_green_to_testers(self) -> None:
        if self.test is not None:
            await self._weigh(self.test, 100, {self.live, self.idle})

    async def back_to_blue(self) -> None:
        """Production and test listener as a rollback leaves them: everything on blue, green kept at 0."""
        await self.shift(0)
        if self.test is not None:
            await self._weigh(self.test, 0, {self.live, self.idle})

    async def _weigh(self, listener: str, green: int, forwarding_to: set[str]) -> None:
        for rule in await self.port.rules(listener):
            if forwarding_to & set(rule.weights):
                await self.port.forward(rule, {self.idle: green, self.live: 100 - green})
