"""Health checks: one request on a new connection every interval (C.3). Real time, never compressed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.clock import Wall
from harness.emulator.alb.messages import Target
from harness.emulator.alb.tls import to_targets

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d\d\d)[ \r\n]")
REGISTRATION = (
    2.0  # seconds until a new target's first check: ELB registers it, and a task that just started opens its port
)
Failure = tuple[str, str, str]
TIMED_OUT: Failure = ("unhealthy", "Target.Timeout", "Request timed out")
FAILED: Failure = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Settings of a target group; seconds and counts. `port` is None for the traffic port."""

    path: str = "/"
    interval: float = 30.0
    timeout: float = 5.0
    healthy: int = 5
    unhealthy: int = 2
    matcher: str = "200"
    port: int | None = None
    enabled: bool = True
    tcp: bool = False
    tls: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> HealthCheck:
        """From the members of an AWS target group."""
        port = raw.get("HealthCheckPort", "traffic-port")
        return cls(
            path=raw.get("HealthCheckPath") or "/",
            interval=float(raw.get("HealthCheckIntervalSeconds", 30)),
            timeout=float(raw.get("HealthCheckTimeoutSeconds", 5)),
            healthy=int(raw.get("HealthyThresholdCount", 5)),
            unhealthy=int(raw.get("UnhealthyThresholdCount", 2)),
            matcher=raw.get("Matcher", {}).get("HttpCode", "200"),
            port=None if port == "traffic-port" else int(port),
            enabled=bool(raw.get("HealthCheckEnabled", True)),
            tcp=raw.get("HealthCheckProtocol") == "TCP",
            tls=raw.get("HealthCheckProtocol") == "HTTPS",
        )

    def matches(self, status: int) -> bool:
        """Matcher: `200`, `200,204`, `200-299`."""
        for part in self.matcher.split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


async def watch(check: HealthCheck, target: Target, checked: Callable[[Failure | None], None]) -> None:
    """Check soon after registration and then every interval, until cancelled; each result goes to `checked` (None: passed)."""
    clock = Wall()
    await clock.sleep(min(REGISTRATION, check.interval))
    while True:
        began = clock.now()
        checked(await once(check, target))
        await clock.sleep(max(0.0, check.interval - (clock.now() - began)))


async def once(check: HealthCheck, target: Target) -> Failure | None:
    """One check: None, or why it failed."""
    if target.connect is None:
        await Wall().sleep(check.timeout)
        return TIMED_OUT
    host, port = target.connect[0], check.port or target.connect[1]
    try:
        async with asyncio.timeout(check.timeout):
            return await _ask(check, target, host, port)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, ValueError):
        return FAILED


async def _ask(check: HealthCheck, target: Target, host: str, port: int) -> Failure | None:
    reader, writer = await asyncio.open_connection(host, port, ssl=to_targets() if check.tls else None)
    try:
        if check.tcp:
            return None
        writer.write(
            f"GET {check.path} HTTP/1.1\r\nHost: {target.id}:{target.port}\r\nConnection: close\r\n"
            "User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n".encode()
        )
        found = STATUS_LINE.match(await reader.readline())
        if found is None:
            return FAILED
        if check.matches(status := int(found[1])):
            return None
        return ("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")
    finally:
        writer.close()
