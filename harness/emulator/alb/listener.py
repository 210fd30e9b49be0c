"""A listener: its socket, and the rules in force. A change replaces the whole tuple of rules in one assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.emulator.alb.client import Client
from harness.emulator.alb.heads import Heads
from harness.emulator.alb.memo import Memo
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.options import Options
from harness.emulator.alb.reply import Reply
from harness.emulator.alb.rules import Asked, Rule, compile_rules
from harness.emulator.alb.targets import Group

FALLBACK_PORTS = range(18000, 20000)
BACKLOG = 1024


class ListenerUnsupported(ValueError):
    """A listener that the data plane cannot serve; the message names why."""


class Listener:
    """`port` is the declared port, `bound` the one it really listens on."""

    def __init__(self, arn: str, load_balancer: str, port: int, record: Callable[[AccessRow], None]) -> None:
        self.arn, self.load_balancer, self.port, self.bound = arn, load_balancer, port, 0
        self.record = record
        self.rules: tuple[Rule, ...] = ()
        self.options = Options()
        self.heads = Heads(self.options, port, "http")
        self.replies: Memo[Reply] = Memo()
        self.clients: set[Client] = set()
        self.forwarded = b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: %d\r\n" % port
        self._server: asyncio.Server | None = None

    def configure(
        self, attributes: Mapping[str, str], rules: Sequence[Mapping[str, Any]], group: Callable[[str], Group]
    ) -> None:
        """Raises RuleUnsupported or ListenerUnsupported, and then nothing has changed."""
        compiled = compile_rules(rules, group)
        try:
            options = Options.of(attributes)
        except ValueError as error:
            raise ListenerUnsupported(str(error)) from error
        if options != self.options:
            self.options, self.heads = options, Heads(options, self.port, "http")
            for client in self.clients:
                client.configure()
        self.rules = compiled

    def route(self, asked: Asked) -> Rule | None:
        return next((rule for rule in self.rules if rule.matches(asked)), None)

    async def bind(self) -> None:
        """127.0.0.1 and the declared port, where it is free and allowed, else the next free one of a fixed range."""
        loop = asyncio.get_running_loop()
        for port in (self.port, *FALLBACK_PORTS):
            try:
                self._server = await loop.create_server(lambda: Client(self), "127.0.0.1", port, backlog=BACKLOG)
            except (PermissionError, OSError):
                continue
            self.bound = port
            return
        raise ListenerUnsupported(
            f"no port of {FALLBACK_PORTS.start}-{FALLBACK_PORTS.stop - 1} is free for listener {self.arn}"
        )

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long (C.5), and forget heads."""
        self.heads.memo.forget(now)
        self.replies.forget(now)
        for client in list(self.clients):
            client.check_idle(now)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.close_when_idle()
