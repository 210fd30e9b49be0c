"""A container's own health check (D.3): a command run inside it, again and again, as Docker does. An image's HEALTHCHECK is ignored."""

from __future__ import annotations

from collections.abc import Callable

from harness.clock import Clock, within
from harness.emulator.runtime.base import Container
from harness.emulator.services.ecs_state import HealthCheck


def command_of(check: HealthCheck) -> tuple[str, ...]:
    """CMD-SHELL is the shell's, CMD is run as it stands."""
    kind, *rest = check.command
    return ("/bin/sh", "-c", " ".join(rest)) if kind == "CMD-SHELL" else tuple(rest)


async def watch(clock: Clock, check: HealthCheck, container: Container, became: Callable[[str], None]) -> None:
    """Until cancelled. The first success makes it HEALTHY; `retries` failures in a row, after the start period, UNHEALTHY."""
    began, failures, command = clock.now(), 0, command_of(check)
    while True:
        await clock.sleep(check.interval)
        if await _passes(clock, check, container, command):
            failures = 0
            became("HEALTHY")
        elif clock.now() >= began + check.start_period:
            failures += 1
            if failures >= check.retries:
                became("UNHEALTHY")


async def _passes(clock: Clock, check: HealthCheck, container: Container, command: tuple[str, ...]) -> bool:
    try:
        return await within(clock, check.timeout, container.execute(command)) == 0
    except TimeoutError:
        return False
