"""Carries out the emulator's orders in the data plane's process, one after the other, and sends news back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from harness import clock
from harness.clock import Wall
from harness.emulator.alb.listener import Listener, ListenerUnsupported
from harness.emulator.alb.messages import AccessRow, HealthChange, Target
from harness.emulator.alb.rules import RuleUnsupported
from harness.emulator.alb.targets import Group

FLUSH = 0.1  # seconds between two batches of news
SWEEP = 1.0


class Control:
    """The state of the data plane: groups and listeners by ARN."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.groups: dict[str, Group] = {}
        self.listeners: dict[str, Listener] = {}
        self._rows: list[AccessRow] = []
        self._health: list[HealthChange] = []

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Until the emulator closes its end; then nothing is left."""
        news = [asyncio.ensure_future(self._flush()), asyncio.ensure_future(self._sweep())]
        try:
            with contextlib.suppress(ConnectionError):  # killed, the emulator closes nothing: its end just goes
                while line := await reader.readline():
                    self._send(await self._obey(json.loads(line)))
        finally:
            for task in news:
                task.cancel()
            for listener in self.listeners.values():
                listener.close()
            for group in self.groups.values():
                group.close()

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            result = await ORDERS[order["order"]](self, **order["with"])
        except (RuleUnsupported, ListenerUnsupported) as error:
            return {"id": order["id"], "error": str(error)}
        return {"id": order["id"], "result": result}

    def group(self, arn: str) -> Group:
        return self.groups[arn]

    # ---- orders

    async def put_target_group(self, arn: str, health_check: dict[str, Any], attributes: dict[str, str]) -> None:
        group = self.groups.setdefault(arn, Group(arn, self._health.append))
        group.configure(health_check, attributes)

    async def delete_target_group(self, arn: str) -> None:
        if (group := self.groups.pop(arn, None)) is not None:
            group.close()

    async def put_listener(
        self,
        arn: str,
        load_balancer: str,
        protocol: str,
        port: int,
        attributes: dict[str, str],
        rules: list[dict[str, Any]],
    ) -> int:
        """Answers when the new rules are in force."""
        if protocol != "HTTP":
            raise ListenerUnsupported(f"{protocol} listeners are not emulated yet: use HTTP")
        listener = self.listeners.get(arn)
        if listener is not None and listener.port != port:
            listener.close()
            listener = None
        if listener is None:
            listener = Listener(arn, load_balancer, port, self._rows.append)
            listener.configure(attributes, rules, self.group)
            await listener.bind()
            self.listeners[arn] = listener
        else:
            listener.configure(attributes, rules, self.group)
        self._mark_used()
        return listener.bound

    async def delete_listener(self, arn: str) -> None:
        if (listener := self.listeners.pop(arn, None)) is not None:
            listener.close()
            self._mark_used()

    async def register(self, target_group: str, targets: list[dict[str, Any]]) -> None:
        for raw in targets:
            self.groups[target_group].register(Target.from_json(raw))

    async def deregister(self, target_group: str, targets: list[list[Any]]) -> None:
        for target_id, port in targets:
            self.groups[target_group].deregister((target_id, port))

    def _mark_used(self) -> None:
        """A group is in use when any rule forwards to it, weight 0 included (C.1)."""
        used = {arn for listener in self.listeners.values() for rule in listener.rules for arn in rule.groups}
        for arn, group in self.groups.items():
            group.use(arn in used)

    # ---- news

    async def _flush(self) -> None:
        while True:
            await Wall().sleep(FLUSH)
            if self._health:
                changes = [asdict(change) for change in self._health]
                self._health.clear()
                self._send({"event": "health", "changes": changes})
            if self._rows:
                self._send({"event": "access", "rows": self._rows})
                self._rows.clear()

    async def _sweep(self) -> None:
        while True:
            await Wall().sleep(SWEEP)
            for listener in self.listeners.values():
                listener.sweep(clock.now())

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


Order = Callable[..., Any]
ORDERS: dict[str, Order] = {
    "put_target_group": Control.put_target_group,
    "delete_target_group": Control.delete_target_group,
    "put_listener": Control.put_listener,
    "delete_listener": Control.delete_listener,
    "register": Control.register,
    "deregister": Control.deregister,
}
