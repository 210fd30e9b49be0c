"""A listener: its socket, and the rules in force. A change replaces the whole tuple of rules in one assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.emulator import bind
from harness.emulator.alb.client import Client
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.rules import Asked, Rule, compile_rules
from harness.emulator.alb.targets import Group

BACKLOG = 1024


class ListenerUnsupported(ValueError):
    """A listener that the data plane cannot serve; the message names why."""


class Listener:
    """`port` is the declared port, `bound` the one it really listens on."""

    def __init__(self, arn: str, load_balancer: str, port: int, record: Callable[[AccessRow], None]) -> None:
        self.arn, self.load_balancer, self.port, self.bound = arn, load_balancer, port, 0
        self.record = record
        self.rules: tuple[Rule, ...] = ()
        self.idle_timeout = 60.0
        self.clients: set[Client] = set()
        self.forwarded = b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: %d\r\n" % port
        self._server: asyncio.Server | None = None

    def configure(
        self, attributes: Mapping[str, str], rules: Sequence[Mapping[str, Any]], group: Callable[[str], Group]
    ) -> None:
        """Raises RuleUnsupported, and then nothing has changed."""
        compiled = compile_rules(rules, group)
        self.idle_timeout = float(attributes.get("idle_timeout.timeout_seconds", 60))
        self.rules = compiled

    def route(self, asked: Asked) -> Rule | None:
        return next((rule for rule in self.rules if rule.matches(asked)), None)

    async def bind(self) -> None:
        """The declared port, where it is free and allowed, else the next free one of a fixed range (bind.py)."""
        loop = asyncio.get_running_loop()
        ports = bind.listener_ports(self.port)
        for port in ports:
            try:
                self._server = await loop.create_server(lambda: Client(self), bind.address(), port, backlog=BACKLOG)
            except (PermissionError, OSError):
                continue
            self.bound = port
            return
        raise ListenerUnsupported(f"no port up to {ports[-1]} is free for listener {self.arn}")

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long (C.5)."""
        for client in list(self.clients):
            client.check_idle(now - self.idle_timeout)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.close_when_idle()
