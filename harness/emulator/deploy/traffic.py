"""The listeners of a deployment group: what must hold before work starts, and moving weights between two target groups."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from harness.emulator.cloud import AwsError
from harness.emulator.deploy.deployment import DeploymentFailed
from harness.emulator.deploy.port import Port, Rule
from harness.emulator.settings import Settings

log = logging.getLogger("rehearse.deploy")


def elb_invalid(problem: object) -> DeploymentFailed:
    """A.3.6"""
    return DeploymentFailed(
        "ELASTIC_LOAD_BALANCING_INVALID", f"The ELB could not be updated due to the following error: {problem}"
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """`live` and `idle` are target group ARNs as they were when the deployment began. Writing raises DeploymentFailed."""

    port: Port
    production: str
    test: str | None
    live: str
    idle: str
    settings: Settings

    async def check(self) -> None:
        """A.3.6: raises DeploymentFailed before anything was changed. A test listener elsewhere is only logged, unless it must match."""
        problem = await self._problem(self.production)
        if problem is None and self.test is not None and (astray := await self._problem(self.test, test=True)):
            if self.settings.test_listener_check == "fail":
                problem = astray
            else:
                log.info("%s; carried on, as observed on AWS", astray)
        if problem is not None:
            raise elb_invalid(problem)

    async def _problem(self, listener: str, *, test: bool = False) -> str | None:
        rules = await self._rules(listener)
        serving = [rule for rule in rules if self.live in rule.weights]
        astray = next((rule.arn for rule in rules if self.idle in rule.weights and rule not in serving), None)
        if not serving or (astray and not test):
            return f"Primary taskset target group must be behind listener {astray or listener}"
        for rule in serving:
            if set(rule.weights) - {self.live, self.idle}:
                return f"Only target group in ECS deployment group ({self.live}, {self.idle}) can be set on listener {rule.arn}"
            if rule.weights.get(self.idle, 0) > 0 and not test:
                return f"Green taskset target group cannot have non-zero weight prior to traffic shifting on listener {rule.arn}"
        return None

    async def attach_idle(self) -> None:
        """Put the idle group on production at weight 0, so that it is health-checked before the shift (A.1.2)."""
        await self.shift(0)

    async def shift(self, green: int) -> None:
        """Give green `green` percent on every production rule that forwards to the live group, and on no other (A.3.5)."""
        await self._write(self.production, {self.idle: green, self.live: 100 - green}, {self.live})

    async def show_green_to_testers(self) -> None:
        await self._write_test(self.idle, self.live)

    async def back_to_blue(self) -> None:
        """Production and test listener as a rollback leaves them: everything on blue, green kept at 0."""
        await self.shift(0)
        await self._write_test(self.live, self.idle)

    async def _write_test(self, shown: str, hidden: str) -> None:
        if self.test is not None:
            weighted = {self.idle: 100, self.live: 0} if shown == self.idle else {self.idle: 0, self.live: 100}
            await self._write(
                self.test, weighted if self.settings.test_listener_weighted else {shown: 100}, {shown, hidden}
            )

    async def _write(self, listener: str, weights: dict[str, int], forwarding_to: set[str]) -> None:
        for rule in await self._rules(listener):
            if forwarding_to & set(rule.weights):
                try:
                    await self.port.forward(rule, weights, keep_stickiness=self.settings.keep_stickiness)
                except AwsError as error:
                    raise elb_invalid(error) from error

    async def _rules(self, listener: str) -> list[Rule]:
        try:
            return await self.port.rules(listener)
        except AwsError as error:
            raise elb_invalid(error) from error
