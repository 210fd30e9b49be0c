"""Target groups as the data plane knows them: who may get a request, who is checked, who drains (C.2-C.4).

Choosing a target and counting the request happen in one step, with nothing awaited between them.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness import clock
from harness.emulator.alb.health_check import HealthCheck, watch
from harness.emulator.alb.messages import HealthChange, Target
from harness.emulator.alb.stickiness import Asks, Policy, token_of
from harness.emulator.alb.tls import to_targets

if TYPE_CHECKING:
    from harness.emulator.alb.upstream import Upstream

NOT_IN_USE = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
INITIAL = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
REGISTERING = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
HEALTHY = ("healthy", "", "")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
DISABLED = ("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled")
GONE = ("gone", "", "")
Health = tuple[str, str, str]
MOST_IDLE = 64  # kept-alive connections to one target


class Member:
    """A registered target. `health` is (state, reason, description); `in_flight` counts its requests.

    `warm_at` is when its slow start ends, in seconds since the epoch; 0 for one that has none. `founder`: it was registered when
    nobody was healthy, so it first becomes healthy without one, however long the others take.
    """

    def __init__(self, group: Group, target: Target) -> None:
        self.group, self.target = group, target
        self.name = f"{target.id}:{target.port}"
        self.health: Health = REGISTERING
        self.in_flight = 0
        self.idle: list[Upstream] = []
        self.connections: set[Upstream] = set()  # all of them, idle or not
        self.checking: asyncio.Task[None] | None = None
        self.passed = self.failed = 0
        self.warm_at, self.founder = 0.0, False
        self.logged = b""  # what a line of the access log says of it: filled in by the log
        self.token = token_of("target", group.arn, self.name)

    @property
    def state(self) -> str:
        return self.health[0]

    def become(self, health: Health) -> None:
        """The only writer of `health`."""
        if health != self.health:
            self.warm_at = 0.0
            if health == HEALTHY:
                self.warm_at, self.founder = self.group.slow_start_of(self), False
            self.health = health
            self.group.refresh()
            self.group.report(HealthChange(self.group.arn, self.target.id, self.target.port, *health))

    def checked(self, failure: Health | None) -> None:
        """Count the result of one check (None: passed). A new target needs one pass; thresholds count from then on."""
        check = self.group.check
        self.passed, self.failed = (self.passed + 1, 0) if failure is None else (0, self.failed + 1)
        if failure is None and (self.state == "initial" or self.passed >= check.healthy):
            self.become(HEALTHY)
        elif failure is not None and (self.failed >= check.unhealthy or self.state == "unhealthy"):
            self.become(failure)

    def spare(self, now: float, patience: float) -> Upstream | None:
        """A kept-alive connection that has waited for less than `patience` seconds: an older one the target may close any moment,
        which would be a 502 (C.5). None where there is none."""
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if now - upstream.parked > patience:
                upstream.transport.close()
            elif not upstream.transport.is_closing():
                return upstream
        return None

    def stop_checking(self) -> None:
        if self.checking is not None:
            self.checking.cancel()
            self.checking = None

    def close_connections(self, *, also_busy: bool) -> None:
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()
        if also_busy:
            for connection in [one for one in self.connections if one.exchange is not None]:
                connection.abandon()


class Group:
    """A target group. `in_use`: some rule of some listener forwards to it, even with weight 0."""

    def __init__(self, arn: str, report: Callable[[HealthChange], None]) -> None:
        self.arn, self.report = arn, report
        self.members: dict[tuple[str, int], Member] = {}
        self.check = HealthCheck()
        self.token = token_of("group", arn)
        self.tls: ssl.SSLContext | None = None  # to its targets
        self.connected = 0  # connections made to its targets, ever
        self.delay, self.in_use = 300.0, False
        self.sticky: Policy | None = None
        self.algorithm, self.slow_start = "round_robin", 0.0
        self.least_healthy: tuple[int, int] = (1, 0)
        self._candidates: list[Member] = []
        self._turn, self._in_turn = 0, True  # one after the other, with nothing else to look at
        self._warm_at = 0.0  # from then on nobody is in slow start

    def configure(self, health_check: Mapping[str, Any], attributes: Mapping[str, str], protocol: str) -> None:
        check = HealthCheck.of(health_check)
        self.tls = to_targets() if protocol == "HTTPS" else None
        self.delay = float(attributes.get("deregistration_delay.timeout_seconds", 300))
        self.algorithm = attributes.get("load_balancing.algorithm.type", "round_robin")
        self.slow_start = float(attributes.get("slow_start.duration_seconds", 0))
        self.sticky = Policy.of(attributes)
        self._in_turn = self.sticky is None and not self.slow_start and self.algorithm == "round_robin"
        self.least_healthy = _least_healthy(attributes)
        self.refresh()
        if check != self.check:
            self.check = check
            for member in self._serving():
                member.stop_checking()
                self._begin(member)

    def register(self, target: Target) -> None:
        """A target that is draining comes back; one that is there stays as it is."""
        key = (target.id, target.port)
        old = self.members.get(key)
        if old is not None and old.state != "draining":
            return
        if old is not None:
            old.close_connections(also_busy=False)
        member = self.members[key] = Member(self, target)
        member.founder = not self._anybody_warm(member)
        self._begin(member)
        self.refresh()

    def deregister(self, key: tuple[str, int]) -> None:
        """No new request from now on; what is in flight has until the end of the delay (C.4)."""
        member = self.members.get(key)
        if member is None or member.state == "draining":
            return
        member.stop_checking()
        member.become(DRAINING)
        member.close_connections(also_busy=False)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._drained, key, member)
        else:
            self._drained(key, member)

    def _drained(self, key: tuple[str, int], member: Member) -> None:
        if self.members.get(key) is member:
            del self.members[key]
            self.refresh()
        member.close_connections(also_busy=True)
        member.become(GONE)

    def use(self, in_use: bool) -> None:
        """Some listener began or ceased to forward here: checks begin, or end."""
        if in_use != self.in_use:
            self.in_use = in_use
            for member in self._serving():
                member.stop_checking()
                self._begin(member)

    def _begin(self, member: Member) -> None:
        member.passed = member.failed = 0
        if not self.in_use:
            member.become(NOT_IN_USE)
        elif not self.check.enabled:
            member.become(DISABLED)
        else:
            member.become(INITIAL)
            member.checking = asyncio.ensure_future(watch(self.check, member.target, member.checked))

    def _serving(self) -> list[Member]:
        return [member for member in self.members.values() if member.state != "draining"]

    def refresh(self) -> None:
        """Who may be chosen: the healthy, or everybody registered where too few are (fail-open, C.3)."""
        serving = self._serving()
        healthy = [one for one in serving if one.state in ("healthy", "unavailable")]
        count, percentage = self.least_healthy
        enough = len(healthy) >= count and 100 * len(healthy) >= percentage * len(serving)
        self._candidates = healthy if healthy and enough else serving
        self._warm_at = max((one.warm_at for one in self._candidates), default=0.0)

    def slow_start_of(self, member: Member) -> float:
        """When the slow start of a target that becomes healthy ends; 0 where no other healthy target is past its own (C.2)."""
        slow = self.slow_start and not member.founder and self._anybody_warm(member)
        return clock.now() + self.slow_start if slow else 0.0

    def _anybody_warm(self, but: Member) -> bool:
        now = clock.now()
        return any(one.state == "healthy" and one.warm_at <= now for one in self.members.values() if one is not but)

    def take(self, asked: Asks) -> Member | None:
        """Choose a target and count the request, in one step; None where nobody is registered."""
        candidates = self._candidates
        if not candidates:
            return None
        if self._in_turn:
            self._turn = turn = self._turn + 1
            chosen = candidates[turn % len(candidates)]
        elif self.sticky is None:
            chosen = self._pick(candidates, asked.arrived)
        else:
            token = self.sticky.token_in(asked)
            known = next((one for one in candidates if one.token == token), None) if token else None
            chosen = known or self._pick(candidates, asked.arrived)
            self.sticky.promise(asked, chosen.token, known=known is not None)
        chosen.in_flight += 1
        return chosen

    def _pick(self, candidates: list[Member], now: float) -> Member:
        """By the algorithm, or by what slow start lets each have."""
        if self.slow_start and now < self._warm_at:
            shares = [1.0 - min(1.0, max(0.0, one.warm_at - now) / self.slow_start) for one in candidates]
            if any(shares):
                return random.choices(candidates, shares)[0]
        self._turn += 1
        turn = self._turn % len(candidates)
        if self.algorithm == "least_outstanding_requests":
            return min(candidates[turn:] + candidates[:turn], key=lambda member: member.in_flight)
        return random.choice(candidates) if self.algorithm == "weighted_random" else candidates[turn]

    def hosts(self) -> dict[str, tuple[int, int]]:
        """(healthy, unhealthy) targets for the metrics, by availability zone and, at "", of all; empty where nobody is checked."""
        if not self.in_use or not self.check.enabled or not self.members:
            return {}
        members = self.members.values()
        by_zone = {
            zone: [one.state for one in members if zone in ("", one.target.zone)]
            for zone in {"", *(one.target.zone for one in members)}
        }
        return {zone: (states.count("healthy"), states.count("unhealthy")) for zone, states in by_zone.items()}

    def close(self) -> None:
        for member in self.members.values():
            member.stop_checking()
            member.close_connections(also_busy=True)


def _least_healthy(attributes: Mapping[str, str]) -> tuple[int, int]:
    """(targets, percent) that must be healthy before only the healthy get requests; 0 for one that is `off`."""
    prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
    count, percentage = attributes.get(prefix + "count", "1"), attributes.get(prefix + "percentage", "off")
    return 0 if count == "off" else int(count), 0 if percentage == "off" else int(percentage)
